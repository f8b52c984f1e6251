// Decides how sure the mean change of a metric is: by exact counts where passes are single, by Student t with clusters elsewhere, and by signs where hardly anything changed.
import { betaQuantile, studentCdf, studentQuantile } from "../stats/distributions.ts";
import { mean, type Clustered } from "../stats/means.ts";
import { detectableDrop, timesMore } from "../stats/planning.ts";
import { mcNemarOneSided, newcombePaired, type Interval } from "../stats/proportions.ts";
import type { MetricItem } from "./gate-input.ts";

/** Each bound is passed by chance at most this often. */
export const ALPHA = 0.05;
/** Below this many independent clusters the large-sample bounds promise more than they keep. */
export const LEAST_CLUSTERS = 20;
/** With fewer clusters that changed at all, what was not seen to change is bounded exactly. */
const FEW_CHANGES = 10;
/** Losses without a gain that the exact test needs to be significant at 5 %: `2^-5`. */
const LEAST_LOSSES = 5;

/** One-sided 95 % bounds of a change that is better upwards, and the p-value of its being worse. */
export interface Bounds {
  readonly lower: number;
  readonly upper: number;
  readonly p: number;
}

type Moved = Pick<Clustered, "mean" | "corrected" | "clusters" | "skewness">;

/**
 * Student's t with C - 1 degrees of freedom on the clustered standard error (Miller 2024), each bound moved out by the first
 * term of its expansion in the skewness where that is against it: `|g| (2 t^2 + 1) / (6 sqrt C)` (Johnson 1978; Hall 1992).
 * A few cases that fail entirely among many that do not change skew a mean so far that t alone keeps a margin too often.
 * Unbounded with fewer than two clusters.
 */
export function skewedBounds({ mean: middle, corrected: se, clusters, skewness }: Moved): Bounds {
  if (!Number.isFinite(se)) return { lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY, p: 1 };
  if (se === 0) return { lower: middle, upper: middle, p: middle < 0 ? 0 : 1 };
  const t = studentQuantile(1 - ALPHA, clusters - 1);
  const pull = (z: number, against: number): number =>
    (Math.max(0, against) * (2 * z * z + 1)) / (6 * Math.sqrt(clusters));
  const z = middle / se;
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  return {
    lower: middle - (t + pull(t, -skewness)) * se,
    upper: middle + (t + pull(t, skewness)) * se,
    p: Math.min(1, studentCdf(z, clusters - 1) + pull(z, skewness) * density),
  };
}

/** The exact pair for single passes of independent cases: McNemar's test and Newcombe's interval (1998, method 10). */
export function exactBounds(paired: readonly MetricItem[]): Bounds {
  const count = (b: number, c: number): number =>
    paired.filter(({ baseline, candidate }) => baseline[0] === b && candidate[0] === c).length;
  const [both, lost, won, neither] = [count(1, 1), count(1, 0), count(0, 1), count(0, 0)];
  const [lower, upper] = pairedRates({ both, lost, won, neither });
  return { lower, upper, p: mcNemarOneSided(lost, won) };
}

interface Signs {
  readonly lost: number;
  readonly won: number;
}

function pairedRates({
  both,
  lost,
  won,
  neither,
}: Signs & { readonly both: number; readonly neither: number }): Interval {
  return newcombePaired({ both, first: won, second: lost, neither }, 1 - 2 * ALPHA).ci;
}

/** Which way each cluster moved as a whole. */
function movesOf(paired: readonly MetricItem[]): readonly { readonly moved: number; readonly level: number }[] {
  return [...Map.groupBy(paired, ({ cluster }) => cluster).values()].map((items) => {
    const level = mean(items.map(({ candidate }) => mean(candidate)));
    return { moved: level - mean(items.map(({ baseline }) => mean(baseline))), level };
  });
}

/** How many clusters changed. */
export function changedClusters(paired: readonly MetricItem[]): number {
  return movesOf(paired).filter(({ moved }) => moved !== 0).length;
}

/** A cluster that moved this far counts as lost or won entirely. */
const ENTIRELY = 0.9;

/**
 * Holds the bounds of a mean to what was not seen. A kind of case that fails entirely and happened not to be drawn leaves
 * no trace in the variance: so the lower bound is never above that of paired rates (Newcombe 1998) in which each cluster
 * counts once, as lost, won or neither. Where fewer than ten clusters changed at all, any change counts, and both bounds
 * and the test are held to it. Elsewhere the mean decides: a majority per cluster would not see one that fell from three
 * passes in three to two.
 */
export function withUnseen(bounds: Bounds, paired: readonly MetricItem[]): Bounds {
  const moves = movesOf(paired);
  const isFew = moves.filter(({ moved }) => moved !== 0).length < FEW_CHANGES;
  const isMove = (moved: number): boolean => (isFew ? moved > 0 : moved >= ENTIRELY);
  const lost = moves.filter(({ moved }) => isMove(-moved)).length;
  const won = moves.filter(({ moved }) => isMove(moved)).length;
  const both = moves.filter(({ moved, level }) => !isMove(Math.abs(moved)) && level >= 0.5).length;
  const [lower, upper] = pairedRates({ both, lost, won, neither: moves.length - lost - won - both });
  const held = { ...bounds, lower: Math.min(bounds.lower, lower) };
  return isFew ? withSigns({ ...held, upper: Math.max(bounds.upper, upper) }, { lost, won }) : held;
}

/** The test held to the exact one of signs, where fewer than ten clusters moved: changes of one size alone prove nothing. */
export function withSigns(bounds: Bounds, { lost, won }: Signs): Bounds {
  return lost + won >= FEW_CHANGES ? bounds : { ...bounds, p: Math.max(bounds.p, mcNemarOneSided(lost, won)) };
}

/** The smallest drop that so many cases had a chance of 80 % to show; `null` where no drop could have been shown. */
export function detectable({ corrected: se, clusters }: Moved, changed: number): number | null {
  if (!Number.isFinite(se)) return null;
  if (changed >= FEW_CHANGES) return detectableDrop(se);
  // Five losses are the least that are significant: the rate at which so many give five or more.
  return clusters < LEAST_LOSSES
    ? null
    : Math.max(detectableDrop(se), betaQuantile(0.8, LEAST_LOSSES, clusters - LEAST_LOSSES + 1));
}

/** How many more cases would carry the bound past the nearer line, the margin or no difference, at 80 % power; `null`: no number would. */
export function moreCases(
  { mean: middle, corrected: se, n, clusters }: Moved & Pick<Clustered, "n">,
  { margin, lower }: { readonly margin: number; readonly lower: number },
): number | null {
  const perCluster = n / Math.max(1, clusters);
  const least = Math.max(0, LEAST_CLUSTERS - clusters) * perCluster;
  if (!Number.isFinite(se)) return Math.max(1, Math.ceil(least));
  const times = Math.min(timesMore(se, middle + margin), timesMore(se, -middle));
  // A bound that rests on what was not seen shrinks with the number of cases itself.
  const unseen =
    se === 0 || middle - lower > 3 * se ? n * Math.max(1, (middle - lower) / Math.max(margin + middle, 1e-9)) : 0;
  const more = Math.max(n * times, unseen) - n;
  return Number.isFinite(more) ? Math.max(1, Math.ceil(least), Math.ceil(more)) : null;
}
