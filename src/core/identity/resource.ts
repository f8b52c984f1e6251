// Decides how the MCP surface is named as an OAuth resource (RFC 8707, RFC 9728), and which scopes a client asks for there.
import type { ConfigDocument } from "../config/document.ts";
import type { IdentityEntry, IssuerEntry } from "../config/identity-document.ts";

/** One address of the MCP surface. */
export interface McpResource {
  /** Where the gateway is, without a slash at the end. */
  readonly base: string;
  /** The one upstream behind it; null for all tools. */
  readonly server: string | null;
  /** The tenant that the address names; null where it names none. */
  readonly tenant: string | null;
}

/** The resource's identifier: `<base>/mcp`, its server, and the tenant where the address names one. */
export function resourceUrl({ base, server, tenant }: McpResource): string {
  const path = server === null ? "/mcp" : `/mcp/${encodeURIComponent(server)}`;
  return `${base}${path}${tenant === null ? "" : `?tenant=${encodeURIComponent(tenant)}`}`;
}

/**
 * The audiences that stand for a resource: its own, and that of all tools, which a server's are among. The deployment's
 * own tenant is meant where an address names none; any other has to be named, so that what one tenant's issuer signed
 * for the bare address opens no other tenant.
 */
export function ownAudiences(resource: McpResource, rootTenant: string | undefined): readonly string[] {
  const servers = resource.server === null ? [null] : [resource.server, null];
  const isRoot = resource.tenant === null || resource.tenant === rootTenant;
  const named = resource.tenant ?? rootTenant ?? null;
  const tenants = isRoot ? [null, named] : [named];
  const all = servers.flatMap((server) => tenants.map((tenant) => resourceUrl({ ...resource, server, tenant })));
  return [...new Set(all)];
}

/** Scopes of the tools that a resource reaches, in alphabetical order. */
export function reachableScopes({ tools }: Pick<ConfigDocument, "tools">, server: string | null): readonly string[] {
  const reached = Object.values(tools).filter((tool) => server === null || tool.mcp?.server === server);
  const scopes = reached.flatMap((tool) => tool.scopes ?? []).filter((scope) => scope !== "*");
  return [...new Set(scopes)].toSorted();
}

/** What a client asks the tenant's issuers for to get these scopes: each as every issuer spells it. */
export function tokenScopes({ issuers }: IdentityEntry, scopes: readonly string[]): readonly string[] {
  const spelled = Object.values(issuers).flatMap((entry) => scopes.flatMap((scope) => spellingsOf(entry, scope)));
  return [...new Set(spelled)];
}

function spellingsOf({ scopes }: IssuerEntry, scope: string): readonly string[] {
  return wordsFor(scopes, scope).map((word) => `${scopes?.ask_prefix ?? ""}${word}`);
}

/** The words of a token that are this scope here. */
function wordsFor(scopes: IssuerEntry["scopes"], scope: string): readonly string[] {
  const { map, prefix } = scopes ?? {};
  const mapped = Object.entries(map ?? {}).flatMap(([word, ours]) => (ours === scope ? [word] : []));
  if (mapped.length > 0) return mapped;
  if (prefix !== undefined) return [`${prefix}${scope}`];
  return map === undefined ? [scope] : [];
}
