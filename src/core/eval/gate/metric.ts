// Decides what the runs of one metric say: paired on the same cases, with clusters, and how sure that is.
import { studentCdf, studentQuantile } from "../stats/distributions.ts";
import { clusterBootstrap, clustered, mean } from "../stats/means.ts";
import { detectableDrop, timesMore } from "../stats/planning.ts";
import { mcNemarOneSided, newcombePaired, zeroEventsNeeded, zeroEventsUpper } from "../stats/proportions.ts";
import type { MetricItem, MetricTerms, MetricVerdict } from "./gate-input.ts";

const ALPHA = 0.05;
const RESAMPLES = 400;

/** A metric measured, before the tests of several are held together. */
export type Measured = Omit<MetricVerdict, "verdict" | "p_adjusted" | "says"> & {
  /** Whether it surely became worse by its own test at 95 %; `null`: nothing can be said. */
  readonly is_worse: boolean | null;
  /** Whether its bound keeps the margin, and whether enough was seen to say so. */
  readonly is_kept: boolean;
  readonly is_within: boolean;
  /** A violation that the baseline did not have, or a ceiling that is passed: blocks whatever the tests say. */
  readonly breach: string | null;
  /** What has to be known still and is not. */
  readonly open: string | null;
};

/** Measures one metric over its cases. O(n), and the resampling 400 times that. */
export function measure(terms: MetricTerms, items: readonly MetricItem[], seed: number): Measured {
  const paired = items.filter(({ baseline, candidate }) => baseline.length > 0 && candidate.length > 0);
  const frame = frameOf(terms, items, paired);
  if (terms.kind === "violation") return violations(terms, items, frame);
  if (paired.length === 0) return { ...frame, open: "no case has a value on both sides" };
  if (terms.kind === "amount") return amounts(terms, paired, { frame, seed });
  return differences(terms, paired, { frame, seed });
}

type Frame = Measured;

function frameOf(
  { id, kind, is_gating, advisory, margin }: MetricTerms,
  items: readonly MetricItem[],
  paired: readonly MetricItem[],
): Frame {
  const means = (of: "baseline" | "candidate"): number | null =>
    paired.length === 0 ? null : mean(paired.map((item) => mean(item[of])));
  const moved = paired.map(({ baseline, candidate }) => mean(candidate) - mean(baseline));
  const isBetterUp = kind === "pass" || kind === "score";
  const worse = moved.filter((each) => (isBetterUp ? each < 0 : each > 0)).length;
  const better = moved.filter((each) => (isBetterUp ? each > 0 : each < 0)).length;
  return {
    id,
    kind,
    is_gating,
    advisory: advisory ?? null,
    method: "none",
    n: paired.length,
    clusters: new Set(paired.map(({ cluster }) => cluster)).size,
    repeats: Math.max(0, ...paired.map(({ candidate }) => candidate.length)),
    unpaired: items.length - paired.length,
    baseline: means("baseline"),
    candidate: means("candidate"),
    delta: null,
    se: null,
    lower: null,
    upper: null,
    margin,
    p: null,
    flips: { worse, better },
    detectable_drop: null,
    more_cases: null,
    bootstrap_bound: null,
    excluded_rate: null,
    is_worse: null,
    is_kept: false,
    is_within: false,
    breach: null,
    open: null,
  };
}

interface Around {
  readonly frame: Frame;
  readonly seed: number;
}

/** Passes and scores: the mean paired difference, clustered; of single passes without clusters the exact pair of test and interval. */
function differences(terms: MetricTerms, paired: readonly MetricItem[], { frame, seed }: Around): Measured {
  const d = paired.map(({ baseline, candidate }) => mean(candidate) - mean(baseline));
  const clusters = paired.map(({ cluster }) => cluster);
  const found = clustered(d, clusters);
  const isExact = terms.kind === "pass" && frame.repeats === 1 && frame.clusters === frame.n && paired.every(isBinary);
  const t = tBounds(found.mean, found.corrected, found.clusters - 1);
  const exact = isExact ? exactBounds(paired) : undefined;
  const { upper, p } = exact ?? t;
  const lower = exact?.lower ?? cautious(terms, paired, t.lower);
  const se = found.corrected;
  const isFew = !isExact && frame.clusters < LEAST_CLUSTERS;
  const isKept = lower > -terms.margin;
  const isWithin = isKept && !isFew;
  const isWorse = upper < 0 && p < ALPHA;
  return {
    ...frame,
    open: isFew ? tooFew(terms.id, frame.clusters) : null,
    method: isExact
      ? "exact McNemar test, Newcombe interval of paired rates (method 10)"
      : `paired difference, ${frame.clusters === frame.n ? "independent cases" : "clustered standard error"}, Student t`,
    delta: found.mean,
    se: Number.isFinite(se) ? se : null,
    lower,
    upper,
    p,
    // What was not seen to change may still have changed in as many cases as the bound leaves open.
    detectable_drop: Number.isFinite(se) ? Math.max(detectableDrop(se), found.mean - lower) : null,
    more_cases: isWithin || isWorse ? null : moreCases(found, se, { mean: found.mean, margin: terms.margin, lower }),
    bootstrap_bound: clusterBootstrap(d, clusters, { seed, resamples: RESAMPLES, p: ALPHA }),
    is_worse: isWorse,
    is_kept: isKept,
    is_within: isWithin,
  };
}

/** Below this many independent clusters the large-sample bounds promise more than they keep. */
const LEAST_CLUSTERS = 20;
/** With fewer clusters that changed at all, what was not seen to change is bounded exactly. */
const FEW_CHANGES = 10;

function tooFew(id: string, clusters: number): string {
  return `${id}: ${clusters} independent ${clusters === 1 ? "cluster is" : "clusters are"} too few for a bound, which takes ${LEAST_CLUSTERS}`;
}

/** Where hardly anything changed, no variance was seen to speak of: the bound of paired rates over whole clusters holds then. */
function cautious({ kind }: MetricTerms, paired: readonly MetricItem[], lower: number): number {
  const clusters = [...Map.groupBy(paired, ({ cluster }) => cluster).values()];
  const moved = clusters.map((items) => mean(items.map(({ baseline, candidate }) => mean(candidate) - mean(baseline))));
  const changed = moved.filter((each) => each !== 0).length;
  if (changed >= FEW_CHANGES || kind === "amount") return lower;
  const lost = moved.filter((each) => each < 0).length;
  const won = moved.filter((each) => each > 0).length;
  const same = clusters.filter(
    (items, at) => moved[at] === 0 && mean(items.map(({ candidate }) => mean(candidate))) >= 0.5,
  ).length;
  const neither = clusters.length - lost - won - same;
  const { ci } = newcombePaired({ both: same, first: won, second: lost, neither }, 1 - 2 * ALPHA);
  return Math.min(lower, ci[0]);
}

function isBinary({ baseline, candidate }: MetricItem): boolean {
  return [...baseline, ...candidate].every((value) => value === 0 || value === 1);
}

function exactBounds(paired: readonly MetricItem[]): {
  readonly lower: number;
  readonly upper: number;
  readonly p: number;
} {
  const count = (b: number, c: number): number =>
    paired.filter(({ baseline, candidate }) => baseline[0] === b && candidate[0] === c).length;
  const [both, lost, won, neither] = [count(1, 1), count(1, 0), count(0, 1), count(0, 0)];
  const { ci } = newcombePaired({ both, first: won, second: lost, neither }, 1 - 2 * ALPHA);
  return { lower: ci[0], upper: ci[1], p: mcNemarOneSided(lost, won) };
}

function tBounds(
  middle: number,
  se: number,
  df: number,
): { readonly lower: number; readonly upper: number; readonly p: number } {
  if (!Number.isFinite(se) || df < 1) return { lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY, p: 1 };
  if (se === 0) return { lower: middle, upper: middle, p: middle < 0 ? 0 : 1 };
  const half = studentQuantile(1 - ALPHA, df) * se;
  return { lower: middle - half, upper: middle + half, p: studentCdf(middle / se, df) };
}

/** How many more cases would carry the bound past the nearer line: the margin, or no difference. */
function moreCases(
  { n, clusters }: { readonly n: number; readonly clusters: number },
  se: number,
  { mean: middle, margin, lower }: { readonly mean: number; readonly margin: number; readonly lower: number },
): number | null {
  const perCluster = n / Math.max(1, clusters);
  const least = Math.max(0, LEAST_CLUSTERS - clusters) * perCluster;
  if (!Number.isFinite(se)) return Math.max(1, Math.ceil(least));
  const times = Math.min(timesMore(se, middle + margin), timesMore(se, -middle));
  // A bound that rests on what was not seen shrinks with the number of cases itself.
  const unseen =
    se === 0 || middle - lower > 3 * se ? n * Math.max(1, (middle - lower) / Math.max(margin + middle, 1e-9)) : 0;
  const more = Math.max(n * times, unseen) - n;
  return Number.isFinite(more) ? Math.max(1, Math.ceil(least), Math.ceil(more)) : null;
}

/** Amounts: the mean paired logarithm of the ratio, clustered; a margin of 0.1 lets it become 10 % more. */
function amounts(terms: MetricTerms, paired: readonly MetricItem[], { frame, seed }: Around): Measured {
  const usable = paired.filter(({ baseline, candidate }) => mean(baseline) > 0 && mean(candidate) > 0);
  const breach =
    terms.limit !== undefined && (frame.candidate ?? 0) > terms.limit
      ? `${terms.id} is ${round(frame.candidate ?? 0)} a case on average, above its ceiling of ${terms.limit}`
      : null;
  if (usable.length === 0) {
    const none = paired.every(({ candidate }) => mean(candidate) === 0);
    return {
      ...frame,
      breach,
      is_within: none,
      is_worse: none ? false : null,
      open: none ? null : "no case has an amount on both sides",
    };
  }
  const logs = usable.map(({ baseline, candidate }) => Math.log(mean(candidate) / mean(baseline)));
  const clusters = usable.map(({ cluster }) => cluster);
  const found = clustered(logs, clusters);
  const se = found.corrected;
  // Less is better: turned around, so that the same bounds serve.
  const { lower, upper, p } = tBounds(-found.mean, se, found.clusters - 1);
  const line = Math.log1p(terms.margin);
  const isFew = found.clusters < LEAST_CLUSTERS;
  const isKept = lower > -line;
  const isWithin = isKept && !isFew;
  const isWorse = upper < 0 && p < ALPHA;
  return {
    ...frame,
    open: isFew ? tooFew(terms.id, found.clusters) : null,
    method: "geometric mean of paired ratios, clustered standard error, Student t",
    delta: Math.expm1(found.mean),
    se: Number.isFinite(se) ? se : null,
    lower: Math.expm1(-upper),
    upper: Math.expm1(-lower),
    p,
    detectable_drop: Number.isFinite(se) ? Math.expm1(detectableDrop(se)) : null,
    more_cases: isWithin || isWorse ? null : moreCases(found, se, { mean: -found.mean, margin: line, lower }),
    bootstrap_bound: Math.expm1(clusterBootstrap(logs, clusters, { seed, resamples: RESAMPLES, p: 1 - ALPHA })),
    is_worse: isWorse,
    is_kept: isKept,
    is_within: isWithin,
    breach,
  };
}

/** Violations: one that the baseline did not have is too many; of none, the rate that their number excludes. */
function violations(terms: MetricTerms, items: readonly MetricItem[], frame: Frame): Measured {
  const seen = items.filter(({ candidate }) => candidate.length > 0);
  const fresh = seen.filter(({ baseline, candidate }) => Math.max(...candidate) > Math.max(0, ...baseline));
  const any = seen.filter(({ candidate }) => Math.max(...candidate) > 0).length;
  const excluded = any === 0 && seen.length > 0 ? zeroEventsUpper(seen.length) : null;
  const isExcluded = terms.max_rate === undefined || (excluded !== null && excluded <= terms.max_rate);
  const needed = terms.max_rate === undefined ? 0 : zeroEventsNeeded(terms.max_rate);
  const named = fresh.slice(0, 3).map((item) => item.case);
  const breach =
    fresh.length === 0
      ? null
      : `${terms.id}: ${fresh.length} ${fresh.length === 1 ? "case has a violation" : "cases have violations"} that the baseline has not (${named.join(", ")}${fresh.length > 3 ? ", …" : ""})`;
  const open =
    seen.length === 0
      ? "no case was looked at"
      : isExcluded || terms.max_rate === undefined
        ? null
        : `${seen.length} cases without a violation exclude ${percent(excluded ?? 1)} and not ${percent(terms.max_rate)}: that takes ${needed}`;
  return {
    ...frame,
    method: "none tolerated; exact binomial bound of no event in n",
    n: seen.length,
    unpaired: items.length - seen.length,
    candidate: seen.length === 0 ? null : any / seen.length,
    excluded_rate: excluded,
    more_cases: open !== null && breach === null && seen.length > 0 ? Math.max(1, needed - seen.length) : null,
    is_worse: breach !== null,
    is_within: breach === null && open === null,
    breach,
    open: breach === null ? open : null,
  };
}

/** A rate for people. */
export function percent(rate: number): string {
  return `${round(rate * 100)} %`;
}

/** A figure for people: three significant digits. */
export function round(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "unbounded";
}
