// Reaches sessions of MCP clients: one object per tenant and session id, one hop per method.
import type { McpSessions } from "../../gateway/ports/mcp-sessions.ts";
import type { ObjectNamespace, RemoteMcpSession } from "./rpc.ts";

/** Sessions behind a Durable Object namespace. */
export function durableMcpSessions(namespace: ObjectNamespace<RemoteMcpSession>): McpSessions {
  const of = (tenant: string, id: string): RemoteMcpSession => namespace.getByName(`${tenant}/${id}`);
  return {
    open: (tenant, session) => of(tenant, session.id).open(session),
    enter: (tenant, id, { owner, begins }) => of(tenant, id).enter(owner, begins),
    change: (tenant, id, change) => of(tenant, id).change(change),
    append: (tenant, id, { stream, messages, isLast }) => of(tenant, id).append(stream, messages, isLast),
    events: (tenant, id, { stream, after, waitMs }) => of(tenant, id).events(stream, after, waitMs),
    deliver: (tenant, id, message) => of(tenant, id).deliver(message),
    inbound: (tenant, id, stream) => of(tenant, id).inbound(stream),
    end: (tenant, id) => of(tenant, id).end(),
  };
}
