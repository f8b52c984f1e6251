// Serves clients of the stateless revision: every request stands alone, and any isolate answers it.
import { createMcpHandler, InMemoryServerEventBus } from "@modelcontextprotocol/server";
import { isJsonObject, textIn, type Json } from "../../core/json/canonical.ts";
import { deferOf } from "../context.ts";
import { readCallContext } from "../middleware/call-context.ts";
import { publishChanges, wantedOf } from "./changes.ts";
import { refusedResponse } from "./errors.ts";
import { offerOf } from "./offer.ts";
import { ALL_CAPABILITIES, gatewayServer } from "./server.ts";
import type { Serving } from "./serving.ts";

/** What these requests tell the client that it may do. */
const HANDSHAKES: ReadonlySet<string> = new Set(["server/discover", "subscriptions/listen"]);
/** Also how soon a client is missed that only closed its side. */
const KEEP_ALIVE_MS = 5_000;

/** Answers one request. */
export async function serveStateless(serving: Serving, body: Json): Promise<Response> {
  const { c } = serving;
  const method = isJsonObject(body) ? (textIn(body, "method") ?? "") : "";
  let capabilities = ALL_CAPABILITIES;
  if (HANDSHAKES.has(method)) {
    const context = readCallContext(c, { surface: { kind: "execute_tool", subject: method } });
    const offer = context.ok ? await offerOf(c.var.runtime.ports, context.value, serving.server) : context;
    if (!offer.ok) return refusedResponse(offer);
    capabilities = offer.value;
    if (method === "subscriptions/listen" && context.ok) {
      const bus = new InMemoryServerEventBus();
      deferOf(c)(publishChanges(serving, context.value, { bus, wanted: wantedOf(body), signal: c.req.raw.signal }));
      return handle(serving, { body, capabilities, bus });
    }
  }
  return handle(serving, { body, capabilities, bus: new InMemoryServerEventBus() });
}

function handle(
  serving: Serving,
  {
    body,
    capabilities,
    bus,
  }: { readonly body: Json; readonly capabilities: typeof ALL_CAPABILITIES; readonly bus: InMemoryServerEventBus },
): Promise<Response> {
  const handler = createMcpHandler(() => gatewayServer(serving, capabilities), {
    legacy: "reject",
    keepAliveMs: KEEP_ALIVE_MS,
    bus,
    onerror: report,
  });
  return handler.fetch(serving.c.req.raw, { parsedBody: body });
}

/** Reports what went wrong without a word of what was sent. */
function report(error: Error): void {
  console.warn(JSON.stringify({ event: "mcp", name: error.name }));
}
