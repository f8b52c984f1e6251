// Makes issuers with real keys, and signs tokens as they would and as they never would.
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from "jose";
import type { Egress } from "../../src/adapters/egress.ts";
import { issuerTokens } from "../../src/adapters/identity/token-verifier.ts";
import { ConfigDocument } from "../../src/core/config/document.ts";
import type { TokenVerifier } from "../../src/gateway/ports/identity.ts";

export const ISSUER = "https://idp.example/acme";
export const AUDIENCE = "https://gateway.example/mcp";
/** 2026-11-26T00:00:00Z. */
export const START_MS = 1_795_651_200_000;
export const START_S = START_MS / 1000;

/** A key pair that signs, and its public half as a key set lists it. */
export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

/** A fresh pair. */
export async function signingKey(alg: string, kid: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } };
}

/** What a token says besides the defaults; `undefined` takes a claim away. */
export interface TokenWords {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** A token of the issuer, good unless its words say otherwise. */
export function tokenOf(key: SigningKey, { header = {}, claims = {} }: TokenWords = {}): Promise<string> {
  const words = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: "user-7",
    iat: START_S,
    exp: START_S + 600,
    actor: "support",
    scope: "billing:write crm:read",
    ...claims,
  };
  return new SignJWT(words).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey);
}

/** What an address answers: a JSON value, an error of the network, or what a function makes. */
type Page = unknown;

/** Issuers on a made-up network: pages by address, everything that is asked is kept. */
export interface Network {
  readonly pages: Map<string, Page>;
  readonly asked: string[];
  now: number;
  readonly egress: Egress;
  readonly verifier: TokenVerifier;
}

export const METADATA_URL = `${ISSUER}/.well-known/openid-configuration`;
export const KEYS_URL = `${ISSUER}/keys`;

/** A network on which the issuer lists these keys. */
export function networkWith(...keys: readonly JWK[]): Network {
  const pages = new Map<string, Page>([
    [METADATA_URL, { issuer: ISSUER, jwks_uri: KEYS_URL }],
    [KEYS_URL, { keys }],
  ]);
  const asked: string[] = [];
  const clock = { now: START_MS };
  const egress: Egress = async ({ url, allowedHosts }) => {
    await Promise.resolve();
    if (!allowedHosts.includes(new URL(url).host)) return { sent: false, reason: "the host is not in egress.allow" };
    asked.push(url);
    const page = pages.get(url);
    if (page instanceof Error) throw page;
    if (page === undefined) return { sent: true, response: new Response("no", { status: 404 }) };
    return { sent: true, response: typeof page === "function" ? (page as () => Response)() : Response.json(page) };
  };
  const system = {
    now: () => clock.now,
    wait: (ms: number) => {
      clock.now += ms;
      return new Promise<void>((resolve) => setImmediate(resolve));
    },
  };
  return Object.assign(clock, { pages, asked, egress, verifier: issuerTokens(egress, system) });
}

/** A document with one issuer; further members of its entry replace the defaults. */
export function identityDocument(
  entry: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, unknown>> = {},
): ConfigDocument {
  return ConfigDocument.parse({
    actors: { support: { scopes: ["*"] }, billing: {} },
    identity: { issuers: { acme: { issuer: ISSUER, actor: { claim: "actor" }, ...entry } } },
    egress: { allow: ["idp.example"] },
    ...more,
  });
}
