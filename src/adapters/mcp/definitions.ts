// Reads every tool definition that an MCP server offers now, bounded in pages, number and size.
import type { JsonObject } from "../../core/json/canonical.ts";
import { Anything, type Upstream } from "./upstream.ts";
import { UpstreamFault } from "./upstream-fetch.ts";
import * as z from "zod/mini";

const MAX_PAGES = 64;
const MAX_TOOLS = 1_000;
const MAX_BYTES = 1024 * 1024;

const Page = z.looseObject({
  tools: z.array(z.looseObject({ name: z.string() })),
  nextCursor: z.optional(z.string()),
});

/** All definitions, as sent, in the server's order. Throws `UpstreamFault` for a server that floods. */
export async function readDefinitions(upstream: Upstream): Promise<readonly JsonObject[]> {
  const tools: JsonObject[] = [];
  let bytes = 0;
  let cursor: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const params = cursor === undefined ? {} : { cursor };
    const sent = await upstream.run((options) =>
      upstream.client.request({ method: "tools/list", params }, Anything, options),
    );
    const page = Page.safeParse(sent);
    if (!page.success) throw new Error("no list of tools");
    bytes += JSON.stringify(page.data.tools).length;
    tools.push(...(page.data.tools as JsonObject[]));
    if (tools.length > MAX_TOOLS) throw flood(`more than ${MAX_TOOLS} tools`);
    if (bytes > MAX_BYTES) throw flood("definitions of more than 1 MiB");
    cursor = page.data.nextCursor;
    if (cursor === undefined) return tools;
  }
  throw flood(`more than ${MAX_PAGES} pages of tools`);
}

function flood(what: string): UpstreamFault {
  return new UpstreamFault("too_large", `the server lists ${what}`, 200);
}
