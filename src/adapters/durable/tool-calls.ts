// Reaches tool calls: one object per tenant and call id, one hop per method.
import type { ToolCalls } from "../../gateway/ports.ts";
import type { ObjectNamespace, RemoteToolCall } from "./rpc.ts";

/** Tool calls behind a Durable Object namespace. */
export function durableToolCalls(namespace: ObjectNamespace<RemoteToolCall>): ToolCalls {
  const of = (tenant: string, id: string): RemoteToolCall => namespace.getByName(`${tenant}/${id}`);
  return {
    begin: (beginning) => of(beginning.request.tenant, beginning.request.id).begin(beginning),
    finish: (tenant, id, outcome, attempts) => of(tenant, id).finish(outcome, attempts),
    vote: (tenant, id, ballot) => of(tenant, id).vote(ballot),
    withdraw: (tenant, id) => of(tenant, id).withdraw(),
    read: (tenant, id, waitMs) => of(tenant, id).read(waitMs),
  };
}
