// Builds what a gate is given: cases with a value for each run of either side.
import type { GateInput, MetricItem, MetricTerms } from "../../src/core/eval/gate/gate-input.ts";
import { decideGate } from "../../src/core/eval/gate/decide-gate.ts";

/** One case under one metric; in a cluster of its own when left out. */
export function item(
  at: number,
  baseline: readonly number[],
  candidate: readonly number[],
  more: Partial<MetricItem> = {},
): MetricItem {
  return { case: `c${at}`, cluster: `s${at}`, tags: [], risk: "low", baseline, candidate, ...more };
}

/** Single passes: so many that pass on both sides, are lost, are won, and fail on both. */
export function table(both: number, lost: number, won: number, neither: number): readonly MetricItem[] {
  const kinds = [
    ...Array.from({ length: both }, () => [1, 1] as const),
    ...Array.from({ length: lost }, () => [1, 0] as const),
    ...Array.from({ length: won }, () => [0, 1] as const),
    ...Array.from({ length: neither }, () => [0, 0] as const),
  ];
  return kinds.map(([before, after], at) => item(at, [before], [after]));
}

/** Terms of a metric that decides. */
export function terms(more: Partial<MetricTerms> = {}): MetricTerms {
  return { id: "answers", kind: "pass", margin: 0.05, is_gating: true, ...more };
}

/** A gate's input over some metrics, nothing of which was lost. */
export function gateInput(
  metrics: readonly (readonly [Partial<MetricTerms>, readonly MetricItem[]])[],
  more: Partial<GateInput> = {},
): GateInput {
  return {
    metrics: metrics.map(([each, items]) => ({ terms: terms(each), items })),
    cases: Math.max(0, ...metrics.map(([, items]) => items.length)),
    failed: 0,
    divergent: 0,
    missing: 0,
    max_unpaired: 0.05,
    seed: 7,
    ...more,
  };
}

/** The report on one metric, and the metric in it. */
export function decided(
  each: Partial<MetricTerms>,
  items: readonly MetricItem[],
  more: Partial<GateInput> = {},
): {
  readonly report: ReturnType<typeof decideGate>;
  readonly metric: ReturnType<typeof decideGate>["metrics"][number];
} {
  const report = decideGate(gateInput([[each, items]], more));
  const [metric] = report.metrics;
  if (metric === undefined) throw new Error("the report has no metric");
  return { report, metric };
}

/** Every number in a report, wherever it stands. */
export function numbersIn(value: unknown): readonly number[] {
  if (typeof value === "number") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(numbersIn) : [];
}
