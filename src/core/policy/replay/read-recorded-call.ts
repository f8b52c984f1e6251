// Decides what a stored record of a tool call tells a replay: its ask and what became of it, or why it cannot be decided again.
import type { IndexRow, TraceRecord } from "../../trace/record.ts";
import type { ToolOutcome } from "../tool-outcome.ts";
import { readAsk } from "./read-ask.ts";
import type { RecordedCall, Unreplayable } from "./recorded-call.ts";

/** What of an index row a recorded call is read from. */
export type RecordedCallRow = Pick<
  IndexRow,
  "call_id" | "trace_id" | "started_at" | "duration_ms" | "status" | "decision"
>;

/**
 * The recorded call of a row and its record. Answers `ask_missing` where the record, or what the decision rested on, is
 * not stored or is no ask, and `ask_too_large` where the ask was left out of the record.
 */
export function readRecordedCall(
  row: RecordedCallRow,
  record: Pick<TraceRecord, "payloads"> | undefined,
): RecordedCall | Unreplayable {
  const payload = record?.payloads.find((each) => each.name === "ask");
  if (payload === undefined) return "ask_missing";
  if (payload.body === null) return payload.omitted === undefined ? "ask_missing" : "ask_too_large";
  const ask = readAsk(payload.body);
  if (ask === undefined) return "ask_missing";
  return {
    callId: row.call_id,
    traceId: row.trace_id,
    startedAt: row.started_at,
    endedAt: row.started_at + row.duration_ms,
    status: row.status,
    effect: row.decision,
    ask,
    outcome: outcomeOf(record?.payloads.find((each) => each.name === "result")?.body ?? null),
  };
}

/** A stored outcome: text of our own making, taken as it is where it has a known status. */
function outcomeOf(body: string | null): ToolOutcome | null {
  if (body === null) return null;
  try {
    const value = JSON.parse(body) as ToolOutcome;
    return ["succeeded", "failed", "unknown"].includes(value.status) ? value : null;
  } catch {
    return null;
  }
}
