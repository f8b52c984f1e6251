// Answers what only sessions of the 2025 revisions have: a log level, and subscriptions to resources.
import type { RequestMethod, Result } from "@modelcontextprotocol/server";
import { refuse } from "../../core/errors.ts";
import { meantUri } from "../../core/mcp/names.ts";
import type { McpSessionChange } from "../../core/state/mcp-session.ts";
import { serversWith } from "../../gateway/mcp/reach.ts";
import { protocolError } from "./errors.ts";
import type { Answering, Asked } from "./serving.ts";

/** The handlers, by method. */
export const sessionHandlers: readonly (readonly [RequestMethod, Answering])[] = [
  ["logging/setLevel", (asked, { level }) => change(asked, { type: "log_level", level: String(level) })],
  ["resources/subscribe", (asked, { uri }) => subscribing(asked, "subscribe", String(uri))],
  ["resources/unsubscribe", (asked, { uri }) => subscribing(asked, "unsubscribe", String(uri))],
];

async function change({ serving }: Asked, changed: McpSessionChange): Promise<Result> {
  const { session, c } = serving;
  if (session !== null) await c.var.runtime.ports.mcpSessions.change(c.var.principal.tenant, session.id, changed);
  return {};
}

function subscribing(asked: Asked, type: "subscribe" | "unsubscribe", uri: string): Promise<Result> {
  const meant = meantUri(asked.reach.view, uri);
  if (meant === undefined || !serversWith(asked.reach, "resource").includes(meant.server))
    throw protocolError(refuse("not_found", "uri: expected a resource that is listed here"));
  return change(asked, { type, uri });
}
