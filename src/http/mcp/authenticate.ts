// Decides who calls the MCP surface: the holder of an API key, or of a token that an issuer of the tenant signed.
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { HttpContext } from "../context.ts";
import { authorize, bearerOf, type Authenticated } from "../middleware/authenticate.ts";
import { audiencesOf, namedTenant, signInConfig } from "./resource.ts";

/** An authenticated caller of the MCP surface, who may call tools. */
export interface AuthenticatedClient extends Authenticated {
  readonly kind: "key" | "token";
  /** The person that a token names, to be masked like any user; null for a key. */
  readonly user: string | null;
  /** Epoch milliseconds after which the token is none; null for a key. */
  readonly expiresAt: number | null;
}

/**
 * Finds the caller of `/mcp` or `/mcp/:server`: a token in `Authorization: Bearer …`, else an API key there or in
 * `x-api-key`. Refuses `unauthenticated` with what is wrong, `actor_forbidden` for a token's actor that the config has
 * not, `issuer_unavailable` while a token cannot be checked, and `role_missing` for a key that may not call.
 */
export async function authenticateMcp(c: HttpContext): Promise<Outcome<AuthenticatedClient>> {
  const bearer = bearerOf(c);
  const found =
    bearer !== undefined && isSignedJwt(bearer)
      ? await byToken(c, bearer)
      : await byKey(c, bearer ?? c.req.header("x-api-key"));
  if (!found.ok) return found;
  const authorized = authorize(found.value.principal, "call");
  return authorized.ok ? found : authorized;
}

async function byKey(c: HttpContext, text: string | undefined): Promise<Outcome<AuthenticatedClient>> {
  if (text === undefined)
    return refuse("unauthenticated", "send an API key or an access token in `Authorization: Bearer …`");
  const principal = await c.var.runtime.ports.keys.find(text);
  if (principal === undefined)
    return refuse("unauthenticated", "this is no known API key, or one that was revoked, and no signed JWT either");
  const named = c.req.query("tenant");
  if (named !== undefined && named !== principal.tenant)
    return refuse("unauthenticated", "this key belongs to another tenant than `tenant` in the address");
  return accept({ kind: "key", principal, credential: text, user: null, expiresAt: null });
}

async function byToken(c: HttpContext, token: string): Promise<Outcome<AuthenticatedClient>> {
  const tenant = namedTenant(c);
  if (tenant === undefined)
    return refuse("unauthenticated", "a token does not say whose it is here: add `?tenant=<id>` to the address");
  const document = await signInConfig(c, "active");
  if (document === undefined) return refuse("unauthenticated", "this address takes API keys only");
  const verified = await c.var.runtime.ports.tokens.verify({ tenant, document, token, audiences: audiencesOf(c) });
  return verified.ok ? accept({ kind: "token", credential: token, ...verified.value }) : verified;
}

/** Whether a text is a JWT by its form (RFC 7515 s7.1): three parts, of which the first names an algorithm. No key is. */
function isSignedJwt(text: string): boolean {
  const header = /^([\w-]+)\.[\w-]+\.[\w-]*$/.exec(text)?.[1];
  if (header === undefined) return false;
  try {
    const read = JSON.parse(atob(header.replaceAll("-", "+").replaceAll("_", "/"))) as unknown;
    return typeof read === "object" && read !== null && "alg" in read;
  } catch {
    return false;
  }
}
