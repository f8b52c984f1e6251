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
    withdraw: (tenant, id, act) => of(tenant, id).withdraw(act),
    release: (tenant, id, asked) => of(tenant, id).release(asked),
    settle: (tenant, id, finding) => of(tenant, id).settle(finding),
    compensate: (tenant, id, order, isRetry) => of(tenant, id).compensate(order, isRetry),
    compensationStands: async (tenant, id, stands) => {
      await of(tenant, id).compensationStands(stands.id, stands.status, stands.message);
    },
    unwound: async (tenant, id, report) => {
      await of(tenant, id).unwound(report);
    },
    forget: (tenant, id) => of(tenant, id).forget(),
    read: (tenant, id, waitMs) => of(tenant, id).read(waitMs),
  };
}
