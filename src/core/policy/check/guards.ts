// Decides what is known where a condition has held: which members are there, which are not null, which kind a value is.
import { constantText, partsOf } from "../cel/syntax.ts";
import type { Expr, Expr_Select } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** Facts about values, by key; `everything` where a condition can never hold. */
export type Facts = ReadonlySet<string> | "everything";

/** What is known where an expression is true, and where it is false. */
export interface Guards {
  readonly whenTrue: Facts;
  readonly whenFalse: Facts;
}

/** Names of variables that macros bind, made unique: the same name bound again is another variable. */
export type BoundNames = ReadonlyMap<string, string>;

const NONE: Facts = new Set();
const NOTHING: Guards = { whenTrue: NONE, whenFalse: NONE };

/** The fact that a member is there. */
export const isThere = (key: string): string => `there ${key}`;
/** The fact that a value is not null. */
export const isNotNull = (key: string): string => `not null ${key}`;
/** The fact that a value is of one kind. */
export const isOfKind = (kind: string, key: string): string => `${kind} ${key}`;

/** Whether a fact is known. */
export function knows(facts: Facts, fact: string): boolean {
  return facts === "everything" || facts.has(fact);
}

/** What is known where both sets hold. */
export function both(left: Facts, right: Facts): Facts {
  return left === "everything" || right === "everything" ? "everything" : new Set([...left, ...right]);
}

function either(left: Facts, right: Facts): Facts {
  if (left === "everything") return right;
  return right === "everything" ? left : new Set([...left].filter((fact) => right.has(fact)));
}

/**
 * A text that is the same for two expressions that give the same value at the same place, `undefined` for macros.
 * `a.b` and `a["b"]` are the same.
 */
export function keyOf(expr: Expr, names: BoundNames): string | undefined {
  const { exprKind } = expr;
  switch (exprKind.case) {
    case "identExpr":
      return names.get(exprKind.value.name) ?? exprKind.value.name;
    case "constExpr":
      return constantText(expr);
    case "selectExpr":
      return keyOfMember(exprKind.value, names);
    case "callExpr":
      return keyOfParts(exprKind.value.function, expr, names);
    case "listExpr":
    case "structExpr":
      return keyOfParts(exprKind.case, expr, names);
    case "comprehensionExpr":
    case undefined:
      return undefined;
    default:
      return exprKind satisfies never;
  }
}

function keyOfMember({ operand, field, testOnly }: Expr_Select, names: BoundNames): string | undefined {
  const of = operand === undefined ? undefined : keyOf(operand, names);
  return of === undefined ? undefined : memberKey(of, JSON.stringify(field), testOnly ? "?" : "");
}

/** The key of a member of a value. */
export function memberKey(of: string, member: string, mark = ""): string {
  return `${of}[${member}]${mark}`;
}

function keyOfParts(head: string, expr: Expr, names: BoundNames): string | undefined {
  const keys = partsOf(expr).map((part) => keyOf(part, names));
  if (keys.includes(undefined)) return undefined;
  return head === "_[_]" ? memberKey(keys[0] ?? "", keys[1] ?? "") : `${head}(${keys.join(",")})`;
}

/** What a condition tells once it has held, or has not. Says nothing rather than too much. */
export function guardsOf(expr: Expr, names: BoundNames): Guards {
  const { exprKind } = expr;
  if (exprKind.case === "constExpr") {
    const { constantKind } = exprKind.value;
    if (constantKind.case !== "boolValue") return NOTHING;
    return constantKind.value
      ? { whenTrue: NONE, whenFalse: "everything" }
      : { whenTrue: "everything", whenFalse: NONE };
  }
  if (exprKind.case === "selectExpr") {
    const { operand, field, testOnly } = exprKind.value;
    const of = !testOnly || operand === undefined ? undefined : keyOf(operand, names);
    return of === undefined ? NOTHING : { whenTrue: presence(memberKey(of, JSON.stringify(field))), whenFalse: NONE };
  }
  return exprKind.case === "callExpr" ? guardsOfCall(exprKind.value.function, exprKind.value.args, names) : NOTHING;
}

const memberOfCall = (name: string): string => memberKey("call", JSON.stringify(name));

/** Members of the vocabulary that are there exactly where another one is. */
const TOGETHER: ReadonlyMap<string, readonly string[]> = new Map([
  [memberOfCall("user"), [memberOfCall("user_origin")]],
  [memberOfCall("user_origin"), [memberOfCall("user")]],
]);

/** A member that `has()` or `in` finds is never null: the engine takes null for absent. */
function presence(key: string): Facts {
  const there = [key, ...(TOGETHER.get(key) ?? [])];
  return new Set(there.flatMap((each) => [isThere(each), isNotNull(each)]));
}

function guardsOfCall(name: string, args: readonly Expr[], names: BoundNames): Guards {
  const [first, second, third] = args;
  if (first === undefined) return NOTHING;
  const left = guardsOf(first, names);
  if (name === "!_") return { whenTrue: left.whenFalse, whenFalse: left.whenTrue };
  if (second === undefined) return NOTHING;
  const right = guardsOf(second, names);
  switch (name) {
    case "_&&_":
      return { whenTrue: both(left.whenTrue, right.whenTrue), whenFalse: either(left.whenFalse, right.whenFalse) };
    case "_||_":
      return { whenTrue: either(left.whenTrue, right.whenTrue), whenFalse: both(left.whenFalse, right.whenFalse) };
    case "_?_:_":
      return third === undefined ? NOTHING : guardsOfChoice(left, right, guardsOf(third, names));
    case "_==_":
      return guardsOfEquality(first, second, names);
    case "_!=_": {
      const { whenTrue, whenFalse } = guardsOfEquality(first, second, names);
      return { whenTrue: whenFalse, whenFalse: whenTrue };
    }
    case "@in":
      return guardsOfMembership(first, second, names);
    default:
      return NOTHING;
  }
}

function guardsOfChoice(condition: Guards, then: Guards, otherwise: Guards): Guards {
  return {
    whenTrue: either(both(condition.whenTrue, then.whenTrue), both(condition.whenFalse, otherwise.whenTrue)),
    whenFalse: either(both(condition.whenTrue, then.whenFalse), both(condition.whenFalse, otherwise.whenFalse)),
  };
}

function guardsOfMembership(member: Expr, map: Expr, names: BoundNames): Guards {
  const [key, of] = [keyOf(member, names), keyOf(map, names)];
  return key === undefined || of === undefined ? NOTHING : { whenTrue: presence(memberKey(of, key)), whenFalse: NONE };
}

function guardsOfEquality(left: Expr, right: Expr, names: BoundNames): Guards {
  for (const [value, other] of [
    [left, right],
    [right, left],
  ] as const) {
    if (isNull(other)) {
      const key = keyOf(value, names);
      return key === undefined ? NOTHING : { whenTrue: NONE, whenFalse: new Set([isNotNull(key)]) };
    }
    const kind = typeTested(value, other, names);
    if (kind !== undefined) return { whenTrue: new Set([kind]), whenFalse: NONE };
  }
  return NOTHING;
}

function isNull({ exprKind }: Expr): boolean {
  return exprKind.case === "constExpr" && exprKind.value.constantKind.case === "nullValue";
}

function typeTested(call: Expr, type: Expr, names: BoundNames): string | undefined {
  if (call.exprKind.case !== "callExpr" || type.exprKind.case !== "identExpr") return undefined;
  const { function: name, args } = call.exprKind.value;
  const key = name === "type" && args[0] !== undefined ? keyOf(args[0], names) : undefined;
  const { name: kind } = type.exprKind.value;
  return key === undefined || names.has(kind) ? undefined : isOfKind(kind === "null_type" ? "null" : kind, key);
}
