// Decides what paired differences tell of their mean: with clusters, by resampling, by flipping signs.
import { normalCdf, normalQuantile } from "./distributions.ts";
import { Dice } from "./dice.ts";

/** The mean of some numbers; NaN of none. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The sample variance, over n - 1; zero of one value. */
export function variance(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
}

/** A mean with its standard errors. */
export interface Clustered {
  readonly mean: number;
  readonly n: number;
  readonly clusters: number;
  /** As if all values were independent. */
  readonly naive: number;
  /** Miller 2024 (arXiv:2411.00640), without correction for few clusters. */
  readonly miller: number;
  /** With the factor C/(C-1), as Inspect AI and cluster-robust regression have it. */
  readonly corrected: number;
  /** Of what the clusters stray from the mean: negative where a few fell far. Zero where nothing strays. */
  readonly skewness: number;
}

/** The mean of values that are not independent within clusters. O(n). */
export function clustered(values: readonly number[], clusters: readonly (string | number)[]): Clustered {
  const n = values.length;
  const middle = mean(values);
  const sums = new Map<string | number, number>();
  for (const [at, value] of values.entries()) {
    const cluster = clusters[at] ?? at;
    sums.set(cluster, (sums.get(cluster) ?? 0) + value - middle);
  }
  let [squares, cubes] = [0, 0];
  for (const each of sums.values()) {
    squares += each * each;
    cubes += each * each * each;
  }
  const count = sums.size;
  const miller = Math.sqrt(squares) / n;
  const corrected = count < 2 ? Number.POSITIVE_INFINITY : miller * Math.sqrt(count / (count - 1));
  // What is too small to be cubed counts as not straying.
  const unit = (squares / count) ** 1.5;
  const skewness = unit === 0 ? 0 : cubes / count / unit;
  return { mean: middle, n, clusters: count, naive: Math.sqrt(variance(values) / n), miller, corrected, skewness };
}

/** P of a sum of differences at least as high, were each sign as likely as the other: by every flip of up to 20 non-zero ones. */
export function signFlip(differences: readonly number[]): number {
  const moved = differences.filter((each) => each !== 0);
  const seen = moved.reduce((sum, each) => sum + each, 0);
  const flips = 2 ** Math.min(moved.length, 20);
  let count = 0;
  for (let mask = 0; mask < flips; mask += 1) {
    const sum = moved.reduce(
      (total, each, at) => total + ((mask >> at) % 2 === 0 ? Math.abs(each) : -Math.abs(each)),
      0,
    );
    if (sum >= seen - 1e-12) count += 1;
  }
  return count / flips;
}

/** Intervals of a mean by resampling. Efron & Tibshirani 1993. */
export interface Bootstrap {
  readonly basic: readonly [number, number];
  readonly percentile: readonly [number, number];
  readonly bca: readonly [number, number];
}

/** Bootstrap intervals of a mean; the same seed gives the same interval. */
export function bootstrapMean(
  values: readonly number[],
  { seed, resamples, level = 0.95 }: { readonly seed: number; readonly resamples: number; readonly level?: number },
): Bootstrap {
  const dice = new Dice(seed);
  const n = values.length;
  const drawn = new Float64Array(resamples);
  for (let turn = 0; turn < resamples; turn += 1) {
    let sum = 0;
    for (let at = 0; at < n; at += 1) sum += values[dice.below(n)] ?? 0;
    drawn[turn] = sum / n;
  }
  drawn.sort();
  const middle = mean(values);
  const tail = (1 - level) / 2;
  const [low, high] = [quantile(drawn, tail), quantile(drawn, 1 - tail)];
  return { percentile: [low, high], basic: [2 * middle - high, 2 * middle - low], bca: bca(drawn, values, tail) };
}

function bca(drawn: Float64Array, values: readonly number[], tail: number): readonly [number, number] {
  const n = values.length;
  const middle = mean(values);
  const below = drawn.filter((each) => each < middle).length;
  const bias = normalQuantile(below / drawn.length);
  const total = middle * n;
  const left = values.map((value) => (total - value) / (n - 1));
  const average = mean(left);
  const cubes = left.reduce((sum, each) => sum + (average - each) ** 3, 0);
  const squares = left.reduce((sum, each) => sum + (average - each) ** 2, 0);
  const skew = squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
  const place = (p: number): number => {
    const z = bias + normalQuantile(p);
    return quantile(drawn, normalCdf(bias + z / (1 - skew * z)));
  };
  return [place(tail), place(1 - tail)];
}

/** A quantile of sorted values, between neighbours in proportion. */
export function quantile(sorted: ArrayLike<number>, p: number): number {
  const at = Math.min(Math.max(p, 0), 1) * (sorted.length - 1);
  const low = Math.floor(at);
  const [left, right] = [sorted[low] ?? Number.NaN, sorted[Math.min(low + 1, sorted.length - 1)] ?? Number.NaN];
  return left + (right - left) * (at - low);
}

/**
 * A bound of a mean by resampling whole clusters: the quantile of the resampled means. A cross-check, never a decision.
 */
export function clusterBootstrap(
  values: readonly number[],
  clusters: readonly string[],
  { seed, resamples, p }: { readonly seed: number; readonly resamples: number; readonly p: number },
): number {
  const sums = new Map<string, { sum: number; n: number }>();
  for (const [at, value] of values.entries()) {
    const cluster = clusters[at] ?? String(at);
    const known = sums.get(cluster) ?? { sum: 0, n: 0 };
    sums.set(cluster, { sum: known.sum + value, n: known.n + 1 });
  }
  const all = [...sums.values()];
  const [totals, sizes] = [Float64Array.from(all, ({ sum }) => sum), Float64Array.from(all, ({ n }) => n)];
  const dice = new Dice(seed);
  const drawn = new Float64Array(resamples);
  for (let turn = 0; turn < resamples; turn += 1) {
    let [sum, n] = [0, 0];
    for (let at = 0; at < all.length; at += 1) {
      const picked = dice.below(all.length);
      sum += totals[picked] ?? 0;
      n += sizes[picked] ?? 0;
    }
    drawn[turn] = sum / n;
  }
  return quantile(drawn.sort(), p);
}
