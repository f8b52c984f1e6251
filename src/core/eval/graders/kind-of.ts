// Decides what kind of figure each grader gives.
import type { GraderEntry } from "../../config/grader-document.ts";
import type { GradeKind } from "../grade.ts";

type Fixed = Exclude<GraderEntry["kind"], "policy" | "cel">;

/** A judge's is a score: of a rubric that passes or fails it is 0 or 1. */
const KINDS: Readonly<Record<Fixed, GradeKind>> = {
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

/** The kind of a grader's figure: its own, or what the grader says it is. */
export function kindOf(grader: GraderEntry): GradeKind {
  return grader.kind === "policy" || grader.kind === "cel" ? grader.as : KINDS[grader.kind];
}
