// Decides what an MCP endpoint says that it offers: what the servers behind it offer, as far as the caller reaches them.
import type { ServerCapabilities } from "@modelcontextprotocol/server";
import type { CallContext } from "../../core/call.ts";
import { accept, type Outcome } from "../../core/errors.ts";
import { reachedServers, readReach, targetOf } from "../../gateway/mcp/reach.ts";
import type { Ports } from "../../gateway/ports.ts";
import { ALL_CAPABILITIES } from "./server.ts";

/** How old what servers say of themselves may be when a client connects, in milliseconds. */
const MAX_AGE_MS = 60_000;

/** The capabilities of an endpoint for this caller. A server that does not answer offers nothing but its accepted tools. */
export async function offerOf(
  ports: Ports,
  context: CallContext,
  server: string | null,
): Promise<Outcome<ServerCapabilities>> {
  const reach = await readReach(ports, { context, server });
  if (!reach.ok) return reach;
  const said = await Promise.all(
    reachedServers(reach.value).map(async (name) => {
      const target = targetOf(reach.value.config, name);
      const found = target === undefined ? undefined : await ports.mcpServers.discover(target, MAX_AGE_MS);
      return found?.ok === true ? found.value.capabilities : {};
    }),
  );
  const { tools, extensions, ...offered } = ALL_CAPABILITIES;
  const known = Object.entries(offered).filter(([name]) => said.some((each) => each[name] !== undefined));
  return accept({
    ...(tools === undefined ? {} : { tools }),
    ...(extensions === undefined ? {} : { extensions }),
    ...Object.fromEntries(known),
  });
}
