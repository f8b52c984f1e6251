// Names what a grader makes of one run of a case.

/**
 * What a grader's figure is. `pass`: 0 or 1, more is better. `score`: 0 to 1, more is better. `violation`: how many, and
 * none is tolerated. `amount`: a positive figure, less is better (cost, time, tokens).
 */
export type GradeKind = "pass" | "score" | "violation" | "amount";

/** One grader's word on one episode. */
export interface Grade {
  /** The grader's id in its suite. */
  readonly grader: string;
  /** `null`: it does not apply to this case, or could not be told (`error`). */
  readonly value: number | null;
  /** One sentence on why, for people. */
  readonly explanation: string | null;
  /** Why there is no value though there should be: neither a pass nor a failure. */
  readonly error: string | null;
  /** A judge's label, and how far its samples disagreed, from 0 to 1. */
  readonly judged?: { readonly label: string; readonly disagreement: number };
}
