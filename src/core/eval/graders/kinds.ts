// Decides what kind of figure each grader gives, and the terms by which the gate decides on it.
import type { GraderEntry } from "../../config/grader-document.ts";
import { usdFromJson } from "../../units/money.ts";
import type { MetricTerms } from "../gate/gate-input.ts";
import type { GradeKind } from "../grade.ts";

/** Graders that say themselves what they give. */
type Saying = Extract<GraderEntry, { readonly as: GradeKind }>["kind"];

const KINDS: Readonly<Record<Exclude<GraderEntry["kind"], Saying>, GradeKind>> = {
  completed: "pass",
  json_schema: "pass",
  exact: "pass",
  contains: "pass",
  regex: "pass",
  numeric: "pass",
  tool_choice: "pass",
  calls: "pass",
  arguments: "score",
  citation: "score",
  judge: "score",
  forbidden: "violation",
  leakage: "violation",
  cost: "amount",
  latency: "amount",
  tokens: "amount",
  steps: "amount",
};

/** The kind of a grader's figure. A judge's is a score: of a rubric that passes or fails it is 0 or 1. */
export function kindOf(grader: GraderEntry): GradeKind {
  return "as" in grader ? grader.as : KINDS[grader.kind];
}

/** Margins where a grader names none: five points of passes and scores, a tenth of an amount. */
const MARGINS: Readonly<Record<GradeKind, number>> = { pass: 0.05, score: 0.05, violation: 0, amount: 0.1 };

/** How the gate decides on a grader. */
export function termsOf(grader: GraderEntry, advisory?: string): MetricTerms {
  const kind = kindOf(grader);
  const maxRate = "max_rate" in grader ? grader.max_rate : undefined;
  const limit = grader.kind === "cost" ? usdFromJson(grader.limit_usd) : "limit" in grader ? grader.limit : undefined;
  return {
    id: grader.id,
    kind,
    margin: grader.margin ?? MARGINS[kind],
    is_gating: grader.gate,
    ...(advisory === undefined ? {} : { advisory }),
    ...(maxRate === undefined ? {} : { max_rate: maxRate }),
    ...(limit === undefined ? {} : { limit }),
  };
}
