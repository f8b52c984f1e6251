// Decides the record of one person's decision on a waiting call: who, what, why, and what became of it.
import type { ErrorCode } from "../errors.ts";
import type { Vote } from "../state/approval.ts";
import type { ToolCallRecord } from "../state/tool-call-record.ts";
import type { ToldAt } from "./act.ts";
import { ATTR } from "./attributes.ts";
import { NO_CALLER, type IndexRow, type TraceRecord } from "./record.ts";

/** What a person did to the approval of a call. */
export interface ApprovalAct {
  /** The key's id, or the approver's link. */
  readonly by: string;
  readonly verdict: Vote["verdict"] | "withdraw";
  readonly via: Vote["via"];
  readonly comment: string | null;
  /** Why it did not count; `null` when it did. */
  readonly refused: ErrorCode | null;
}

const STATUSES = { approve: "approved", deny: "denied", withdraw: "withdrawn" } as const;

/** The record of an act on an approval, of the call as it stood before. */
export function approvalRecord(asked: ToolCallRecord, act: ApprovalAct, { spanId, now }: ToldAt): TraceRecord {
  const { request, approval } = asked;
  const status = act.refused === null ? STATUSES[act.verdict] : "refused";
  const index: IndexRow = {
    tenant: request.tenant,
    trace_hex: request.traceHex,
    span_id: spanId,
    trace_id: request.traceId,
    started_at: now,
    duration_ms: 0,
    kind: "approval",
    session_id: request.ask.session,
    task_id: request.ask.task,
    actor: request.ask.actor,
    subject: request.ask.tool,
    status,
    decision: asked.decision.effect,
    error_code: act.refused,
    policy_version: asked.decision.policy_version,
    cost_micro_usd: 0,
    input_tokens: 0,
    output_tokens: 0,
    seq: null,
    call_id: request.id,
    ...NO_CALLER,
  };
  return {
    v: 1,
    index,
    spans: [
      {
        span_id: spanId,
        parent_span_id: request.spanId,
        name: `approval ${request.ask.tool}`,
        kind: "internal",
        start_ms: now,
        end_ms: now,
        status: act.refused === null ? "ok" : "error",
        attributes: {
          [ATTR.tenant]: request.tenant,
          [ATTR.actor]: request.ask.actor,
          [ATTR.conversation]: request.ask.session,
          [ATTR.toolName]: request.ask.tool,
          [ATTR.toolCallId]: request.id,
          [ATTR.approvalId]: approval?.id,
          [ATTR.approvalStatus]: status,
          [ATTR.approvalBy]: act.by,
          [ATTR.approvalVia]: act.via,
          [ATTR.approvalComment]: act.comment ?? undefined,
          [ATTR.policyVersion]: asked.decision.policy_version,
          [ATTR.errorType]: act.refused ?? undefined,
        },
      },
    ],
    payloads: [],
  };
}
