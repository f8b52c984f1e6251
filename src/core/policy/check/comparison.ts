// Decides whether two values can ever be equal, and which operands an operator lacks a meaning for.
import { didYouMean } from "../../config/mistakes.ts";
import { stringConstant } from "../cel/syntax.ts";
import { FUNCTION_NAMES, type Resolution } from "./types/signatures.ts";
import { describe, kindsOf, textsOf, without, type ValueType } from "./types/value-type.ts";
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** A part of an expression and what it can be. */
export interface Operand {
  readonly expr: Expr;
  readonly type: ValueType;
}

/** A mistake, and the part it is in. */
export interface ComparisonMistake {
  readonly at: Expr;
  readonly message: string;
}

/** What is wrong with asking whether two values are equal: their kinds have nothing in common, or a text is not among the others. */
export function equalityMistake(left: Operand, right: Operand): ComparisonMistake | undefined {
  const [a, b] = [without(left.type, "null"), without(right.type, "null")];
  if (a.isLoose || b.isLoose || a.shapes.length === 0 || b.shapes.length === 0) return undefined;
  const kinds = comparable(a);
  if (![...comparable(b)].some((kind) => kinds.has(kind)))
    return { at: left.expr, message: `${describe(a)} and ${describe(b)} are never equal` };
  return textMistake(left, b) ?? textMistake(right, a);
}

/** Numbers of every kind are equal where they have the same value. */
function comparable(type: ValueType): ReadonlySet<string> {
  return new Set(
    [...kindsOf(type)].map((kind) => (kind === "int" || kind === "uint" || kind === "double" ? "number" : kind)),
  );
}

function textMistake({ expr }: Operand, other: ValueType): ComparisonMistake | undefined {
  const text = stringConstant(expr);
  const texts = textsOf(other);
  if (text === undefined || texts === undefined || texts.includes(text)) return undefined;
  return { at: expr, message: `"${text}" is none of ${listed(texts)}${didYouMean(text, texts)}` };
}

function listed(texts: readonly string[]): string {
  const shown = texts.slice(0, 8).map((text) => `"${text}"`);
  return texts.length > shown.length ? `${shown.join(", ")} and ${texts.length - shown.length} more` : shown.join(", ");
}

const OPERATOR = /^(?:_(.+)_|(.)_)$/;

/** Why a function or an operator does not take what it is given. */
export function callMistake(
  name: string,
  types: readonly ValueType[],
  resolution: Exclude<Resolution, { ok: true }>,
): string {
  const symbol = operatorOf(name);
  if (symbol !== undefined)
    return `"${symbol}" is not defined for ${types.map(describe).join(" and ")}${hint(symbol, types)}`;
  const forms = resolution.expected.join(" or ");
  switch (resolution.reason) {
    case "unknown":
      return `unknown function "${name}"${didYouMean(name, FUNCTION_NAMES)}`;
    case "receiver":
      return `"${name}" is written as ${forms}`;
    case "count":
      return `expected ${forms}`;
    case "kinds":
      return `expected ${forms}, not ${types.map(describe).join(", ") || "nothing"}`;
    default:
      return resolution.reason satisfies never;
  }
}

function operatorOf(name: string): string | undefined {
  const match = OPERATOR.exec(name);
  return match?.[1] ?? match?.[2];
}

function hint(symbol: string, types: readonly ValueType[]): string {
  const kinds = new Set(types.flatMap((type) => [...kindsOf(type)]));
  const isMixed = kinds.has("double") && (kinds.has("int") || kinds.has("uint"));
  if (isMixed && "+-*/".includes(symbol)) return ": write the whole number as `2.0`, or convert it with double()";
  if (kinds.has("string") && (kinds.has("int") || kinds.has("double")))
    return ": convert one of them, or drop the quotes";
  return "";
}
