// Decides which calls can be undone, that each is undone by one call at a time, and what came of it.
import { compensationId, type SagaReport } from "./tool-call-after.ts";
import { isUnwinding, unwindingLater } from "./tool-call-work.ts";
import { persisted, unchanged } from "./tool-call-record.ts";
import type {
  ToolCallCommand,
  ToolCallRecord,
  ToolCallState,
  ToolCallStatus,
  ToolCallTransition,
} from "./tool-call-record.ts";

/**
 * Begins to undo a call that has succeeded, by a call whose id is derived from this one. Whoever asks again is told how
 * that stands; only a compensation that failed may be tried again, as another call.
 */
export function compensate(
  state: ToolCallState,
  { order, isRetry }: ToolCallCommand & { type: "compensate" },
  now: number,
): ToolCallTransition {
  const { record } = state;
  if (record === null) return unchanged(state, { type: "nothing" });
  const { status, request, compensation } = record;
  const mayBegin = status === "succeeded" || (status === "compensation_failed" && isRetry);
  if (!mayBegin)
    return unchanged(
      state,
      compensation === null
        ? { type: "not_compensable", record }
        : { type: "compensating", record, isNew: status === "compensating" },
    );
  const attempt = (compensation?.attempt ?? 0) + 1;
  const next: ToolCallRecord = {
    ...record,
    status: "compensating",
    compensation: {
      ...order,
      id: compensationId(request.tenant, request.id, attempt),
      attempt,
      status: "executing",
      message: null,
      requestedAt: now,
    },
  };
  return persisted(next, { type: "compensating", record: next, isNew: true });
}

/** Statuses in which a compensation has surely not happened. */
const IN_VAIN: ReadonlySet<string> = new Set([
  "refused",
  "denied",
  "failed",
  "withdrawn",
  "approval_denied",
  "approval_expired",
  "approval_withdrawn",
]);

/** How the call that undoes this one stands. What it is told of an earlier attempt changes nothing. */
export function compensationStands(
  state: ToolCallState,
  { id, status, message }: ToolCallCommand & { type: "compensation_stands" },
): ToolCallTransition {
  const { record } = state;
  if (record?.compensation == null) return unchanged(state, { type: "nothing" });
  const reply = { type: "compensating", record, isNew: false } as const;
  // Where somebody was refused while somebody else made it, what it did is what counts.
  const isOpen = record.status === "compensating" || (record.status === "compensation_failed" && !IN_VAIN.has(status));
  if (!isOpen || record.compensation.id !== id) return unchanged(state, reply);
  if (record.compensation.status === status && !isOver(status)) return unchanged(state, reply);
  const next: ToolCallRecord = {
    ...record,
    status: statusBy(status),
    compensation: { ...record.compensation, status, message },
  };
  return persisted(next, { type: "compensating", record: next, isNew: false });
}

function isOver(status: string): boolean {
  return statusBy(status) !== "compensating";
}

function statusBy(status: string): ToolCallStatus {
  if (status === "succeeded") return "compensated";
  return IN_VAIN.has(status) ? "compensation_failed" : "compensating";
}

/** Keeps what became of the saga that this call let fail, or was asked to undo; `null` where that was not to be undone. */
export function unwound(state: ToolCallState, report: SagaReport | null, now: number): ToolCallTransition {
  const { record } = state;
  if (record === null) return unchanged(state, { type: "nothing" });
  const isLeft = isUnwinding({ saga: report });
  const own = record.work?.kind === "unwind" || record.work === null;
  const work = isLeft ? (record.work ?? unwindingLater(now)) : own ? null : record.work;
  const next: ToolCallRecord = { ...record, saga: report ?? record.saga, work };
  // An admission under way goes on.
  return { next: { ...state, record: next }, reply: { type: "settled", record: next }, effects: [{ type: "persist" }] };
}
