// Decides how far a judge agrees with people: kappa with its bounds, how often it is right, and whether that is enough to gate.
import type { JudgeEntry } from "../../config/eval-document.ts";
import { cohenKappa, confusionOf, type Weights } from "../stats/agreement.ts";
import { wilson } from "../stats/proportions.ts";
import { labelsOf } from "./ask-judge.ts";
import { driftOf } from "./drift.ts";
import { countsOf, type Counts, type SettledPair } from "./settled-pair.ts";

/** Agreement beyond chance, -1 to 1, with 95 % bounds. */
export interface KappaFound {
  readonly kappa: number;
  readonly lower: number;
  readonly upper: number;
  readonly n: number;
}

/** A rate with its 95 % interval (Wilson). */
export interface Rate {
  readonly rate: number;
  readonly lower: number;
  readonly upper: number;
  readonly n: number;
}

/** How far a judge agrees with people. */
export interface Calibration {
  readonly at: number;
  readonly judge_digest: string;
  readonly rubric_version: string;
  /** Only labels settled after this count, epoch ms: the judge drifted then. `null`: all of them do. */
  readonly since: number | null;
  readonly n: number;
  readonly labels: readonly string[];
  /** Rows are the judge's labels, columns people's. */
  readonly confusion: readonly (readonly number[])[];
  /** `null` where nothing can be said: no labels, or one label only ever. */
  readonly kappa: KappaFound | null;
  /** Share of labels on which both say the same; `null` without any. */
  readonly agreement: number | null;
  /** Between two people, before they saw each other's word; `null` where too few cases have two. */
  readonly people_kappa: KappaFound | null;
  /** How often people pass what is judged. Of labels drawn at random alone, like the two below. */
  readonly base_rate: Rate | null;
  /** How often the judge passes what people pass, and fails what people fail; of rubrics that pass or fail. */
  readonly sensitivity: Rate | null;
  readonly specificity: Rate | null;
  /** Of all labels, and of those drawn at random. */
  readonly counts: Counts;
  readonly random: Counts;
  /** Judgements that two people dispute and nobody has settled. */
  readonly disputed: number;
  /** `suspended`: it drifted, and there are too few labels since then. */
  readonly status: "fit" | "unfit" | "suspended";
  readonly says: string;
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
/** Cases with two blind labels, below which no kappa between people is told. */
const LEAST_BLIND = 20;
/** The largest share of judgements that may be disputed still: what is settled is the easier part. */
const MOST_DISPUTED = 0.05;

/** What a calibration rests on besides the labels. */
export interface CalibrationGround {
  /** Epoch milliseconds. */
  readonly now: number;
  readonly digest: string;
  /** The last calibration of the same digest. */
  readonly last?: Calibration | undefined;
  /** Judgements that two people dispute and nobody has settled. */
  readonly disputed?: number;
}

/**
 * Calibrates a judge on what people settled of exactly its digest. It is fit where there are `min_labels` of them, the
 * lower 95 % bound of kappa is above `kappa_floor`, and at most one in twenty is disputed still. Kappa is weighted linearly
 * where the labels have an order. All labels count for kappa, the ones that were asked about for being hard too; rates are
 * of those drawn at random. Where labels since the last calibration show drift, those before it count no more, now and
 * in every later calibration of the digest. O(labels of the scale² × pairs).
 */
export function calibrate(
  entry: JudgeEntry,
  pairs: readonly SettledPair[],
  { now, digest, last, disputed = 0 }: CalibrationGround,
): Calibration {
  const since = countsSince(entry, pairs, last?.judge_digest === digest ? last : undefined);
  const counted = pairs.filter(({ at }) => at > (since ?? Number.NEGATIVE_INFINITY));
  const random = counted.filter(({ is_random }) => is_random);
  const labels = labelsOf(entry);
  const weights = labels.length > 2 ? "linear" : "identity";
  const said = counted.map(({ judged, settled }) => [judged, settled] as const);
  const confusion = confusionOf(said, labels);
  const kappa = kappaOf(confusion, weights);
  const blind = counted.flatMap(({ blind: two }) => (two === null ? [] : [two]));
  const counts = countsOf(entry, counted);
  const found = { kappa, n: counted.length, disputed, since };
  return {
    at: now,
    judge_digest: digest,
    rubric_version: entry.rubric.version,
    since,
    n: counted.length,
    labels,
    confusion,
    kappa,
    agreement: counts.n === 0 ? null : counts.agreed / counts.n,
    people_kappa: blind.length < LEAST_BLIND ? null : kappaOf(confusionOf(blind, labels), weights),
    base_rate: rateOf(countsOf(entry, random).passed, random.length),
    sensitivity: rightOf(entry, random, "pass"),
    specificity: rightOf(entry, random, "fail"),
    counts,
    random: countsOf(entry, random),
    disputed,
    ...judgedFit(entry, found),
  };
}

function countsSince(entry: JudgeEntry, pairs: readonly SettledPair[], last: Calibration | undefined): number | null {
  if (last === undefined) return null;
  return driftOf(entry, last, pairs) === null ? last.since : last.at;
}

function judgedFit(
  { min_labels: least, kappa_floor: floor }: JudgeEntry,
  { kappa, n, disputed, since }: Pick<Calibration, "kappa" | "n" | "disputed" | "since">,
): Pick<Calibration, "status" | "says"> {
  const shown =
    kappa === null
      ? `no kappa on ${n} labels`
      : `kappa ${hundredths(kappa.kappa)} [${hundredths(kappa.lower)}, ${hundredths(kappa.upper)}] on ${n} labels`;
  if (n < least)
    return since === null
      ? { status: "unfit", says: `${shown}: it takes ${least} labels` }
      : { status: "suspended", says: `${shown} since it drifted: it takes ${least} labels` };
  if (kappa === null || kappa.lower <= floor)
    return { status: "unfit", says: `${shown}: its lower bound is not above ${floor}` };
  if (disputed > MOST_DISPUTED * (n + disputed))
    return { status: "unfit", says: `${shown}: ${disputed} more are disputed, and what is settled is the easier part` };
  return { status: "fit", says: `${shown}: its lower bound is above ${floor}` };
}

/** Down, so that a bound that does not clear a floor never reads as if it did. */
function hundredths(value: number): string {
  return String(Math.floor(value * 100 + 1e-9) / 100);
}

/**
 * Kappa of a table with bounds that hold at its edges too. The large-sample error (Fleiss, Cohen & Everitt 1969) is none
 * where all agree, however few they are. So the lower bound is at most what the lower Wilson bound of the agreement leaves
 * beyond chance, chance as it was found. `null` where nothing can be said.
 */
export function kappaOf(confusion: readonly (readonly number[])[], weights: Weights): KappaFound | null {
  const { kappa, agreement, lower, upper, n } = cohenKappa(confusion, weights);
  if (n === 0 || !Number.isFinite(kappa)) return null;
  const chance = chanceOf(confusion, n, weights);
  const [least] = wilson(Math.min(n, agreement * n), n);
  return {
    kappa,
    lower: Math.max(-1, Math.min(lower, (least - chance) / (1 - chance))),
    upper: Math.min(1, upper),
    n,
  };
}

function chanceOf(confusion: readonly (readonly number[])[], n: number, weights: Weights): number {
  const k = confusion.length;
  const rows = confusion.map((row) => row.reduce((sum, count) => sum + count, 0) / n);
  const columns = confusion.map((_, at) => confusion.reduce((sum, row) => sum + (row[at] ?? 0), 0) / n);
  const weight = (i: number, j: number): number =>
    weights === "identity" ? Number(i === j) : 1 - Math.abs(i - j) / Math.max(1, k - 1);
  return rows.reduce(
    (sum, row, i) => sum + columns.reduce((inner, column, j) => inner + weight(i, j) * row * column, 0),
    0,
  );
}

function rightOf(entry: JudgeEntry, pairs: readonly SettledPair[], label: string): Rate | null {
  if (entry.rubric.scale !== "pass_fail") return null;
  const own = pairs.filter(({ settled }) => settled === label);
  return rateOf(own.filter(({ judged }) => judged === label).length, own.length);
}

function rateOf(count: number, n: number): Rate | null {
  if (n === 0) return null;
  const [lower, upper] = wilson(count, n);
  return { rate: count / n, lower, upper, n };
}
