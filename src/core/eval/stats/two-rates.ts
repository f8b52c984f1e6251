// Decides what two independent samples tell of the difference of their rates, however often one looks: exact at every size.
import { bisect, logBeta } from "./distributions.ts";
import type { Interval } from "./proportions.ts";

/** A count of successes of one arm. */
export interface RateCount {
  readonly n: number;
  readonly successes: number;
}

/** The likelihood of a count, its rate drawn from Jeffreys' prior, as a logarithm. */
function mixed({ n, successes }: RateCount): number {
  return logBeta(successes + 0.5, n - successes + 0.5) - logBeta(0.5, 0.5);
}

function logLikelihood({ n, successes }: RateCount, rate: number): number {
  const hits = successes === 0 ? 0 : successes * Math.log(rate);
  return hits + (successes === n ? 0 : (n - successes) * Math.log1p(-rate));
}

/** How fast a count's likelihood rises with its rate. */
function slope({ n, successes }: RateCount, rate: number): number {
  const up = successes === 0 ? 0 : successes / rate;
  return up - (successes === n ? 0 : (n - successes) / (1 - rate));
}

/** The likeliest two rates that lie `diff` apart (second less first): one maximum, for the likelihood is concave. */
function constrained(first: RateCount, second: RateCount, diff: number): readonly [number, number] {
  const [low, high] = [Math.max(0, -diff), Math.min(1, 1 - diff)];
  const rate = low >= high ? low : bisect((at) => -slope(first, at) - slope(second, at + diff), low, high, TURNS);
  return [rate, Math.min(1, Math.max(0, rate + diff))];
}

/** Halvings of an interval of length one or two: to about 1e-13. */
const TURNS = 44;

/**
 * The evidence against the rates lying exactly `diff` apart (second less first), as the logarithm of an e-value: the
 * likelihood under a mixture of all pairs of rates over the highest one under the hypothesis. For whichever pair is true
 * it stays below a martingale that starts at 1, so it passes `1/alpha` at any time with a chance of at most alpha: exact,
 * for any sizes of the arms, whenever one looks (universal inference, Wasserman, Ramdas & Balakrishnan 2020, PNAS 117:16880;
 * mixture after Robbins 1970). Needs the sums alone, in whatever order they came.
 */
export function exactRateEvidence(first: RateCount, second: RateCount, diff: number): number {
  return exactAt(first, second, constrained(first, second, diff));
}

type Rates = readonly [number, number];

function exactAt(first: RateCount, second: RateCount, [low, high]: Rates): number {
  return mixed(first) + mixed(second) - logLikelihood(first, low) - logLikelihood(second, high);
}

/** Successes and failures that each arm should have had before a large-sample variance of its rate is worth anything. */
const LEAST_EXPECTED = 10;

/**
 * The same for large samples, much sharper: the normal mixture on the squared score of the difference, its variance at the
 * likeliest rates that lie `diff` apart (Farrington & Manning 1990), so that an arm without an event does not look certain.
 * `undefined` while either arm is too small for it.
 */
function largeAt(first: RateCount, second: RateCount, [p, q]: Rates, rho: number): number | undefined {
  const all = first.n + second.n;
  const pooled = (first.successes + second.successes) / all;
  if (Math.min(first.n, second.n) * Math.min(pooled, 1 - pooled) < LEAST_EXPECTED) return undefined;
  const variance = (p * (1 - p)) / first.n + (q * (1 - q)) / second.n;
  const away = second.successes / second.n - first.successes / first.n - (q - p);
  return variance <= 0 ? undefined : mixtureEvidence((away * away) / variance, all * rho * rho);
}

/** The normal mixture of a squared standard score, as a logarithm (Robbins 1970; as in mSPRT). */
export function mixtureEvidence(square: number, scale: number): number {
  return (square * scale) / (2 * (scale + 1)) - 0.5 * Math.log(scale + 1);
}

/** The part of the evidence that is exact: a fifth costs the other part next to nothing. */
const EXACT_PART = 0.2;

/**
 * The average of both kinds of evidence, which is evidence of the same kind: exact alone for few sessions and rare events,
 * sharp for many. As a logarithm.
 */
export function rateEvidence(
  first: RateCount,
  second: RateCount,
  { diff, rho }: { readonly diff: number; readonly rho: number },
): number {
  const rates = constrained(first, second, diff);
  const exact = exactAt(first, second, rates) + Math.log(EXACT_PART);
  const large = largeAt(first, second, rates, rho);
  if (large === undefined) return exact;
  const [high, low] = [
    Math.max(large + Math.log(1 - EXACT_PART), exact),
    Math.min(large + Math.log(1 - EXACT_PART), exact),
  ];
  return high === Number.POSITIVE_INFINITY ? high : high + Math.log1p(Math.exp(low - high));
}

/** The differences (second less first) that the evidence leaves at every size and look: a confidence sequence. Arms must not be empty. */
export function rateDifferenceSequence(
  first: RateCount,
  second: RateCount,
  { alpha, rho }: { readonly alpha: number; readonly rho: number },
): Interval {
  const target = Math.log(1 / alpha);
  const seen = second.successes / second.n - first.successes / first.n;
  const over = (diff: number): number => rateEvidence(first, second, { diff, rho }) - target;
  return [
    over(-1) < 0 ? -1 : bisect((diff) => -over(diff), -1, seen, TURNS),
    over(1) < 0 ? 1 : bisect(over, seen, 1, TURNS),
  ];
}
