// Decides the terms by which the gate decides on each grader.
import type { GraderEntry } from "../../config/grader-document.ts";
import { usdFromJson } from "../../units/money.ts";
import type { MetricTerms } from "../gate/gate-input.ts";
import type { GradeKind } from "../grade.ts";
import { kindOf } from "./kind-of.ts";

export { kindOf } from "./kind-of.ts";

/** Margins where a grader names none: five points of passes and scores, a tenth of an amount. */
const MARGINS: Readonly<Record<GradeKind, number>> = { pass: 0.05, score: 0.05, violation: 0, amount: 0.1 };

/** How the gate decides on a grader; money in micro-USD. `advisory` says why it does not decide though it was meant to. */
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
