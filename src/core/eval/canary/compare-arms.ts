// Decides, whenever one looks, whether one release does worse than another on the sessions that each had: a sequential test that stays valid.
import type { WatchEntry } from "../../config/release-document.ts";
import { msprt, sampleRatio } from "../stats/sequential.ts";

/** What a canary is watched on. */
export type WatchMetric = WatchEntry["metrics"][number];
/** All of them. */
export const WATCH_METRICS: readonly WatchMetric[] = ["errors", "denials", "good_outcomes", "cost", "latency"];

/** The sums of one arm over its sessions. Amounts are summed as natural logarithms: ratios are compared. */
export interface ArmFigures {
  readonly release: string;
  readonly sessions: number;
  /** Of them, those that began since the canary has the weight that it has. */
  readonly drawn: number;
  /** Sessions with an error, with a denial, and with a good outcome. */
  readonly errors: number;
  readonly denials: number;
  readonly good: number;
  readonly cost: LogSum;
  readonly latency: LogSum;
}

/** How many values there were, their sum and the sum of their squares. */
export interface LogSum {
  readonly n: number;
  readonly sum: number;
  readonly squares: number;
}

/** One metric compared. */
export interface ArmComparison {
  readonly metric: WatchMetric;
  readonly live: number;
  readonly canary: number;
  /** Canary less live, turned so that more is worse: of rates a difference, of amounts the logarithm of their ratio. */
  readonly difference: number;
  readonly se: number;
  /** The difference lies between these whenever one looks: at this metric's share of alpha, all looks together. */
  readonly low: number;
  readonly high: number;
  /** How much likelier a change is than none beyond the margin, as a natural logarithm: evidence from `needed` on. */
  readonly log_evidence: number;
  readonly needed: number;
  /** Of being no worse than the margin, valid whenever one looks; 1 where it is not worse than that. */
  readonly p: number;
  readonly is_worse: boolean;
}

/** What a look at a canary comes to. */
export interface CanaryLook {
  readonly state: "too_few" | "watching" | "worse";
  readonly comparisons: readonly ArmComparison[];
  readonly live: ArmFigures;
  readonly canary: ArmFigures;
  /** How much likelier the sessions' split is under other shares than those drawn; an alarm from 20 on. */
  readonly split_bayes_factor: number;
  readonly is_split_wrong: boolean;
  readonly says: string;
}

/** The spread of differences that one looks for: three points of a rate, a tenth of an amount. */
const TAU2 = { rate: 0.001, log: 0.01 } as const;
/** Lindon & Malek: a Bayes factor that is an alarm. */
const SPLIT_ALARM = 20;

/** By what arms are compared. */
export interface ArmTerms {
  readonly metrics: readonly WatchMetric[];
  /** Changes smaller than this are none: of rates a share, of amounts a relative one. */
  readonly margin: number;
  /** Sessions on each side below which nothing is decided. */
  readonly min_sessions: number;
  /** The chance of a false alarm that all looks at all metrics may have together. */
  readonly alpha: number;
  /** Percent of sessions that the canary gets; `null` where nobody was drawn. */
  readonly weight: number | null;
}

/**
 * The part of alpha that the n-th window of a canary may use, n from 1: `alpha / (n (n + 1))`, which is alpha for all of
 * them together. A canary that is looked at for long is compared in one window after the other.
 */
export function alphaOfWindow(alpha: number, window: number): number {
  return alpha / (window * (window + 1));
}

/**
 * Compares a canary with what is live. Each metric is tested at its share of alpha (Bonferroni) by a mixture likelihood
 * ratio of the difference of two independent means (Johari, Koomen, Pekelis & Walsh, "Always Valid Inference"; with unequal
 * arms through the variance of the difference): looked at any number of times, all metrics together raise a false alarm
 * with probability alpha at most, in the normal approximation, which is why nothing is decided below `min_sessions`.
 */
export function compareArms(live: ArmFigures, canary: ArmFigures, terms: ArmTerms): CanaryLook {
  const alpha = terms.alpha / terms.metrics.length;
  const comparisons = terms.metrics.flatMap((metric) =>
    compared(metric, { live, canary }, { alpha, margin: terms.margin }),
  );
  const isFew = Math.min(live.sessions, canary.sessions) < terms.min_sessions;
  const worse = comparisons.filter((each) => each.is_worse);
  const split = splitOf(live.drawn, canary.drawn, terms.weight);
  const state = isFew ? "too_few" : worse.length > 0 ? "worse" : "watching";
  return {
    state,
    comparisons,
    live,
    canary,
    split_bayes_factor: split,
    is_split_wrong: split >= SPLIT_ALARM,
    says: sentence(state, worse, { live, canary, least: terms.min_sessions }),
  };
}

/** A canary of every session, or of none, leaves nothing to compare the shares by. */
function splitOf(live: number, canary: number, weight: number | null): number {
  if (weight === null || weight <= 0 || weight >= 100 || live + canary === 0) return 0;
  const share = weight / 100;
  return sampleRatio([live, canary], [1 - share, share]);
}

interface Arms {
  readonly live: ArmFigures;
  readonly canary: ArmFigures;
}

function compared(
  metric: WatchMetric,
  arms: Arms,
  { alpha, margin }: { readonly alpha: number; readonly margin: number },
): readonly ArmComparison[] {
  const isLog = metric === "cost" || metric === "latency";
  const found = isLog ? ofLogs(metric, arms) : ofRates(metric, arms);
  if (found === undefined) return [];
  const tau2 = isLog ? TAU2.log : TAU2.rate;
  const variance = found.se * found.se;
  const beyond = found.difference - (isLog ? Math.log1p(margin) : margin);
  const evidence = variance === 0 ? 0 : msprt({ diff: beyond, variance, n: 1, tau2 });
  const needed = Math.log(1 / alpha);
  const reach = reachOf(variance, tau2, needed);
  return [
    {
      metric,
      ...found,
      low: found.difference - reach,
      high: found.difference + reach,
      log_evidence: evidence,
      needed,
      p: beyond > 0 ? Math.min(1, Math.exp(-evidence)) : 1,
      is_worse: beyond > 0 && evidence >= needed,
    },
  ];
}

/** The differences around the one seen that the mixture likelihood ratio does not rule out: it solved for the difference. */
function reachOf(variance: number, tau2: number, needed: number): number {
  const sum = variance + tau2;
  return variance === 0 ? 0 : Math.sqrt(((2 * variance * sum) / tau2) * (needed + 0.5 * Math.log(sum / variance)));
}

type Found = Pick<ArmComparison, "live" | "canary" | "difference" | "se">;

function ofRates(metric: Exclude<WatchMetric, "cost" | "latency">, { live, canary }: Arms): Found | undefined {
  const key = metric === "good_outcomes" ? "good" : metric;
  if (live.sessions === 0 || canary.sessions === 0) return undefined;
  const [before, after] = [live[key] / live.sessions, canary[key] / canary.sessions];
  // Kept off zero (Agresti & Caffo): an arm without any event has a variance too.
  const spread = ({ sessions }: ArmFigures, count: number): number => {
    const p = (count + 1) / (sessions + 2);
    return (p * (1 - p)) / sessions;
  };
  const se = Math.sqrt(spread(live, live[key]) + spread(canary, canary[key]));
  const difference = metric === "good_outcomes" ? before - after : after - before;
  return { live: before, canary: after, difference, se };
}

function ofLogs(metric: "cost" | "latency", { live, canary }: Arms): Found | undefined {
  const [before, after] = [live[metric], canary[metric]];
  if (before.n < 2 || after.n < 2) return undefined;
  const mean = ({ sum, n }: LogSum): number => sum / n;
  const spread = (each: LogSum): number => Math.max(0, each.squares / each.n - mean(each) ** 2) / (each.n - 1);
  return {
    live: Math.exp(mean(before)),
    canary: Math.exp(mean(after)),
    difference: mean(after) - mean(before),
    se: Math.sqrt(spread(before) + spread(after)),
  };
}

function sentence(
  state: CanaryLook["state"],
  worse: readonly ArmComparison[],
  { live, canary, least }: Arms & { readonly least: number },
): string {
  const seen = `${canary.sessions} sessions of ${canary.release}, ${live.sessions} of ${live.release}`;
  switch (state) {
    case "too_few":
      return `${seen}: nothing is decided below ${least} each`;
    case "watching":
      return `${seen}: nothing is surely worse`;
    case "worse":
      return `${seen}: ${worse.map(({ metric, live: before, canary: after }) => `${metric.replaceAll("_", " ")} went from ${figure(before)} to ${figure(after)}`).join(", ")}`;
    default:
      return state satisfies never;
  }
}

function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}
