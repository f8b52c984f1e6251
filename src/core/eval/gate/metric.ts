// Decides what the runs of one metric say: paired on the same cases, with clusters, and how sure that is.
import { clusterBootstrap, clustered, mean } from "../stats/means.ts";
import { detectableDrop } from "../stats/planning.ts";
import { clopperPearson, zeroEventsNeeded } from "../stats/proportions.ts";
import {
  ALPHA,
  changedClusters,
  detectable,
  exactBounds,
  LEAST_CLUSTERS,
  moreCases,
  skewedBounds,
  withSigns,
  withUnseen,
  type Bounds,
} from "./bounds.ts";
import type { MetricItem, MetricTerms, MetricVerdict } from "./gate-input.ts";

const RESAMPLES = 400;

/** A metric measured, before the tests of several are held together. */
export type Measured = Omit<MetricVerdict, "verdict" | "p_adjusted" | "says"> & {
  /** Whether it surely became worse by its own test at 95 %; `null`: nothing can be said. */
  readonly is_worse: boolean | null;
  /** Whether its bound keeps the margin: of too few clusters that is neither a reason to ship nor to block. */
  readonly is_kept: boolean;
  readonly is_within: boolean;
  /** A violation that the baseline did not have, or a ceiling that is passed: blocks whatever the tests say. */
  readonly breach: string | null;
  /** What has to be known still and is not. */
  readonly open: string | null;
};

/** Measures one metric over its cases. O(n), and the resampling 400 times that. */
export function measure(terms: MetricTerms, items: readonly MetricItem[], seed: number): Measured {
  const paired = items.filter(isPaired);
  const frame = frameOf(terms, items, paired);
  if (terms.kind === "violation") return violations(terms, items, frame);
  if (paired.length === 0) {
    const breach = terms.kind === "amount" ? ceilingBreach(terms, items) : null;
    return { ...frame, breach, open: `${terms.id}: no case has a value on both sides` };
  }
  if (terms.kind === "amount") return amounts(terms, items, { frame, seed });
  return differences(terms, paired, { frame, seed });
}

function isPaired({ baseline, candidate }: MetricItem): boolean {
  return baseline.length > 0 && candidate.length > 0;
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
  const isExact = terms.kind === "pass" && frame.clusters === frame.n && paired.every(isSinglePass);
  const bounds = isExact ? exactBounds(paired) : withUnseen(skewedBounds(found), paired);
  const isFew = !isExact && frame.clusters < LEAST_CLUSTERS;
  return {
    ...frame,
    ...placed(bounds, { margin: terms.margin, isFew }),
    open: isFew ? tooFew(terms.id, frame.clusters) : null,
    method: isExact
      ? "exact McNemar test, Newcombe interval of paired rates (method 10)"
      : `paired difference, ${frame.clusters === frame.n ? "independent cases" : "clustered standard error"}, Student t with Johnson's term for skewness`,
    delta: found.mean,
    se: Number.isFinite(found.corrected) ? found.corrected : null,
    lower: finite(bounds.lower),
    upper: finite(bounds.upper),
    p: bounds.p,
    detectable_drop: detectable(found, changedClusters(paired)),
    more_cases: moreCases(found, { margin: terms.margin, lower: bounds.lower }),
    bootstrap_bound: clusterBootstrap(d, clusters, { seed, resamples: RESAMPLES, p: ALPHA }),
  };
}

/** Whether bounds show that it became worse, and whether they keep the margin. */
function placed(
  { lower, upper, p }: Bounds,
  { margin, isFew }: { readonly margin: number; readonly isFew: boolean },
): Pick<Measured, "is_worse" | "is_kept" | "is_within"> {
  const isKept = lower > -margin;
  return { is_worse: upper < 0 && p < ALPHA, is_kept: isKept, is_within: isKept && !isFew };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function tooFew(id: string, clusters: number): string {
  return `${id}: ${clusters} independent ${clusters === 1 ? "cluster is" : "clusters are"} too few for a bound, which takes ${LEAST_CLUSTERS}`;
}

/** A single pass or failure on either side: with more runs on one side the means are no longer a table of four counts. */
function isSinglePass({ baseline, candidate }: MetricItem): boolean {
  return [baseline, candidate].every((runs) => runs.length === 1 && (runs[0] === 0 || runs[0] === 1));
}

/** Amounts: the mean paired logarithm of the ratio, clustered; a margin of 0.1 lets it become 10 % more. */
function amounts(terms: MetricTerms, items: readonly MetricItem[], { frame, seed }: Around): Measured {
  const paired = items.filter(isPaired);
  const breach = ceilingBreach(terms, items);
  // What is nothing on one side alone has no ratio: it counts as not paired, so that a rise from nothing does not go unseen.
  const usable = paired.filter(({ baseline, candidate }) => mean(baseline) > 0 === mean(candidate) > 0);
  if (usable.length === 0) {
    const isNone = paired.every(({ candidate }) => mean(candidate) <= 0);
    const open = isNone ? null : `${terms.id}: no case has an amount on both sides`;
    return { ...frame, breach, is_within: isNone && breach === null, open };
  }
  const logs = usable.map(({ baseline, candidate }) =>
    mean(baseline) > 0 ? Math.log(mean(candidate) / mean(baseline)) : 0,
  );
  const clusters = usable.map(({ cluster }) => cluster);
  const found = clustered(logs, clusters);
  // Less is better: turned around, so that the same bounds serve.
  const turned = { ...found, mean: -found.mean, skewness: -found.skewness };
  const bounds = withSigns(skewedBounds(turned), {
    lost: movedOf(logs, clusters, (sum) => sum > 0),
    won: movedOf(logs, clusters, (sum) => sum < 0),
  });
  const { lower, upper, p } = bounds;
  const line = Math.log1p(terms.margin);
  const isFew = found.clusters < LEAST_CLUSTERS;
  return {
    ...frame,
    ...placed(bounds, { margin: line, isFew }),
    n: usable.length,
    clusters: found.clusters,
    unpaired: items.length - usable.length,
    open: isFew ? tooFew(terms.id, found.clusters) : null,
    method: "geometric mean of paired ratios, clustered standard error, Student t with Johnson's term for skewness",
    delta: Math.expm1(found.mean),
    se: finite(found.corrected),
    lower: finite(Math.expm1(-upper)),
    upper: finite(Math.expm1(-lower)),
    p,
    detectable_drop: Number.isFinite(found.corrected) ? Math.expm1(detectableDrop(found.corrected)) : null,
    more_cases: moreCases(turned, { margin: line, lower }),
    bootstrap_bound: Math.expm1(clusterBootstrap(logs, clusters, { seed, resamples: RESAMPLES, p: 1 - ALPHA })),
    breach,
  };
}

/** What the candidate comes to on average, over every case that it ran, against its ceiling. */
function ceilingBreach({ id, limit }: MetricTerms, items: readonly MetricItem[]): string | null {
  const runs = items.filter(({ candidate }) => candidate.length > 0).map(({ candidate }) => mean(candidate));
  const average = runs.length === 0 ? 0 : mean(runs);
  return limit !== undefined && average > limit
    ? `${id} is ${round(average)} a case on average, above its ceiling of ${limit}`
    : null;
}

/** Clusters whose amounts together moved one way. */
function movedOf(logs: readonly number[], clusters: readonly string[], isMeant: (sum: number) => boolean): number {
  const sums = new Map<string, number>();
  for (const [at, each] of logs.entries()) sums.set(clusters[at] ?? "", (sums.get(clusters[at] ?? "") ?? 0) + each);
  return [...sums.values()].filter(isMeant).length;
}

/**
 * Violations: one that the baseline did not have is too many; of none, the rate that their number excludes. The exact
 * bound counts independent clusters: the share of cases is no higher than that of clusters with any case in it.
 */
function violations(terms: MetricTerms, items: readonly MetricItem[], frame: Frame): Measured {
  const seen = items.filter(({ candidate }) => candidate.length > 0);
  const fresh = seen.filter(({ baseline, candidate }) => Math.max(...candidate) > Math.max(0, ...baseline));
  const touched = seen.filter(({ candidate }) => Math.max(...candidate) > 0);
  const clusters = new Set(seen.map(({ cluster }) => cluster)).size;
  const bad = new Set(touched.map(({ cluster }) => cluster)).size;
  const excluded = seen.length === 0 ? null : clopperPearson(bad, clusters, 1 - 2 * ALPHA)[1];
  const { breach, open, more } = violationWords(terms, { seen: seen.length, clusters, bad, excluded, fresh });
  return {
    ...frame,
    method: `none tolerated; exact binomial bound of ${bad === 0 ? "no event" : `${bad} events`} in ${clusters}`,
    n: seen.length,
    clusters,
    unpaired: items.length - seen.length,
    candidate: seen.length === 0 ? null : touched.length / seen.length,
    excluded_rate: excluded,
    more_cases: more,
    is_worse: breach !== null,
    is_within: breach === null && open === null,
    breach,
    open: breach === null ? open : null,
  };
}

interface Seen {
  readonly seen: number;
  readonly clusters: number;
  /** Clusters with a violation, old or new. */
  readonly bad: number;
  readonly excluded: number | null;
  readonly fresh: readonly MetricItem[];
}

function violationWords(
  { id, max_rate: most }: MetricTerms,
  { seen, clusters, bad, excluded, fresh }: Seen,
): { readonly breach: string | null; readonly open: string | null; readonly more: number | null } {
  if (fresh.length > 0) {
    const named = fresh.slice(0, 3).map((item) => item.case);
    const many = fresh.length === 1 ? "1 case has a violation" : `${fresh.length} cases have violations`;
    const more = fresh.length > 3 ? ", …" : "";
    return { breach: `${id}: ${many} that the baseline has not (${named.join(", ")}${more})`, open: null, more: null };
  }
  if (excluded === null) return { breach: null, open: `${id}: no case was looked at`, more: null };
  if (most === undefined || excluded <= most) return { breach: null, open: null, more: null };
  const what = clusters === seen ? "cases" : clusters === 1 ? "independent cluster" : "independent clusters";
  if (bad > 0)
    return {
      breach: null,
      open: `${id}: ${bad} of ${clusters} ${what} have violations, as before: a rate of ${percent(most)} is not excluded, only one of ${percent(excluded)}`,
      more: null,
    };
  const needed = zeroEventsNeeded(most);
  return {
    breach: null,
    open: `${id}: ${clusters} ${what} without a violation exclude ${percent(excluded)} and not ${percent(most)}: that takes ${needed}`,
    more: Math.max(1, Math.ceil(((needed - clusters) * seen) / clusters)),
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
