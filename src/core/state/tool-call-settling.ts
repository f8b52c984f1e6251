// Decides when a held call is sent or taken back, and what evidence settles an outcome that is unknown.
import type { Decision } from "../policy/decision.ts";
import { persisted, unchanged } from "./tool-call-record.ts";
import type {
  Finding,
  ToolCallCommand,
  ToolCallRecord,
  ToolCallState,
  ToolCallTransition,
} from "./tool-call-record.ts";

/** A call whose intent is on disk and whose effect may start now. */
export function sent(admitted: ToolCallRecord, now: number): ToolCallTransition {
  const record: ToolCallRecord = {
    ...admitted,
    status: "executing",
    attempts: 1,
    deadlineAt: now + admitted.request.abandonAfterMs,
  };
  return persisted(record, { type: "execute", record });
}

/** Takes a held call back before it is sent; what it was charged goes back. */
export function withdrawHeld(state: ToolCallState, held: ToolCallRecord, now: number): ToolCallTransition {
  if (state.admitting !== null) return unchanged(state, { type: "vote_refused", why: "busy", record: held });
  const record: ToolCallRecord = { ...held, status: "withdrawn", finishedAt: now, owesConclusion: true };
  return persisted(record, { type: "withdrawn", record });
}

/**
 * A held call's time has come: it asks its session once more, whose rules and pause count as of now. What the policy no
 * longer allows is denied, and may be asked for again under the same key.
 */
export function release(
  state: ToolCallState,
  { decision, draft }: ToolCallCommand & { type: "release" },
  now: number,
): ToolCallTransition {
  const { record } = state;
  const isDue = record?.status === "held" && record.heldUntil !== null && now >= record.heldUntil;
  if (record === null || !isDue || state.admitting !== null) return unchanged(state, { type: "nothing" });
  if (decision.effect === "deny") return revoked(record, decision, now);
  const { request, approval } = record;
  return {
    next: { ...state, admitting: { request, decision, vote: null, isHeld: true } },
    reply: {
      type: "ask_ledger",
      request,
      approved: approval === null ? null : { requirements: approval.requirements, draft },
    },
    effects: [],
  };
}

/** A held call that the policy of this instant does not let run: nothing was sent, and its charge goes back. */
export function revoked(held: ToolCallRecord, decision: Decision, now: number): ToolCallTransition {
  const record: ToolCallRecord = { ...held, status: "denied", decision, finishedAt: now, owesConclusion: true };
  return persisted(record, { type: "denied", record });
}

/** One probe that finds nothing may have been faster than the effect; a second one this much later, in milliseconds, is not. A message that is delivered twice is no second one. */
const ABSENCE_GAP_MS = 4_000;

/** Takes what somebody found out about an unknown outcome. A definite outcome never changes. */
export function settle(state: ToolCallState, finding: Finding, now: number): ToolCallTransition {
  const { record } = state;
  if (record === null) return unchanged(state, { type: "nothing" });
  if (record.status !== "unknown") return unchanged(state, { type: "known", record });
  switch (finding.type) {
    case "settled":
      return isRepeating(record, now) && finding.resolution.by === "person"
        ? unchanged(state, { type: "known", record })
        : settled(record, finding, now);
    case "absent":
      return absent(record, finding.message, now);
    case "repeating":
      return isRepeating(record, now)
        ? unchanged(state, { type: "nothing" })
        : persisted({ ...record, repeatingUntil: finding.until }, { type: "known", record });
    case "person":
      return persisted({ ...record, work: null }, { type: "known", record });
    default:
      return finding satisfies never;
  }
}

/** Whether a repeat of the call is on its way: what it comes to is not known before it is back. */
export function isRepeating({ repeatingUntil = 0 }: ToolCallRecord, now: number): boolean {
  return now < repeatingUntil;
}

function settled(
  unknown: ToolCallRecord,
  { outcome, resolution }: Finding & { type: "settled" },
  now: number,
): ToolCallTransition {
  const record: ToolCallRecord = {
    ...unknown,
    status: outcome.status,
    outcome,
    resolution: { ...resolution, at: now },
    finishedAt: now,
    owesConclusion: true,
  };
  return persisted(record, { type: "settled", record });
}

function absent(record: ToolCallRecord, message: string, now: number): ToolCallTransition {
  const { absentAt } = record;
  if (absentAt === null) {
    const next = { ...record, absentAt: now };
    return persisted(next, { type: "known", record: next });
  }
  if (now - absentAt < ABSENCE_GAP_MS) return persisted(record, { type: "known", record });
  const outcome = { status: "failed", code: "tool_failed", message, httpStatus: null, result: null } as const;
  return settled(
    record,
    { type: "settled", outcome, resolution: { by: "probe", evidence: message, keyId: null } },
    now,
  );
}
