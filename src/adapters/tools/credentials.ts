// Decides what a tenant's stored secrets become in a request: a header, a basic pair, an access token, a signature.
import { timestampHeader, type ToolAuth } from "../../core/config/request-document.ts";
import { signatureHeader, signedText } from "../../core/tools/signature.ts";
import type { Secrets, System } from "../../gateway/ports.ts";
import { toBase64, utf8 } from "../kv/sealed.ts";
import { AccessTokens } from "../access-tokens.ts";
import type { Egress } from "../egress.ts";
import { clientBasic, clientTokenOrder, type ClientCredentials } from "./client-credentials.ts";

/** The request that a credential goes with. */
export interface Outgoing {
  readonly method: string;
  readonly url: string;
  readonly body: string | null;
}

/** A credential ready to be sent. */
export interface Credential {
  /** The headers it fills, for exactly this request. */
  headersFor(request: Outgoing): Promise<Readonly<Record<string, string>>>;
  /** Every text that must not be seen in an answer or a record. */
  readonly texts: readonly string[];
  /** Another one for a request that was refused with 401, where there can be another. */
  readonly renew?: () => Promise<CredentialAnswer>;
}

/** A credential, or why there is none; the texts took part in finding out. */
export type CredentialAnswer =
  | { readonly ok: true; readonly credential: Credential }
  | { readonly ok: false; readonly reason: string; readonly texts: readonly string[] };

/** Whose credential is asked for, and where its access tokens may come from. */
export interface CredentialAsk {
  readonly tenant: string;
  readonly auth: ToolAuth | undefined;
  readonly allowedHosts: readonly string[];
}

/** Finds a credential. */
export type Credentials = (asked: CredentialAsk, signal: AbortSignal) => Promise<CredentialAnswer>;

type AuthOf<K extends ToolAuth["kind"]> = Extract<ToolAuth, { readonly kind: K }>;

const NONE: Credential = { headersFor: () => Promise.resolve({}), texts: [] };
const UNREADABLE: CredentialAnswer = { ok: false, reason: "the tool's stored secret cannot be read", texts: [] };

/** Credentials from stored secrets; access tokens come through `egress`. */
export function createCredentials(egress: Egress, secrets: Pick<Secrets, "reveal">, system: System): Credentials {
  const tokens = new AccessTokens(egress, system);
  return async ({ tenant, auth, allowedHosts }, signal) => {
    if (auth === undefined) return { ok: true, credential: NONE };
    const reveal = (name: string): Promise<string | undefined> => secrets.reveal(tenant, name).catch(() => undefined);
    const secret = await reveal(auth.secret);
    if (secret === undefined) return UNREADABLE;
    switch (auth.kind) {
      case "bearer":
        return fixed({ authorization: `Bearer ${secret}` }, [secret]);
      case "header":
        return fixed({ [auth.name]: secret }, [secret]);
      case "basic":
        return basic(auth, secret, reveal);
      case "hmac":
        return { ok: true, credential: signing(auth, secret, system) };
      case "oauth2_client_credentials":
        return byToken(tokens, {
          tenant,
          auth,
          secret,
          allowedHosts,
          signal,
        });
      default:
        return auth satisfies never;
    }
  };
}

function fixed(headers: Readonly<Record<string, string>>, texts: readonly string[]): CredentialAnswer {
  return { ok: true, credential: { headersFor: () => Promise.resolve(headers), texts } };
}

async function basic(
  auth: AuthOf<"basic">,
  secret: string,
  reveal: (name: string) => Promise<string | undefined>,
): Promise<CredentialAnswer> {
  const { username_secret } = auth;
  const stored = username_secret === undefined ? undefined : await reveal(username_secret);
  const username = auth.username ?? stored;
  if (username === undefined) return UNREADABLE;
  const pair = toBase64(utf8(`${username}:${secret}`));
  const texts = [pair, secret, ...(stored === undefined ? [] : [stored])];
  return fixed({ authorization: `Basic ${pair}` }, texts);
}

function signing(auth: AuthOf<"hmac">, secret: string, system: Pick<System, "now">): Credential {
  return {
    texts: [secret],
    headersFor: async (request) => {
      const timestamp = Math.floor(system.now() / 1000);
      const key = await crypto.subtle.importKey("raw", utf8(secret), { name: "HMAC", hash: "SHA-256" }, false, [
        "sign",
      ]);
      const mac = await crypto.subtle.sign("HMAC", key, utf8(signedText(auth, { ...request, timestamp })));
      const signature = { [auth.header]: signatureHeader(auth, new Uint8Array(mac)) };
      return auth.signed.includes("timestamp")
        ? { ...signature, [timestampHeader(auth)]: String(timestamp) }
        : signature;
    },
  };
}

async function byToken(tokens: AccessTokens, client: ClientCredentials): Promise<CredentialAnswer> {
  const own = [client.secret, clientBasic(client)];
  const order = clientTokenOrder(client);
  const answer = await tokens.of(order);
  if (!answer.ok) return { ok: false, reason: answer.reason, texts: own };
  const { token } = answer;
  return {
    ok: true,
    credential: {
      headersFor: () => Promise.resolve({ authorization: `Bearer ${token}` }),
      texts: [token, ...own],
      renew: () => {
        tokens.forget(order, token);
        return byToken(tokens, client);
      },
    },
  };
}
