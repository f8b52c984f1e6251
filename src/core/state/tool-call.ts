// Decides the life of one tool call: what a repeat of its key gets, when its effect may start, and what is known of its outcome.
import type { Decision } from "../policy/decision.ts";
import type { Json, JsonObject } from "../json/canonical.ts";

/** The statuses of a tool call that this state machine reaches. */
export type ToolCallStatus = "denied" | "executing" | "succeeded" | "failed" | "unknown";

/** What a tool call is, fixed when it is first recorded. */
export interface ToolCallRequest {
  readonly id: string;
  readonly tenant: string;
  readonly actor: string;
  readonly session: string;
  readonly task: string | null;
  readonly intent: string | null;
  readonly traceId: string;
  readonly traceHex: string;
  readonly spanId: string;
  readonly toolName: string;
  readonly definitionDigest: string;
  readonly effect: "read" | "write" | "irreversible";
  readonly args: JsonObject;
  /** Digest of the canonical body: the same key with another fingerprint is a conflict. */
  readonly fingerprint: string;
  /** Instant after which an unfinished call counts as abandoned. */
  readonly deadlineAt: number;
}

/** What the upstream did, as far as anyone knows. */
export type ToolOutcome =
  | { readonly status: "succeeded"; readonly result: Json; readonly httpStatus: number }
  | {
      readonly status: "failed";
      readonly code: "tool_failed" | "tool_timeout" | "egress_blocked";
      readonly message: string;
      readonly httpStatus: number | null;
      readonly result: Json | null;
    }
  | { readonly status: "unknown"; readonly message: string };

/** The durable record of one call. */
export interface ToolCallRecord {
  readonly request: ToolCallRequest;
  readonly status: ToolCallStatus;
  readonly decision: Decision;
  readonly seq: number | null;
  readonly outcome: ToolOutcome | null;
  readonly attempts: number;
  /** Whether the session still has to get back what was charged for a call that surely did not happen. */
  readonly owesGiveBack: boolean;
  readonly createdAt: number;
  readonly finishedAt: number | null;
}

/** Nothing recorded yet, or a record; `admitting` is memory only: the ledger is being asked right now. */
export interface ToolCallState {
  readonly record: ToolCallRecord | null;
  readonly admitting: { readonly request: ToolCallRequest; readonly decision: Decision } | null;
}

/** Commands of the call's object. */
export type ToolCallCommand =
  | { readonly type: "begin"; readonly request: ToolCallRequest; readonly decision: Decision }
  | { readonly type: "admitted"; readonly seq: number }
  | { readonly type: "not_admitted" }
  | { readonly type: "finish"; readonly outcome: ToolOutcome }
  | { readonly type: "gave_back" }
  | { readonly type: "tick" };

/** Replies of the call's object. */
export type ToolCallReply =
  /** The ledger must be asked before anything else. */
  | { readonly type: "ask_ledger" }
  /** The intent is durable: perform the effect, once. */
  | { readonly type: "execute"; readonly record: ToolCallRecord }
  /** The first answer, again. */
  | { readonly type: "replay"; readonly record: ToolCallRecord }
  | { readonly type: "denied"; readonly record: ToolCallRecord }
  | { readonly type: "reused" }
  | { readonly type: "in_flight" }
  | { readonly type: "finished"; readonly record: ToolCallRecord }
  | { readonly type: "nothing" };

/** What the object must do before the reply leaves. */
export type ToolCallEffect =
  | { readonly type: "persist" }
  | { readonly type: "give_back" }
  | { readonly type: "report_abandoned"; readonly record: ToolCallRecord }
  | { readonly type: "forget" };

/** The result of a command. */
export interface ToolCallTransition {
  readonly next: ToolCallState;
  readonly reply: ToolCallReply;
  readonly effects: readonly ToolCallEffect[];
}

/** How long a finished call answers repeats: 24 hours, in milliseconds. */
export const RETENTION_MS = 86_400_000;

/** A give-back that did not go through is tried again after this long. */
const GIVE_BACK_RETRY_MS = 5_000;

/** A call never seen. */
export const NO_CALL: ToolCallState = { record: null, admitting: null };

/** Applies one command. Total; a command that does not fit the state changes nothing. */
export function transition(state: ToolCallState, command: ToolCallCommand, now: number): ToolCallTransition {
  switch (command.type) {
    case "begin":
      return begin(state, command, now);
    case "admitted":
      return admitted(state, command.seq, now);
    case "not_admitted":
      return { next: { ...state, admitting: null }, reply: { type: "nothing" }, effects: [] };
    case "finish":
      return finish(state, command.outcome, now);
    case "gave_back":
      return gaveBack(state);
    case "tick":
      return tick(state, now);
    default:
      return command satisfies never;
  }
}

/** When the object must wake: at the deadline of a running call, at the end of retention of a finished one; `null` for neither. */
export function nextWake(state: ToolCallState): number | null {
  if (state.record === null) return null;
  if (state.record.status === "executing") return state.record.request.deadlineAt;
  // Nothing but evidence ends an unknown outcome, and time is none.
  if (state.record.status === "unknown") return null;
  if (state.record.owesGiveBack) return (state.record.finishedAt ?? state.record.createdAt) + GIVE_BACK_RETRY_MS;
  return (state.record.finishedAt ?? state.record.createdAt) + RETENTION_MS;
}

function begin(state: ToolCallState, command: ToolCallCommand & { type: "begin" }, now: number): ToolCallTransition {
  const { request, decision } = command;
  // A denial is no outcome: once the policy allows the same call, it may run under the same key.
  const answered = state.record?.status === "denied" ? null : state.record;
  const known = state.admitting?.request ?? answered?.request;
  if (known !== undefined && known.fingerprint !== request.fingerprint) return unchanged(state, { type: "reused" });
  // Policy precedes idempotency: a stored answer is disclosed only to a call that would be allowed now.
  if (decision.effect !== "allow") return denied(state, command, now);
  if (state.admitting !== null) return unchanged(state, { type: "in_flight" });
  if (answered !== null) return unchanged(state, repeat(answered));
  return { next: { ...state, admitting: { request, decision } }, reply: { type: "ask_ledger" }, effects: [] };
}

/** A denial is recorded, unless there is something about this call that weighs more: what it once did. */
function denied(
  state: ToolCallState,
  { request, decision }: ToolCallCommand & { type: "begin" },
  now: number,
): ToolCallTransition {
  const record: ToolCallRecord = { ...recordOf(request, decision, now), status: "denied", finishedAt: now };
  const reply: ToolCallReply = { type: "denied", record };
  const isFirst = state.admitting === null && (state.record === null || state.record.status === "denied");
  return isFirst
    ? { next: { record, admitting: null }, reply, effects: [{ type: "persist" }] }
    : unchanged(state, reply);
}

function repeat(record: ToolCallRecord): ToolCallReply {
  return record.status === "executing" ? { type: "in_flight" } : { type: "replay", record };
}

function recordOf(request: ToolCallRequest, decision: Decision, now: number): ToolCallRecord {
  return {
    request,
    status: "executing",
    decision,
    seq: null,
    outcome: null,
    attempts: 0,
    owesGiveBack: false,
    createdAt: now,
    finishedAt: null,
  };
}

function admitted(state: ToolCallState, seq: number, now: number): ToolCallTransition {
  if (state.admitting === null) return unchanged(state, { type: "nothing" });
  const { request, decision } = state.admitting;
  const record: ToolCallRecord = { ...recordOf(request, decision, now), seq, attempts: 1 };
  return { next: { record, admitting: null }, reply: { type: "execute", record }, effects: [{ type: "persist" }] };
}

function finish(state: ToolCallState, outcome: ToolOutcome, now: number): ToolCallTransition {
  const { record } = state;
  const mayFinish =
    record !== null && (record.status === "executing" || (record.status === "unknown" && outcome.status !== "unknown"));
  if (!mayFinish) return unchanged(state, record === null ? { type: "nothing" } : { type: "finished", record });
  const next: ToolCallRecord = {
    ...record,
    status: outcome.status,
    outcome,
    finishedAt: now,
    owesGiveBack: outcome.status === "failed",
  };
  const effects: ToolCallEffect[] = next.owesGiveBack
    ? [{ type: "persist" }, { type: "give_back" }]
    : [{ type: "persist" }];
  return { next: { record: next, admitting: null }, reply: { type: "finished", record: next }, effects };
}

function gaveBack(state: ToolCallState): ToolCallTransition {
  if (state.record === null || !state.record.owesGiveBack) return unchanged(state, { type: "nothing" });
  return {
    next: { ...state, record: { ...state.record, owesGiveBack: false } },
    reply: { type: "nothing" },
    effects: [{ type: "persist" }],
  };
}

function tick(state: ToolCallState, now: number): ToolCallTransition {
  const { record } = state;
  if (record === null) return unchanged(state, { type: "nothing" });
  if (record.status === "executing") {
    if (now < record.request.deadlineAt) return unchanged(state, { type: "nothing" });
    const outcome: ToolOutcome = {
      status: "unknown",
      message: "the gateway stopped before the tool's answer was recorded",
    };
    const next: ToolCallRecord = { ...record, status: "unknown", outcome, finishedAt: now };
    return {
      next: { record: next, admitting: null },
      reply: { type: "nothing" },
      effects: [{ type: "persist" }, { type: "report_abandoned", record: next }],
    };
  }
  if (record.owesGiveBack) return { next: state, reply: { type: "nothing" }, effects: [{ type: "give_back" }] };
  const isOver = record.status !== "unknown" && now >= (record.finishedAt ?? record.createdAt) + RETENTION_MS;
  return isOver
    ? { next: NO_CALL, reply: { type: "nothing" }, effects: [{ type: "forget" }] }
    : unchanged(state, { type: "nothing" });
}

function unchanged(state: ToolCallState, reply: ToolCallReply): ToolCallTransition {
  return { next: state, reply, effects: [] };
}
