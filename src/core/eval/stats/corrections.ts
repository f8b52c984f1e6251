// Decides what many tests, many tries and fallible judges do to a figure: adjusted p-values, pass@k, corrected rates.
import { mean, variance } from "./means.ts";

/** p-values adjusted for being several (Holm 1979), in their order. */
export function holm(p: readonly number[]): readonly number[] {
  const order = p.map((_, at) => at).toSorted((left, right) => (p[left] ?? 0) - (p[right] ?? 0));
  const adjusted: number[] = p.map(() => 1);
  let highest = 0;
  for (const [rank, at] of order.entries()) {
    highest = Math.max(highest, Math.min(1, (p.length - rank) * (p[at] ?? 1)));
    adjusted[at] = highest;
  }
  return adjusted;
}

/** p-values adjusted for the rate of false discoveries (Benjamini & Hochberg 1995), in their order. */
export function benjaminiHochberg(p: readonly number[]): readonly number[] {
  const order = p.map((_, at) => at).toSorted((left, right) => (p[right] ?? 0) - (p[left] ?? 0));
  const adjusted: number[] = p.map(() => 1);
  let lowest = 1;
  for (const [rank, at] of order.entries()) {
    lowest = Math.min(lowest, ((p[at] ?? 1) * p.length) / (p.length - rank));
    adjusted[at] = lowest;
  }
  return adjusted;
}

/** The chance that one of k tries passes, from c passes of n (Chen et al. 2021). */
export function passAtK(n: number, c: number, k: number): number {
  if (n - c < k) return 1;
  let none = 1;
  for (let at = n - c + 1; at <= n; at += 1) none *= 1 - k / at;
  return 1 - none;
}

/** The chance that all of k tries pass, from c passes of n (tau-bench, Yao et al. 2024). */
export function passHatK(n: number, c: number, k: number): number {
  if (c < k) return 0;
  let all = 1;
  for (let at = 0; at < k; at += 1) all *= (c - at) / (n - at);
  return all;
}

/** The rate behind a judge's rate, given how often it is right on either side (Rogan & Gladen 1978); NaN for a judge that tells nothing. */
export function roganGladen(apparent: number, sensitivity: number, specificity: number): number {
  const told = sensitivity + specificity - 1;
  return told === 0 ? Number.NaN : (apparent + specificity - 1) / told;
}

/** An estimate and its standard error. */
export interface Estimate {
  readonly est: number;
  readonly se: number;
}

/** The mean of people's labels helped by a judge's on many more cases. */
export interface Powered {
  readonly classical: Estimate;
  readonly ppi: Estimate;
  readonly lambda: number;
  readonly tuned: Estimate;
}

/**
 * Prediction-powered inference (Angelopoulos et al. 2023) with the weight of PPI++ (arXiv:2311.01453), which is never worse
 * than the labels alone. Variances are those of samples, over n - 1; the weight
 * takes the judge's over all cases.
 */
export function predictionPowered(
  labels: readonly number[],
  judged: readonly number[],
  unlabelled: readonly number[],
): Powered {
  const [n, many] = [labels.length, unlabelled.length];
  const covariance = together(labels, judged);
  const spread = variance(unlabelled);
  const pooled = variance([...judged, ...unlabelled]);
  const lambda = pooled === 0 ? 0 : covariance / ((1 + n / many) * pooled);
  const at = (weight: number): Estimate => ({
    est: weight * mean(unlabelled) + mean(labels.map((y, i) => y - weight * (judged[i] ?? 0))),
    se: Math.sqrt(
      (weight * weight * spread) / many + variance(labels.map((y, i) => y - weight * (judged[i] ?? 0))) / n,
    ),
  });
  return {
    classical: { est: mean(labels), se: Math.sqrt(variance(labels) / n) },
    ppi: at(1),
    lambda,
    tuned: at(lambda),
  };
}

/** The sample covariance. */
function together(left: readonly number[], right: readonly number[]): number {
  if (left.length < 2) return 0;
  const [a, b] = [mean(left), mean(right)];
  return left.reduce((sum, value, at) => sum + (value - a) * ((right[at] ?? 0) - b), 0) / (left.length - 1);
}
