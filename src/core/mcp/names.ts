// Decides what tools, prompts and resources are called on the two MCP endpoints, and reads those names back.
import type { ToolEntry } from "../config/document.ts";

/** What one endpoint shows: every server and tool of the tenant, or one server. */
export interface McpView {
  /** The server, or `null` for all. */
  readonly server: string | null;
  /** What stands between server and name where all are shown. */
  readonly separator: string;
}

/** A tool of the config: its name there and its entry. */
export interface NamedTool {
  readonly name: string;
  readonly entry: Pick<ToolEntry, "mcp">;
}

/** The tool as the endpoint shows it; `undefined` for one that the endpoint does not show as a tool. */
export function shownName({ server, separator }: McpView, { name, entry: { mcp } }: NamedTool): string | undefined {
  if (mcp !== undefined && mcp.kind !== "tool") return undefined;
  if (server !== null) return mcp?.server === server ? mcp.name : undefined;
  return mcp === undefined ? name.replaceAll(".", separator) : `${mcp.server}${separator}${mcp.name}`;
}

/** A prompt's name where all are shown. */
export function shownPrompt({ server: only, separator }: McpView, server: string, name: string): string {
  return only === null ? `${server}${separator}${name}` : name;
}

/** The server and prompt that a shown name means; servers whose names begin alike are told apart by the longest. */
export function meantPrompt(
  { server: only, separator }: McpView,
  servers: readonly string[],
  shown: string,
): { readonly server: string; readonly name: string } | undefined {
  if (only !== null) return { server: only, name: shown };
  const server = servers
    .filter((each) => shown.startsWith(each + separator))
    .toSorted((one, other) => other.length - one.length)[0];
  return server === undefined ? undefined : { server, name: shown.slice(server.length + separator.length) };
}

const OURS = "interlock:";

/** A resource's URI, or URI template, where all are shown: `interlock:<server>:<its own>`, which expands as its own does. */
export function shownUri({ server: only }: McpView, server: string, uri: string): string {
  return only === null ? `${OURS}${server}:${uri}` : uri;
}

/** The server and URI that a shown URI means. */
export function meantUri(
  { server: only }: McpView,
  shown: string,
): { readonly server: string; readonly uri: string } | undefined {
  if (only !== null) return { server: only, uri: shown };
  if (!shown.startsWith(OURS)) return undefined;
  const end = shown.indexOf(":", OURS.length);
  return end === -1 ? undefined : { server: shown.slice(OURS.length, end), uri: shown.slice(end + 1) };
}

/** Names that two tools would share where all are shown, with the config's names of both. */
export function sharedNames(
  separator: string,
  tools: Readonly<Record<string, NamedTool["entry"]>>,
): readonly { readonly shown: string; readonly names: readonly [string, string] }[] {
  const known = new Map<string, string>();
  return Object.entries(tools).flatMap(([name, entry]) => {
    const shown = shownName({ server: null, separator }, { name, entry });
    if (shown === undefined) return [];
    const other = known.get(shown);
    known.set(shown, other ?? name);
    return other === undefined ? [] : [{ shown, names: [other, name] as const }];
  });
}
