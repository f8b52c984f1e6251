// Decides what a recorded call that did not succeed says to its caller.
import { refuse, type ErrorCode, type Refusal } from "../errors.ts";
import type { ToolCallRecord, ToolCallStatus } from "./tool-call-record.ts";

/** What a call that was not executed, and will not be, is refused with. */
const NOT_EXECUTED: Partial<Record<ToolCallStatus, { readonly code: ErrorCode; readonly detail: string }>> = {
  approval_denied: { code: "approval_denied", detail: "a person denied this call" },
  approval_expired: { code: "approval_expired", detail: "nobody approved this call in time" },
  approval_withdrawn: { code: "approval_withdrawn", detail: "this call was withdrawn before anyone decided" },
  withdrawn: { code: "call_withdrawn", detail: "this call was taken back within its undo window" },
  denied: { code: "policy_denied", detail: "the policy denied this call" },
};

/** Why a recorded call has no result: denied, expired, failed and unknown are different. `undefined` for one that has, or may yet have. */
export function refusalOfRecord(record: ToolCallRecord): Refusal | undefined {
  const { status, decision } = record;
  if (status === "failed" || status === "unknown") return refusalOfOutcome(record);
  const told = NOT_EXECUTED[status];
  if (told === undefined) return undefined;
  const comment = status === "approval_denied" ? `: ${denialOf(record)}` : "";
  return refuse(told.code, `${told.detail}${comment}; it was not executed`, { extensions: { decision } });
}

function refusalOfOutcome({ status, outcome }: ToolCallRecord): Refusal {
  if (outcome?.status === "failed") return refuse(outcome.code, outcome.message);
  const known = outcome?.status === "unknown" ? outcome.message : undefined;
  return status === "failed"
    ? refuse("tool_failed", "it failed")
    : refuse("outcome_unknown", known ?? "the effect may have happened");
}

function denialOf({ approval }: ToolCallRecord): string {
  return approval?.votes.findLast((vote) => vote.verdict === "deny")?.comment ?? "";
}
