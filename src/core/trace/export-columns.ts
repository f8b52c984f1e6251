// Decides the flat columns of an export: names, types and order that do not change, so that a table can be made of them.
import type { IndexRow } from "./record.ts";

/** Types of columns, as Parquet has them: UTF-8 text, 64-bit whole numbers, and instants in milliseconds since 1970 (UTC). */
export type ColumnType = "string" | "int64" | "timestamp_ms";

/** One column. */
export interface ExportColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly isNullable: boolean;
  readonly means: string;
}

/** The latest outcome that was reported of a trace. */
export interface JoinedOutcome {
  readonly outcome: string | null;
  readonly at: number;
}

/** A value of a row. */
export type ColumnValue = string | number | null;

const column = (name: string, type: ColumnType, isNullable: boolean, means: string): ExportColumn => ({
  name,
  type,
  isNullable,
  means,
});

/** Every column, in the order of a row's members. Columns are only ever added at the end. */
export const EXPORT_COLUMNS: readonly ExportColumn[] = [
  column("tenant", "string", false, "the tenant"),
  column("trace_id", "string", false, "the trace, as the caller spelled it"),
  column("trace_hex", "string", false, "the trace, as 32 hex digits"),
  column("span_id", "string", false, "the record's span, as 16 hex digits; with `trace_hex` the row's key"),
  column("kind", "string", false, "what the record tells of"),
  column("started_at", "timestamp_ms", false, "when it began"),
  column("duration_ms", "int64", false, "how long it took"),
  column("session_id", "string", false, "the session; `*` for what concerns all of them"),
  column("task_id", "string", true, "the task"),
  column("actor", "string", false, "who acted; `*` for what concerns all of them"),
  column("user", "string", true, "the end user, masked"),
  column("release", "string", true, "the release that the caller named"),
  column("subject", "string", false, "the model, the tool, or what was acted on"),
  column("upstream", "string", true, "who answered: a provider's name, a tool's host"),
  column("attempts", "int64", true, "attempts at the upstream"),
  column("status", "string", false, "what became of it"),
  column("decision", "string", false, "what the policy decided"),
  column("rules", "string", false, "ids of the rules that denied it or asked for approval, separated by a space"),
  column("policy_version", "string", false, "the policy it was decided under"),
  column("error_code", "string", true, "why it failed or was refused"),
  column("cost_micro_usd", "int64", false, "what it cost, in millionths of a dollar"),
  column("input_tokens", "int64", false, "tokens sent to the model"),
  column("output_tokens", "int64", false, "tokens the model answered"),
  column("seq", "int64", true, "place among the session's admitted calls"),
  column("tool_call_id", "string", true, "the tool call"),
  column("masked", "int64", false, "personal data and secrets masked in the record"),
  column("outcome", "string", true, "the latest outcome that was reported of the trace"),
  column("outcome_at", "timestamp_ms", true, "when that came about"),
];

/** The row of a record: every column, each a text, a whole number or null. */
export function exportRow(index: IndexRow, joined: JoinedOutcome | undefined): Readonly<Record<string, ColumnValue>> {
  const values: Readonly<Record<string, ColumnValue>> = {
    ...index,
    rules: index.rules.join(" "),
    tool_call_id: index.call_id,
    outcome: joined?.outcome ?? null,
    outcome_at: joined?.at ?? null,
  };
  return Object.fromEntries(
    EXPORT_COLUMNS.map(({ name, type }) => {
      const value = values[name] ?? null;
      return [name, type === "string" || typeof value !== "number" ? value : Math.round(value)];
    }),
  );
}
