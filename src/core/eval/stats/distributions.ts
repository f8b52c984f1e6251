// Decides the probabilities that every test here rests on: normal, Student t, binomial, beta, chi-squared with one degree of freedom.

/** Coefficients of Lanczos' approximation with g = 7 and nine terms (Godfrey 2001): about 15 digits. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** The logarithm of the gamma function for x > 0. */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - logGamma(1 - x);
  const z = x - 1;
  const t = z + 7.5;
  const sum = LANCZOS.slice(1).reduce((total, each, at) => total + each / (z + at + 1), LANCZOS[0] ?? 0);
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** The logarithm of the beta function. */
export function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

const TINY = 1e-300;
const EPSILON = 1e-16;
const MOST_TERMS = 10_000;

/** The regularised incomplete beta function I_x(a, b), by Lentz's continued fraction (DLMF 8.17.22). */
export function regularizedBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast on this side of the mean.
  if (x > (a + 1) / (a + b + 2)) return 1 - regularizedBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b)) / a;
  let c = 1;
  let d = 1 / atLeast(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= MOST_TERMS; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / atLeast(1 + even * d);
    c = atLeast(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / atLeast(1 + odd * d);
    c = atLeast(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < EPSILON) break;
  }
  return front * fraction;
}

function atLeast(value: number): number {
  return Math.abs(value) < TINY ? TINY : value;
}

/** The complementary error function, through the incomplete gamma function of one half (DLMF 7.11.2, 8.11.4, 8.9.2). */
export function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  const z = x * x;
  if (z === 0) return 1;
  const front = Math.exp(-z + 0.5 * Math.log(z) - logGamma(0.5));
  if (z < 1.5) {
    let term = 2;
    let sum = term;
    for (let n = 1; n < MOST_TERMS && term > sum * EPSILON; n += 1) {
      term *= z / (0.5 + n);
      sum += term;
    }
    return 1 - front * sum;
  }
  let b = z + 0.5;
  let c = 1 / TINY;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < MOST_TERMS; n += 1) {
    const an = -n * (n - 0.5);
    b += 2;
    d = 1 / atLeast(an * d + b);
    c = atLeast(b + an / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < EPSILON) break;
  }
  return front * fraction;
}

/** P(Z <= z) of a standard normal. */
export function normalCdf(z: number): number {
  return 0.5 * erfc(-z / Math.SQRT2);
}

/** The z below which a standard normal lies with this probability; 0 < p < 1. Bisection, then Newton to the last digits. */
export function normalQuantile(p: number): number {
  if (p <= 0) return Number.NEGATIVE_INFINITY;
  if (p >= 1) return Number.POSITIVE_INFINITY;
  if (p > 0.5) return -normalQuantile(1 - p);
  const start = bisect((z) => normalCdf(z) - p, -40, 0, 40);
  return newton(start, (z) => (normalCdf(z) - p) / (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)));
}

function newton(start: number, step: (x: number) => number): number {
  let x = start;
  for (let turn = 0; turn < 4; turn += 1) {
    const by = step(x);
    if (!Number.isFinite(by)) break;
    x -= by;
  }
  return x;
}

/** Where a rising function crosses zero between two points. */
export function bisect(f: (x: number) => number, low: number, high: number, turns = 200): number {
  let [left, right] = [low, high];
  for (let turn = 0; turn < turns; turn += 1) {
    const middle = (left + right) / 2;
    if (middle === left || middle === right) break;
    if (f(middle) < 0) left = middle;
    else right = middle;
  }
  return (left + right) / 2;
}

/** P(T <= t) of Student's t with so many degrees of freedom. */
export function studentCdf(t: number, df: number): number {
  if (!Number.isFinite(df)) return normalCdf(t);
  const tail = 0.5 * regularizedBeta(df / (df + t * t), df / 2, 0.5);
  return t > 0 ? 1 - tail : tail;
}

/** The t below which Student's t lies with this probability. */
export function studentQuantile(p: number, df: number): number {
  if (!Number.isFinite(df)) return normalQuantile(p);
  if (p === 0.5) return 0;
  if (p < 0.5) return -studentQuantile(1 - p, df);
  let high = 2;
  while (studentCdf(high, df) < p && high < 1e12) high *= 2;
  return bisect((t) => studentCdf(t, df) - p, 0, high);
}

/** P(X >= k) of a binomial. */
export function binomialUpperTail(k: number, n: number, p: number): number {
  if (k <= 0) return 1;
  return k > n ? 0 : regularizedBeta(p, k, n - k + 1);
}

/** P(X = k) of a binomial. */
export function binomialMass(k: number, n: number, p: number): number {
  if (p <= 0 || p >= 1) return Number((p <= 0 ? 0 : n) === k);
  const choose = -Math.log(n + 1) - logBeta(n - k + 1, k + 1);
  return Math.exp(choose + k * Math.log(p) + (n - k) * Math.log1p(-p));
}

/** The x below which a beta variable lies with this probability. */
export function betaQuantile(p: number, a: number, b: number): number {
  return bisect((x) => regularizedBeta(x, a, b) - p, 0, 1);
}

/** P(X >= x) of chi-squared with one degree of freedom. */
export function chiSquaredTail(x: number): number {
  return erfc(Math.sqrt(Math.max(0, x) / 2));
}
