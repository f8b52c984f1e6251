// Decides where Gemini is asked, and with what: an API key, or an access token for a service account (RFC 7523 s2.1).
import * as z from "zod/mini";
import type { ProviderEntry } from "../../core/config/document.ts";
import { sha256Hex } from "../../core/json/digest.ts";
import type { AccessTokens, TokenAnswer, TokenOrder, TokenWording } from "../access-tokens.ts";
import { toBase64Url } from "../base64-url.ts";
import { fromBase64, utf8 } from "../kv/sealed.ts";

/** Where a request goes, and which hosts may be asked there: `undefined` for those that the config allows. */
interface GeminiAddress {
  readonly url: string;
  readonly allowedHosts: readonly string[] | undefined;
}

/** What is asked of a model. */
export type GeminiMethod = "generateContent" | "streamGenerateContent" | "countTokens" | "batchEmbedContents";

const API_HOST = "generativelanguage.googleapis.com";

/** The address at which a model answers whole, or as server-sent events. */
export function geminiAddress(
  provider: Pick<ProviderEntry, "base_url" | "vertex">,
  model: string,
  isStream: boolean,
): GeminiAddress {
  return geminiMethodAddress(provider, model, isStream ? "streamGenerateContent" : "generateContent");
}

/**
 * The address of one method of a model. A `base_url` stands for the host and the version, `/v1beta` (Vertex AI: `/v1`)
 * where it has no path. Models are named as Google names them: `gemini-2.5-pro`, `models/…`, `tunedModels/…`; at Vertex AI
 * also `publishers/…` and `endpoints/…`.
 */
export function geminiMethodAddress(
  { base_url, vertex }: Pick<ProviderEntry, "base_url" | "vertex">,
  model: string,
  method: GeminiMethod,
): GeminiAddress {
  const host = vertex === undefined ? API_HOST : vertexHost(vertex.location);
  const base = base_url === undefined ? new URL(`https://${host}`) : new URL(base_url);
  const version = vertex === undefined ? "/v1beta" : "/v1";
  const path = base.pathname.replace(/\/+$/, "");
  const resource = vertex === undefined ? modelResource(model) : vertexResource(vertex, model);
  const query = method === "streamGenerateContent" ? "?alt=sse" : "";
  return {
    url: `${base.origin}${path === "" ? version : path}/${resource.split("/").map(encodeURIComponent).join("/")}:${method}${query}`,
    allowedHosts: base_url === undefined ? [host] : undefined,
  };
}

function vertexHost(location: string): string {
  return location === "global" ? "aiplatform.googleapis.com" : `${location}-aiplatform.googleapis.com`;
}

function modelResource(model: string): string {
  return /^(?:models|tunedModels)\//.test(model) ? model : `models/${model}`;
}

function vertexResource({ project, location }: NonNullable<ProviderEntry["vertex"]>, model: string): string {
  const name = model.replace(/^models\//, "");
  const resource = /^(?:publishers|endpoints)\//.test(name) ? name : `publishers/google/models/${name}`;
  return `projects/${project}/locations/${location}/${resource}`;
}

/** On whose behalf a token is asked for. */
export interface GoogleTokenRequest {
  readonly tenant: string;
  /** The text of a service account's JSON key. */
  readonly key: string;
  /** Hosts that the config allows, for keys that name a token endpoint of their own. */
  readonly allowedHosts: readonly string[];
  readonly signal: AbortSignal;
}

/** The header that goes with a request, and every text that must not be seen in an answer or a record. */
export type GoogleAuthorization =
  | {
      readonly ok: true;
      readonly name: string;
      readonly value: string;
      readonly texts: readonly string[];
      /** Forgets a token that was refused with 401; the next one is new. */
      readonly refused: () => void;
    }
  | { readonly ok: false; readonly reason: string };

/** The authorization of a provider's request: its secret is an API key, or at Vertex AI a service account's key. */
export async function googleAuthorization(
  tokens: AccessTokens,
  { vertex }: Pick<ProviderEntry, "vertex">,
  request: GoogleTokenRequest,
): Promise<GoogleAuthorization> {
  const { key } = request;
  if (vertex === undefined)
    return { ok: true, name: "x-goog-api-key", value: key, texts: [key], refused: () => undefined };
  const answer = await googleToken(tokens, request);
  if (!answer.ok) return answer;
  const { token } = answer;
  return {
    ok: true,
    name: "authorization",
    value: `Bearer ${token}`,
    texts: [token],
    refused: () => forgetGoogleToken(tokens, request, token),
  };
}

/**
 * An access token for Google Cloud, kept until shortly before it ends and asked for once at a time. No reason repeats what
 * the key or the endpoint said.
 */
export async function googleToken(tokens: AccessTokens, request: GoogleTokenRequest): Promise<TokenAnswer> {
  const order = tokenOrder(request);
  return order === undefined ? { ok: false, reason: MALFORMED } : tokens.of(order);
}

/** Forgets a token that was refused, unless another has taken its place. */
function forgetGoogleToken(tokens: AccessTokens, request: GoogleTokenRequest, token: string): void {
  const order = tokenOrder(request);
  if (order !== undefined) tokens.forget(order, token);
}

const MALFORMED =
  "the provider's stored secret is no service account key: expected Google's JSON with client_email and a PKCS #8 private_key";
const UNSIGNABLE = "the service account's private_key is no RSA key in PKCS #8 form";
const TOKEN_HOST = "oauth2.googleapis.com";
const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
/** The longest life that Google gives an assertion. */
const ASSERTION_LIFE_S = 3_600;

const ServiceAccount = z.object({
  type: z.optional(z.literal("service_account")),
  client_email: z.string().check(z.regex(/^[^\s@]+@[^\s@]+$/)),
  private_key: z.string().check(z.includes("-----BEGIN PRIVATE KEY-----")),
  private_key_id: z.optional(z.string()),
  token_uri: z.optional(z.url()),
});

type ServiceAccountKey = z.infer<typeof ServiceAccount>;

function tokenOrder({ tenant, key, allowedHosts, signal }: GoogleTokenRequest): TokenOrder | undefined {
  const account = accountOf(key);
  if (account === undefined) return undefined;
  const url = account.token_uri ?? `https://${TOKEN_HOST}/token`;
  return {
    name: sha256Hex(JSON.stringify(["google", tenant, key])),
    url,
    allowedHosts: [...allowedHosts, TOKEN_HOST],
    signal,
    wording: (nowMs) => assertionWording(account, url, nowMs),
  };
}

function accountOf(key: string): ServiceAccountKey | undefined {
  try {
    const parsed = ServiceAccount.safeParse(JSON.parse(key));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

async function assertionWording(account: ServiceAccountKey, url: string, nowMs: number): Promise<TokenWording> {
  const signing = await signingKey(account.private_key);
  if (signing === undefined) return { ok: false, reason: UNSIGNABLE };
  const { client_email, private_key_id } = account;
  const issuedAt = Math.floor(nowMs / 1000);
  const header = { alg: "RS256", typ: "JWT", ...(private_key_id === undefined ? {} : { kid: private_key_id }) };
  const claims = { iss: client_email, scope: SCOPE, aud: url, iat: issuedAt, exp: issuedAt + ASSERTION_LIFE_S };
  const signed = [header, claims].map((each) => toBase64Url(utf8(JSON.stringify(each)))).join(".");
  const signature = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", signing, utf8(signed));
  const assertion = `${signed}.${toBase64Url(new Uint8Array(signature))}`;
  return { ok: true, form: new URLSearchParams({ grant_type: GRANT, assertion }) };
}

async function signingKey(pem: string): Promise<CryptoKey | undefined> {
  const body = /-----BEGIN PRIVATE KEY-----([\sA-Za-z0-9+/=]+)-----END PRIVATE KEY-----/.exec(pem)?.[1];
  if (body === undefined) return undefined;
  try {
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    return await crypto.subtle.importKey("pkcs8", fromBase64(body.replaceAll(/\s/g, "")), algorithm, false, ["sign"]);
  } catch {
    return undefined;
  }
}
