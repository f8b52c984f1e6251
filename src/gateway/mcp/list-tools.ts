// Lists the tools of an MCP endpoint: only what the caller may use, as it was accepted, without what has changed since.
import type { ResolvedTool } from "../../core/config/published.ts";
import { isJsonObject, objectAt, type JsonObject } from "../../core/json/canonical.ts";
import { whyNotAccepted } from "../../core/mcp/accepted.ts";
import { META, OURS } from "../../core/mcp/meta.ts";
import { shownName } from "../../core/mcp/names.ts";
import type { Ports } from "../ports.ts";
import { reachedServers, targetOf, type Reach } from "./reach.ts";

/** How old what servers offer may be when it is listed, in milliseconds. A call looks anew. */
const LISTING_MAX_AGE_MS = 30_000;

/** The same where something has changed. */
const CHANGED_MAX_AGE_MS = 2_000;

/**
 * The tools, by name, with the definitions that were accepted. A tool that its server describes otherwise by now, or no
 * longer offers, is left out. A server that does not answer keeps its tools: its calls will say so.
 */
export async function listMcpTools(ports: Pick<Ports, "mcpServers">, reach: Reach): Promise<readonly JsonObject[]> {
  const current = new Map(
    await Promise.all(
      reachedServers(reach).map(async (name) => {
        return [name, await offeredBy(ports, reach, name)] as const;
      }),
    ),
  );
  return reach.tools.flatMap((tool) => {
    const { mcp } = tool.entry;
    const offered = mcp === undefined ? undefined : current.get(mcp.server);
    if (mcp !== undefined && offered !== undefined && whyNotAccepted(mcp, offered) !== undefined) return [];
    const name = shownName(reach.view, tool);
    return name === undefined ? [] : [{ ...definitionOf(reach, tool), name }];
  });
}

/** What a server offers; what seems to have changed since an older look is looked at again, lest a tool that was just accepted is missing. */
async function offeredBy(
  { mcpServers }: Pick<Ports, "mcpServers">,
  reach: Reach,
  name: string,
): Promise<readonly JsonObject[] | undefined> {
  const target = targetOf(reach.config, name);
  if (target === undefined) return undefined;
  const found = await mcpServers.discover(target, LISTING_MAX_AGE_MS);
  if (!found.ok) return undefined;
  const own = reach.tools.flatMap(({ entry: { mcp } }) => (mcp?.server === name ? [mcp] : []));
  if (own.every((origin) => whyNotAccepted(origin, found.value.tools) === undefined)) return found.value.tools;
  const again = await mcpServers.discover(target, CHANGED_MAX_AGE_MS);
  return again.ok ? again.value.tools : found.value.tools;
}

function definitionOf({ config }: Reach, { name, entry }: ResolvedTool): JsonObject {
  const { mcp, effect, input_schema, description } = entry;
  const accepted =
    mcp === undefined
      ? undefined
      : config.published.document.mcp.servers[mcp.server]?.definitions?.find((each) => each["name"] === mcp.name);
  const known = isJsonObject(accepted) ? accepted : {};
  const said = Object.entries(objectAt(known, "_meta"));
  const meta = Object.fromEntries(said.filter(([member]) => !member.startsWith(OURS)));
  return {
    ...(description === undefined ? {} : { description }),
    inputSchema: input_schema as JsonObject,
    // What the gateway itself holds a tool of its own to; a server's own hints are passed on as they are.
    ...(mcp === undefined ? { annotations: hintsOf(effect) } : {}),
    ...known,
    _meta: { ...meta, [META.tool]: { name, effect } },
  };
}

function hintsOf(effect: ResolvedTool["entry"]["effect"]): JsonObject {
  return effect === "read"
    ? { readOnlyHint: true }
    : { readOnlyHint: false, destructiveHint: effect === "irreversible" };
}
