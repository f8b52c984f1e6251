// Decides what may be said at any time, however often one looks: confidence sequences and tests that stay valid.
import { logBeta, logGamma, normalCdf } from "./distributions.ts";

/**
 * The parameter of a mixture that is nearly tightest at one intrinsic time, two-sided:
 * `v / (2 ln(1/a) + ln(1 + 2 ln(1/a)))` (Howard et al. 2021, proposition 3).
 */
export function mixtureRho(vOpt: number, alpha: number): number {
  const log = 2 * Math.log(1 / alpha);
  return vOpt / (log + Math.log(1 + log));
}

/** How far a sum may stray at intrinsic time v, two-sided (Howard et al. 2021, eq. 3.5). */
export function normalMixtureBound(v: number, alpha: number, rho: number): number {
  return Math.sqrt((v + rho) * Math.log((v + rho) / (alpha * alpha * rho)));
}

/** The logarithm of the two-sided normal mixture of a sum s at intrinsic time v. */
export function normalMixture(s: number, v: number, rho: number): number {
  return 0.5 * Math.log(rho / (v + rho)) + (s * s) / (2 * (v + rho));
}

/** The logarithm of the one-sided normal mixture. */
export function oneSidedMixture(s: number, v: number, rho: number): number {
  return (
    0.5 * Math.log((4 * rho) / (v + rho)) + (s * s) / (2 * (v + rho)) + Math.log(normalCdf(s / Math.sqrt(v + rho)))
  );
}

/** The parameter of the one-sided mixture: that of the two-sided one at twice alpha. */
export function oneSidedRho(vOpt: number, alpha: number): number {
  return mixtureRho(vOpt, 2 * alpha);
}

/** The sum at which a mixture reaches `ln(1/alpha)`. */
export function mixtureBound(mixture: (s: number) => number, alpha: number, start: number): number {
  const target = Math.log(1 / alpha);
  let high = Math.max(start, 1);
  while (mixture(high) < target && high < 1e12) high *= 2;
  let low = 0;
  for (let turn = 0; turn < 200; turn += 1) {
    const middle = (low + high) / 2;
    if (mixture(middle) < target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The mixture's parameter where its optimum would be none. */
const LEAST_R = 1e-3;

/** The logarithm of the two-sided beta-binomial mixture with bounds g and h (Howard et al. 2021, section 3). */
export function betaBinomialMixture(
  s: number,
  v: number,
  { rho, g, h }: { readonly rho: number; readonly g: number; readonly h: number },
): number {
  const r = Math.max(rho - g * h, LEAST_R * g * h);
  const a = r / (g * (g + h));
  const b = r / (h * (g + h));
  const up = (r + v + h * s) / (h * (g + h));
  const down = (r + v - g * s) / (g * (g + h));
  return (
    (v / (g * h)) * Math.log(g + h) -
    ((v + h * s) / (h * (g + h))) * Math.log(g) -
    ((v - g * s) / (g * (g + h))) * Math.log(h) +
    logBeta(down, up) -
    logBeta(a, b)
  );
}

/** Robbins' interval of a rate, valid at every n: the uniform mixture of likelihoods (Robbins 1970). */
export function robbins(successes: number, n: number, alpha = 0.05): readonly [number, number] {
  const target = Math.log(1 / alpha);
  const log = (p: number): number =>
    logBeta(successes + 1, n - successes + 1) -
    (successes === 0 ? 0 : successes * Math.log(p)) -
    (successes === n ? 0 : (n - successes) * Math.log1p(-p));
  const middle = n === 0 ? 0.5 : successes / n;
  const cross = (inside: number, outside: number): number => {
    let [low, high] = [inside, outside];
    for (let turn = 0; turn < 200; turn += 1) {
      const between = (low + high) / 2;
      if (log(between) < target) low = between;
      else high = between;
    }
    return (low + high) / 2;
  };
  return [successes === 0 ? 0 : cross(middle, 0), successes === n ? 1 : cross(middle, 1)];
}

/** An interval of a rate, valid at every n and tightest around `tOpt`: the beta-binomial mixture at each rate (Howard et al. 2021). */
export function bernoulliInterval(
  successes: number,
  n: number,
  { alpha, tOpt }: { readonly alpha: number; readonly tOpt: number },
): readonly [number, number] {
  const target = Math.log(1 / alpha);
  const middle = successes / n;
  const evidence = (p: number): number => {
    const spread = p * (1 - p);
    const rho = mixtureRho(tOpt * spread, alpha);
    return betaBinomialMixture(successes - p * n, n * spread, { rho, g: p, h: 1 - p });
  };
  const cross = (outside: number): number => {
    let [inside, beyond] = [middle, outside];
    if (evidence(beyond) < target) return Math.round(beyond);
    for (let turn = 0; turn < 200; turn += 1) {
      const between = (inside + beyond) / 2;
      if (evidence(between) < target) inside = between;
      else beyond = between;
    }
    return (inside + beyond) / 2;
  };
  return [successes === 0 ? 0 : cross(1e-9), successes === n ? 1 : cross(1 - 1e-9)];
}

/** Half the width of an asymptotic confidence sequence of a mean (Waudby-Smith et al. 2024); not before about 100 values. */
export function asymptoticMargin({
  n,
  variance,
  alpha,
  rho,
}: {
  readonly n: number;
  readonly variance: number;
  readonly alpha: number;
  readonly rho: number;
}): number {
  const scaled = n * variance * rho * rho + 1;
  return Math.sqrt((scaled / (n * n * rho * rho)) * Math.log(scaled / (alpha * alpha)));
}

/** The parameter at which an asymptotic confidence sequence is tightest after so many values. */
export function asymptoticRho(nOpt: number, alpha: number): number {
  const log = -2 * Math.log(alpha);
  return Math.sqrt((log + Math.log(log + 1)) / nOpt);
}

/**
 * The mixture likelihood ratio of a difference of means (Johari, Koomen, Pekelis & Walsh): `variance` is that of one
 * pair's difference, `tau2` the spread of differences one looks for. At least `1/alpha` is evidence at level alpha,
 * whenever one looks. As a logarithm, so that nothing overflows.
 */
export function msprt({
  diff,
  variance,
  n,
  tau2,
}: {
  readonly diff: number;
  readonly variance: number;
  readonly n: number;
  readonly tau2: number;
}): number {
  const sum = variance + n * tau2;
  return 0.5 * Math.log(variance / sum) + (n * n * tau2 * diff * diff) / (2 * variance * sum);
}

/** Wald's bounds of a sequential test of two rates, and what each outcome adds (Wald 1945). */
export function sprt({
  alpha,
  beta,
  p0,
  p1,
}: {
  readonly alpha: number;
  readonly beta: number;
  readonly p0: number;
  readonly p1: number;
}): {
  readonly lower: number;
  readonly upper: number;
  readonly success: number;
  readonly failure: number;
} {
  return {
    lower: Math.log(beta / (1 - alpha)),
    upper: Math.log((1 - beta) / alpha),
    success: Math.log(p1 / p0),
    failure: Math.log((1 - p1) / (1 - p0)),
  };
}

/** How much likelier counts are under some other split than the one that was meant (Lindon & Malek): alarm at 20. */
export function sampleRatio(
  counts: readonly number[],
  shares: readonly number[],
  prior: readonly number[] = counts.map(() => 1),
): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const weight = prior.reduce((sum, each) => sum + each, 0);
  const log =
    logGamma(weight) -
    logGamma(weight + total) +
    counts.reduce(
      (sum, count, at) =>
        sum + logGamma((prior[at] ?? 1) + count) - logGamma(prior[at] ?? 1) - count * Math.log(shares[at] ?? 0),
      0,
    );
  return Math.exp(log);
}
