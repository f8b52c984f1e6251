// Decides what each deterministic grader makes of an episode. Total: what cannot be told is an error, never a zero.
import type { GraderEntry, GraderOf } from "../../config/grader-document.ts";
import type { EvalCase } from "../case.ts";
import { figuresOf } from "../episode.ts";
import type { Grade } from "../grade.ts";
import { gradeArguments, gradeCalls, gradeForbidden, gradePolicy, gradeToolChoice } from "./calls.ts";
import { gradeContains, gradeExact, gradeNumeric, gradeRegex, gradeSchema } from "./answers.ts";
import { gradeCel, type CelGrader } from "./cel.ts";
import { gradeCitation, gradeLeakage } from "./disclosure.ts";
import type { Graded, Word } from "./graded.ts";
import { kindOf } from "./kind-of.ts";

/** A grader other than a judge. */
export type DeterministicGrader = Exclude<GraderEntry, { kind: "judge" }>;

/** Graders of what went wrong: they look at an episode that was stopped as far as it went. */
const LOOKS_AT_PARTS: ReadonlySet<GraderEntry["kind"]> = new Set(["policy", "forbidden", "leakage"]);

/**
 * A grader's word on an episode; never throws. One that failed for no fault of the agent is not graded at all; one that
 * was stopped at a divergent call only by graders of violations, as far as it went; one that used up its bounds has not
 * passed, wherever there was something to pass. Passes are 0 or 1, scores from 0 to 1, the others 0 or more.
 */
export function grade(grader: DeterministicGrader, graded: Graded, cel?: CelGrader): Grade {
  const word = isMeant(grader, graded.case)
    ? wordOn(grader, graded, cel)
    : { value: null, why: "not one of its cases" };
  return "error" in word
    ? { grader: grader.id, value: null, explanation: null, error: word.error }
    : { grader: grader.id, value: word.value, explanation: word.why, error: null };
}

/** Whether a grader looks at a case. */
export function isMeant(
  { where }: Pick<GraderEntry, "where">,
  { tags, risk }: Pick<EvalCase, "tags" | "risk">,
): boolean {
  if (where === undefined) return true;
  const isTagged = where.tags === undefined || where.tags.some((tag) => tags.includes(tag));
  return isTagged && (where.risk === undefined || where.risk.includes(risk));
}

function wordOn(grader: DeterministicGrader, graded: Graded, cel: CelGrader | undefined): Word {
  const { status, why } = graded.episode;
  const kind = kindOf(grader);
  if (status === "failed") return { value: null, why: `not run: ${why ?? "it failed"}` };
  if (status === "divergent" && !(kind === "violation" && LOOKS_AT_PARTS.has(grader.kind)))
    return { value: null, why: `stopped: ${why ?? "it diverged"}` };
  const word = attempted(grader, graded, cel);
  // What does not apply to the case does not apply to a run that was cut either.
  const isFailedRun = status === "cut" && kind === "pass" && !("value" in word && word.value === null);
  return isFailedRun ? { value: 0, why: why ?? "it came to no end" } : word;
}

function attempted(grader: DeterministicGrader, graded: Graded, cel: CelGrader | undefined): Word {
  try {
    return told(grader, graded, cel);
  } catch (error) {
    return { error: error instanceof Error ? error.message : "it cannot be told" };
  }
}

type Teller<G> = (grader: G, graded: Graded, cel: CelGrader | undefined) => Word;

/** What each kind of grader does: one for each of them, or this does not compile. */
const TELLERS: { readonly [K in DeterministicGrader["kind"]]: Teller<GraderOf<K>> } = {
  completed: () => ({ value: 1, why: "it came to an answer" }),
  json_schema: gradeSchema,
  exact: gradeExact,
  contains: gradeContains,
  regex: gradeRegex,
  numeric: gradeNumeric,
  tool_choice: (_grader, graded) => gradeToolChoice(graded),
  arguments: gradeArguments,
  calls: gradeCalls,
  forbidden: gradeForbidden,
  policy: (grader, { episode }) => gradePolicy(grader, episode),
  leakage: gradeLeakage,
  citation: gradeCitation,
  cost: (_grader, { episode }) => amount(figuresOf(episode).cost_micro_usd, "micro-USD"),
  latency: (_grader, { episode }) => amount(figuresOf(episode).duration_ms, "ms"),
  tokens: ({ of }, { episode }) => tokens(of, figuresOf(episode)),
  steps: (_grader, { episode }) => amount(figuresOf(episode).model_calls, "model calls"),
  cel: (_grader, graded, cel) =>
    cel === undefined ? { error: "its expression is not compiled" } : gradeCel(cel, graded),
};

function told(grader: DeterministicGrader, graded: Graded, cel: CelGrader | undefined): Word {
  // The table's own type says that each kind has the function for it.
  const tell = TELLERS[grader.kind] as Teller<DeterministicGrader>;
  return tell(grader, graded, cel);
}

function amount(value: number, unit: string): Word {
  return { value, why: `${value} ${unit}` };
}

function tokens(
  of: "input" | "output" | "total",
  { input_tokens: input, output_tokens: output }: ReturnType<typeof figuresOf>,
): Word {
  const value = of === "input" ? input : of === "output" ? output : input + output;
  return amount(value, "tokens");
}
