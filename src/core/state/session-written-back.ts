// Decides when a session's durable row is exact, and what is left of its dollars.
import * as accounts from "./account.ts";
import type { Account } from "./account.ts";
import type { SessionLedgerState } from "./session-messages.ts";

/** A state that was exact stays exact through a change that is itself written: nothing needs a chunk. */
export function whenExact(state: SessionLedgerState): SessionLedgerState {
  return state.isExact ? writtenBack(state) : state;
}

/** The state with exactly what is used and held set aside. */
export function writtenBack(state: SessionLedgerState): SessionLedgerState {
  return {
    ...state,
    session: state.session === null ? null : accounts.exactly(state.session),
    tasks: Object.fromEntries(Object.entries(state.tasks).map(([id, account]) => [id, accounts.exactly(account)])),
    seqCommitted: state.seq,
    isExact: true,
  };
}

/** Micro-USD left of the session's budget; `null` where none is set. */
export function remaining(session: Account | null): number | null {
  const room = session === null ? undefined : accounts.headroom(session, "usd");
  return room === undefined ? null : Math.max(0, room);
}
