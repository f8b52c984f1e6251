// Decides whether a judge, or what it is asked about, has changed since it was calibrated.
import type { JudgeEntry } from "../../config/eval-document.ts";
import { newcombeIndependent } from "../stats/proportions.ts";
import { countsOf, type Counts, type SettledPair } from "./settled-pair.ts";

/** Labels on either side from which drift is looked for, and how many of the newest it is looked for in. */
const LEAST = 20;
const WINDOW = 100;
/** It is looked for again and again: so nothing less sure than this counts. */
const LEVEL = 0.99;

/**
 * What has surely changed since a calibration, as a sentence; `null` for nothing. The newest labels since then, at most a
 * hundred and at least twenty, are held against those it rests on: whether judge and people agree less often, and whether
 * people pass more or fewer. Each is sure where the 99 % interval of the difference of two rates leaves zero out (Newcombe
 * 1998, method 10). Labels drawn at random are held against such labels where both have enough; else agreement is compared
 * on all of them, and how often people pass is not compared: what is hard changes with what is asked about.
 */
export function driftOf(
  entry: Pick<JudgeEntry, "rubric">,
  last: { readonly at: number; readonly counts: Counts; readonly random: Counts },
  pairs: readonly SettledPair[],
): string | null {
  const fresh = pairs.filter(({ at }) => at > last.at).toSorted((left, right) => right.at - left.at);
  const drawn = countsOf(entry, fresh.filter(({ is_random }) => is_random).slice(0, WINDOW));
  const isDrawn = drawn.n >= LEAST && last.random.n >= LEAST;
  const now = isDrawn ? drawn : countsOf(entry, fresh.slice(0, WINDOW));
  const then = isDrawn ? last.random : last.counts;
  if (now.n < LEAST || then.n === 0) return null;
  const [, most] = difference(now, then, "agreed");
  if (most < 0)
    return `it agrees with people on ${now.agreed} of the newest ${now.n} labels, and agreed on ${then.agreed} of ${then.n} when it was calibrated: it is suspended`;
  if (!isDrawn) return null;
  const [lower, upper] = difference(now, then, "passed");
  return lower > 0 || upper < 0
    ? `people pass ${now.passed} of the newest ${now.n} judgements, and passed ${then.passed} of ${then.n} when it was calibrated: it is suspended`
    : null;
}

function difference(now: Counts, then: Counts, of: "agreed" | "passed"): readonly [number, number] {
  return newcombeIndependent([now[of], now.n], [then[of], then.n], LEVEL).ci;
}
