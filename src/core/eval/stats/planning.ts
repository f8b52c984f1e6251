// Decides how many cases it takes to see a drop, and which drop so many cases could have seen.
import { accept, refuse, type Outcome } from "../../errors.ts";
import { mcNemarPower } from "./power.ts";
import { bisect, normalQuantile } from "./distributions.ts";

/** What is to be seen: a drop, at which false-alarm rate (one-sided), with which chance of seeing it. */
export interface Aim {
  readonly drop: number;
  readonly alpha?: number;
  readonly power?: number;
}

/** Pairs for McNemar's test by the normal approximation (Connor 1987); `discordance` is the share of pairs that change. */
export function mcNemarApproximate(discordance: number, { drop, alpha = 0.05, power = 0.8 }: Aim): number {
  const [za, zb] = [normalQuantile(1 - alpha), normalQuantile(power)];
  return Math.ceil((za * Math.sqrt(discordance) + zb * Math.sqrt(discordance - drop * drop)) ** 2 / (drop * drop));
}

/** Above so many pairs the power of the exact test no longer jumps by what anyone would see: it is bisected. */
const SMOOTH_ABOVE = 5_000;

/**
 * Pairs for the exact test: the first number from which its power is what is wanted. The approximation is 2 to 9 % below it,
 * so the search begins just under that. Takes `0 < drop <= discordance <= 1`.
 */
export function mcNemarExact(discordance: number, aim: Aim): number {
  const { power = 0.8, alpha = 0.05 } = aim;
  const reaches = (n: number): boolean => mcNemarPower({ n, discordance, drop: aim.drop, alpha }) >= power;
  const near = mcNemarApproximate(discordance, aim);
  if (near > SMOOTH_ABOVE)
    return Math.ceil(bisect((n) => (reaches(Math.ceil(n)) ? 1 : -1), near * 0.9, near * 1.2, 24));
  let n = Math.max(4, Math.floor(near * 0.95));
  while (!reaches(n)) n += 1;
  return n;
}

/** Cases an arm for two unpaired rates, by the normal approximation. */
export function unpairedNeeded(p0: number, { drop, alpha = 0.05, power = 0.8 }: Aim): number {
  const p1 = p0 - drop;
  const middle = (p0 + p1) / 2;
  const [za, zb] = [normalQuantile(1 - alpha), normalQuantile(power)];
  const root = za * Math.sqrt(2 * middle * (1 - middle)) + zb * Math.sqrt(p0 * (1 - p0) + p1 * (1 - p1));
  return Math.ceil((root / drop) ** 2);
}

/** Cases for a paired difference of scores (Miller 2024, arXiv:2411.00640), two-sided. */
export function scoresNeeded({
  omega2,
  sigma2,
  repeats,
  delta,
  alpha = 0.05,
  power = 0.8,
}: {
  /** The variance of the cases' true differences. */
  readonly omega2: number;
  /** The variance of one run of one case, of each model. */
  readonly sigma2: number;
  readonly repeats: number;
  readonly delta: number;
  readonly alpha?: number;
  readonly power?: number;
}): number {
  const z = normalQuantile(1 - alpha / 2) + normalQuantile(power);
  return (z * z * (omega2 + (2 * sigma2) / repeats)) / (delta * delta);
}

/** The smallest drop that a paired test with this standard error would have found: one-sided, 95 %, with 80 % power when left out. */
export function detectableDrop(se: number, { alpha = 0.05, power = 0.8 }: Omit<Aim, "drop"> = {}): number {
  return (normalQuantile(1 - alpha) + normalQuantile(power)) * se;
}

/** How many times as many cases it takes for a standard error to become small enough that the bound passes a line this far from the mean. */
export function timesMore(se: number, distance: number, { alpha = 0.05, power = 0.8 }: Omit<Aim, "drop"> = {}): number {
  if (distance <= 0) return Number.POSITIVE_INFINITY;
  return (((normalQuantile(1 - alpha) + normalQuantile(power)) * se) / distance) ** 2;
}

/** What is known before a run is planned: how often single passes change either way, or how far scores spread. */
export type PlanGround =
  | { readonly kind: "pass"; readonly discordance: number }
  | {
      readonly kind: "score";
      /** The variance of the cases' true differences, and that of one run of one case. */
      readonly omega2: number;
      readonly sigma2: number;
      readonly repeats: number;
    };

/** How many cases a run takes. */
export interface CasePlan {
  readonly cases: number;
  readonly method: string;
}

/** More pairs than anybody replays: no plan is worked out beyond. */
const MOST_CASES = 1_000_000;

/**
 * How many cases it takes to see a drop: at 80 % power and a false-alarm rate of 5 %, one-sided, unless the aim says else.
 * For single passes by the power of the exact McNemar test, for scores after Miller 2024, one-sided as the gate is (the
 * paper's own figures are two-sided). Refuses with `invalid_request` what is not a rate or a variance, a drop that is not
 * above zero or is more than what changes at all, and plans of more than a million cases.
 */
export function planCases(ground: PlanGround, aim: Aim): Outcome<CasePlan> {
  const { drop, alpha = 0.05, power = 0.8 } = aim;
  const isRate = (value: number): boolean => value > 0 && value < 1;
  if (!(drop > 0 && drop <= 1)) return refuse("invalid_request", "drop: expected above 0, at most 1");
  if (!isRate(alpha) || alpha >= 0.5) return refuse("invalid_request", "alpha: expected above 0, below 0.5");
  if (!isRate(power) || power < 0.5) return refuse("invalid_request", "power: expected from 0.5, below 1");
  return ground.kind === "pass" ? planPasses(ground.discordance, { drop, alpha, power }) : planScores(ground, aim);
}

function planPasses(discordance: number, aim: Aim): Outcome<CasePlan> {
  if (!(discordance >= aim.drop && discordance <= 1))
    return refuse("invalid_request", "discordance: expected at least the drop, at most 1");
  if (mcNemarApproximate(discordance, aim) > MOST_CASES) return tooMany();
  return accept({ cases: mcNemarExact(discordance, aim), method: "exact McNemar test, one-sided" });
}

function planScores(
  { omega2, sigma2, repeats }: Extract<PlanGround, { kind: "score" }>,
  { drop, alpha = 0.05, power = 0.8 }: Aim,
): Outcome<CasePlan> {
  if (!(omega2 >= 0 && sigma2 >= 0 && omega2 + sigma2 > 0))
    return refuse("invalid_request", "omega2, sigma2: expected variances, one of them above 0");
  if (!Number.isInteger(repeats) || repeats < 1) return refuse("invalid_request", "repeats: expected at least 1");
  const cases = Math.ceil(scoresNeeded({ omega2, sigma2, repeats, delta: drop, alpha: 2 * alpha, power }));
  return cases > MOST_CASES
    ? tooMany()
    : accept({ cases, method: "paired difference of means (Miller 2024), one-sided" });
}

function tooMany(): Outcome<CasePlan> {
  return refuse("invalid_request", "drop: so small a drop takes more than a million cases");
}
