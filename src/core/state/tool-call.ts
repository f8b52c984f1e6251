// Decides the life of one tool call: what a repeat of its key gets, when its effect may start, and what is known of its outcome.
import type { Decision } from "../policy/decision.ts";
import { stopOf } from "../policy/decision.ts";
import { expired, granted, isWaiting, sessionRefused, vote, waiting, withdraw } from "./tool-call-approval.ts";
import type { ToolOutcome } from "../policy/tool-outcome.ts";
import type {
  ToolCallCommand,
  ToolCallRecord,
  ToolCallReply,
  ToolCallRequest,
  ToolCallState,
  ToolCallStatus,
  ToolCallTransition,
} from "./tool-call-record.ts";

/** How long a finished call answers repeats: 24 hours, in milliseconds. */
export const RETENTION_MS = 86_400_000;

/** How long a call that people were asked about is kept, as the inbox keeps its line: 90 days. */
export const APPROVAL_RETENTION_MS = 90 * RETENTION_MS;

/** What did not go through is tried again after this long. */
const OWED_RETRY_MS = 5_000;

/** A call never seen. */
export const NO_CALL: ToolCallState = { record: null, admitting: null };

/**
 * Applies one command. Total; a command that does not fit the state changes nothing. An approval whose time is over has
 * expired for whoever comes next, whether or not the alarm has rung.
 */
export function transition(state: ToolCallState, command: ToolCallCommand, now: number): ToolCallTransition {
  const over = MEETS_EXPIRY.has(command.type) ? expired(state, now) : undefined;
  if (over === undefined) return apply(state, command, now);
  const { next, reply, effects } = apply(over.next, command, now);
  return { next, reply, effects: [...over.effects, ...effects] };
}

const MEETS_EXPIRY: ReadonlySet<ToolCallCommand["type"]> = new Set(["begin", "vote", "withdraw"]);

function apply(state: ToolCallState, command: ToolCallCommand, now: number): ToolCallTransition {
  switch (command.type) {
    case "begin":
      return begin(state, command, now);
    case "admitted":
      return admitted(state, command, now);
    case "decided":
      return decided(state, command, now);
    case "not_admitted":
      return { next: { ...state, admitting: null }, reply: { type: "nothing" }, effects: [] };
    case "vote":
      return vote(state, command, now);
    case "withdraw":
      return withdraw(state, now);
    case "finish":
      return finish(state, command, now);
    case "concluded":
      return settleDebt(state, "owesConclusion");
    case "inbox_shown":
      return settleDebt(state, "owesInbox");
    case "notified":
      return settleDebt(state, "owesNotice");
    case "tick":
      return tick(state, now);
    default:
      return command satisfies never;
  }
}

/** When the object must wake: to retry what it owes, at a deadline or an expiry, at the end of retention; `null` for never. */
export function nextWake(state: ToolCallState): number | null {
  const { record } = state;
  if (record === null) return null;
  const due = dueAt(record);
  const owes = record.owesConclusion || record.owesInbox || record.owesNotice;
  if (!owes) return due;
  const retry = (record.finishedAt ?? record.createdAt) + OWED_RETRY_MS;
  return due === null ? retry : Math.min(retry, due);
}

/** Whether the call's status is one on the way to another: it runs, or people decide. */
export function isOnItsWay({ record }: ToolCallState): boolean {
  return record !== null && (record.status === "executing" || isWaiting(record));
}

function dueAt(record: ToolCallRecord): number | null {
  const due = DUE[record.status];
  switch (due) {
    case "deadline":
      return record.deadlineAt;
    case "expiry":
      return record.approval?.expiresAt ?? null;
    case "retention":
      return (
        (record.finishedAt ?? record.createdAt) + (record.approval === null ? RETENTION_MS : APPROVAL_RETENTION_MS)
      );
    case "evidence":
      return null;
    default:
      return due satisfies never;
  }
}

/** What ends each status. Nothing but evidence ends an unknown outcome, and time is none. */
const DUE: Readonly<Record<ToolCallStatus, "deadline" | "expiry" | "retention" | "evidence">> = {
  executing: "deadline",
  drafted: "expiry",
  pending_approval: "expiry",
  unknown: "evidence",
  denied: "retention",
  approval_denied: "retention",
  approval_expired: "retention",
  approval_withdrawn: "retention",
  succeeded: "retention",
  failed: "retention",
};

function begin(state: ToolCallState, command: ToolCallCommand & { type: "begin" }, now: number): ToolCallTransition {
  const { request, decision } = command;
  const answered = answeredBefore(state);
  const known = state.admitting?.request ?? answered?.request;
  if (known !== undefined && known.fingerprint !== request.fingerprint) return unchanged(state, { type: "reused" });
  // Policy precedes idempotency: a stored answer is disclosed only to a call that would be allowed now. A denial that
  // also stops the session has to reach it, unless the call is known already.
  const stops = answered === null && stopOf(decision.reasons) !== undefined;
  if (decision.effect === "deny" && !stops) return denied(state, command, now);
  if (state.admitting !== null) return unchanged(state, { type: "in_flight" });
  if (answered !== null) return unchanged(state, repeat(answered));
  return {
    next: { ...state, admitting: { request, decision, vote: null } },
    reply: { type: "ask_ledger", request, approved: null },
    effects: [],
  };
}

/** What a repeat is answered from. A denial is no outcome: once the policy allows the same call, it may run under the same key. */
function answeredBefore({ record }: ToolCallState): ToolCallRecord | null {
  return record?.status === "denied" ? null : record;
}

/** A denial is recorded, unless there is something about this call that weighs more: what it once did. */
function denied(
  state: ToolCallState,
  { request, decision }: { readonly request: ToolCallRequest; readonly decision: Decision },
  now: number,
): ToolCallTransition {
  // An approval that a changed policy ended stays to be seen, and to be shown in the inbox.
  const { approval = null, owesInbox = false } = state.record ?? {};
  const ended = { ...recordOf(request, decision, now), status: "denied", finishedAt: now } as const;
  const record: ToolCallRecord = state.record?.status === "denied" ? { ...ended, approval, owesInbox } : ended;
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
    approval: null,
    seq: null,
    outcome: null,
    attempts: 0,
    owesConclusion: false,
    owesInbox: false,
    owesNotice: false,
    createdAt: now,
    deadlineAt: null,
    finishedAt: null,
  };
}

function admitted(
  state: ToolCallState,
  { seq, decision }: ToolCallCommand & { type: "admitted" },
  now: number,
): ToolCallTransition {
  if (state.admitting === null) return unchanged(state, { type: "nothing" });
  const { request, vote } = state.admitting;
  const prior = vote === null ? null : state.record;
  const approval = granted(state, now);
  const record: ToolCallRecord = {
    ...(prior ?? recordOf(request, decision, now)),
    status: "executing",
    decision,
    approval,
    seq,
    attempts: 1,
    owesInbox: approval !== null,
    owesNotice: false,
    deadlineAt: now + request.abandonAfterMs,
  };
  return {
    next: { record, admitting: null },
    reply: { type: "execute", record },
    effects: [{ type: "persist" }],
  };
}

/** What the policy made of the call once the session had been asked: denied, kept as a draft, or waiting for people. */
function decided(
  state: ToolCallState,
  command: ToolCallCommand & { type: "decided" },
  now: number,
): ToolCallTransition {
  const { admitting, record: known } = state;
  if (admitting === null) return unchanged(state, { type: "nothing" });
  if (admitting.vote !== null && known !== null) return sessionRefused(known, command, now);
  const { decision, draft } = command;
  const { request } = admitting;
  const calm: ToolCallState = { ...state, admitting: null };
  if (decision.effect === "deny" || decision.effect === "allow") return denied(calm, { request, decision }, now);
  const record = waiting(recordOf(request, decision, now), { draft, now });
  return { next: { record, admitting: null }, reply: { type: "waiting", record }, effects: [{ type: "persist" }] };
}

function finish(
  state: ToolCallState,
  { outcome, attempts }: ToolCallCommand & { type: "finish" },
  now: number,
): ToolCallTransition {
  const { record } = state;
  const mayFinish =
    record !== null && (record.status === "executing" || (record.status === "unknown" && outcome.status !== "unknown"));
  if (!mayFinish) return unchanged(state, record === null ? { type: "nothing" } : { type: "finished", record });
  const next: ToolCallRecord = {
    ...record,
    status: outcome.status,
    outcome,
    attempts: attempts ?? record.attempts,
    finishedAt: now,
    owesConclusion: true,
  };
  return {
    next: { record: next, admitting: null },
    reply: { type: "finished", record: next },
    effects: [{ type: "persist" }],
  };
}

/**
 * Something owed has gone through. Only of a notice that is written: whoever finds another debt after a stop pays it
 * twice, which changes nothing, but nobody wants to be told twice.
 */
function settleDebt(state: ToolCallState, debt: "owesConclusion" | "owesInbox" | "owesNotice"): ToolCallTransition {
  if (state.record === null || !state.record[debt]) return unchanged(state, { type: "nothing" });
  return {
    next: { ...state, record: { ...state.record, [debt]: false } },
    reply: { type: "nothing" },
    effects: debt === "owesNotice" ? [{ type: "persist" }] : [],
  };
}

function tick(state: ToolCallState, now: number): ToolCallTransition {
  const { record } = state;
  if (record === null) return unchanged(state, { type: "nothing" });
  const due = dueAt(record);
  if (due === null || now < due) return unchanged(state, { type: "nothing" });
  return isWaiting(record) ? (expired(state, now) ?? unchanged(state, { type: "nothing" })) : atDue(state, record, now);
}

function atDue(state: ToolCallState, record: ToolCallRecord, now: number): ToolCallTransition {
  if (record.status === "executing") {
    const message = "the gateway stopped before the tool's answer was recorded";
    const outcome: ToolOutcome = { status: "unknown", message };
    const next: ToolCallRecord = { ...record, status: "unknown", outcome, finishedAt: now, owesConclusion: true };
    return {
      next: { record: next, admitting: null },
      reply: { type: "nothing" },
      effects: [{ type: "persist" }, { type: "report_abandoned", record: next }],
    };
  }
  if (record.owesConclusion || record.owesInbox || state.admitting !== null)
    return unchanged(state, { type: "nothing" });
  return { next: NO_CALL, reply: { type: "nothing" }, effects: [{ type: "forget" }] };
}

function unchanged(state: ToolCallState, reply: ToolCallReply): ToolCallTransition {
  return { next: state, reply, effects: [] };
}
