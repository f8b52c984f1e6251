// Serves clients of the stateless revision: every request stands alone, and any isolate answers it.
import { createMcpHandler, InMemoryServerEventBus, type ServerCapabilities } from "@modelcontextprotocol/server";
import type { CallContext } from "../../core/call.ts";
import { refuse } from "../../core/errors.ts";
import { isJsonObject, textIn, type Json } from "../../core/json/canonical.ts";
import { deferOf } from "../context.ts";
import { publishChanges, wantedOf } from "./changes.ts";
import { refusedResponse } from "./errors.ts";
import { offerOf } from "./offer.ts";
import { ALL_CAPABILITIES, gatewayServer } from "./server.ts";
import { connectionContext, type Serving } from "./serving.ts";

/** What these requests tell the client that it may do. */
const HANDSHAKES: ReadonlySet<string> = new Set(["server/discover", "subscriptions/listen"]);
/** Also how soon a client is missed that only closed its side. */
const KEEP_ALIVE_MS = 5_000;

/** Answers one request. */
export async function serveStateless(serving: Serving, body: Json): Promise<Response> {
  const { c } = serving;
  const method = isJsonObject(body) ? (textIn(body, "method") ?? "") : "";
  if (!HANDSHAKES.has(method)) return handle(serving, { body, capabilities: ALL_CAPABILITIES });
  const context = connectionContext(serving, method);
  const offer = context.ok ? await offerOf(c.var.runtime.ports, context.value, serving.server) : context;
  if (!context.ok || !offer.ok) return refusedResponse(offer.ok ? refuse("internal", "no context") : offer);
  if (method !== "subscriptions/listen") return handle(serving, { body, capabilities: offer.value });
  return listen(serving, context.value, { body, capabilities: offer.value });
}

/** A stream of changes. Nothing is listened to before the request was found to be one. */
async function listen(serving: Serving, context: CallContext, asked: Handled): Promise<Response> {
  const { c, leave } = serving;
  const bus = new InMemoryServerEventBus();
  const signal = AbortSignal.any([c.req.raw.signal, leave.signal]);
  const request = new Request(c.req.url, { method: "POST", headers: c.req.raw.headers, signal });
  const answer = await handle(serving, { ...asked, bus, request });
  const isStream = answer.headers.get("content-type")?.startsWith("text/event-stream") === true;
  if (isStream) deferOf(c)(publishChanges(serving, context, { bus, wanted: wantedOf(asked.body), signal }));
  return answer;
}

interface Handled {
  readonly body: Json;
  readonly capabilities: ServerCapabilities;
  readonly bus?: InMemoryServerEventBus;
  readonly request?: Request;
}

function handle(
  serving: Serving,
  { body, capabilities, bus, request = serving.c.req.raw }: Handled,
): Promise<Response> {
  const handler = createMcpHandler(() => gatewayServer(serving, capabilities), {
    legacy: "reject",
    keepAliveMs: KEEP_ALIVE_MS,
    onerror: report,
    ...(bus === undefined ? {} : { bus }),
  });
  return handler.fetch(request, { parsedBody: body });
}

/** Reports what went wrong without a word of what was sent. */
function report(error: Error): void {
  console.warn(JSON.stringify({ event: "mcp", name: error.name }));
}
