// Decides how large a distance between two samples of one distribution may be by chance alone.

/** The standard normal deviate of 0.999. */
const Z_999 = 3.090232306167813;
/** The Kolmogorov distribution's deviate of 0.999 (scipy.stats.kstwobign.isf(0.001)). */
const KOLMOGOROV_999 = 1.9494746035043753;

/**
 * The 99.9 % point of a chi-square distribution, by the Wilson–Hilferty cube (1931): at most 1.5 % too high from five
 * degrees of freedom on. 0 for none.
 */
export function chiSquare999(degrees: number): number {
  if (degrees < 1) return 0;
  const spread = 2 / (9 * degrees);
  return degrees * (1 - spread + Z_999 * Math.sqrt(spread)) ** 3;
}

/**
 * What the population stability index of two samples of one distribution exceeds once in a thousand times: it is
 * distributed as (1/n + 1/m) times chi-square with one degree of freedom less than bins (Yurdakul & Naranjo 2020).
 */
export function stabilityByChance(bins: number, left: number, right: number): number {
  return chiSquare999(bins - 1) * (1 / left + 1 / right);
}

/** What the Kolmogorov–Smirnov distance of two samples of one distribution exceeds at most once in a thousand times. */
export function distanceByChance(left: number, right: number): number {
  return KOLMOGOROV_999 * Math.sqrt(1 / left + 1 / right);
}
