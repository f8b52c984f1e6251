// Grades by an expression of the tenant's own: over the case, the episode and the recording, within a budget of steps.
import type { GraderOf } from "../../config/grader-document.ts";
import { didYouMean } from "../../config/mistakes.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import {
  compileValue,
  parseExpression,
  type CompiledValue,
  type ParsedExpression,
} from "../../policy/cel/expression.ts";
import { chainOf, chainsOf, everyPart } from "../../policy/cel/syntax.ts";
import { bindValues } from "../../policy/cel/world.ts";
import { FUNCTION_NAMES } from "../../policy/check/types/signatures.ts";
import { callsOf, figuresOf, finalText, type Episode } from "../episode.ts";
import { argsIn } from "./answers.ts";
import { GRADER_VOCABULARY, membersOf } from "./cel-vocabulary.ts";
import type { Graded, Word } from "./graded.ts";

/** A compiled expression. */
export interface CelGrader {
  readonly entry: GraderOf<"cel">;
  readonly compiled: CompiledValue;
}

/** What an expression may look at. */
const NAMES: readonly string[] = Object.keys(GRADER_VOCABULARY);

/**
 * The expression, ready to be evaluated; or what is wrong with it: it cannot be read, uses a function that there is not,
 * or a name or a member that graders do not know.
 */
export function compileGrader(
  entry: GraderOf<"cel">,
): { readonly ok: true; readonly grader: CelGrader } | { readonly ok: false; readonly message: string } {
  const parsing = parseExpression(entry.expression);
  if (!parsing.ok) {
    const { message, position } = parsing.fault;
    return { ok: false, message: `${message} at line ${position.line}, column ${position.column}` };
  }
  try {
    const compiled = compileValue(parsing.parsed);
    const mistake = unknownName(compiled) ?? unknownMember(parsing.parsed, compiled) ?? unknownFunction(parsing.parsed);
    return mistake === undefined ? { ok: true, grader: { entry, compiled } } : { ok: false, message: mistake };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : "it cannot be planned" };
  }
}

function unknownName({ variables }: CompiledValue): string | undefined {
  const unknown = [...variables].find((each) => !NAMES.includes(each));
  return unknown === undefined
    ? undefined
    : `unknown variable "${unknown}"${didYouMean(unknown, NAMES)}: expected ${NAMES.join(", ")}`;
}

/** A member that no episode and no case has: it would be an error in every case. */
function unknownMember({ ast }: ParsedExpression, { variables }: CompiledValue): string | undefined {
  for (const [variable, member] of chainsOf(ast.expr)) {
    if (variable === undefined || member === undefined || !variables.has(variable)) continue;
    const known = membersOf(variable);
    if (!known.includes(member)) return `"${variable}" has no member "${member}"${didYouMean(member, known)}`;
  }
  return undefined;
}

/** A function that there is not: the engine would find out in every case. */
function unknownFunction({ ast }: ParsedExpression): string | undefined {
  for (const { exprKind } of everyPart(ast.expr)) {
    if (exprKind.case !== "callExpr") continue;
    const { function: name, target } = exprKind.value;
    // Operators have signs that no name has.
    if (!/^[A-Za-z]\w*$/.test(name) || FUNCTION_NAMES.includes(name)) continue;
    const owner = target === undefined ? undefined : chainOf(target);
    if (owner === undefined || !FUNCTION_NAMES.includes([...owner, name].join(".")))
      return `unknown function "${name}"${didYouMean(name, FUNCTION_NAMES)}`;
  }
  return undefined;
}

/** The figure that an expression gives: of a pass true or false, of a violation true, false or how many, else a number. */
export function gradeCel({ entry, compiled }: CelGrader, { case: each, episode, recorded }: Graded): Word {
  const input = {
    case: plain({ id: each.id, tags: each.tags, risk: each.risk, labels: each.labels, outcome: each.outcome }),
    episode: shownOf(episode),
    recorded: shownOf(recorded),
  };
  const given = compiled.evaluate(bindValues(input, GRADER_VOCABULARY));
  if (!given.ok) return { error: given.message };
  const value = figureOf(entry.as, given.value);
  return typeof value === "string"
    ? { error: value }
    : { value, why: `${entry.expression.slice(0, 120)} gives ${value}` };
}

/** The figure, or what was expected instead. */
function figureOf(as: GraderOf<"cel">["as"], given: unknown): number | string {
  const value = typeof given === "boolean" || typeof given === "bigint" ? Number(given) : given;
  const { expected, isMeant } = FIGURES[as];
  return typeof value === "number" && Number.isFinite(value) && isMeant(value, given) ? value : expected;
}

/** What the value of an expression has to be. */
const FIGURES: Readonly<
  Record<
    GraderOf<"cel">["as"],
    { readonly expected: string; readonly isMeant: (value: number, given: unknown) => boolean }
  >
> = {
  pass: { expected: "expected true or false", isMeant: (value) => value === 0 || value === 1 },
  score: { expected: "expected a number from 0 to 1", isMeant: (value) => value >= 0 && value <= 1 },
  violation: {
    expected: "expected true, false or how many",
    isMeant: (value) => value >= 0 && Number.isInteger(value),
  },
  amount: {
    expected: "expected a number of 0 or more",
    isMeant: (value, given) => value >= 0 && typeof given !== "boolean",
  },
};

/** Expressions see this much of a result, in characters: longer texts are refused as a whole. */
const MOST_OF_RESULT = 64 * 1024;

function shownOf(episode: Episode): JsonObject {
  const figures = figuresOf(episode);
  return plain({
    status: episode.status,
    final: finalText(episode),
    refusal: episode.turns.find((turn) => turn.refusal !== null)?.refusal ?? null,
    calls: callsOf(episode).map(({ name, tool, args, answer, result, decision }) => ({
      name,
      tool: tool ?? name,
      args: argsOf(args),
      answer,
      result: result.slice(0, MOST_OF_RESULT),
      effect: decision?.effect ?? "none",
      rules: decision?.rules ?? [],
    })),
    turns: episode.turns.map(({ text, finish, calls }) => ({ text, finish, calls: calls.length })),
    ...figures,
    tokens: figures.input_tokens + figures.output_tokens,
  });
}

function argsOf(text: string): Json {
  const value = argsIn(text);
  return isJsonObject(value) ? value : {};
}

function plain(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject;
}
