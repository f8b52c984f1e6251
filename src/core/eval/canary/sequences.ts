// Decides what two arms tell of one figure at any time: the interval that stays valid however often one looks, and the evidence of harm.
import { logBeta } from "../stats/distributions.ts";
import type { Interval } from "../stats/proportions.ts";
import { asymptoticRho, robbins } from "../stats/sequential.ts";
import { mixtureEvidence, rateDifferenceSequence, rateEvidence } from "../stats/two-rates.ts";
import type { ArmTotals, CeilingMetric, ComparedMetric } from "./canary-input.ts";

/** Sessions of both arms together at which the large-sample intervals are tightest. Chosen beforehand: it may not follow the data. */
const TIGHTEST_AT = 2_000;

/** What is known of one figure. */
export interface Sequence {
  readonly method: string;
  readonly delta: number;
  readonly interval: Interval;
  /** The logarithm of the evidence that it is worse by more than the margin. */
  readonly evidence: number;
}

/** The mean of an arm. */
export function meanOf({ n, sum }: ArmTotals): number {
  return sum / n;
}

function varianceOf({ n, sum, sum_squares: squares }: ArmTotals): number {
  return Math.max(0, squares - (sum * sum) / n) / (n - 1);
}

/** A rate under a ceiling: Robbins' uniform mixture (1970), exact at every size. */
export function ceilingSequence({ ceiling, canary }: CeilingMetric, alpha: number): Sequence {
  const { n, sum } = canary;
  const [hits, misses] = [sum === 0 ? 0 : sum * Math.log(ceiling), sum === n ? 0 : (n - sum) * Math.log1p(-ceiling)];
  return {
    method: "exact confidence sequence of a rate (Robbins 1970)",
    delta: meanOf(canary),
    interval: robbins(sum, n, alpha),
    evidence: meanOf(canary) > ceiling ? logBeta(sum + 1, n - sum + 1) - hits - misses : 0,
  };
}

/** What two arms tell of a figure; `undefined` where neither arm varies, so that nothing can be said of an amount. */
export function comparedSequence(metric: ComparedMetric, alpha: number): Sequence | undefined {
  switch (metric.kind) {
    case "rate":
      return rates(metric, alpha);
    case "mean":
    case "log_mean":
      return means(metric, alpha);
    default:
      return metric.kind satisfies never;
  }
}

function rates({ live, canary, worse, margin }: ComparedMetric, alpha: number): Sequence {
  const first = { n: live.n, successes: live.sum };
  const second = { n: canary.n, successes: canary.sum };
  const delta = meanOf(canary) - meanOf(live);
  const line = worse === "higher" ? margin : -margin;
  const isBeyond = worse === "higher" ? delta > line : delta < line;
  const rho = asymptoticRho(TIGHTEST_AT, alpha);
  return {
    method:
      "confidence sequence of two independent rates: exact (universal inference) and, for large samples, by scores",
    delta,
    interval: rateDifferenceSequence(first, second, { alpha, rho }),
    evidence: isBeyond ? rateEvidence(first, second, { diff: line, rho }) : 0,
  };
}

/**
 * Means of two independent arms of any sizes, by the asymptotic confidence sequence for an average effect (Waudby-Smith,
 * Arbour, Sinha, Kennedy & Ramdas 2024, theorem 2.2 and section 3): the difference of means over N sessions in all has the
 * variance `v_c/n_c + v_l/n_l`, and its square stays below that times `(N r^2 + 1)/(N r^2) ln((N r^2 + 1)/a^2)`. The
 * matching e-value is the normal mixture of mSPRT (Johari et al.). A relative change is every ratio whose contrast
 * `canary - ratio * live` is not excluded (Fieller 1954), so the live arm's own uncertainty counts.
 */
function means(metric: ComparedMetric, alpha: number): Sequence | undefined {
  const { live, canary, kind } = metric;
  const spread = spreadOf(live, canary);
  if (spread.live + spread.canary <= 0) return undefined;
  const scale = (live.n + canary.n) * asymptoticRho(TIGHTEST_AT, alpha) ** 2;
  const reach = ((scale + 1) / scale) * Math.log((scale + 1) / (alpha * alpha));
  const found = kind === "log_mean" ? differenceOfLogs(metric, spread, reach) : ratioOfMeans(metric, spread, reach);
  const { square, isBeyond, ...shown } = found;
  return {
    ...shown,
    method: `asymptotic confidence sequence of ${kind === "log_mean" ? "a ratio of geometric means" : "a ratio of means"}`,
    evidence: isBeyond ? mixtureEvidence(square, scale) : 0,
  };
}

/** Squared standard errors. The smaller arm has seldom seen its tail: it varies at least as much as the larger one. */
function spreadOf(live: ArmTotals, canary: ArmTotals): Spread {
  const [first, second] = [varianceOf(live), varianceOf(canary)];
  const most = Math.max(first, second);
  return {
    live: (live.n < canary.n ? most : first) / live.n,
    canary: (canary.n < live.n ? most : second) / canary.n,
  };
}

interface Spread {
  readonly live: number;
  readonly canary: number;
}

/** A change with its interval, and how far it is beyond the margin in squared standard errors. */
interface Change {
  readonly delta: number;
  readonly interval: Interval;
  readonly square: number;
  readonly isBeyond: boolean;
}

/** The ratio that is still good enough. */
function lineOf({ worse, margin }: ComparedMetric): number {
  return worse === "higher" ? 1 + margin : 1 - margin;
}

function beyond({ worse }: ComparedMetric, contrast: number): boolean {
  return worse === "higher" ? contrast > 0 : contrast < 0;
}

function differenceOfLogs(metric: ComparedMetric, spread: Spread, reach: number): Change {
  const diff = meanOf(metric.canary) - meanOf(metric.live);
  const variance = spread.live + spread.canary;
  const half = Math.sqrt(reach * variance);
  const contrast = diff - Math.log(Math.max(lineOf(metric), Number.MIN_VALUE));
  return {
    delta: Math.expm1(diff),
    interval: [Math.expm1(diff - half), Math.expm1(diff + half)],
    square: (contrast * contrast) / variance,
    isBeyond: beyond(metric, contrast),
  };
}

function ratioOfMeans(metric: ComparedMetric, spread: Spread, reach: number): Change {
  const [live, canary] = [meanOf(metric.live), meanOf(metric.canary)];
  const line = lineOf(metric);
  const contrast = canary - line * live;
  // (canary - r live)^2 <= reach (v_c + r^2 v_l), a quadratic in r: unbounded while the live mean may be zero.
  const lead = live * live - reach * spread.live;
  const middle = live * canary;
  const root = Math.sqrt(Math.max(0, middle * middle - lead * (canary * canary - reach * spread.canary)));
  return {
    delta: canary / live - 1,
    interval:
      lead > 0 && live > 0
        ? [(middle - root) / lead - 1, (middle + root) / lead - 1]
        : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    square: (contrast * contrast) / (spread.canary + line * line * spread.live),
    isBeyond: beyond(metric, contrast),
  };
}
