// Names what a grader is given and what it answers.
import type { EvalCase } from "../case.ts";
import type { Episode } from "../episode.ts";

/** What a grader is given. */
export interface Graded {
  readonly case: EvalCase;
  readonly episode: Episode;
  /** What was recorded in its place; `failed` where that is not kept. */
  readonly recorded: Episode;
  /** Texts that the side was given besides what was recorded, such as its release's prompt: what they tell may be told. */
  readonly given?: readonly string[];
}

/** A figure with a sentence on why; or why there is none. */
export type Word =
  | { readonly value: number; readonly why: string }
  /** It has nothing to say of this case. */
  | { readonly value: null; readonly why: string }
  | { readonly error: string };
