// Decides which argument values sit at the edges of a condition: where two versions of a rule are most likely to differ.
import type { Json, JsonObject } from "../../json/canonical.ts";
import { isJsonObject } from "../../json/canonical.ts";
import { currencyDecimals } from "../cel/functions.ts";
import { chainOf, partsOf, stringConstant, type SyntaxTree } from "../cel/syntax.ts";
import { macroOf } from "../check/macro.ts";
import { constantOf, type Constant } from "./constants.ts";
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** A value to try at a place: `["args", "amount_usd"]`, or `["call", "amount_minor"]`; the first item of a list is `"0"`. */
export interface Probe {
  readonly chain: readonly string[];
  readonly value: Json;
}

/** How far from a double's threshold its neighbours are probed: a cent, the finest step that amounts usually have. */
const DOUBLE_STEP = 0.01;

type Bindings = ReadonlyMap<string, readonly string[]>;

/**
 * The values around every constant that an expression compares a chain with, each once: a number one step below, at and
 * above its threshold (1 for whole numbers, 0.01 for doubles, one minor unit within `minor()`), a text and another one,
 * every member of a list and a stranger, both truth values. Inside `exists()` and its like, those of the first item.
 */
export function probesOf(ast: SyntaxTree): readonly Probe[] {
  const found = new Map<string, Probe>();
  for (const probe of probesOfPart(ast.expr, new Map())) found.set(JSON.stringify([probe.chain, probe.value]), probe);
  return [...found.values()];
}

function probesOfPart(expr: Expr, bindings: Bindings): readonly Probe[] {
  const { exprKind } = expr;
  if (exprKind.case === "comprehensionExpr") {
    const macro = macroOf(exprKind.value);
    if (macro === undefined) return [];
    const range = boundChain(macro.range, bindings);
    const inner = new Map([...bindings, [macro.variable, range === undefined ? [] : [...range, "0"]] as const]);
    const parts = [macro.test, macro.item].flatMap((part) => part ?? []);
    return [...probesOfPart(macro.range, bindings), ...parts.flatMap((part) => probesOfPart(part, inner))];
  }
  const own = exprKind.case === "callExpr" ? probesOfCall(expr, bindings) : [];
  return [...own, ...partsOf(expr).flatMap((part) => probesOfPart(part, bindings))];
}

/** The chain of an expression, with the variables of macros replaced by the first item they walk over. */
function boundChain(expr: Expr, bindings: Bindings): readonly string[] | undefined {
  const chain = chainOf(expr);
  const [name = "", ...members] = chain ?? [];
  const bound = bindings.get(name);
  if (chain === undefined || bound?.length === 0) return undefined;
  return bound === undefined ? chain : [...bound, ...members];
}

const COMPARISONS = new Set(["_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"]);
const TEXT_TESTS = new Set(["startsWith", "endsWith", "contains"]);
const LOGIC = new Set(["_&&_", "_||_", "!_"]);

function probesOfCall({ exprKind }: Expr, bindings: Bindings): readonly Probe[] {
  if (exprKind.case !== "callExpr") return [];
  const { function: name, args, target } = exprKind.value;
  if (LOGIC.has(name)) return args.flatMap((arg) => at(boundChain(arg, bindings), [true, false]));
  const [left, right] = target === undefined ? args : [target, ...args];
  if (left === undefined || right === undefined) return [];
  if (name === "@in") return probesOfMembership(left, right, bindings);
  if (!COMPARISONS.has(name) && !TEXT_TESTS.has(name)) return [];
  const [value, other] = constantOf(right) === undefined ? [right, left] : [left, right];
  const constant = constantOf(other);
  if (constant === undefined) return [];
  return probesOfComparison(value, { constant: constant.value, isDouble: isDouble(other) }, bindings);
}

function probesOfComparison(
  value: Expr,
  { constant, isDouble }: { readonly constant: Constant; readonly isDouble: boolean },
  bindings: Bindings,
): readonly Probe[] {
  const money = minorCall(value);
  if (money !== undefined && typeof constant === "number") {
    const scale = 10 ** money.decimals;
    return at(
      boundChain(money.amount, bindings),
      around(constant, 1).map((units) => units / scale),
    );
  }
  const chain = boundChain(value, bindings);
  if (typeof constant === "number") return at(chain, around(constant, isDouble ? DOUBLE_STEP : 1));
  return at(chain, typeof constant === "string" ? [constant, stranger([constant])] : othersOf(constant));
}

function othersOf(constant: boolean | null): readonly Json[] {
  return constant === null ? [null] : [true, false];
}

function around(threshold: number, step: number): readonly number[] {
  const scale = 1 / step;
  return [-1, 0, 1].map((steps) => (step === 1 ? threshold + steps : Math.round(threshold * scale + steps) / scale));
}

function stranger(texts: readonly string[]): string {
  return `${texts.toSorted((left, right) => right.length - left.length)[0] ?? ""}~`;
}

function probesOfMembership(left: Expr, right: Expr, bindings: Bindings): readonly Probe[] {
  if (right.exprKind.case === "listExpr") {
    const constants = right.exprKind.value.elements
      .flatMap((element) => constantOf(element) ?? [])
      .map(({ value }) => value);
    return at(boundChain(left, bindings), [...constants, ...strangers(constants)]);
  }
  const constant = constantOf(left)?.value;
  if (constant === undefined) return [];
  return at(boundChain(right, bindings), [[constant], strangers([constant])]);
}

function strangers(constants: readonly Constant[]): readonly Json[] {
  const texts = constants.filter((each) => typeof each === "string");
  const numbers = constants.filter((each) => typeof each === "number");
  return [
    ...(texts.length === 0 ? [] : [stranger(texts)]),
    ...(numbers.length === 0 ? [] : [Math.max(...numbers) + 1]),
  ];
}

function at(chain: readonly string[] | undefined, values: readonly Json[]): readonly Probe[] {
  return chain === undefined || chain.length < 2 ? [] : values.map((value) => ({ chain, value }));
}

function minorCall({ exprKind }: Expr): { readonly amount: Expr; readonly decimals: number } | undefined {
  if (exprKind.case !== "callExpr" || exprKind.value.function !== "minor") return undefined;
  const [amount, currency] = exprKind.value.args;
  const decimals = currencyDecimals(stringConstant(currency) ?? "");
  return amount === undefined || decimals === undefined ? undefined : { amount, decimals };
}

function isDouble({ exprKind }: Expr): boolean {
  return exprKind.case === "constExpr" && exprKind.value.constantKind.case === "doubleValue";
}

/**
 * Arguments with one value changed; what the chain walks through is made where it is missing. A leading `args` is left
 * out. The arguments given stay as they are.
 */
export function withValue(args: JsonObject, chain: readonly string[], value: Json): JsonObject {
  const path = chain[0] === "args" ? chain.slice(1) : chain;
  const changed = placed(args, path, value);
  return isJsonObject(changed) ? changed : args;
}

function placed(into: Json | undefined, [key, ...rest]: readonly string[], value: Json): Json {
  if (key === undefined) return value;
  const isIndex = /^\d{1,4}$/.test(key);
  if (Array.isArray(into) || (isIndex && !isJsonObject(into))) {
    const items: readonly Json[] = Array.isArray(into) ? into : [];
    const index = isIndex ? Math.min(Number(key), items.length) : items.length;
    return [...items.slice(0, index), placed(items[index], rest, value), ...items.slice(index + 1)];
  }
  const members = isJsonObject(into) ? into : {};
  const before = Object.hasOwn(members, key) ? members[key] : undefined;
  return { ...members, [key]: placed(before, rest, value) };
}
