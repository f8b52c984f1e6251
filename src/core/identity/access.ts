// Decides which hosts and which pages' origins the MCP surface takes requests for, from the deployment's settings.

/** Who may ask the MCP surface, by the names of hosts and the origins of pages. */
export interface McpAccess {
  /** Host names without ports; null for any, where the platform routes nothing but the deployment's own names. */
  readonly hosts: readonly string[] | null;
  readonly origins: readonly string[];
}

/** The settings that say so, as they were written. */
export interface AccessSettings {
  readonly PUBLIC_URL?: string | undefined;
  /** Comma lists. */
  readonly MCP_ALLOWED_HOSTS?: string | undefined;
  readonly MCP_ALLOWED_ORIGINS?: string | undefined;
  readonly ALLOW_PRIVATE_EGRESS: string;
}

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** The host of `PUBLIC_URL`, the two lists, and loopback names where private egress is allowed. */
export function mcpAccess(settings: AccessSettings): McpAccess {
  const isPrivate = settings.ALLOW_PRIVATE_EGRESS === "true";
  const listed = listOf(settings.MCP_ALLOWED_HOSTS).map((host) => new URL(`http://${host}`).hostname);
  const own = settings.PUBLIC_URL === undefined ? [] : [new URL(settings.PUBLIC_URL).hostname];
  const hosts = [...own, ...listed, ...(isPrivate ? LOOPBACK : [])];
  return { hosts: hosts.length === 0 ? null : [...new Set(hosts)], origins: listOf(settings.MCP_ALLOWED_ORIGINS) };
}

/** Whether a setting is a comma list of hosts, each with or without a port. */
export function isHostList(text: string): boolean {
  return listOf(text).every((host) => !/[/@?#\s]/.test(host) && URL.canParse(`http://${host}`));
}

/** Whether a setting is a comma list of origins: scheme and host, nothing behind them. */
export function isOriginList(text: string): boolean {
  return listOf(text).every((origin) => /^[a-z][a-z0-9+.-]*:\/\/[^/\s?#@]+$/.test(origin) && URL.canParse(origin));
}

function listOf(text: string | undefined): readonly string[] {
  const all = (text ?? "").split(",").map((each) => each.trim().toLowerCase());
  return all.filter((each) => each !== "");
}
