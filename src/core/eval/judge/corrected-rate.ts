// Decides what people's labels make of the rate that a judge sees: corrected for how often it is wrong, with intervals.
import type { JudgeEntry } from "../../config/eval-document.ts";
import { predictionPowered, roganGladen } from "../stats/corrections.ts";
import { normalQuantile } from "../stats/distributions.ts";
import { scoreOf } from "./ask-judge.ts";
import type { Calibration, Rate } from "./calibration.ts";
import type { SettledPair } from "./settled-pair.ts";

/** The rate that a judge sees, and the rate behind it. All from 0 to 1, intervals at 95 %. */
export interface CorrectedRate {
  /** The mean of its scores. */
  readonly judged: number;
  /** By how often it is right on either side (Rogan & Gladen 1978); `null` where it tells nothing, or too few are labelled. */
  readonly rogan_gladen: Rate | null;
  /** People's labels, helped by its scores (PPI++); `null` where too few are labelled, or all alike. */
  readonly powered: Rate | null;
}

/** Labels drawn at random, below which nothing is corrected; of each of the two labels. */
const LEAST = 20;
const LEAST_EACH = 5;
const Z = normalQuantile(0.975);

/**
 * The corrected rate of a judge's scores; `null` without any. Only labels drawn at random take part, and they have to be
 * of such cases as the scores are: labels of an easier suite make a harder one look better. `n` is the number of labels.
 */
export function correctedRate(
  entry: Pick<JudgeEntry, "rubric">,
  scores: readonly number[],
  {
    calibration,
    pairs,
  }: {
    readonly calibration: Pick<Calibration, "sensitivity" | "specificity"> | undefined;
    readonly pairs: readonly SettledPair[];
  },
): CorrectedRate | null {
  if (scores.length === 0) return null;
  const judged = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const { sensitivity = null, specificity = null } = calibration ?? {};
  return {
    judged,
    rogan_gladen:
      sensitivity === null || specificity === null
        ? null
        : unmixed({ rate: judged, n: scores.length }, sensitivity, specificity),
    powered: powered(
      entry,
      scores,
      pairs.filter(({ is_random }) => is_random),
    ),
  };
}

/**
 * Rogan and Gladen's rate with the interval of Lang & Reiczigel 2014, which takes into account how few labels tell how
 * often the judge is right: each estimate is drawn towards a half before its variance is taken.
 */
function unmixed({ rate, n }: Pick<Rate, "rate" | "n">, sensitivity: Rate, specificity: Rate): Rate | null {
  const labels = sensitivity.n + specificity.n;
  if (labels < LEAST || Math.min(sensitivity.n, specificity.n) < LEAST_EACH) return null;
  const many = n + Z * Z;
  const p = (n * rate + (Z * Z) / 2) / many;
  const [n1, n0] = [sensitivity.n + 2, specificity.n + 2];
  const se = (sensitivity.n * sensitivity.rate + 1) / n1;
  const sp = (specificity.n * specificity.rate + 1) / n0;
  const told = se + sp - 1;
  const raw = roganGladen(rate, sensitivity.rate, specificity.rate);
  // A judge that is right no more often than chance tells nothing of the rate.
  if (told <= 0 || sensitivity.rate + specificity.rate <= 1) return null;
  const middle = roganGladen(p, se, sp);
  const [wrong1, wrong0] = [(se * (1 - se)) / n1, (sp * (1 - sp)) / n0];
  const shift = 2 * Z * Z * (middle * wrong1 - (1 - middle) * wrong0);
  const spread = (p * (1 - p)) / many + middle * middle * wrong1 + (1 - middle) * (1 - middle) * wrong0;
  const half = (Z * Math.sqrt(spread)) / told;
  return {
    rate: share(raw),
    lower: Math.min(share(raw), share(middle + shift - half)),
    upper: Math.max(share(raw), share(middle + shift + half)),
    n: labels,
  };
}

function powered(
  entry: Pick<JudgeEntry, "rubric">,
  scores: readonly number[],
  random: readonly SettledPair[],
): Rate | null {
  if (random.length < LEAST) return null;
  const { tuned } = predictionPowered(
    random.map(({ settled }) => scoreOf(settled, entry)),
    random.map(({ judged }) => scoreOf(judged, entry)),
    scores,
  );
  // Without any spread the normal interval has no width, and says more than such labels do.
  if (!(tuned.se > 0)) return null;
  const half = Z * tuned.se;
  return {
    rate: share(tuned.est),
    lower: share(tuned.est - half),
    upper: share(tuned.est + half),
    n: random.length,
  };
}

function share(value: number): number {
  return Math.min(1, Math.max(0, value));
}
