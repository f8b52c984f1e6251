// Names a judgement that people have settled too, and decides what many of them count to.
import type { JudgeEntry } from "../../config/eval-document.ts";
import { scoreOf } from "./ask-judge.ts";

/** A judgement that people have settled too. */
export interface SettledPair {
  /** What the judge said, and what people settled on. */
  readonly judged: string;
  readonly settled: string;
  /** What two people said before they saw each other's word, where two did. */
  readonly blind: readonly [string, string] | null;
  /** Whether it was drawn at random: others are harder than most. */
  readonly is_random: boolean;
  /** When it was settled, in epoch milliseconds. */
  readonly at: number;
}

/** Counts of labels that later ones are held against. */
export interface Counts {
  readonly n: number;
  /** On which judge and people say the same. */
  readonly agreed: number;
  /** That people passed. */
  readonly passed: number;
}

/** The counts of labels. Passed is what scores at least a half. */
export function countsOf(entry: Pick<JudgeEntry, "rubric">, pairs: readonly SettledPair[]): Counts {
  return {
    n: pairs.length,
    agreed: pairs.filter(({ judged, settled }) => judged === settled).length,
    passed: pairs.filter(({ settled }) => scoreOf(settled, entry) >= 0.5).length,
  };
}
