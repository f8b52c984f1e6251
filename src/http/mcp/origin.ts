// Decides which hosts and web pages may ask the MCP surface: the defence against DNS rebinding, and CORS for pages that may.
import { validateHostHeader, validateOriginHeader } from "@modelcontextprotocol/server";
import type { HttpContext } from "../context.ts";

const METHODS = "GET, POST, DELETE, OPTIONS";
const REQUEST_HEADERS = [
  "authorization",
  "content-type",
  "accept",
  "x-api-key",
  "mcp-protocol-version",
  "mcp-session-id",
  "mcp-method",
  "mcp-name",
  "last-event-id",
  "idempotency-key",
  "traceparent",
  "tracestate",
];
/** Headers of ours, and parameters that a tool's schema puts into headers: by the beginning of their names. */
const REQUEST_PREFIXES = ["interlock-", "mcp-param-"];
const ANSWER_HEADERS = [
  "mcp-session-id",
  "www-authenticate",
  "retry-after",
  "interlock-trace-id",
  "interlock-session",
  "interlock-policy-version",
  "interlock-budget-remaining-usd",
  "interlock-release",
].join(", ");
/** How long a browser may keep what a preflight answered. */
const PREFLIGHT_AGE_S = 600;

/**
 * The answer to a request that goes no further: 403 for a host that is not this deployment's, or a page that is neither
 * on such a host nor listed, and 204 for a preflight. `undefined` where the request may go on; one without `Origin` comes
 * from no page.
 */
export function checkOrigin(c: HttpContext): Response | undefined {
  const { hosts } = c.var.runtime.mcpAccess;
  const host = validateHostHeader(hostOf(c), [...(hosts ?? [hostnameOf(c)])]);
  if (!host.ok) return forbidden("this host is not one of the gateway's: see MCP_ALLOWED_HOSTS");
  if (!isAllowedOrigin(c)) return forbidden("pages of this origin may not use the gateway: see MCP_ALLOWED_ORIGINS");
  return c.req.method === "OPTIONS" ? preflight(c) : undefined;
}

/** The CORS headers of an answer; none but `vary` where no page asks, or one that may not. */
export function corsHeaders(c: HttpContext): Readonly<Record<string, string>> {
  const origin = c.req.header("origin");
  if (origin === undefined || !isAllowedOrigin(c)) return { vary: "Origin" };
  return {
    vary: "Origin",
    "access-control-allow-origin": origin,
    "access-control-expose-headers": ANSWER_HEADERS,
  };
}

function isAllowedOrigin(c: HttpContext): boolean {
  const origin = c.req.header("origin");
  if (origin === undefined || origin === "") return true;
  const { hosts, origins } = c.var.runtime.mcpAccess;
  if (origins.includes(origin.toLowerCase())) return true;
  const names = hosts ?? [hostnameOf(c)];
  return validateOriginHeader(origin, [...names]).ok && isTrustworthy(new URL(origin));
}

/** A page of the gateway's own host that came in the clear may be anybody's; on loopback nobody is in between. */
function isTrustworthy({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || (protocol === "http:" && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname));
}

function hostOf(c: HttpContext): string {
  return c.req.header("host") ?? new URL(c.req.url).host;
}

function hostnameOf(c: HttpContext): string {
  return new URL(c.req.url).hostname;
}

function preflight(c: HttpContext): Response {
  const asked = (c.req.header("access-control-request-headers") ?? "")
    .split(",")
    .map((each) => each.trim().toLowerCase());
  const own = asked.filter(
    (name) => /^[a-z0-9-]+$/.test(name) && REQUEST_PREFIXES.some((prefix) => name.startsWith(prefix)),
  );
  const headers = new Headers({ ...corsHeaders(c), allow: METHODS });
  if (headers.has("access-control-allow-origin")) {
    headers.set("access-control-allow-methods", METHODS);
    headers.set("access-control-allow-headers", [...REQUEST_HEADERS, ...new Set(own)].join(", "));
    headers.set("access-control-max-age", String(PREFLIGHT_AGE_S));
  }
  return new Response(null, { status: 204, headers });
}

function forbidden(message: string): Response {
  return Response.json({ jsonrpc: "2.0", error: { code: -32_000, message }, id: null }, { status: 403 });
}
