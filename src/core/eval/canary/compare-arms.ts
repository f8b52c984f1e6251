// Decides what the sessions of two releases say of each other: which of their figures are compared, by which terms, and in which words.
import type { WatchEntry } from "../../config/release-document.ts";
import type { ArmTotals, CanaryInput, CanaryMetricReport, CanaryState, SampleRatio } from "./canary-input.ts";
import { compareCanary } from "./compare-canary.ts";

/** What a canary is watched on. */
export type WatchMetric = WatchEntry["metrics"][number];
/** All of them. */
export const WATCH_METRICS: readonly WatchMetric[] = ["errors", "denials", "good_outcomes", "cost", "latency"];

/** The sums of one arm over its sessions. */
export interface ArmFigures {
  readonly release: string;
  readonly sessions: number;
  /** Of them, those that began since the canary has the weight that it has. */
  readonly drawn: number;
  /** Sessions with an error, with a denial, and with a good outcome. */
  readonly errors: number;
  readonly denials: number;
  readonly good: number;
  /** Natural logarithms: of a session's micro-USD, and of the mean milliseconds of its model calls. */
  readonly cost: ArmTotals;
  readonly latency: ArmTotals;
}

/** What a look at two arms comes to. */
export interface CanaryLook {
  /** `worse` where one figure is surely worse, whatever else is said. */
  readonly state: CanaryState;
  readonly says: string;
  /** Of cost and latency, `live` and `canary` are geometric means: micro-USD and milliseconds. */
  readonly metrics: readonly CanaryMetricReport[];
  /** `null` where no session was drawn. */
  readonly sample_ratio: SampleRatio | null;
  readonly live: ArmFigures;
  readonly canary: ArmFigures;
}

/** By what arms are compared. */
export interface ArmTerms {
  readonly metrics: readonly WatchMetric[];
  /** Changes up to this are no reason to act: of rates a share, of amounts a relative one. */
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
 * Compares a canary with what is live, as `compareCanary` does: whenever one looks, all metrics together say `worse` of a
 * canary that is not with probability alpha at most. A split of sessions that is not as drawn is said beside it and does
 * not hide that a figure is worse: who ends a canary for it loses little.
 */
export function compareArms(live: ArmFigures, canary: ArmFigures, terms: ArmTerms): CanaryLook {
  const { alpha, min_sessions, weight } = terms;
  const assigned = { live: live.drawn, canary: canary.drawn, share: (weight ?? 0) / 100 };
  const metrics = terms.metrics.map((metric) => comparedOf(metric, { live, canary }, terms.margin));
  const found = compareCanary({ metrics, alpha, min_sessions, assigned });
  const worse = found.metrics.filter((metric) => metric.state === "worse");
  const state = worse.length > 0 ? "worse" : found.state === "mismatched" ? "watching" : found.state;
  const reasons = [...(found.state === "mismatched" ? found.reasons : []), ...said(found.metrics, state)];
  return {
    state,
    says: `${canary.sessions} sessions of ${canary.release}, ${live.sessions} of ${live.release}. ${reasons.join("; ")}`,
    metrics: found.metrics.map(inUnits),
    sample_ratio: found.sample_ratio,
    live,
    canary,
  };
}

type Compared = Extract<CanaryInput["metrics"][number], { readonly worse: unknown }>;

interface Arms {
  readonly live: ArmFigures;
  readonly canary: ArmFigures;
}

function comparedOf(id: WatchMetric, { live, canary }: Arms, margin: number): Compared {
  const worse = id === "good_outcomes" ? "lower" : "higher";
  if (id === "cost" || id === "latency")
    return { id, kind: "log_mean", worse, margin, live: live[id], canary: canary[id] };
  const key = id === "good_outcomes" ? "good" : id;
  const rate = (arm: ArmFigures): ArmTotals => ({ n: arm.sessions, sum: arm[key], sum_squares: arm[key] });
  return { id, kind: "rate", worse, margin, live: rate(live), canary: rate(canary) };
}

function said(metrics: readonly CanaryMetricReport[], state: CanaryState): readonly string[] {
  return metrics.filter((metric) => metric.state === state).map(({ says }) => says);
}

function inUnits(metric: CanaryMetricReport): CanaryMetricReport {
  if (metric.kind !== "log_mean") return metric;
  const { live, canary } = metric;
  return {
    ...metric,
    live: live === null ? null : Math.exp(live),
    canary: canary === null ? null : Math.exp(canary),
  };
}
