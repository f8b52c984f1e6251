// Names what a gate decides on, and what it says.
import type { Risk } from "../case.ts";
import type { GradeKind } from "../grade.ts";
import type { Verdict } from "../run.ts";

/** How one metric is to be decided. */
export interface MetricTerms {
  readonly id: string;
  readonly kind: GradeKind;
  /** How much worse is still good enough: absolute for passes and scores, relative for amounts. */
  readonly margin: number;
  /** Whether it decides; else it is only shown. */
  readonly is_gating: boolean;
  /** Why it does not decide though it was meant to, such as a judge that is not fit to. */
  readonly advisory?: string;
  /** Violations: the rate that has to be excluded at 95 %. */
  readonly max_rate?: number;
  /** Amounts: the most that a case may come to on average. */
  readonly limit?: number;
}

/** One case under one metric: the value of each run by either side; runs that failed for no fault of theirs are left out. */
export interface MetricItem {
  readonly case: string;
  readonly cluster: string;
  readonly tags: readonly string[];
  readonly risk: Risk;
  readonly baseline: readonly number[];
  readonly candidate: readonly number[];
}

/** What a gate is given. */
export interface GateInput {
  readonly metrics: readonly { readonly terms: MetricTerms; readonly items: readonly MetricItem[] }[];
  /** All cases of the run, and those that came to nothing: failures of the infrastructure, and divergence. */
  readonly cases: number;
  readonly failed: number;
  readonly divergent: number;
  /** Cases that were never begun: the budget ended before. */
  readonly missing: number;
  readonly max_unpaired: number;
  /** Of the resampling that checks the bounds. */
  readonly seed: number;
}

/** What a gate says of one metric. Bounds are one-sided, 95 % each. */
export interface MetricVerdict {
  readonly id: string;
  readonly kind: GradeKind;
  readonly is_gating: boolean;
  readonly advisory: string | null;
  readonly verdict: Exclude<Verdict, "ERROR"> | "ADVISORY";
  readonly method: string;
  readonly n: number;
  readonly clusters: number;
  readonly repeats: number;
  /** Cases without a value on one side. */
  readonly unpaired: number;
  readonly baseline: number | null;
  readonly candidate: number | null;
  /** Candidate less baseline; of amounts the ratio less one. Positive is better for passes and scores, worse for the others. */
  readonly delta: number | null;
  readonly se: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly margin: number;
  /** Of the test that it became worse: alone, and adjusted for all that decide. */
  readonly p: number | null;
  readonly p_adjusted: number | null;
  readonly flips: { readonly worse: number; readonly better: number };
  /** The smallest drop that so many cases had a chance of 80 % to show; `null` where they could have shown none. */
  readonly detectable_drop: number | null;
  /** How many more cases would decide it, were they like these; `null` where it is decided or no number would. */
  readonly more_cases: number | null;
  /** The bound that resampling clusters gives in place of the one that decides: a cross-check. */
  readonly bootstrap_bound: number | null;
  /** Violations: the rate above which all is excluded at 95 %, by what was seen in independent clusters. */
  readonly excluded_rate: number | null;
  readonly says: string;
}

/** A part of the cases by a tag or a risk; its intervals are not corrected for there being many. */
export interface SliceReport {
  readonly metric: string;
  /** Whether a rise is good or bad: it is good of passes and scores only. */
  readonly kind: GradeKind;
  readonly slice: string;
  readonly n: number;
  readonly baseline: number;
  readonly candidate: number;
  /** As of the whole metric: of amounts the ratio less one. Its interval is two-sided, 95 %. */
  readonly delta: number;
  readonly lower: number | null;
  readonly upper: number | null;
}

/** A case that became worse. */
export interface Regression {
  readonly case: string;
  readonly metric: string;
  readonly risk: Risk;
  readonly baseline: number;
  readonly candidate: number;
}

/** What a gate says. */
export interface GateReport {
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
  readonly metrics: readonly MetricVerdict[];
  readonly slices: readonly SliceReport[];
  readonly worst: readonly Regression[];
  readonly cases: number;
  readonly failed: number;
  readonly divergent: number;
  readonly missing: number;
  readonly seed: number;
}
