// Decides how a call that nobody finished is told in a trace: an expired hold, an abandoned tool call.
import type { Amounts } from "../budget/amounts.ts";
import type { Hold } from "../state/session-messages.ts";
import type { ToolCallRecord } from "../state/tool-call-record.ts";
import { sha256Hex } from "../json/digest.ts";
import { ATTR } from "./attributes.ts";
import { NO_CALLER, type IndexRow, type TraceRecord } from "./record.ts";

/** The record of a hold that was never settled: charged whole, its outcome unknown. */
export function expiredHoldRecord(hold: Hold, charged: Amounts, now: number): TraceRecord {
  const { ref } = hold;
  const index: IndexRow = {
    tenant: ref.tenant,
    trace_hex: ref.traceHex,
    // Of its own: should the call itself still be recorded, both stand.
    span_id: sha256Hex(`expired\n${ref.spanId}`).slice(0, 16),
    trace_id: `tr_${ref.traceHex}`,
    started_at: hold.openedAt,
    duration_ms: now - hold.openedAt,
    kind: "ledger",
    session_id: ref.session,
    task_id: hold.task,
    actor: ref.actor,
    subject: ref.subject,
    status: "unknown",
    decision: "allow",
    error_code: "hold_expired",
    policy_version: ref.policyVersion,
    cost_micro_usd: charged.usd,
    input_tokens: 0,
    output_tokens: 0,
    seq: hold.seq,
    call_id: null,
    ...NO_CALLER,
  };
  return orphanRecord(index, `chat ${ref.subject}`, {
    [ATTR.costBasis]: "hold",
    [ATTR.costMicroUsd]: charged.usd,
    [ATTR.seq]: hold.seq,
  });
}

/** The record of a tool call whose answer never came back: its effect may have happened. */
export function abandonedCallRecord(record: ToolCallRecord, now: number): TraceRecord {
  const { request } = record;
  const index: IndexRow = {
    ...rowOf(record, now),
    // Of its own: should the answer still arrive, both stand.
    span_id: sha256Hex(`abandoned\n${request.spanId}`).slice(0, 16),
    kind: "execute_tool",
    status: "unknown",
    error_code: "outcome_unknown",
  };
  return orphanRecord(index, `execute_tool ${request.ask.tool}`, toolAttributes(record));
}

/** The record of an approval that nobody gave in time: the call was never made. */
export function expiredApprovalRecord(record: ToolCallRecord, now: number): TraceRecord {
  const index: IndexRow = {
    ...rowOf(record, now),
    span_id: sha256Hex(`expired approval\n${record.request.spanId}`).slice(0, 16),
    kind: "approval",
    status: "expired",
    error_code: "approval_expired",
  };
  return orphanRecord(index, `approval ${record.request.ask.tool}`, toolAttributes(record));
}

function toolAttributes({ request, approval }: ToolCallRecord): Readonly<Record<string, string | undefined>> {
  return {
    [ATTR.toolName]: request.ask.tool,
    [ATTR.toolCallId]: request.id,
    [ATTR.approvalId]: approval?.id,
  };
}

function rowOf(record: ToolCallRecord, now: number): Omit<IndexRow, "span_id" | "kind" | "status" | "error_code"> {
  const { request } = record;
  return {
    tenant: request.tenant,
    trace_hex: request.traceHex,
    trace_id: request.traceId,
    started_at: record.createdAt,
    duration_ms: now - record.createdAt,
    session_id: request.ask.session,
    task_id: request.ask.task,
    actor: request.ask.actor,
    subject: request.ask.tool,
    decision: record.decision.effect,
    policy_version: record.decision.policy_version,
    cost_micro_usd: 0,
    input_tokens: 0,
    output_tokens: 0,
    seq: record.seq,
    call_id: request.id,
    ...NO_CALLER,
  };
}

function orphanRecord(
  index: IndexRow,
  name: string,
  attributes: Readonly<Record<string, string | number | undefined | null>>,
): TraceRecord {
  const shown = Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, value ?? undefined]));
  return {
    v: 1,
    index,
    spans: [
      {
        span_id: index.span_id,
        parent_span_id: null,
        name,
        kind: "internal",
        start_ms: index.started_at,
        end_ms: index.started_at + index.duration_ms,
        status: "error",
        attributes: {
          [ATTR.tenant]: index.tenant,
          [ATTR.actor]: index.actor,
          [ATTR.conversation]: index.session_id,
          [ATTR.policyVersion]: index.policy_version,
          [ATTR.errorType]: index.error_code ?? undefined,
          [ATTR.outcome]: index.status,
          ...shown,
        },
      },
    ],
    payloads: [],
  };
}
