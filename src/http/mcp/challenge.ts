// Decides how the MCP surface turns somebody away before MCP is spoken: what is missing, and where a client gets it (RFC 6750, RFC 9728).
import { ERRORS, type ErrorCode, type Refusal } from "../../core/errors.ts";
import { reachableScopes, tokenScopes } from "../../core/identity/resource.ts";
import type { HttpContext } from "../context.ts";
import { bearerOf } from "../middleware/authenticate.ts";
import { corsHeaders } from "./origin.ts";
import { metadataUrl, resourceOf, signInConfig } from "./resource.ts";

/** The JSON-RPC code of what is refused before a message is read. */
const REFUSED = -32_001;

/**
 * The answer to a caller that `authenticateMcp` refused. A 401 says in `WWW-Authenticate` where the resource describes
 * itself and which scopes it has, where the tenant has issuers, and what is wrong with a credential that was sent.
 */
export async function challenge(c: HttpContext, refusal: Refusal): Promise<Response> {
  const answer = rpcError(c, refusal.code, refusal.detail);
  if (refusal.retryAfterS !== undefined) answer.headers.set("retry-after", String(refusal.retryAfterS));
  if (refusal.code !== "unauthenticated") return answer;
  const wasSent = bearerOf(c) !== undefined || c.req.header("x-api-key") !== undefined;
  const document = await signInConfig(c);
  const resource = resourceOf(c);
  const scopes =
    document === undefined ? [] : tokenScopes(document.identity, reachableScopes(document, resource.server));
  answer.headers.set(
    "www-authenticate",
    bearerChallenge({
      // RFC 6750 s3.1: a request without a credential is told of no error.
      error: wasSent ? "invalid_token" : undefined,
      error_description: wasSent ? refusal.detail : undefined,
      scope: scopes.length === 0 ? undefined : scopes.join(" "),
      resource_metadata: document === undefined ? undefined : metadataUrl(resource),
    }),
  );
  return answer;
}

/**
 * The answer to a token that lacks scopes of the config: 403 `insufficient_scope`, with the scopes as the tenant's issuers
 * spell them, so that a client can ask for a token that has them. For callers with a token; a key's scopes do not grow.
 */
export async function stepUp(c: HttpContext, scopes: readonly string[]): Promise<Response> {
  const detail = `the token lacks a scope: ${scopes.join(", ")}`;
  const answer = rpcError(c, "scope_missing", detail);
  const document = await signInConfig(c);
  const spelled = document === undefined ? scopes : tokenScopes(document.identity, scopes);
  answer.headers.set(
    "www-authenticate",
    bearerChallenge({
      error: "insufficient_scope",
      error_description: detail,
      scope: spelled.length === 0 ? undefined : spelled.join(" "),
      resource_metadata: document === undefined ? undefined : metadataUrl(resourceOf(c)),
    }),
  );
  return answer;
}

function rpcError(c: HttpContext, code: ErrorCode, message: string): Response {
  const { status } = ERRORS[code];
  const body = { jsonrpc: "2.0", error: { code: REFUSED, message, data: { code, status } }, id: null };
  return Response.json(body, { status, headers: corsHeaders(c) });
}

/** `Bearer` with its parameters, each a quoted string (RFC 9110 s11.2). */
function bearerChallenge(parameters: Readonly<Record<string, string | undefined>>): string {
  const said = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${quoted(value)}"`],
  );
  return ["Bearer", said.join(", ")].join(" ").trimEnd();
}

function quoted(value: string): string {
  return value.replaceAll(/[^\x20-\x7e]/g, " ").replaceAll(/["\\]/g, "'");
}
