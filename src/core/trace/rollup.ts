// Decides what a batch of new records adds to the daily counts: one row per tenant, day, release, kind, subject, status and decision.
import type { IndexRow } from "./record.ts";
import { emptyHistogram, mergedHistogram, withValue, type Histogram } from "./histogram.ts";

/** What a row counts of: all its records share these. */
export interface RollupKey {
  readonly tenant: string;
  /** The UTC day they started on, counted from 1970-01-01. */
  readonly day: number;
  readonly kind: string;
  readonly subject: string;
  /** The release that the caller named; empty where none was. */
  readonly release: string;
  readonly status: string;
  readonly decision: string;
}

/** What is counted. Sums are exact; histograms have the buckets of `EDGES`. */
export interface RollupCounts {
  readonly calls: number;
  readonly cost_micro_usd: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly duration_ms: number;
  readonly attempts: number;
  /** Masked entities, and the calls that had any. */
  readonly masked: number;
  readonly masked_calls: number;
  readonly latency: Histogram;
  readonly cost: Histogram;
  readonly input: Histogram;
  readonly output: Histogram;
}

/** One row. */
export interface RollupRow extends RollupKey, RollupCounts {}

const DAY_MS = 86_400_000;

/** The rows that these records add up to. A record counts once: callers pass only those that the index has not had. */
export function rollupRows(records: readonly IndexRow[]): readonly RollupRow[] {
  const rows = new Map<string, RollupRow>();
  for (const record of records) {
    // Spans that an agent made itself are no calls of ours.
    if (record.kind === "otel") continue;
    const key = keyOf(record);
    const name = JSON.stringify(Object.values(key));
    const before = rows.get(name);
    const counts = countsOf(record);
    rows.set(name, { ...key, ...(before === undefined ? counts : mergedCounts(before, counts)) });
  }
  return [...rows.values()];
}

/** Both counts together. */
export function mergedCounts(left: RollupCounts, right: RollupCounts): RollupCounts {
  return {
    calls: left.calls + right.calls,
    cost_micro_usd: left.cost_micro_usd + right.cost_micro_usd,
    input_tokens: left.input_tokens + right.input_tokens,
    output_tokens: left.output_tokens + right.output_tokens,
    duration_ms: left.duration_ms + right.duration_ms,
    attempts: left.attempts + right.attempts,
    masked: left.masked + right.masked,
    masked_calls: left.masked_calls + right.masked_calls,
    latency: mergedHistogram(left.latency, right.latency),
    cost: mergedHistogram(left.cost, right.cost),
    input: mergedHistogram(left.input, right.input),
    output: mergedHistogram(left.output, right.output),
  };
}

function keyOf(record: IndexRow): RollupKey {
  return {
    tenant: record.tenant,
    day: Math.floor(record.started_at / DAY_MS),
    kind: record.kind,
    subject: record.subject,
    release: record.release ?? "",
    status: record.status,
    decision: record.decision,
  };
}

function countsOf(record: IndexRow): RollupCounts {
  const one = (measure: "latency" | "cost" | "input" | "output", value: number): Histogram =>
    withValue(emptyHistogram(measure), measure, value);
  return {
    calls: 1,
    cost_micro_usd: record.cost_micro_usd,
    input_tokens: record.input_tokens,
    output_tokens: record.output_tokens,
    duration_ms: record.duration_ms,
    attempts: record.attempts ?? 0,
    masked: record.masked,
    masked_calls: record.masked > 0 ? 1 : 0,
    latency: one("latency", record.duration_ms),
    cost: one("cost", record.cost_micro_usd),
    input: one("input", record.input_tokens),
    output: one("output", record.output_tokens),
  };
}
