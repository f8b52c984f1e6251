// Decides how many steps an expression can take at worst, and how many are too many to publish it.
import { STEP_BUDGET } from "../cel/meter.ts";

/**
 * The most steps a rule may take by estimate: as many as the evaluator grants it. A rule that is published therefore
 * never runs out of steps over arguments that keep to the sizes of their schema; one that did would count at its
 * strictest for large, valid calls only, which nobody would find out before they come.
 *
 * A list whose schema has no `maxItems` is taken to have 64 items (`ASSUMED_ITEMS`): two such lists may be nested,
 * three may not. Where it has more, the meter decides.
 */
export const MAX_ESTIMATE = STEP_BUDGET;

/** What walking once through a session's past costs: at most 500 entries, each some ten times cheaper than a step. */
export const STEPS_OF_HISTORY = 50;

/** The message for an estimate that is too high. */
export function tooCostly(steps: number): string {
  const shown = steps > 1e9 ? steps.toExponential(0) : String(Math.round(steps));
  return (
    `the expression can take ${shown} steps, and ${MAX_ESTIMATE} are granted: ` +
    "nest fewer walks through lists, or give the lists a lower `maxItems`"
  );
}
