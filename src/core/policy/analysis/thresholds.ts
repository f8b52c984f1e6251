// Reads the numbers that rules compare a call's arguments with: where a decision may change.
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";
import { currencyDecimals } from "../cel/functions.ts";
import { chainsOf, everyPart, stringConstant } from "../cel/syntax.ts";
import type { ExpressionCache, StoredRule } from "../rules.ts";

/** A constant that an argument is compared with, in millionths of the argument's own unit. */
export interface Threshold {
  /** Dotted path of the argument. */
  readonly path: string;
  readonly micro: number;
}

const COMPARISONS = new Set(["_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_"]);
const MICRO = 1_000_000;
const MICRO_PER_CENT = 10_000;

/**
 * Every constant that a rule compares an argument with. `minor(args.x, "EUR") > 500` and `call.amount_minor > 500` are
 * about 5.00 of the argument; `amountField` is the argument behind the latter. What stands beside an argument in a sum
 * is not reckoned with: whoever uses these numbers tries them.
 */
export function comparedConstants(
  rules: readonly StoredRule[],
  cache: ExpressionCache,
  amountField: string | undefined,
): readonly Threshold[] {
  return rules.flatMap(({ when, tree }) => {
    if (when === null || tree === null) return [];
    return everyPart(cache.get(when, tree).parsed.ast.expr).flatMap((part) => thresholdsIn(part, amountField));
  });
}

function thresholdsIn(part: Expr, amountField: string | undefined): readonly Threshold[] {
  if (part.exprKind.case !== "callExpr" || !COMPARISONS.has(part.exprKind.value.function)) return [];
  const [left, right] = part.exprKind.value.args;
  if (left === undefined || right === undefined) return [];
  const [constant, other] = numberOf(left) === undefined ? [numberOf(right), left] : [numberOf(left), right];
  if (constant === undefined) return [];
  const inMinor = minorDecimals(other);
  return chainsOf(other).flatMap(([root, ...members]): readonly Threshold[] => {
    const path = members.join(".");
    if (root === "args" && path !== "") return [{ path, micro: Math.round((constant * MICRO) / 10 ** (inMinor ?? 0)) }];
    const isAmount = root === "call" && path === "amount_minor" && amountField !== undefined;
    return isAmount ? [{ path: amountField, micro: Math.round(constant * MICRO_PER_CENT) }] : [];
  });
}

/** The value of a numeric constant, or `undefined`. */
function numberOf(expr: Expr): number | undefined {
  if (expr.exprKind.case !== "constExpr") return undefined;
  const { constantKind } = expr.exprKind.value;
  const isNumber = constantKind.case === "int64Value" || constantKind.case === "uint64Value";
  return isNumber || constantKind.case === "doubleValue" ? Number(constantKind.value) : undefined;
}

/** The decimals of the currency that an expression counts minor units of, where it does. */
function minorDecimals(expr: Expr): number | undefined {
  for (const part of everyPart(expr)) {
    if (part.exprKind.case !== "callExpr" || part.exprKind.value.function !== "minor") continue;
    const currency = stringConstant(part.exprKind.value.args[1]);
    return currency === undefined ? 2 : (currencyDecimals(currency) ?? 2);
  }
  return undefined;
}
