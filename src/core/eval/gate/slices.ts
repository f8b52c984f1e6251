// Decides how a metric stands in parts of the cases: by tag and by risk, uncorrected, for people to look where it hurts.
import { studentQuantile } from "../stats/distributions.ts";
import { clustered, mean } from "../stats/means.ts";
import type { MetricItem, MetricTerms, SliceReport } from "./gate-input.ts";

/** Parts that are shown of each metric, the largest first. */
const MOST = 24;
const LEAST_CASES = 3;

/** The parts of a metric that have at least three cases and are not all of them. */
export function slicesOf(terms: MetricTerms, items: readonly MetricItem[]): readonly SliceReport[] {
  const paired = items.filter(({ baseline, candidate }) => baseline.length > 0 && candidate.length > 0);
  const parts = new Map<string, MetricItem[]>();
  for (const item of paired)
    for (const slice of [`risk:${item.risk}`, ...item.tags]) {
      const known = parts.get(slice);
      if (known === undefined) parts.set(slice, [item]);
      else known.push(item);
    }
  return [...parts]
    .filter(([, part]) => part.length >= LEAST_CASES && part.length < paired.length)
    .toSorted(([left, many], [right, few]) => few.length - many.length || left.localeCompare(right))
    .slice(0, MOST)
    .map(([slice, part]) => reportOf(terms, slice, part));
}

function reportOf({ id, kind }: MetricTerms, slice: string, part: readonly MetricItem[]): SliceReport {
  // What is nothing on either side has no ratio: such a part is shown by its differences.
  const isRatio =
    kind === "amount" && part.every(({ baseline, candidate }) => mean(baseline) > 0 && mean(candidate) > 0);
  const d = part.map(({ baseline, candidate }) =>
    isRatio ? Math.log(mean(candidate) / mean(baseline)) : mean(candidate) - mean(baseline),
  );
  const found = clustered(
    d,
    part.map(({ cluster }) => cluster),
  );
  const half = found.clusters < 2 ? null : studentQuantile(0.975, found.clusters - 1) * found.corrected;
  const shown = isRatio ? Math.expm1 : (value: number): number => value;
  return {
    metric: id,
    kind,
    slice,
    n: part.length,
    baseline: mean(part.map((item) => mean(item.baseline))),
    candidate: mean(part.map((item) => mean(item.candidate))),
    delta: shown(found.mean),
    lower: half === null ? null : shown(found.mean - half),
    upper: half === null ? null : shown(found.mean + half),
  };
}
