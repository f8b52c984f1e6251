// Reaches session ledgers: one object per tenant and session, one hop per method.
import type { SessionLedgers } from "../../gateway/ports.ts";
import type { ObjectNamespace, RemoteSessionLedger } from "./rpc.ts";

/** Session ledgers behind a Durable Object namespace. */
export function durableSessionLedgers(namespace: ObjectNamespace<RemoteSessionLedger>): SessionLedgers {
  const of = (tenant: string, session: string): RemoteSessionLedger => namespace.getByName(`${tenant}/${session}`);
  return {
    admit: (admission) => of(admission.ref.tenant, admission.ref.session).admit(admission),
    settle: (tenant, session, holdId, actual) => of(tenant, session).settle(holdId, actual),
    read: (tenant, session) => of(tenant, session).read(),
    stash: (tenant, session, records) => of(tenant, session).stash(records),
  };
}
