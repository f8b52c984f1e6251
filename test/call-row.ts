// Builds index rows for tests: a model call that succeeded, unless said otherwise.
import { NO_CALLER, type IndexRow } from "../src/core/trace/record.ts";

let count = 0;

/** An index row; every one is another call. */
export function callRow(more: Partial<IndexRow> = {}): IndexRow {
  count += 1;
  const hex = count.toString(16);
  return {
    tenant: "t",
    trace_hex: hex.padStart(32, "a"),
    span_id: hex.padStart(16, "b"),
    trace_id: `tr_${hex.padStart(32, "a")}`,
    started_at: 1_790_000_000_000,
    duration_ms: 100,
    kind: "chat",
    session_id: "s",
    task_id: null,
    actor: "agent",
    subject: "m",
    status: "succeeded",
    decision: "allow",
    error_code: null,
    policy_version: "v1",
    cost_micro_usd: 1_000,
    input_tokens: 100,
    output_tokens: 50,
    seq: null,
    call_id: null,
    ...NO_CALLER,
    ...more,
  };
}
