// Decides which admitted calls a session's ledger has yet to state to the trace store, and when: what is stated can be missed.
import { hourOf, type AdmissionStatement, type AdmittedCall } from "../trace/admissions.ts";
import type { CallRef, SessionLedgerState, SessionTransition } from "./session-messages.ts";

/** So many calls are stated without waiting for the session to be quiet. */
export const STATE_AT = 100;

/** Numbers that may or may not have been given to calls, since `at`. */
export interface UncertainRange {
  readonly from: number;
  readonly to: number;
  readonly at: number;
}

/** The members of the state that statements are made of. */
export type Unstated = Pick<SessionLedgerState, "sessionId" | "unstated" | "uncertain">;

/** Notes that a call was admitted. */
export function noted(
  { unstated, uncertain }: SessionLedgerState,
  ref: CallRef,
  call: Pick<AdmittedCall, "seq" | "kind" | "call_id" | "at">,
): Unstated {
  const admitted: AdmittedCall = { ...call, span_id: ref.spanId, trace_hex: ref.traceHex };
  return { sessionId: ref.session, unstated: [...unstated, admitted], uncertain };
}

/** Whether there is anything that can be stated now. */
export function hasSayable(state: SessionLedgerState): boolean {
  return state.uncertain.length > 0 || (state.unstated.length > 0 && sayable(state).length > 0);
}

/**
 * What can be stated: a model call once its hold is closed, for until then a stop of the runtime may take it along
 * unrecorded; a tool call at once, for it has an object of its own that records it whatever happens.
 */
function sayable({ unstated, holds }: SessionLedgerState): readonly AdmittedCall[] {
  const open = new Set(Object.values(holds).map((each) => each.seq));
  return open.size === 0 ? unstated : unstated.filter((each) => !open.has(each.seq));
}

/** The state without what can be stated, and the statements that tell it: one for the calls of an hour, one for each range. Both become durable together. */
export function stated(state: SessionLedgerState): {
  readonly next: SessionLedgerState;
  readonly statements: readonly AdmissionStatement[];
} {
  const { tenant, sessionId } = state;
  if (tenant === null || sessionId === null || !hasSayable(state)) return { next: state, statements: [] };
  const calls = sayable(state);
  const said = new Set(calls);
  const who = { tenant, session: sessionId };
  const certain = [...Map.groupBy(calls, ({ at }) => hourOf(at))].map(([hour, within]): AdmissionStatement => {
    const numbers = within.map(({ seq }) => seq);
    const range = { from_seq: Math.min(...numbers), to_seq: Math.max(...numbers) };
    return { ...who, hour, ...range, is_uncertain: false, calls: within };
  });
  const uncertain = state.uncertain.map(({ from, to, at }): AdmissionStatement => ({
    ...who,
    hour: hourOf(at),
    from_seq: from,
    to_seq: to,
    is_uncertain: true,
    calls: [],
  }));
  return {
    next: { ...state, unstated: state.unstated.filter((each) => !said.has(each)), uncertain: [] },
    statements: [...certain, ...uncertain],
  };
}

/** A transition after which a long list of unstated calls is told, durably, together with whatever else it changed. */
export function tellingMany(transition: SessionTransition): SessionTransition {
  if (transition.next.unstated.length < STATE_AT || sayable(transition.next).length < STATE_AT) return transition;
  const { next, statements } = stated(transition.next);
  const others = transition.effects.filter((each) => each.type !== "persist");
  return { ...transition, next, effects: [{ type: "state_admissions", statements }, { type: "persist" }, ...others] };
}

/** What a ledger knows of its admissions after an unclean stop: of calls then open, and of numbers set aside, nothing. */
export function afterStop(stored: SessionLedgerState): Pick<Unstated, "unstated" | "uncertain"> {
  const sure = sayable(stored);
  const at = stored.lastActivityAt;
  const lost = stored.unstated.filter((each) => !sure.includes(each)).map(({ seq }) => ({ from: seq, to: seq, at }));
  const aside = stored.seqCommitted > stored.seq ? [{ from: stored.seq + 1, to: stored.seqCommitted, at }] : [];
  return { unstated: sure, uncertain: [...stored.uncertain, ...lost, ...aside] };
}
