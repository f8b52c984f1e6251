// Decides how far a judge agrees with people, and whether it may gate: by the lower bound of kappa, on the very judge that was labelled.
import type { JudgeEntry } from "../../config/eval-document.ts";
import { readDuration } from "../../units/window.ts";
import { cohenKappa, confusionOf, type Kappa } from "../stats/agreement.ts";
import { predictionPowered, roganGladen, type Powered } from "../stats/corrections.ts";
import { wilson } from "../stats/proportions.ts";
import { labelsOf, scoreOf } from "./ask-judge.ts";

/** A judgement that people have settled too. */
export interface SettledPair {
  /** What the judge said, and what people settled on. */
  readonly judged: string;
  readonly settled: string;
  /** What two people said before they saw each other's word, where two did. */
  readonly blind: readonly [string, string] | null;
  /** Whether it was drawn at random: others are harder than most. */
  readonly is_random: boolean;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** How far a judge agrees with people. */
export interface Calibration {
  readonly at: number;
  readonly judge_digest: string;
  readonly rubric_version: string;
  readonly n: number;
  readonly labels: readonly string[];
  /** Rows are the judge's labels, columns people's. */
  readonly confusion: readonly (readonly number[])[];
  readonly kappa: Kappa;
  /** Between two people, before they saw each other's word; `null` where too few cases have two. */
  readonly people_kappa: number | null;
  /** How often people passed what was judged. */
  readonly base_rate: number;
  /** How often the judge passes what people pass, and fails what people fail, with 95 % intervals; of rubrics that pass or fail. */
  readonly sensitivity: Rate | null;
  readonly specificity: Rate | null;
  readonly status: "fit" | "unfit";
  readonly says: string;
}

/** A rate with its interval. */
export interface Rate {
  readonly rate: number;
  readonly lower: number;
  readonly upper: number;
  readonly n: number;
}

/** How a judge stands at an instant. */
export interface JudgeStanding {
  readonly judge: string;
  readonly status: "fit" | "unfit" | "uncalibrated" | "suspended" | "expired";
  readonly may_gate: boolean;
  readonly says: string;
}

/** Labels of people that a calibration rests on, newest first, at most so many. */
export const MOST_PAIRS = 2_000;
const LEAST_BLIND = 20;

/** Calibrates a judge on what people settled. Kappa is weighted linearly where the labels have an order. */
export function calibrate(
  entry: JudgeEntry,
  pairs: readonly SettledPair[],
  { now, digest }: { readonly now: number; readonly digest: string },
): Calibration {
  const labels = labelsOf(entry);
  const confusion = confusionOf(
    pairs.map(({ judged, settled }) => [judged, settled] as const),
    labels,
  );
  const weights = labels.length > 2 ? "linear" : "identity";
  const kappa = cohenKappa(confusion, weights);
  const blind = pairs.flatMap(({ blind: two }) => (two === null ? [] : [two]));
  const isEnough = pairs.length >= entry.min_labels;
  const isAbove = Number.isFinite(kappa.lower) && kappa.lower > entry.kappa_floor;
  const isFit = isEnough && isAbove;
  const shown = Number.isFinite(kappa.kappa)
    ? `kappa ${r(kappa.kappa)} [${r(kappa.lower)}, ${r(kappa.upper)}] on ${pairs.length} labels`
    : `no kappa on ${pairs.length} labels`;
  const says = !isEnough
    ? `${shown}: it takes ${entry.min_labels} labels`
    : isAbove
      ? `${shown}: its lower bound is above ${entry.kappa_floor}`
      : `${shown}: its lower bound is not above ${entry.kappa_floor}`;
  return {
    at: now,
    judge_digest: digest,
    rubric_version: entry.rubric.version,
    n: pairs.length,
    labels,
    confusion,
    kappa,
    people_kappa: blind.length < LEAST_BLIND ? null : cohenKappa(confusionOf(blind, labels), weights).kappa,
    base_rate:
      pairs.length === 0
        ? Number.NaN
        : pairs.filter(({ settled }) => scoreOf(settled, entry) >= 0.5).length / pairs.length,
    sensitivity: rate(entry, pairs, "pass"),
    specificity: rate(entry, pairs, "fail"),
    status: isFit ? "fit" : "unfit",
    says,
  };
}

function r(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function rate(entry: JudgeEntry, pairs: readonly SettledPair[], label: string): Rate | null {
  if (entry.rubric.scale !== "pass_fail") return null;
  const own = pairs.filter(({ settled }) => settled === label);
  if (own.length === 0) return null;
  const right = own.filter(({ judged }) => judged === label).length;
  const [lower, upper] = wilson(right, own.length);
  return { rate: right / own.length, lower, upper, n: own.length };
}

/** Settled labels since a calibration from which drift is looked for. */
const DRIFT_LEAST = 20;

/**
 * How a judge stands: `uncalibrated` for another digest than the one calibrated, `expired`, `suspended` where labels since
 * then agree surely less often than the calibration's did (their Wilson interval lies below its rate), else as calibrated.
 */
export function standingOf(
  judge: string,
  entry: JudgeEntry,
  {
    last,
    digest,
    since,
    now,
  }: {
    readonly last: Calibration | undefined;
    readonly digest: string;
    readonly since: readonly SettledPair[];
    readonly now: number;
  },
): JudgeStanding {
  if (last === undefined)
    return standing(judge, "uncalibrated", "nobody has calibrated it: its grades are shown and decide nothing");
  if (last.judge_digest !== digest)
    return standing(judge, "uncalibrated", "its models, its rubric or how it is asked changed since it was calibrated");
  if (now - last.at > (readDuration(entry.expires_in) ?? 0))
    return standing(judge, "expired", `its calibration is older than ${entry.expires_in}`);
  const drift = driftOf(last, since);
  if (drift !== null) return standing(judge, "suspended", drift);
  // The floor may have been raised since.
  const isFit = last.status === "fit" && last.kappa.lower > entry.kappa_floor && last.n >= entry.min_labels;
  return standing(judge, isFit ? "fit" : "unfit", last.says);
}

function standing(judge: string, status: JudgeStanding["status"], says: string): JudgeStanding {
  return { judge, status, may_gate: status === "fit", says };
}

/** What has drifted since a calibration, as a sentence; `null` for nothing that is sure. */
export function driftOf(last: Calibration, since: readonly SettledPair[]): string | null {
  const fresh = since.filter(({ at }) => at > last.at);
  if (fresh.length < DRIFT_LEAST) return null;
  const agreed = fresh.filter(({ judged, settled }) => judged === settled).length;
  const before = last.confusion.reduce((sum, row, at) => sum + (row[at] ?? 0), 0) / Math.max(1, last.n);
  const [, upper] = wilson(agreed, fresh.length);
  return upper < before
    ? `it agrees with people on ${agreed} of ${fresh.length} labels since its calibration, and agreed on ${Math.round(before * 100)} % then: it is suspended`
    : null;
}

/** What people's labels make of a judge's rate: corrected for how often it is wrong, and helped by its word on all cases. */
export interface Corrected {
  readonly judged: number;
  /** Rogan & Gladen 1978; `null` without sensitivity and specificity that tell something. */
  readonly rogan_gladen: number | null;
  readonly powered: Powered | null;
}

/** The corrected rate of a side. Only labels drawn at random take part. */
export function correctedRate(
  entry: JudgeEntry,
  scores: readonly number[],
  { calibration, pairs }: { readonly calibration: Calibration | undefined; readonly pairs: readonly SettledPair[] },
): Corrected | null {
  if (scores.length === 0) return null;
  const judged = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const { sensitivity = null, specificity = null } = calibration ?? {};
  const random = pairs.filter(({ is_random }) => is_random);
  const corrected =
    sensitivity === null || specificity === null ? Number.NaN : roganGladen(judged, sensitivity.rate, specificity.rate);
  return {
    judged,
    rogan_gladen: Number.isFinite(corrected) ? Math.min(1, Math.max(0, corrected)) : null,
    powered:
      random.length < 2
        ? null
        : predictionPowered(
            random.map(({ settled }) => scoreOf(settled, entry)),
            random.map((pair) => scoreOf(pair.judged, entry)),
            scores,
          ),
  };
}
