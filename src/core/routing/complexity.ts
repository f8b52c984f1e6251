// Decides how demanding a request looks, from 0 to 1: seven signals with fixed weights, read off its form and never its language.
import type { RequestFeatures } from "./figures.ts";

/** One signal: how strong it is, from 0 to 1, and the most it adds to the score. */
export interface Signal {
  readonly name: "size" | "turns" | "tools" | "code" | "maths" | "structure" | "demand";
  readonly weight: number;
  readonly strength: number;
}

/** What the score of a request is made of. */
export interface Complexity {
  /** 0 to 1, in hundredths. */
  readonly score: number;
  readonly signals: readonly Signal[];
}

type Scored = Omit<RequestFeatures, "complexity">;

interface SignalRule {
  readonly name: Signal["name"];
  readonly weight: number;
  readonly of: (features: Scored) => number;
}

/** No signal ever takes away, so whatever a request has more of, its score is not lower. The weights add up to 1. */
const SIGNALS: readonly SignalRule[] = [
  // From 512 tokens on, full at 16,384: each doubling counts the same.
  { name: "size", weight: 0.15, of: ({ input_tokens }) => ramp(Math.log2(Math.max(1, input_tokens)), 9, 14) },
  { name: "turns", weight: 0.1, of: ({ turns }) => ramp(turns, 2, 16) },
  { name: "tools", weight: 0.15, of: ({ tools }) => ramp(tools, 0, 16) },
  { name: "code", weight: 0.2, of: ({ has_code }) => (has_code ? 1 : 0) },
  { name: "maths", weight: 0.15, of: ({ has_maths }) => (has_maths ? 1 : 0) },
  { name: "structure", weight: 0.1, of: ({ has_structure }) => (has_structure ? 1 : 0) },
  // Asked to think, or asked many things at once.
  {
    name: "demand",
    weight: 0.15,
    of: ({ reasoning, questions, steps }) => (reasoning ? 1 : ramp(questions + steps, 1, 7)),
  },
];

/** Scores a request. O(1): the features are counted already. */
export function complexityOf(features: Scored): Complexity {
  const signals = SIGNALS.map(({ name, weight, of }) => ({ name, weight, strength: hundredths(of(features)) }));
  return { signals, score: hundredths(signals.reduce((sum, { weight, strength }) => sum + weight * strength, 0)) };
}

function ramp(value: number, from: number, to: number): number {
  return Math.min(1, Math.max(0, (value - from) / (to - from)));
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
