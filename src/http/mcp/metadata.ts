// Answers what the MCP surface is as an OAuth resource: its issuers and scopes, for clients that have no token yet (RFC 9728).
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { reachableScopes, resourceUrl, tokenScopes } from "../../core/identity/resource.ts";
import type { HttpContext } from "../context.ts";
import { resourceOf, signInConfig } from "./resource.ts";

/** One route of the metadata. It takes no credential: clients read it to learn where to get one. */
export interface MetadataRoute {
  readonly method: "GET" | "OPTIONS";
  readonly path: string;
  readonly answer: (c: HttpContext) => Promise<Outcome<Response>>;
}

const WELL_KNOWN = "/.well-known/oauth-protected-resource";
const PATHS = [WELL_KNOWN, `${WELL_KNOWN}/mcp`, `${WELL_KNOWN}/mcp/:server`];
/** How long a client may keep it. */
const MAX_AGE_S = 60;

/** The routes, and the preflights of clients in a browser: they say their protocol version in a header. */
export const mcpMetadataRoutes: readonly MetadataRoute[] = PATHS.flatMap((path): readonly MetadataRoute[] => [
  { method: "GET", path, answer: describe },
  { method: "OPTIONS", path, answer: () => Promise.resolve(accept(preflight())) },
]);

async function describe(c: HttpContext): Promise<Outcome<Response>> {
  const document = await signInConfig(c);
  if (document === undefined) return refuse("not_found", "this address takes API keys only");
  const resource = resourceOf(c);
  const { server } = resource;
  if (server !== null && !Object.hasOwn(document.mcp.servers, server)) return refuse("not_found", "no such MCP server");
  const answer = Response.json({
    resource: resourceUrl(resource),
    authorization_servers: Object.values(document.identity.issuers).map(({ issuer }) => issuer),
    scopes_supported: tokenScopes(document.identity, reachableScopes(document, server)),
    bearer_methods_supported: ["header"],
    resource_name: server === null ? "Interlock" : `Interlock: ${server}`,
    resource_documentation: `${resource.base}/docs`,
  });
  answer.headers.set("cache-control", `max-age=${MAX_AGE_S}`);
  return accept(openToPages(answer));
}

/** Public documents: pages of any origin may read them. */
export function openToPages(answer: Response): Response {
  answer.headers.set("access-control-allow-origin", "*");
  return answer;
}

function preflight(): Response {
  const headers = { "access-control-allow-methods": "GET, HEAD, OPTIONS", "access-control-allow-headers": "*" };
  return openToPages(new Response(null, { status: 204, headers }));
}
