// Listens to one MCP server's word of changes, in the way of its revision.
import type { McpTarget, McpWatch } from "../../gateway/ports/mcp.ts";
import { NOBODY, withUpstream, type Means } from "./upstream.ts";

/** The longest that one subscription is kept, in milliseconds: whoever still listens then subscribes anew. */
const MAX_WATCH_MS = 3_600_000;

/** Passes on changes until the signal, or until the server ends its stream. What goes wrong ends it quietly. */
export async function watchServer(means: Means, target: McpTarget, watch: McpWatch): Promise<void> {
  const { signal, uris, resources, prompts, notify } = watch;
  const exchange = { ...NOBODY, notify, signal };
  // What goes wrong ends it: the client is told nothing of changes, and what it reads is current all the same.
  await withUpstream(
    means,
    target,
    { exchange, timeoutMs: MAX_WATCH_MS, wantsStream: true },
    async ({ client, era }) => {
      if (era === "modern") {
        const filter = {
          resourcesListChanged: resources,
          promptsListChanged: prompts,
          resourceSubscriptions: [...uris],
        };
        const subscription = await client.listen(filter, { signal });
        await subscription.closed;
        return;
      }
      for (const uri of uris) await client.subscribeResource({ uri }, { signal });
      await aborted(signal);
    },
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
