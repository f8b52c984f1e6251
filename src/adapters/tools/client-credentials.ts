// Decides what a token endpoint is sent for OAuth 2 client credentials (RFC 6749 s4.4).
import type { ToolAuth } from "../../core/config/request-document.ts";
import { digestOf, sha256Hex } from "../../core/json/digest.ts";
import type { TokenOrder } from "../access-tokens.ts";
import { toBase64, utf8 } from "../kv/sealed.ts";

/** Which token is asked for, and on whose behalf. */
export interface ClientCredentials {
  readonly tenant: string;
  readonly auth: Extract<ToolAuth, { readonly kind: "oauth2_client_credentials" }>;
  readonly secret: string;
  readonly allowedHosts: readonly string[];
  readonly signal: AbortSignal;
}

/** The order of a client's own token. */
export function clientTokenOrder(client: ClientCredentials): TokenOrder {
  const { tenant, auth, secret, allowedHosts, signal } = client;
  return {
    name: digestOf([tenant, auth, sha256Hex(secret)]),
    url: auth.token_url,
    allowedHosts,
    signal,
    wording: () => {
      const headers = auth.client_auth === "post" ? {} : { authorization: `Basic ${clientBasic(client)}` };
      return Promise.resolve({ ok: true, form: formOf(client), headers });
    },
  };
}

/** The client's own name and proof, as RFC 6749 s2.3.1 encodes them. */
export function clientBasic({ auth, secret }: Pick<ClientCredentials, "auth" | "secret">): string {
  const encoded = (text: string): string => new URLSearchParams([["", text]]).toString().slice(1);
  return toBase64(utf8(`${encoded(auth.client_id)}:${encoded(secret)}`));
}

function formOf({ auth, secret }: ClientCredentials): URLSearchParams {
  const form = new URLSearchParams({ grant_type: "client_credentials" });
  if (auth.scopes !== undefined && auth.scopes.length > 0) form.set("scope", auth.scopes.join(" "));
  if (auth.audience !== undefined) form.set("audience", auth.audience);
  if (auth.client_auth === "post") {
    form.set("client_id", auth.client_id);
    form.set("client_secret", secret);
  }
  return form;
}
