// Decides what each deterministic grader makes of an episode. Total: what cannot be told is an error, never a zero.
import type { GraderEntry } from "../../config/grader-document.ts";
import type { EvalCase } from "../case.ts";
import { figuresOf, type Episode } from "../episode.ts";
import type { Grade } from "../grade.ts";
import { gradeArguments, gradeCalls, gradeForbidden, gradePolicy, gradeToolChoice } from "./calls.ts";
import { gradeContains, gradeExact, gradeNumeric, gradeRegex, gradeSchema } from "./answers.ts";
import { gradeCel, type CelGrader } from "./cel.ts";
import { gradeCitation, gradeLeakage } from "./disclosure.ts";
import { kindOf } from "./kinds.ts";

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

function told(grader: DeterministicGrader, graded: Graded, cel: CelGrader | undefined): Word {
  const { episode } = graded;
  const figures = figuresOf(episode);
  switch (grader.kind) {
    case "completed":
      return { value: 1, why: "it came to an answer" };
    case "json_schema":
      return gradeSchema(grader, graded);
    case "exact":
      return gradeExact(grader, graded);
    case "contains":
      return gradeContains(grader, graded);
    case "regex":
      return gradeRegex(grader, graded);
    case "numeric":
      return gradeNumeric(grader, graded);
    case "tool_choice":
      return gradeToolChoice(graded);
    case "arguments":
      return gradeArguments(grader, graded);
    case "calls":
      return gradeCalls(grader, graded);
    case "forbidden":
      return gradeForbidden(grader, graded);
    case "policy":
      return gradePolicy(grader, episode);
    case "leakage":
      return gradeLeakage(grader, graded);
    case "citation":
      return gradeCitation(grader, graded);
    case "cost":
      return { value: figures.cost_micro_usd, why: `${figures.cost_micro_usd} micro-USD` };
    case "latency":
      return { value: figures.duration_ms, why: `${figures.duration_ms} ms` };
    case "tokens":
      return tokens(grader.of, figures);
    case "steps":
      return { value: figures.model_calls, why: `${figures.model_calls} model calls` };
    case "cel":
      return cel === undefined ? { error: "its expression is not compiled" } : gradeCel(cel, graded);
    default:
      return grader satisfies never;
  }
}

function tokens(
  of: "input" | "output" | "total",
  { input_tokens: input, output_tokens: output }: ReturnType<typeof figuresOf>,
): Word {
  const value = of === "input" ? input : of === "output" ? output : input + output;
  return { value, why: `${value} tokens` };
}
