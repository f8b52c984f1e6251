// Decides how many cases it takes to see a drop, and which drop so many cases could have seen.
import { mcNemarPower } from "./power.ts";
import { normalQuantile } from "./distributions.ts";

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

/** Pairs for the exact test: the first number from which its power stays at what is wanted. */
export function mcNemarExact(discordance: number, aim: Aim): number {
  const { power = 0.8, alpha = 0.05 } = aim;
  const reaches = (n: number): boolean => mcNemarPower({ n, discordance, drop: aim.drop, alpha }) >= power;
  let n = Math.max(4, Math.floor(mcNemarApproximate(discordance, aim) * 0.8));
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
