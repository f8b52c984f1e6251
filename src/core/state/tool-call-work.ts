// Decides what a tool call's status leaves to be done later and when, whom it has to be told to, and how long it is kept.
import type { CallWork, DueWork } from "./tool-call-after.ts";
import type { ToolCallRecord, ToolCallRequest, ToolCallStatus } from "./tool-call-record.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Waits before each time the gateway is asked. Undoing is begun by whoever asked; the queue comes after those who died. */
const WAITS: Readonly<Record<CallWork, readonly number[]>> = {
  send: [0, 5 * SECOND_MS, 15 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS],
  settle: [5 * SECOND_MS, 15 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 6 * HOUR_MS],
  compensate: [10 * SECOND_MS, 30 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 6 * HOUR_MS],
  unwind: [10 * SECOND_MS, 30 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 6 * HOUR_MS],
};
/** A message that the queue did not take is sent again after this long. */
const UNSENT_MS = 5 * SECOND_MS;

/** The work as it stands once it was asked for. A held call is asked for until it was sent or taken back. */
export function askedFor(work: DueWork, now: number): DueWork {
  const attempts = work.attempts + 1;
  const wait = WAITS[work.kind][attempts] ?? (work.kind === "send" ? 10 * MINUTE_MS : undefined);
  return { ...work, attempts, dueAt: wait === undefined ? null : now + wait };
}

/** The work as it stands when asking for it did not go through. */
export function askedInVain(work: DueWork, now: number): DueWork {
  return { ...work, attempts: Math.max(0, work.attempts - 1), dueAt: now + UNSENT_MS };
}

/** Statuses in which a member of a saga has failed: its task's other members are undone. */
const FAILED: ReadonlySet<ToolCallStatus> = new Set(["failed", "approval_denied", "approval_expired"]);

/** What a call that has just come to its status leaves to be done. */
export function workOf(record: ToolCallRecord, was: ToolCallStatus | null, now: number): DueWork | null {
  const due = (kind: CallWork, at: number): DueWork => ({ kind, attempts: 0, dueAt: at });
  const { request, status, heldUntil } = record;
  if (status === "held" && heldUntil !== null) return due("send", heldUntil);
  if (status === "unknown") return request.settle === "person" ? null : due("settle", now + firstWait("settle"));
  if (status === "compensating") return due("compensate", now + firstWait("compensate"));
  // It was being undone itself when its saga was: the rest of that is still to come.
  if (was === "compensating" && isUnwinding(record)) return unwindingLater(now);
  // What turns out to have happened in a saga that was undone meanwhile is undone too.
  const isLate = was === "unknown" && status === "succeeded";
  return request.isInSaga && (FAILED.has(status) || isLate) ? due("unwind", now + firstWait("unwind")) : null;
}

/** Members in these statuses are looked at again, so that nothing is left standing, or reported so, for having been slow. */
const MAY_CHANGE: ReadonlySet<string> = new Set(["executing", "unknown", "compensating"]);

/** Whether the saga that was undone at this call has members that are not settled. */
export function isUnwinding({ saga }: Pick<ToolCallRecord, "saga">): boolean {
  return saga?.members.some(({ status }) => MAY_CHANGE.has(status)) === true;
}

/** Undoing a saga that is not wholly undone yet. */
export function unwindingLater(now: number): DueWork {
  return { kind: "unwind", attempts: 0, dueAt: now + firstWait("unwind") };
}

function firstWait(kind: CallWork): number {
  return WAITS[kind][0] ?? 0;
}

const LISTED: ReadonlySet<ToolCallStatus> = new Set([
  "held",
  "withdrawn",
  "unknown",
  "compensating",
  "compensated",
  "compensation_failed",
]);

/** A record that has just come to its status: what it owes the list of calls and the call it undoes, and what is to be done. */
export function arrived(record: ToolCallRecord, was: ToolCallStatus | null, now: number): ToolCallRecord {
  const isListed = record.isListed || LISTED.has(record.status) || record.approval !== null;
  return {
    ...record,
    changedAt: now,
    isListed,
    owesListing: isListed,
    owesReport: record.request.compensates !== null && record.status !== "executing",
    work: workOf(record, was, now),
  };
}

const DAY_MS = 24 * HOUR_MS;
/** How long a call that people or compensation had to do with is kept, as the inbox keeps its line: 90 days. */
export const APPROVAL_RETENTION_MS = 90 * DAY_MS;
/** How long a call that can be undone is kept at least: 30 days. */
export const COMPENSABLE_RETENTION_MS = 30 * DAY_MS;

/** How long a call is kept once nothing more happens to it. */
export function retentionOf({ request, approval, compensation, resolution }: ToolCallRecord): number {
  const isLong = approval !== null || compensation !== null || resolution !== null;
  return Math.max(request.retentionMs, isLong ? APPROVAL_RETENTION_MS : 0);
}

/** The members of a request that earlier versions did not write. */
export const WITHOUT_AFTERMATH = {
  holdMs: 0,
  settle: "person",
  retentionMs: DAY_MS,
  isInSaga: false,
  compensates: null,
} as const satisfies Partial<ToolCallRequest>;

/** The members of a record to which nothing has happened after its answer. */
export const NOTHING_AFTER = {
  isListed: false,
  owesListing: false,
  owesReport: false,
  work: null,
  absentAt: null,
  resolution: null,
  compensation: null,
  saga: null,
  heldUntil: null,
} as const satisfies Partial<ToolCallRecord>;
