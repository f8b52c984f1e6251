// Finds what one MCP caller reaches: the tools it may use, the servers behind them, and their settings.
import type { CallContext } from "../../core/call.ts";
import type { ActiveConfig, ResolvedTool } from "../../core/config/published.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { shownName, type McpView } from "../../core/mcp/names.ts";
import { listTools } from "../../core/policy/listing.ts";
import { callerOf } from "../list-tools.ts";
import type { Ports } from "../ports.ts";
import type { McpTarget } from "../ports/mcp.ts";
import { readFacts } from "../facts.ts";

/** One client at one endpoint. */
export interface McpCaller {
  readonly context: CallContext;
  /** The server that the endpoint shows, or `null` for all. */
  readonly server: string | null;
}

/** What a caller reaches. What it may use is found out when it is first asked for. */
export interface Reach {
  readonly config: ActiveConfig;
  readonly view: McpView;
  /** Every tool that it may use and the endpoint shows, resources and prompts of servers included. */
  readonly tools: readonly ResolvedTool[];
}

/** What a caller reaches; refuses `not_configured`, and `not_found` for a server that the tenant does not have. */
export async function readReach(ports: Ports, { context, server }: McpCaller): Promise<Outcome<Reach>> {
  const { config: found, switches } = await readFacts(ports, context);
  if (!found.ok) return found;
  const config = found.value;
  const { mcp } = config.published.document;
  if (server !== null && !Object.hasOwn(mcp.servers, server))
    return refuse("not_found", `no MCP server "${server}" in the tenant's config`);
  const view = { server, separator: mcp.separator ?? "." };
  let tools: readonly ResolvedTool[] | undefined;
  return accept({
    config,
    view,
    get tools() {
      tools ??= listTools(config, callerOf(context), { switches, now: ports.system.now() })
        .filter(({ tool, verdict }) => verdict === "visible" && isShown(view, tool))
        .map(({ tool }) => tool);
      return tools;
    },
  });
}

/**
 * The tool that a name of the endpoint means, whether the caller may use it or not; `undefined` where it has none such. Where
 * all are shown a tool also answers to its name in the config.
 */
export function toolMeant({ config, view }: Pick<Reach, "config" | "view">, name: string): ResolvedTool | undefined {
  const { server, separator } = view;
  const direct = config.tool(server === null ? name : `${server}.${name}`);
  if (direct !== undefined && isTool(direct) && (server === null || direct.entry.mcp?.server === server)) return direct;
  if (server !== null || separator === ".") return undefined;
  const names = Object.entries(config.published.document.tools);
  const found = names.find(([each, entry]) => shownName(view, { name: each, entry }) === name);
  return found === undefined ? undefined : config.tool(found[0]);
}

function isTool({ entry: { mcp } }: ResolvedTool): boolean {
  return mcp === undefined || mcp.kind === "tool";
}

/** What reads a server's resources, or gets its prompts; `undefined` where the config has it not. */
export function readerOf(
  { config }: Pick<Reach, "config">,
  server: string,
  kind: "resource" | "prompt",
): ResolvedTool | undefined {
  const tool = config.tool(`${server}.${kind === "resource" ? "resources.read" : "prompts.get"}`);
  return tool?.entry.mcp?.kind === kind ? tool : undefined;
}

function isShown(view: McpView, tool: ResolvedTool): boolean {
  const { mcp } = tool.entry;
  if (mcp !== undefined && mcp.kind !== "tool") return view.server === null || mcp.server === view.server;
  return shownName(view, tool) !== undefined;
}

/** The servers whose resources, or prompts, the caller may use. */
export function serversWith({ tools }: Reach, kind: "resource" | "prompt"): readonly string[] {
  return tools.flatMap(({ entry: { mcp } }) => (mcp?.kind === kind ? [mcp.server] : []));
}

/** The servers of which the caller may use anything. */
export function reachedServers({ tools }: Reach): readonly string[] {
  return [...new Set(tools.flatMap(({ entry: { mcp } }) => (mcp === undefined ? [] : [mcp.server])))];
}

/** A server as the gateway reaches it; `undefined` for one that the config does not have. */
export function targetOf(config: ActiveConfig, name: string): McpTarget | undefined {
  const { mcp, egress } = config.published.document;
  const server = Object.hasOwn(mcp.servers, name) ? mcp.servers[name] : undefined;
  if (server === undefined) return undefined;
  const { url, service, auth, timeout_ms } = server;
  return {
    tenant: config.published.tenant,
    name,
    server: { url, service, auth, timeout_ms },
    allowedHosts: egress.allow,
  };
}
