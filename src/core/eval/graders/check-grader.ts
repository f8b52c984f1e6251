// Decides whether a grader can do its work: its schema, its patterns, its expression, the tools it names, the terms it is given.
import { RE2JS } from "@bufbuild/re2";
import type { ConfigDocument } from "../../config/document.ts";
import type { GraderEntry, GraderOf } from "../../config/grader-document.ts";
import { didYouMean } from "../../config/mistakes.ts";
import type { Mistake } from "../../errors.ts";
import { compileGrader } from "./cel.ts";
import { kindOf } from "./kind-of.ts";
import { graderSchema } from "./schema.ts";

/** Every mistake in a grader of a suite; paths begin with the grader's own. */
export function graderMistakes(
  path: string,
  grader: GraderEntry,
  { tools, evals }: Pick<ConfigDocument, "tools" | "evals">,
): readonly Mistake[] {
  return [...termMistakes(path, grader), ...ownMistakes(path, grader, { tools, evals })];
}

/**
 * What keeps a grader from telling anything in a suite that decides recorded calls again and asks no model: there is no
 * answer, no time and no cost then, and both sides would be as good as each other.
 */
export function policyModeMistakes(path: string, { kind }: Pick<GraderEntry, "kind">): readonly Mistake[] {
  if (WITHOUT_MODEL.has(kind)) return [];
  const known = [...WITHOUT_MODEL].join(", ");
  return [{ path: `${path}.kind`, message: `mode \`policy\` asks no model: expected one of ${known}` }];
}

const WITHOUT_MODEL: ReadonlySet<GraderEntry["kind"]> = new Set(["policy", "forbidden", "cel"]);

function ownMistakes(
  path: string,
  grader: GraderEntry,
  { tools, evals }: Pick<ConfigDocument, "tools" | "evals">,
): readonly Mistake[] {
  const names = Object.keys(tools);
  if (grader.kind === "json_schema") return schemaMistakes(path, grader, names);
  if (grader.kind === "regex") return patternMistakes(`${path}.pattern`, grader.pattern);
  if (grader.kind === "calls") return countMistakes(path, grader);
  if (grader.kind === "cel") return expressionMistakes(`${path}.expression`, grader);
  if (grader.kind === "judge") return judgeMistakes(`${path}.judge`, grader.judge, Object.keys(evals.judges));
  if (grader.kind === "forbidden")
    return grader.tools.flatMap((tool, at) => unknownTool(`${path}.tools.${at}`, tool, names));
  const isBlind = grader.kind === "leakage" && !grader.secrets && !grader.pii && !grader.canaries;
  return isBlind ? [{ path, message: "looks for nothing: expected `secrets`, `pii` or `canaries`" }] : [];
}

function expressionMistakes(path: string, grader: GraderOf<"cel">): readonly Mistake[] {
  const compiled = compileGrader(grader);
  return compiled.ok ? [] : [{ path, message: compiled.message }];
}

function judgeMistakes(path: string, judge: string, known: readonly string[]): readonly Mistake[] {
  return known.includes(judge) ? [] : [{ path, message: `no judge "${judge}"${didYouMean(judge, known)}` }];
}

/** Terms of another kind of figure: they would be read by nobody. */
function termMistakes(path: string, grader: GraderEntry): readonly Mistake[] {
  const kind = kindOf(grader);
  const has = (field: "max_rate" | "limit"): boolean => field in grader && Reflect.get(grader, field) !== undefined;
  return [
    ...(kind !== "violation" && has("max_rate")
      ? [{ path: `${path}.max_rate`, message: `is for violations, and this is of kind "${kind}": expected \`margin\`` }]
      : []),
    ...(kind !== "amount" && has("limit")
      ? [{ path: `${path}.limit`, message: `is for amounts, and this is of kind "${kind}"` }]
      : []),
    ...(kind === "violation" && grader.margin !== undefined
      ? [{ path: `${path}.margin`, message: "no violation is good enough: expected `max_rate`, or neither" }]
      : []),
  ];
}

function schemaMistakes(
  path: string,
  { schema, target, tool }: GraderOf<"json_schema">,
  known: readonly string[],
): readonly Mistake[] {
  const read = graderSchema(schema);
  const unsound = read.ok ? [] : [{ path: `${path}.schema`, message: read.message }];
  if (tool === undefined) return unsound;
  const misplaced = { path: `${path}.tool`, message: "is for arguments: expected `target: args` beside it" };
  return [...unsound, ...(target === "args" ? unknownTool(`${path}.tool`, tool, known) : [misplaced])];
}

function countMistakes(path: string, { order, min, max, repeats }: GraderOf<"calls">): readonly Mistake[] {
  if (order === "any" && min === undefined && max === undefined && repeats === undefined)
    return [{ path, message: "asks for nothing: expected `order: strict`, `min`, `max` or `repeats`" }];
  return min !== undefined && max !== undefined && min > max
    ? [{ path: `${path}.max`, message: `expected at least \`min\`, which is ${min}` }]
    : [];
}

function patternMistakes(path: string, pattern: string): readonly Mistake[] {
  try {
    RE2JS.compile(pattern);
    return [];
  } catch (error) {
    return [{ path, message: `no RE2 pattern: ${error instanceof Error ? error.message : "it cannot be read"}` }];
  }
}

/** A tool of the config, a family of some (`billing.*`), or all of them. */
function unknownTool(path: string, tool: string, known: readonly string[]): readonly Mistake[] {
  if (tool === "*" || known.includes(tool)) return [];
  if (!tool.endsWith(".*")) return [{ path, message: `no tool "${tool}"${didYouMean(tool, known)}` }];
  const isFamily = known.some((each) => each.startsWith(tool.slice(0, -1)));
  return isFamily ? [] : [{ path, message: `no tool begins with "${tool.slice(0, -1)}"` }];
}
