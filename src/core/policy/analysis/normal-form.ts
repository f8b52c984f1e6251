// Decides how a condition reads as alternatives, each of them what has to hold of which value at once.
import { chainOf, constantText, partsOf } from "../cel/syntax.ts";
import { memberSchema, type Schema } from "../cel/schema-walk.ts";
import { VOCABULARY } from "../cel/vocabulary.ts";
import { constantOf, type Constant } from "./constants.ts";
import { meet, tidied, isEmpty, type Domain } from "./domain.ts";
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** What holds at once: a domain for each value, by its text. Parts that are not understood are values that are true or false. */
export type Conjunction = ReadonlyMap<string, Domain>;

/** More alternatives than this are not looked at. */
const MAX_ALTERNATIVES = 64;

/**
 * The alternatives under which a condition is true, or false; `undefined` where there are too many. What cannot hold is
 * left out, so none at all is a condition that never is. Exact but for parts that are not understood and for errors.
 */
export function alternativesOf(expr: Expr, isTrue = true): readonly Conjunction[] | undefined {
  const { exprKind } = expr;
  if (exprKind.case === "constExpr" && exprKind.value.constantKind.case === "boolValue")
    return exprKind.value.constantKind.value === isTrue ? [new Map()] : [];
  const joined =
    exprKind.case === "callExpr"
      ? alternativesOfCall(exprKind.value.function, exprKind.value.args, isTrue)
      : NOT_JOINED;
  return joined === NOT_JOINED ? possible([new Map([atomOf(expr, isTrue)])]) : joined;
}

const NOT_JOINED = "not joined";

function alternativesOfCall(name: string, args: readonly Expr[], isTrue: boolean): Alternatives | typeof NOT_JOINED {
  const [first, second, third] = args;
  if (first === undefined) return NOT_JOINED;
  if (name === "!_") return alternativesOf(first, !isTrue);
  if (second === undefined) return NOT_JOINED;
  if (name === "_&&_" || name === "_||_") {
    const join = (name === "_&&_") === isTrue ? every : some;
    return join(alternativesOf(first, isTrue), alternativesOf(second, isTrue));
  }
  if (name !== "_?_:_" || third === undefined) return NOT_JOINED;
  return some(
    every(alternativesOf(first, true), alternativesOf(second, isTrue)),
    every(alternativesOf(first, false), alternativesOf(third, isTrue)),
  );
}

type Alternatives = readonly Conjunction[] | undefined;

function every(left: Alternatives, right: Alternatives): Alternatives {
  if (left?.length === 0 || right?.length === 0) return [];
  if (left === undefined || right === undefined || left.length * right.length > MAX_ALTERNATIVES) return undefined;
  return possible(left.flatMap((one) => right.map((other) => merged(one, other))));
}

function some(left: Alternatives, right: Alternatives): Alternatives {
  if (left === undefined || right === undefined || left.length + right.length > MAX_ALTERNATIVES) return undefined;
  return [...left, ...right];
}

function merged(left: Conjunction, right: Conjunction): Conjunction {
  const both = new Map(left);
  for (const [key, domain] of right) both.set(key, tidied(meet(both.get(key) ?? {}, domain)));
  return both;
}

function possible(conjunctions: readonly Conjunction[]): readonly Conjunction[] {
  return conjunctions.filter((each) => ![...each.values()].some(isEmpty));
}

const COMPARISONS: Readonly<Record<string, Comparison>> = { "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=" };

type Comparison = "<" | "<=" | ">" | ">=";
const MIRRORED = { "<": ">", "<=": ">=", ">": "<", ">=": "<=" } as const;
const NEGATED = { "<": ">=", "<=": ">", ">": "<=", ">=": "<" } as const;

/** One comparison, membership or presence as a domain of a value; anything else as itself being true or false. */
function atomOf(expr: Expr, isTrue: boolean): readonly [string, Domain] {
  const known = comparisonAtom(expr, isTrue) ?? presenceAtom(expr, isTrue);
  if (known === undefined) return [textOf(expr), { only: [isTrue] }];
  const [value, domain] = known;
  const itself = vocabularyDomain(value);
  return [textOf(value), tidied(meet(domain, domain.isThere === undefined ? itself : {}))];
}

function presenceAtom({ exprKind }: Expr, isTrue: boolean): readonly [Expr, Domain] | undefined {
  if (exprKind.case !== "selectExpr" || !exprKind.value.testOnly) return undefined;
  const read = { case: "selectExpr", value: { ...exprKind.value, testOnly: false } } as const;
  return [{ $typeName: "cel.expr.Expr", id: 0n, exprKind: read }, { isThere: isTrue }];
}

function comparisonAtom({ exprKind }: Expr, isTrue: boolean): readonly [Expr, Domain] | undefined {
  if (exprKind.case !== "callExpr") return undefined;
  const { function: name, args, target } = exprKind.value;
  const [left, right] = args;
  if (left === undefined || right === undefined || target !== undefined) return undefined;
  if (name === "@in") return membershipAtom(left, right, isTrue);
  const compared = constantSide(left, right);
  return compared === undefined ? undefined : comparedAtom(name, compared, isTrue);
}

function comparedAtom(
  name: string,
  { value, constant, isMirrored }: Compared,
  isTrue: boolean,
): readonly [Expr, Domain] | undefined {
  if (name === "_==_" || name === "_!=_")
    return [value, (name === "_==_") === isTrue ? { only: [constant] } : { not: [constant] }];
  const written = COMPARISONS[name];
  if (written === undefined || typeof constant !== "number" || !isOrdered(value)) return undefined;
  const mirrored = isMirrored ? MIRRORED[written] : written;
  return [value, intervalOf(isTrue ? mirrored : NEGATED[mirrored], constant)];
}

interface Compared {
  readonly value: Expr;
  readonly constant: Constant;
  /** Whether the constant is on the left. */
  readonly isMirrored: boolean;
}

/** Which of two sides is the constant; `undefined` unless exactly one is. */
function constantSide(left: Expr, right: Expr): Compared | undefined {
  const [onLeft, onRight] = [constantOf(left), constantOf(right)];
  if (onLeft === undefined)
    return onRight === undefined ? undefined : { value: left, constant: onRight.value, isMirrored: false };
  return onRight === undefined ? { value: right, constant: onLeft.value, isMirrored: true } : undefined;
}

function intervalOf(comparison: Comparison, value: number): Domain {
  const bound = { value, isOpen: comparison === "<" || comparison === ">" };
  return comparison.startsWith("<") ? { high: bound } : { low: bound };
}

function membershipAtom(value: Expr, { exprKind }: Expr, isTrue: boolean): readonly [Expr, Domain] | undefined {
  if (exprKind.case !== "listExpr") return undefined;
  const constants = exprKind.value.elements.map(constantOf);
  if (constants.length === 0 || constants.includes(undefined) || constantOf(value) !== undefined) return undefined;
  const values = constants.flatMap((each) => (each === undefined ? [] : [each.value]));
  return [value, isTrue ? { only: values } : { not: values }];
}

const WHOLE_FUNCTIONS = new Set(["size", "minor", "count_within", "sum_within", "count_distinct_within"]);

/** Whether a value is never NaN: no JSON number is, and what our functions count is not. Only then `!(x > 5)` is `x <= 5`. */
function isOrdered(value: Expr): boolean {
  return chainOf(value) !== undefined || isCount(value);
}

function isCount({ exprKind }: Expr): boolean {
  return exprKind.case === "callExpr" && WHOLE_FUNCTIONS.has(exprKind.value.function);
}

/** What a value is by itself: counts are whole; a number of the vocabulary is within its bounds, and whole where it says so. */
function vocabularyDomain(value: Expr): Domain {
  if (isCount(value)) return { isWhole: true };
  const [name = "", ...members] = chainOf(value) ?? [];
  const root = VOCABULARY[name];
  if (root === undefined || members.length === 0) return {};
  const schema = members.reduce<Schema>((at, member) => memberSchema(at, root, member), root);
  const { type, minimum, maximum } = schema;
  if (type !== "integer" && type !== "number") return {};
  return {
    ...(typeof minimum === "number" ? { low: { value: minimum, isOpen: false } } : {}),
    ...(typeof maximum === "number" ? { high: { value: maximum, isOpen: false } } : {}),
    isWhole: type === "integer",
  };
}

/** A text that two expressions share exactly when they read the same. `a.b` and `a["b"]` do. */
export function textOf(expr: Expr): string {
  const chain = chainOf(expr);
  if (chain !== undefined) return chain.map((part) => JSON.stringify(part)).join(".");
  return `${headOf(expr)}(${partsOf(expr).map(textOf).join(",")})`;
}

function headOf(expr: Expr): string {
  const { exprKind } = expr;
  switch (exprKind.case) {
    case "constExpr":
      return constantText(expr);
    case "selectExpr":
      return `${exprKind.value.testOnly ? "has" : "member"} ${JSON.stringify(exprKind.value.field)}`;
    case "callExpr":
      return `${exprKind.value.target === undefined ? "call" : "method"} ${exprKind.value.function}`;
    case "comprehensionExpr":
      return `loop ${exprKind.value.iterVar}`;
    case "identExpr":
      return exprKind.value.name;
    case "listExpr":
    case "structExpr":
    case undefined:
      return exprKind.case ?? "";
    default:
      return exprKind satisfies never;
  }
}
