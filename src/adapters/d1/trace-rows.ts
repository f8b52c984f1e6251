// Decides how a recorded call stands in its D1 row, and reads it back.
import { getTableColumns } from "drizzle-orm";
import * as z from "zod/mini";
import { RECORD_KINDS, type IndexRow } from "../../core/trace/record.ts";
import type { IndexedRow } from "../../gateway/ports/trace-store.ts";
import { calls } from "./schema.ts";

/** A row's columns but its number, in the order of its values. */
export const COLUMNS = [
  "tenant",
  "trace_hex",
  "span_id",
  "trace_id",
  "started_at",
  "duration_ms",
  "kind",
  "session_id",
  "task_id",
  "actor",
  "subject",
  "status",
  "decision",
  "error_code",
  "policy_version",
  "cost_micro_usd",
  "input_tokens",
  "output_tokens",
  "seq",
  "call_id",
  "release",
  "user",
  "rules",
  "upstream",
  "attempts",
  "masked",
  "segment",
  "line",
] as const;

const Kind = z.enum(RECORD_KINDS);
const Rules = z.array(z.string());

const { id: _, ...selected } = getTableColumns(calls);

/** The columns to select: all but `id`, which a number in JavaScript cannot hold. */
export const SELECTED = selected;

/** A selected row. */
export type CallRow = Omit<typeof calls.$inferSelect, "id">;

/** The call that a row tells of. */
export function indexedRow(row: CallRow): IndexedRow {
  return { segment: row.segment, line: row.line, index: indexOf(row) };
}

function indexOf(row: CallRow): IndexRow {
  return {
    tenant: row.tenant,
    trace_hex: row.traceHex,
    span_id: row.spanId,
    trace_id: row.traceId,
    started_at: row.startedAt,
    duration_ms: row.durationMs,
    kind: Kind.parse(row.kind),
    session_id: row.sessionId,
    task_id: row.taskId,
    actor: row.actor,
    subject: row.subject,
    status: row.status,
    decision: row.decision,
    error_code: row.errorCode,
    policy_version: row.policyVersion,
    cost_micro_usd: row.costMicroUsd,
    input_tokens: row.inputTokens,
    output_tokens: row.outputTokens,
    seq: row.seq,
    call_id: row.callId,
    release: row.release,
    user: row.user,
    rules: Rules.parse(JSON.parse(row.rules)),
    upstream: row.upstream,
    attempts: row.attempts,
    masked: row.masked,
  };
}
