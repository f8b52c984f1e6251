// Grades by an expression of the tenant's own: over the case, the episode and the recording, within a budget of steps.
import type { GraderOf } from "../../config/grader-document.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { compileValue, parseExpression, type CompiledValue } from "../../policy/cel/expression.ts";
import { bindValues } from "../../policy/cel/world.ts";
import { callsOf, figuresOf, finalText, type Episode } from "../episode.ts";
import { jsonIn } from "./answers.ts";
import type { Graded, Word } from "./grade.ts";

/** A compiled expression. */
export interface CelGrader {
  readonly entry: GraderOf<"cel">;
  readonly compiled: CompiledValue;
}

/** What an expression may look at. */
const NAMES: ReadonlySet<string> = new Set(["case", "episode", "recorded"]);

/** The expression, ready to be evaluated; or what is wrong with it. */
export function compileGrader(
  entry: GraderOf<"cel">,
): { readonly ok: true; readonly grader: CelGrader } | { readonly ok: false; readonly message: string } {
  const parsing = parseExpression(entry.expression);
  if (!parsing.ok)
    return {
      ok: false,
      message: `${parsing.fault.message} at line ${parsing.fault.position.line}, column ${parsing.fault.position.column}`,
    };
  try {
    const compiled = compileValue(parsing.parsed);
    const unknown = [...compiled.variables].filter((each) => !NAMES.has(each));
    if (unknown.length > 0)
      return { ok: false, message: `"${unknown.join(", ")}" is not known here: expected ${[...NAMES].join(", ")}` };
    return { ok: true, grader: { entry, compiled } };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : "it cannot be planned" };
  }
}

/** The figure that an expression gives: of a pass true or false, of a violation true, false or how many, else a number. */
export function gradeCel({ entry, compiled }: CelGrader, { case: each, episode, recorded }: Graded): Word {
  const input = {
    case: plain({ id: each.id, tags: each.tags, risk: each.risk, labels: each.labels, outcome: each.outcome }),
    episode: shownOf(episode),
    recorded: shownOf(recorded),
  };
  const given = compiled.evaluate(bindValues(input, {}));
  if (!given.ok) return { error: given.message };
  const value =
    typeof given.value === "boolean"
      ? Number(given.value)
      : typeof given.value === "bigint"
        ? Number(given.value)
        : given.value;
  if (typeof value !== "number" || !Number.isFinite(value)) return { error: "expected true, false or a number" };
  if (entry.as === "pass" && value !== 0 && value !== 1) return { error: "expected true or false" };
  if (entry.as === "score" && (value < 0 || value > 1)) return { error: "expected a number from 0 to 1" };
  if (value < 0) return { error: "expected a number of 0 or more" };
  return { value, why: `${entry.expression.slice(0, 120)} gives ${value}` };
}

function shownOf(episode: Episode): JsonObject {
  const refusal = episode.turns.find((turn) => turn.refusal !== null)?.refusal ?? null;
  return plain({
    status: episode.status,
    final: finalText(episode),
    refusal,
    calls: callsOf(episode).map(({ name, tool, args, answer, result, decision }) => ({
      name,
      tool: tool ?? name,
      args: argsOf(args),
      answer,
      result,
      effect: decision?.effect ?? "none",
      rules: decision?.rules ?? [],
    })),
    ...figuresOf(episode),
  });
}

function argsOf(text: string): Json {
  const value = jsonIn(text);
  return isJsonObject(value) ? value : {};
}

function plain(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject;
}
