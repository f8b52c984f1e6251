// Reads which address of the MCP surface a request is about, and what that address is called as an OAuth resource.
import { getOAuthProtectedResourceMetadataUrl } from "@modelcontextprotocol/server";
import type { ConfigDocument } from "../../core/config/document.ts";
import { ownAudiences, resourceUrl, type McpResource } from "../../core/identity/resource.ts";
import type { HttpContext } from "../context.ts";

const TENANT = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** The resource that a request of `/mcp`, `/mcp/:server` or their metadata is about. */
export function resourceOf(c: HttpContext): McpResource {
  const base = (c.var.runtime.publicUrl ?? new URL(c.req.url).origin).replace(/\/+$/, "");
  return { base, server: c.req.param("server") ?? null, tenant: c.req.query("tenant") ?? null };
}

/**
 * What a token for the resource may be made out to. Without `PUBLIC_URL` the address is what the caller says it is: then
 * only loopback counts, and only where private hosts do.
 */
export function audiencesOf(c: HttpContext): readonly string[] {
  const { publicUrl, deployment, rootTenant } = c.var.runtime;
  const isLoopback =
    deployment.allowPrivateEgress && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(new URL(c.req.url).hostname);
  return publicUrl !== undefined || isLoopback ? ownAudiences(resourceOf(c), rootTenant) : [];
}

/** The tenant that a request without a key is about: the one its address names, else the deployment's own. */
export function namedTenant(c: HttpContext): string | undefined {
  const named = c.req.query("tenant") ?? c.var.runtime.rootTenant;
  return named !== undefined && TENANT.test(named) ? named : undefined;
}

/** The config of a tenant that has issuers; `undefined` for any other, so that nobody learns which tenants there are. */
export async function signInConfig(
  c: HttpContext,
  how: "active" | "recent" = "recent",
): Promise<ConfigDocument | undefined> {
  const tenant = namedTenant(c);
  if (tenant === undefined) return undefined;
  const document = (await c.var.runtime.ports.configs[how](tenant))?.published.document;
  return document !== undefined && Object.keys(document.identity.issuers).length > 0 ? document : undefined;
}

/** Where the resource's metadata is (RFC 9728 s3.1). */
export function metadataUrl(resource: McpResource): string {
  return getOAuthProtectedResourceMetadataUrl(new URL(resourceUrl(resource)));
}
