// Decides which admitted calls a session's ledger has yet to state to the trace store, and when: what is stated can be missed.
import { hourOf, type AdmissionStatement, type AdmittedCall } from "../trace/admissions.ts";
import type { CallRef, SessionLedgerState, SessionTransition, UnstatedCall } from "./session-messages.ts";

/** So many calls are stated without waiting for the session to be quiet. */
export const STATE_AT = 100;

/** A call that is over is stated this long after, and not before: until then its record may be on its way to the queue. */
export const RECORD_GRACE_MS = 1_000;

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
  return state.uncertain.length > 0 || state.unstated.some((each) => isSayable(each, Number.POSITIVE_INFINITY));
}

/** Notes that a model call is over; one that the ledger itself has recorded, durably, can be stated at once. */
export function over(
  { unstated }: Pick<SessionLedgerState, "unstated">,
  seq: number,
  overAt: number,
): Pick<SessionLedgerState, "unstated"> {
  return { unstated: unstated.map((each) => (each.seq === seq ? { ...each, overAt } : each)) };
}

/**
 * Whether a call can be stated: a model call once it has been over for a while, for until its record has left the
 * isolate a stop of the runtime takes both along; a tool call at once, for it has an object of its own that knows what
 * became of it.
 */
function isSayable({ kind, overAt }: UnstatedCall, now: number): boolean {
  return kind === "execute_tool" || (overAt !== undefined && now - overAt >= RECORD_GRACE_MS);
}

/** The state without what can be stated, and the statements that tell it: one for the calls of an hour, one for each range. Both become durable together. */
export function stated(
  state: SessionLedgerState,
  now: number,
): {
  readonly next: SessionLedgerState;
  readonly statements: readonly AdmissionStatement[];
} {
  const { tenant, sessionId } = state;
  if (tenant === null || sessionId === null || !hasSayable(state)) return { next: state, statements: [] };
  const calls = state.unstated.filter((each) => isSayable(each, now));
  const said = new Set(calls);
  const who = { tenant, session: sessionId };
  const certain = [...Map.groupBy(calls, ({ at }) => hourOf(at))].map(([hour, within]): AdmissionStatement => {
    const numbers = within.map(({ seq }) => seq);
    const range = { from_seq: Math.min(...numbers), to_seq: Math.max(...numbers) };
    return { ...who, hour, ...range, is_uncertain: false, calls: within.map(admittedCall) };
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
export function tellingMany(transition: SessionTransition, now: number): SessionTransition {
  const { unstated } = transition.next;
  if (unstated.length < STATE_AT || unstated.filter((each) => isSayable(each, now)).length < STATE_AT)
    return transition;
  const { next, statements } = stated(transition.next, now);
  const others = transition.effects.filter((each) => each.type !== "persist");
  return { ...transition, next, effects: [{ type: "state_admissions", statements }, { type: "persist" }, ...others] };
}

function admittedCall({ seq, kind, span_id, trace_hex, call_id, at }: UnstatedCall): AdmittedCall {
  return { seq, kind, span_id, trace_hex, call_id, at };
}

/** What a ledger knows of its admissions after an unclean stop: of calls then open or just over, and of numbers set aside, nothing. */
export function afterStop(stored: SessionLedgerState): Pick<Unstated, "unstated" | "uncertain"> {
  const at = stored.lastActivityAt;
  const isSure = (each: UnstatedCall): boolean => isSayable(each, at);
  const lost = stored.unstated.filter((each) => !isSure(each)).map(({ seq }) => ({ from: seq, to: seq, at }));
  const aside = stored.seqCommitted > stored.seq ? [{ from: stored.seq + 1, to: stored.seqCommitted, at }] : [];
  return { unstated: stored.unstated.filter(isSure), uncertain: [...stored.uncertain, ...lost, ...aside] };
}
