// Decides what a count of successes tells of the rate behind it, of one sample, of two, and of pairs.
import { betaQuantile, binomialUpperTail, chiSquaredTail, normalQuantile } from "./distributions.ts";

/** A lower and an upper bound. */
export type Interval = readonly [number, number];

function zOf(level: number): number {
  return normalQuantile(0.5 + level / 2);
}

/** Wilson's score interval (Newcombe 1998, method 3). */
export function wilson(successes: number, n: number, z = zOf(0.95)): Interval {
  const p = successes / n;
  const middle = p + (z * z) / (2 * n);
  const half = z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  const scale = 1 + (z * z) / n;
  return [successes === 0 ? 0 : (middle - half) / scale, successes === n ? 1 : (middle + half) / scale];
}

/** Wilson's interval with continuity correction (Newcombe 1998, method 4). */
export function wilsonCorrected(successes: number, n: number, z = zOf(0.95)): Interval {
  const p = successes / n;
  const base = 2 * n * p + z * z;
  const scale = 2 * (n + z * z);
  const lower = (base - 1 - z * Math.sqrt(z * z - 2 - 1 / n + 4 * p * (n * (1 - p) + 1))) / scale;
  const upper = (base + 1 + z * Math.sqrt(z * z + 2 - 1 / n + 4 * p * (n * (1 - p) - 1))) / scale;
  return [successes === 0 ? 0 : lower, successes === n ? 1 : upper];
}

/** The exact interval of Clopper & Pearson 1934. */
export function clopperPearson(successes: number, n: number, level = 0.95): Interval {
  const tail = (1 - level) / 2;
  return [
    successes === 0 ? 0 : betaQuantile(tail, successes, n - successes + 1),
    successes === n ? 1 : betaQuantile(1 - tail, successes + 1, n - successes),
  ];
}

/** The interval of equal tails under Jeffreys' prior. */
export function jeffreys(successes: number, n: number, level = 0.95): Interval {
  const tail = (1 - level) / 2;
  const quantile = (p: number): number => betaQuantile(p, successes + 0.5, n - successes + 0.5);
  return [quantile(tail), quantile(1 - tail)];
}

/** The rate that no event in n excludes, one-sided: `1 - alpha^(1/n)`. */
export function zeroEventsUpper(n: number, alpha = 0.05): number {
  return n === 0 ? 1 : 1 - alpha ** (1 / n);
}

/** How many cases without an event exclude a rate. */
export function zeroEventsNeeded(rate: number, alpha = 0.05): number {
  return Math.ceil(Math.log(alpha) / Math.log1p(-rate));
}

/** Newcombe's interval of the difference of two independent rates (1998, method 10). */
export function newcombeIndependent(
  [x1, n1]: readonly [number, number],
  [x2, n2]: readonly [number, number],
  level = 0.95,
): { readonly diff: number; readonly ci: Interval } {
  const z = zOf(level);
  const [p1, p2] = [x1 / n1, x2 / n2];
  const [[l1, u1], [l2, u2]] = [wilson(x1, n1, z), wilson(x2, n2, z)];
  const diff = p1 - p2;
  return { diff, ci: [diff - Math.hypot(p1 - l1, u2 - p2), diff + Math.hypot(u1 - p1, p2 - l2)] };
}

/** Pairs of a binary outcome: both pass, only the first, only the second, neither. */
export interface Pairs {
  readonly both: number;
  readonly first: number;
  readonly second: number;
  readonly neither: number;
}

/** Newcombe's interval of the difference of two paired rates, first less second (1998, method 10). */
export function newcombePaired(
  { both, first, second, neither }: Pairs,
  level = 0.95,
): { readonly diff: number; readonly ci: Interval } {
  const z = zOf(level);
  const n = both + first + second + neither;
  const [x1, x2] = [both + first, both + second];
  const [p1, p2] = [x1 / n, x2 / n];
  const [[l1, u1], [l2, u2]] = [wilson(x1, n, z), wilson(x2, n, z)];
  const f = phi({ both, first, second, neither });
  const diff = p1 - p2;
  const width = (a: number, b: number): number => Math.sqrt(Math.max(0, a * a - 2 * f * a * b + b * b));
  return { diff, ci: [diff - width(p1 - l1, u2 - p2), diff + width(u1 - p1, p2 - l2)] };
}

/** The correlation of the pairs, corrected towards zero. */
function phi({ both: a, first: b, second: c, neither: d }: Pairs): number {
  const margins = (a + b) * (c + d) * (a + c) * (b + d);
  if (margins === 0) return 0;
  const cross = a * d - b * c;
  const corrected = cross > 0 ? Math.max(cross - (a + b + c + d) / 2, 0) : cross;
  return corrected / Math.sqrt(margins);
}

/** P of at least so many of the changed pairs having changed one way, were both ways equally likely: the exact one-sided McNemar test. */
export function mcNemarOneSided(against: number, towards: number): number {
  return against + towards === 0 ? 1 : binomialUpperTail(against, against + towards, 0.5);
}

/** McNemar's test on both sides: exact, mid-p (Fagerland, Lydersen & Laake 2013), and by chi-squared. */
export function mcNemar(
  b: number,
  c: number,
): {
  readonly exact: number;
  readonly mid: number;
  readonly chi2: number;
  readonly p: number;
  readonly chi2_corrected: number;
  readonly p_corrected: number;
} {
  const n = b + c;
  const exact = n === 0 ? 1 : Math.min(1, 2 * binomialUpperTail(Math.max(b, c), n, 0.5));
  const point = n === 0 ? 0 : binomialUpperTail(Math.max(b, c), n, 0.5) - binomialUpperTail(Math.max(b, c) + 1, n, 0.5);
  const mid = b === c ? 1 - point / 2 : 2 * (binomialUpperTail(Math.max(b, c), n, 0.5) - point / 2);
  const chi2 = n === 0 ? 0 : (b - c) ** 2 / n;
  const corrected = n === 0 ? 0 : Math.max(0, Math.abs(b - c) - 1) ** 2 / n;
  return {
    exact,
    mid,
    chi2,
    p: chiSquaredTail(chi2),
    chi2_corrected: corrected,
    p_corrected: chiSquaredTail(corrected),
  };
}

/** The paired difference of a binary outcome with its standard error, first less second. */
export function pairedDifference(
  first: number,
  second: number,
  n: number,
): { readonly diff: number; readonly se: number; readonly z: number } {
  const diff = (first - second) / n;
  const variance = (first + second - (first - second) ** 2 / n) / (n - 1);
  const se = Math.sqrt(variance / n);
  return { diff, se, z: diff / se };
}
