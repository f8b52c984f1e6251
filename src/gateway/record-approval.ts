// Builds the record of one person's decision on a waiting call: who, what, why, and what became of it.
import type { Outcome } from "../core/errors.ts";
import type { Vote } from "../core/state/approval.ts";
import type { ToolCallRecord } from "../core/state/tool-call-record.ts";
import { ATTR } from "../core/trace/attributes.ts";
import { NO_CALLER, type IndexRow, type Span } from "../core/trace/record.ts";
import type { Ports, Recorder } from "./ports.ts";
import { buildRecord } from "./record.ts";

/** What a person did: a vote, or a withdrawal; and what the gateway answered. */
export type PersonsAct =
  | { readonly vote: Vote; readonly outcome: Outcome<ToolCallRecord> }
  | { readonly withdrawnBy: string; readonly outcome: Outcome<ToolCallRecord> };

/** Records a decision on an approval, the refused ones too: an auditor sees who tried what. */
export function recordApproval(ports: Ports, recorder: Recorder, asked: ToolCallRecord, act: PersonsAct): void {
  const now = ports.system.now();
  const { request, approval } = asked;
  const spanId = ports.system.randomHex(8);
  const by = "vote" in act ? act.vote.by : act.withdrawnBy;
  const verdict = "vote" in act ? act.vote.verdict : "withdraw";
  const status = act.outcome.ok ? VERDICTS[verdict] : "refused";
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
    error_code: act.outcome.ok ? null : act.outcome.code,
    policy_version: asked.decision.policy_version,
    cost_micro_usd: 0,
    input_tokens: 0,
    output_tokens: 0,
    seq: null,
    call_id: request.id,
    ...NO_CALLER,
  };
  const span: Span = {
    span_id: spanId,
    parent_span_id: request.spanId,
    name: `approval ${request.ask.tool}`,
    kind: "internal",
    start_ms: now,
    end_ms: now,
    status: act.outcome.ok ? "ok" : "error",
    attributes: {
      [ATTR.tenant]: request.tenant,
      [ATTR.actor]: request.ask.actor,
      [ATTR.conversation]: request.ask.session,
      [ATTR.toolName]: request.ask.tool,
      [ATTR.toolCallId]: request.id,
      [ATTR.approvalId]: approval?.id,
      [ATTR.approvalStatus]: status,
      [ATTR.approvalBy]: by,
      [ATTR.approvalVia]: "vote" in act ? act.vote.via : "api",
      [ATTR.approvalComment]: "vote" in act ? (act.vote.comment ?? undefined) : undefined,
      [ATTR.policyVersion]: asked.decision.policy_version,
      [ATTR.errorType]: act.outcome.ok ? undefined : act.outcome.code,
    },
  };
  recorder.write(buildRecord(index, [span], []), []);
}

const VERDICTS = { approve: "approved", deny: "denied", withdraw: "withdrawn" } as const;
