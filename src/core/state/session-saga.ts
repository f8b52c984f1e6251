// Decides which calls of a session are one unit, and that a unit which is being undone takes no more of them.
import type { Charge, SessionLedgerState, SessionSaga, SessionTransition } from "./session-messages.ts";

/** Closes a task's saga, durably and for good: nothing joins what is being undone. */
export function closeSaga(state: SessionLedgerState, task: string, now: number): SessionTransition {
  const reply = { type: "revisited" } as const;
  if (state.closedSagas.includes(task)) return { next: state, reply, effects: [] };
  const next = { ...state, closedSagas: [...state.closedSagas, task], lastActivityAt: now };
  return { next, reply, effects: state.session === null ? [] : [{ type: "persist" }] };
}

/** The saga of a task: what of it was charged and may have had its effect. */
export function sagaOf({ closedSagas }: SessionLedgerState, charges: readonly Charge[], task: string): SessionSaga {
  const members = charges
    .filter((each) => each.isInSaga && each.task === task && each.status === "charged")
    .map(({ callId, ref }) => ({ callId, tool: ref.subject }));
  return { isClosed: closedSagas.includes(task), members };
}
