// Decides the life of one tool call: what a repeat of its key gets, when its effect may start, and what is known of its outcome.
import type { Decision } from "../policy/decision.ts";
import { stopOf } from "../policy/decision.ts";
import { expired, granted, isWaiting, sessionRefused, vote, waiting, withdraw } from "./tool-call-approval.ts";
import { compensate, compensationStands, unwound } from "./tool-call-compensation.ts";
import { release, revoked, sent, settle, withdrawHeld } from "./tool-call-settling.ts";
import { arrived, askedFor, askedInVain, NOTHING_AFTER, retentionOf } from "./tool-call-work.ts";
import type { ChargeOutcome } from "./session-messages.ts";
import type { ToolOutcome } from "../policy/tool-outcome.ts";
import { unchanged } from "./tool-call-record.ts";
import type {
  ToolCallCommand,
  ToolCallRecord,
  ToolCallReply,
  ToolCallRequest,
  ToolCallState,
  ToolCallStatus,
  ToolCallTransition,
} from "./tool-call-record.ts";

/** How long a finished call answers repeats when the config does not say: 24 hours, in milliseconds. */
export const RETENTION_MS = 86_400_000;

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
  if (over === undefined) return arriving(state, apply(state, command, now), now);
  const first = arriving(state, over, now);
  const { next, reply, effects } = arriving(first.next, apply(first.next, command, now), now);
  return { next, reply, effects: [...first.effects, ...effects] };
}

/** Whatever leads to a status, the record then owes what that status owes. */
function arriving(before: ToolCallState, made: ToolCallTransition, now: number): ToolCallTransition {
  const was = before.record?.status ?? null;
  const { record } = made.next;
  if (record === null || record.status === was) return made;
  const next = arrived(record, was, now);
  const { reply } = made;
  return {
    next: { ...made.next, record: next },
    reply: "record" in reply && reply.record === record ? { ...reply, record: next } : reply,
    effects: made.effects,
  };
}

const MEETS_EXPIRY: ReadonlySet<ToolCallCommand["type"]> = new Set(["begin", "vote", "withdraw"]);

function apply(state: ToolCallState, command: ToolCallCommand, now: number): ToolCallTransition {
  // Each entry takes the command of its own name: the table's type says so, which a look-up by name forgets.
  const handle = HANDLERS[command.type] as (
    state: ToolCallState,
    command: ToolCallCommand,
    now: number,
  ) => ToolCallTransition;
  return handle(state, command, now);
}

type Handlers = {
  readonly [T in ToolCallCommand["type"]]: (
    state: ToolCallState,
    command: ToolCallCommand & { readonly type: T },
    now: number,
  ) => ToolCallTransition;
};

const NOTHING: ToolCallReply = { type: "nothing" };

const HANDLERS: Handlers = {
  begin,
  admitted,
  decided,
  not_admitted: (state) => ({ next: { ...state, admitting: null }, reply: NOTHING, effects: [] }),
  vote,
  withdraw: (state, _, now) =>
    state.record?.status === "held" ? withdrawHeld(state, state.record, now) : withdraw(state, now),
  release,
  finish,
  settle: (state, { finding }, now) => settle(state, finding, now),
  compensate,
  compensation_stands: compensationStands,
  unwound: (state, { report }, now) => unwound(state, report, now),
  concluded: (state) => settleDebt(state, "owesConclusion"),
  inbox_shown: (state) => settleDebt(state, "owesInbox"),
  notified: (state) => settleDebt(state, "owesNotice"),
  // What was paid for an earlier status pays nothing that a later one owes.
  listed: (state, { changedAt }) =>
    state.record?.changedAt === changedAt ? settleDebt(state, "owesListing") : unchanged(state, NOTHING),
  reported: (state, { status }) =>
    state.record?.status === status ? settleDebt(state, "owesReport") : unchanged(state, NOTHING),
  tick: (state, _, now) => tick(state, now),
  work_unsent: (state, _, now) => workUnsent(state, now),
};

/** What the session is told became of the call; `null` while nothing is owed. One that was never sent is taken back. */
export function conclusionOf({ owesConclusion, outcome }: ToolCallRecord): ChargeOutcome | null {
  if (!owesConclusion) return null;
  return outcome === null || isIncomplete(outcome) ? "withdrawn" : outcome.status;
}

/** Whether the upstream has asked for input instead of acting: nothing came of it yet, and its key may send it again. */
function isIncomplete(outcome: ToolOutcome | null | undefined): boolean {
  return outcome?.status === "failed" && outcome.code === "input_required";
}

/** When the object must wake: to retry what it owes, at a deadline or an expiry, at the end of retention; `null` for never. */
export function nextWake(state: ToolCallState): number | null {
  const { record } = state;
  if (record === null) return null;
  const retry = owes(record) ? (record.finishedAt ?? record.createdAt) + OWED_RETRY_MS : null;
  const times = [dueAt(record), record.work?.dueAt ?? null, retry].filter((each) => each !== null);
  return times.length === 0 ? null : Math.min(...times);
}

function owes(record: ToolCallRecord): boolean {
  const { owesConclusion, owesInbox, owesNotice, owesListing, owesReport } = record;
  return owesConclusion || owesInbox || owesNotice || owesListing || owesReport;
}

/** Whether the call's status is one on the way to another: it is held, it runs, it is being undone, or people decide. */
export function isOnItsWay({ record }: ToolCallState): boolean {
  return record !== null && (ON_ITS_WAY.has(record.status) || isWaiting(record));
}

const ON_ITS_WAY: ReadonlySet<ToolCallStatus> = new Set(["held", "executing", "compensating"]);

function dueAt(record: ToolCallRecord): number | null {
  const due = DUE[record.status];
  switch (due) {
    case "deadline":
      return record.deadlineAt;
    case "expiry":
      return record.approval?.expiresAt ?? null;
    case "retention":
      return Math.max(record.finishedAt ?? record.createdAt, record.changedAt) + retentionOf(record);
    case "evidence":
      return null;
    default:
      return due satisfies never;
  }
}

/** What ends each status. Nothing but evidence, or work that was done, ends what is held, unknown or being undone: time is none. */
const DUE: Readonly<Record<ToolCallStatus, "deadline" | "expiry" | "retention" | "evidence">> = {
  executing: "deadline",
  drafted: "expiry",
  pending_approval: "expiry",
  held: "evidence",
  unknown: "evidence",
  compensating: "evidence",
  withdrawn: "retention",
  compensated: "retention",
  compensation_failed: "retention",
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
  if (isOther(state.admitting?.request ?? answered?.request, request)) return unchanged(state, { type: "reused" });
  // Policy precedes idempotency: a stored answer is disclosed only to a call that would be allowed now. A denial that
  // also stops the session has to reach it, unless the call is known already.
  const stops = answered === null && stopOf(decision.reasons) !== undefined;
  if (decision.effect === "deny" && !stops) return denied(state, command, now);
  if (state.admitting !== null || isGivingBack(state)) return unchanged(state, { type: "in_flight" });
  if (answered !== null) return unchanged(state, repeat(answered));
  return {
    next: { ...state, admitting: { request, decision, vote: null, isHeld: false } },
    reply: { type: "ask_ledger", request, approved: null },
    effects: [],
  };
}

function isOther(known: ToolCallRequest | undefined, request: ToolCallRequest): boolean {
  return known !== undefined && known.fingerprint !== request.fingerprint;
}

/** What was held and then denied, or not completed, is given back before the same key may charge anew. */
function isGivingBack({ record }: ToolCallState): boolean {
  return record !== null && isNoAnswer(record) && record.owesConclusion;
}

/**
 * What a repeat is answered from. A denial is no outcome: once the policy allows the same call, it may run under the same
 * key. Nor is a question of the upstream: the repeat brings the answer.
 */
function answeredBefore({ record }: ToolCallState): ToolCallRecord | null {
  return record === null || isNoAnswer(record) ? null : record;
}

function isNoAnswer({ status, outcome }: ToolCallRecord): boolean {
  return status === "denied" || isIncomplete(outcome);
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
    ...NOTHING_AFTER,
    createdAt: now,
    changedAt: now,
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
  const { request, vote, isHeld } = state.admitting;
  if (isHeld && state.record !== null) return sent({ ...state.record, decision, seq }, now);
  const prior = vote === null ? null : state.record;
  const approval = granted(state, now);
  const known = prior ?? recordOf(request, decision, now);
  const admission = { ...known, decision, approval, seq, owesInbox: approval !== null, owesNotice: false };
  if (request.holdMs > 0) {
    const record: ToolCallRecord = { ...admission, status: "held", heldUntil: now + request.holdMs };
    return {
      next: { record, admitting: null },
      reply: { type: "waiting", record },
      effects: [{ type: "persist" }],
    };
  }
  return sent(admission, now);
}

/** What the policy made of the call once the session had been asked: denied, kept as a draft, or waiting for people. */
function decided(
  state: ToolCallState,
  command: ToolCallCommand & { type: "decided" },
  now: number,
): ToolCallTransition {
  const { admitting, record: known } = state;
  if (admitting === null) return unchanged(state, { type: "nothing" });
  if (admitting.isHeld && known !== null) return revoked(known, command.decision, now);
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
  const evidence = "the tool's own answer arrived late";
  const resolution =
    record.status === "unknown" ? ({ by: "late_answer", evidence, keyId: null, at: now } as const) : record.resolution;
  const next: ToolCallRecord = {
    ...record,
    status: outcome.status,
    outcome,
    attempts: attempts ?? record.attempts,
    resolution,
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
function settleDebt(
  state: ToolCallState,
  debt: `owes${"Conclusion" | "Inbox" | "Notice" | "Listing" | "Report"}`,
): ToolCallTransition {
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
  const { work } = record;
  if (work !== null && work.dueAt !== null && now >= work.dueAt) {
    const next = { ...state, record: { ...record, work: askedFor(work, now) } };
    return { next, reply: NOTHING, effects: [{ type: "persist" }, { type: "enqueue", kind: work.kind }] };
  }
  const due = dueAt(record);
  if (due === null || now < due) return unchanged(state, { type: "nothing" });
  return isWaiting(record) ? (expired(state, now) ?? unchanged(state, { type: "nothing" })) : atDue(state, record, now);
}

/** What the queue did not take is asked for again. */
function workUnsent(state: ToolCallState, now: number): ToolCallTransition {
  const { record } = state;
  if (record?.work == null) return unchanged(state, NOTHING);
  const next = { ...state, record: { ...record, work: askedInVain(record.work, now) } };
  return { next, reply: NOTHING, effects: [{ type: "persist" }] };
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
  if (owes({ ...record, owesNotice: false }) || (record.work?.dueAt ?? null) !== null || state.admitting !== null)
    return unchanged(state, { type: "nothing" });
  return { next: NO_CALL, reply: { type: "nothing" }, effects: [{ type: "forget" }] };
}
