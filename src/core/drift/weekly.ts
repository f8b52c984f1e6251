// Decides what a week's daily counts say of each release and tool: distributions of what succeeded, shares of what did not.
import { emptyHistogram, mergedHistogram, MEASURES, type Histogram, type Measure } from "../trace/histogram.ts";
import type { RollupRow } from "../trace/rollup.ts";
import type { Share } from "./proportions.ts";

/** Shares that are watched. */
export const RATES = ["refusals", "failures", "masked"] as const;

/** One of them. */
export type Rate = (typeof RATES)[number];

/** What one release did with one tool or model in a week. */
export interface WeeklyCounts {
  readonly release: string;
  readonly kind: string;
  readonly subject: string;
  /** Calls, without repeats that were answered from the first one. */
  readonly calls: number;
  readonly succeeded: number;
  /** Of the calls that succeeded: what they took is not what a refusal takes. */
  readonly distributions: Readonly<Record<Measure, Histogram>>;
  readonly rates: Readonly<Record<Rate, Share>>;
}

const REFUSED: readonly string[] = ["denied", "refused", "approval_denied"];
const FAILED: readonly string[] = ["failed", "unknown"];

/** The counts of a week by release, kind and subject, for calls of models and tools. */
export function weeklyCounts(rows: readonly RollupRow[]): ReadonlyMap<string, WeeklyCounts> {
  const calls = rows.filter(
    ({ kind, status }) => (kind === "chat" || kind === "execute_tool") && status !== "replayed",
  );
  const groups = Map.groupBy(calls, ({ release, kind, subject }) => JSON.stringify([release, kind, subject]));
  return new Map(
    [...groups].flatMap(([key, group]) => (group[0] === undefined ? [] : [[key, countsOf(group[0], group)]])),
  );
}

function countsOf({ release, kind, subject }: RollupRow, rows: readonly RollupRow[]): WeeklyCounts {
  const succeeded = rows.filter(({ status }) => status === "succeeded");
  const calls = callsOf(rows);
  const with_ = (statuses: readonly string[]): Share => ({
    count: callsOf(rows.filter(({ status }) => statuses.includes(status))),
    of: calls,
  });
  return {
    release,
    kind,
    subject,
    calls,
    succeeded: callsOf(succeeded),
    distributions: {
      latency: histogramOf(succeeded, "latency"),
      cost: histogramOf(succeeded, "cost"),
      input: histogramOf(succeeded, "input"),
      output: histogramOf(succeeded, "output"),
    },
    rates: {
      refusals: with_(REFUSED),
      failures: with_(FAILED),
      masked: { count: rows.reduce((sum, row) => sum + row.masked_calls, 0), of: calls },
    },
  };
}

function callsOf(rows: readonly RollupRow[]): number {
  return rows.reduce((sum, row) => sum + row.calls, 0);
}

function histogramOf(rows: readonly RollupRow[], measure: Measure): Histogram {
  return rows.reduce<Histogram>((sum, row) => mergedHistogram(sum, row[measure]), emptyHistogram(measure));
}

/** What is measured of calls of this kind; a tool has no tokens. */
export function measuresOf(kind: string): readonly Measure[] {
  return kind === "chat" ? MEASURES : MEASURES.filter((measure) => measure === "latency" || measure === "cost");
}
