// Streams of a session beside the answers to its requests: one that goes on where another broke off, and the standing one.
import type { ServerEvent } from "@modelcontextprotocol/server";
import type { McpSession } from "../../core/state/mcp-session.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { publishChanges } from "./changes.ts";
import { refusedResponse, rpcErrorResponse } from "./errors.ts";
import { EventStream } from "./event-stream.ts";
import { connectionContext, type Serving } from "./serving.ts";

/** The longest that one look at a stream waits for more, in milliseconds. */
const LOOK_MS = 20_000;
/** How often a session's subscriptions are looked at, in milliseconds. */
const SUBSCRIPTIONS_MS = 5_000;

/** What a stream sent after an event, and what it still sends. */
export async function followStream(
  c: HttpContext,
  session: McpSession,
  { stream, after }: { readonly stream: string; readonly after: number },
): Promise<Response> {
  const { mcpSessions } = c.var.runtime.ports;
  const { tenant } = c.var.principal;
  const first = await mcpSessions.events(tenant, session.id, { stream, after, waitMs: 0 });
  if (first === null)
    return rpcErrorResponse(404, { code: -32_001, message: "Last-Event-ID: no such stream, or no longer" });
  const events = new EventStream({ "mcp-session-id": session.id });
  const following = async (): Promise<void> => {
    let seq = after;
    for (let page: typeof first | null = first; page !== null && !events.signal.aborted;) {
      for (const event of page.events) {
        events.write({ id: `${stream}/${event.seq}`, message: event.message });
        seq = event.seq;
      }
      if (page.isOver) break;
      page = await mcpSessions.events(tenant, session.id, { stream, after: seq, waitMs: LOOK_MS }).catch(() => null);
    }
    events.close();
  };
  deferOf(c)(following());
  return events.response;
}

const METHODS: Readonly<Record<ServerEvent["kind"], string>> = {
  tools_list_changed: "notifications/tools/list_changed",
  prompts_list_changed: "notifications/prompts/list_changed",
  resources_list_changed: "notifications/resources/list_changed",
  resource_updated: "notifications/resources/updated",
};

/** The stream on which a session's client hears of changes, until it leaves or the session ends. */
export function standingStream(serving: Serving, session: McpSession): Response {
  const { c } = serving;
  const context = connectionContext(serving, "mcp");
  if (!context.ok) return refusedResponse(context);
  const events = new EventStream({ "mcp-session-id": session.id });
  const publish = (event: ServerEvent): void => {
    const params = event.kind === "resource_updated" ? { params: { uri: event.uri } } : {};
    events.write({ message: { jsonrpc: "2.0", method: METHODS[event.kind], ...params } });
  };
  const listening = async (): Promise<void> => {
    let known: McpSession | null = session;
    while (known !== null && !events.signal.aborted) {
      const stop = new AbortController();
      const signal = AbortSignal.any([stop.signal, events.signal, serving.leave.signal]);
      const wanted = { resources: true, prompts: true, uris: known.subscriptions };
      const publishing = publishChanges(serving, context.value, { bus: { publish }, wanted, signal });
      known = await changed(serving, known, signal);
      stop.abort();
      await publishing;
    }
    events.close();
  };
  deferOf(c)(listening().catch(() => events.close()));
  return events.response;
}

/** The session once its subscriptions have changed; `null` once it is over. */
async function changed({ c }: Serving, known: McpSession, signal: AbortSignal): Promise<McpSession | null> {
  const { ports } = c.var.runtime;
  const { tenant } = c.var.principal;
  while (!signal.aborted) {
    await ports.system.wait(SUBSCRIPTIONS_MS);
    if (signal.aborted) return null;
    const now = await ports.mcpSessions.enter(tenant, known.id, { owner: known, begins: null });
    if (now === null || now.subscriptions.join("\n") !== known.subscriptions.join("\n")) return now;
  }
  return null;
}
