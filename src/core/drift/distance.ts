// Decides how far apart two distributions over the same bins are: population stability index and Kolmogorov–Smirnov distance.

/** Counts per bin. */
export type Bins = readonly number[];

/** What every share is raised by before shares are rescaled to one: an empty bin has no logarithm. */
const FLOOR = 1e-4;

/**
 * Population stability index: the sum over bins of (p − q)·ln(p / q), which is the symmetric Kullback–Leibler
 * divergence (Yurdakul & Naranjo 2020, eq. 1). At least 0, 0 only for equal shares, the same both ways. Shares are
 * smoothed: each is raised by 0.0001 and all are rescaled, so that an empty bin counts as nearly empty and equal shares
 * stay equal whatever the sizes. 0 when either side counted nothing: there is nothing to compare.
 */
export function populationStability(left: Bins, right: Bins): number {
  const [p, q] = [shares(left), shares(right)];
  if (p === undefined || q === undefined) return 0;
  const size = Math.max(p.length, q.length);
  const smooth = (share: number | undefined): number => ((share ?? 0) + FLOOR) / (1 + FLOOR * size);
  let sum = 0;
  for (let bin = 0; bin < size; bin += 1) {
    const [was, is] = [smooth(p[bin]), smooth(q[bin])];
    sum += (was - is) * Math.log(was / is);
  }
  return sum;
}

/**
 * Two-sample Kolmogorov–Smirnov distance: the largest difference of the cumulative shares, from 0 to 1. On bins it is
 * at most that of the values themselves. 0 when either side counted nothing.
 */
export function kolmogorovSmirnov(left: Bins, right: Bins): number {
  const [p, q] = [shares(left), shares(right)];
  if (p === undefined || q === undefined) return 0;
  let difference = 0;
  let largest = 0;
  for (let bin = 0; bin < Math.max(p.length, q.length); bin += 1) {
    difference += (p[bin] ?? 0) - (q[bin] ?? 0);
    largest = Math.max(largest, Math.abs(difference));
  }
  return Math.min(1, largest);
}

/** A bin of the pooled sample holds at least this share of it, and this many. */
const LEAST_SHARE = 0.05;
const LEAST_COUNT = 20;

/**
 * Both sides over the same coarser bins: neighbours are joined until each holds 5 % of both samples together, and at
 * least twenty. Without it a few stray values in nearly empty bins decide the index, and chance passes its bound.
 */
export function pooledBins(left: Bins, right: Bins): readonly [Bins, Bins] {
  const least = Math.max(LEAST_COUNT, (total(left) + total(right)) * LEAST_SHARE);
  const joined: [number, number][] = [];
  let open: [number, number] = [0, 0];
  for (let bin = 0; bin < Math.max(left.length, right.length); bin += 1) {
    open = [open[0] + (left[bin] ?? 0), open[1] + (right[bin] ?? 0)];
    if (open[0] + open[1] < least) continue;
    joined.push(open);
    open = [0, 0];
  }
  const last = joined.pop() ?? [0, 0];
  joined.push([last[0] + open[0], last[1] + open[1]]);
  return [joined.map(([count]) => count), joined.map(([, count]) => count)];
}

/** The sum of the counts. */
export function total(bins: Bins): number {
  return bins.reduce((sum, count) => sum + count, 0);
}

function shares(bins: Bins): Bins | undefined {
  const sum = total(bins);
  return sum > 0 ? bins.map((count) => count / sum) : undefined;
}
