// Decides what each part of an expression can be, and every mistake on the way; it goes on after each, so that all are told.
import { didYouMean } from "../../config/mistakes.ts";
import { chainOf, faultAt, stringConstant, type ExpressionFault, type SyntaxTree } from "../cel/syntax.ts";
import { callMistake, equalityMistake, type Operand } from "./comparison.ts";
import { STEPS_OF_HISTORY } from "./cost.ts";
import { both, guardsOf, isThere, keyOf, knows, memberKey, type BoundNames, type Facts } from "./guards.ts";
import { distinctMistakes, literalMistakes } from "./literals.ts";
import { macroOf } from "./macro.ts";
import { isOnlyNull, literalIndex, literalMap, narrowed, typeOfConstant } from "./part-type.ts";
import { FUNCTION_NAMES, resolveCall } from "./signatures.ts";
import * as types from "./value-type.ts";
import type { Kind, Shape, ValueType } from "./value-type.ts";
import type {
  Expr,
  Expr_Comprehension,
  Expr_CreateStruct,
  Expr_Select,
} from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** What a part can be, and how many steps it takes at most. */
interface Found {
  readonly type: ValueType;
  readonly steps: number;
}

/** Where a part stands: the variables it sees, and what is known there. */
interface Scope {
  readonly variables: ReadonlyMap<string, ValueType>;
  readonly names: BoundNames;
  readonly facts: Facts;
}

/** What an expression is checked against. */
export interface CheckerInput {
  readonly source: string;
  readonly tree: SyntaxTree;
  readonly variables: ReadonlyMap<string, ValueType>;
  readonly toolNames: readonly string[];
  /** Why members may be absent that no guard can bring back, by key. */
  readonly absences: ReadonlyMap<string, string>;
}

const TYPE_NAMES = new Set(["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"]);
const OBJECT_TYPES = new Set(["google.protobuf.Timestamp", "google.protobuf.Duration"]);
const MACROS: Readonly<Record<string, string>> = {
  has: "has() takes a member, such as has(args.amount)",
  ...Object.fromEntries(
    ["exists", "all", "exists_one", "filter", "map"].map((name) => [
      name,
      `${name}() takes a variable and an expression, such as list.${name}(x, x > 1)`,
    ]),
  ),
};
const HISTORY_FUNCTIONS = new Set(["count_within", "sum_within", "count_distinct_within", "formerly"]);

/** One walk through one tree. */
export class TypeChecker {
  readonly faults: ExpressionFault[] = [];
  readonly #input: CheckerInput;

  constructor(input: CheckerInput) {
    this.#input = input;
  }

  /** Checks the whole expression, which has to be a condition; the steps it takes at most. */
  check(): number {
    const { tree, variables } = this.#input;
    return this.#condition(tree.expr, { variables, names: new Map(), facts: new Set() }, "a rule").steps;
  }

  /** Tells a mistake at a part of the expression. */
  tell(at: { readonly id: bigint }, message: string): void {
    const { source, tree } = this.#input;
    this.faults.push(faultAt(source, tree, at, message));
  }

  #mistaken(at: Expr, message: string, steps = 0): Found {
    this.tell(at, message);
    return { type: types.MISTAKEN, steps };
  }

  #condition(expr: Expr, scope: Scope, what: string): Found {
    const found = this.#find(expr, scope);
    const type = this.#notNull({ expr, type: found.type });
    if (!this.#are(type, "bool")) this.tell(expr, `${what} must be true or false, not ${types.describe(type)}`);
    return { type: types.scalar("bool"), steps: found.steps };
  }

  #are(type: ValueType, ...kinds: readonly Kind[]): boolean {
    const fits = ({ kind }: Shape): boolean => kinds.includes(kind);
    return type.isLoose ? type.shapes.some(fits) : type.shapes.every(fits);
  }

  /** A type without null; a mistake where null is possible. What is nothing but null stays it, and fits nowhere. */
  #notNull({ expr, type }: Operand): ValueType {
    if (!types.isNullable(type) || isOnlyNull(type)) return type;
    this.tell(expr, "may be null here: test it with has() or `!= null` first");
    return types.without(type, "null");
  }

  #find(expr: Expr, scope: Scope): Found {
    const { exprKind } = expr;
    switch (exprKind.case) {
      case "constExpr":
        return { type: typeOfConstant(expr), steps: 0 };
      case "identExpr":
        return this.#variable(expr, exprKind.value.name, scope);
      case "selectExpr":
        return this.#select(expr, exprKind.value, scope);
      case "callExpr":
        return this.#call(expr, scope);
      case "listExpr": {
        const items = exprKind.value.elements.map((each) => this.#find(each, scope));
        return { type: types.listOf(types.unionOf(items.map(({ type }) => type)), items.length), steps: sum(items) };
      }
      case "structExpr":
        return this.#struct(expr, exprKind.value, scope);
      case "comprehensionExpr":
        return this.#loop(expr, exprKind.value, scope);
      case undefined:
        return this.#mistaken(expr, "cannot be read");
      default:
        return exprKind satisfies never;
    }
  }

  #variable(expr: Expr, name: string, scope: Scope): Found {
    const type = scope.variables.get(name);
    if (type !== undefined) return { type: narrowed(type, keyOf(expr, scope.names), scope.facts), steps: 0 };
    if (TYPE_NAMES.has(name)) return { type: types.scalar("type"), steps: 0 };
    return this.#mistaken(expr, `unknown variable "${name}"${didYouMean(name, [...scope.variables.keys()])}`);
  }

  #select(expr: Expr, { operand, field, testOnly }: Expr_Select, scope: Scope): Found {
    if (operand === undefined) return this.#mistaken(expr, "cannot be read");
    if (OBJECT_TYPES.has(chainOf(expr)?.join(".") ?? "")) return { type: types.scalar("type"), steps: 0 };
    const of = this.#find(operand, scope);
    const member = this.#member(expr, { expr: operand, type: of.type }, field);
    if (testOnly) return { type: types.scalar("bool"), steps: of.steps };
    return { type: member === undefined ? types.MISTAKEN : this.#read(expr, member, scope), steps: of.steps };
  }

  /** A member of a value, told when it cannot be. */
  #member(expr: Expr, of: Operand, name: string): types.Member | undefined {
    const type = this.#notNull(of);
    const maps = type.shapes.filter((shape) => shape.kind === "map");
    if (!this.#are(type, "map") || maps.length === 0) {
      this.tell(expr, `${types.describe(type)} has no member "${name}"`);
      return undefined;
    }
    const members = maps.flatMap((map) => map.find(name) ?? []);
    if (members.length === 0) {
      const known = maps.flatMap((map) => map.names);
      this.tell(expr, `unknown field "${name}"${didYouMean(name, known)}`);
      return undefined;
    }
    return {
      type: types.unionOf(members.map((member) => member.type)),
      isOptional: members.length < maps.length || members.some((member) => member.isOptional),
    };
  }

  /** What reading a member gives; a mistake where it may be absent. */
  #read(expr: Expr, { type, isOptional }: types.Member, scope: Scope): ValueType {
    const key = keyOf(expr, scope.names);
    if (!isOptional || (key !== undefined && knows(scope.facts, isThere(key)))) return narrowed(type, key, scope.facts);
    this.tell(expr, this.#input.absences.get(key ?? "") ?? absence(expr));
    return types.without(narrowed(type, key, scope.facts), "null");
  }

  #index(expr: Expr, [of, index]: readonly Operand[], scope: Scope): ValueType {
    if (of === undefined || index === undefined) return types.MISTAKEN;
    const type = this.#notNull(of);
    const name = stringConstant(index.expr);
    if (name !== undefined && type.shapes.some((shape) => shape.kind === "map")) {
      const member = this.#member(expr, { ...of, type }, name);
      return member === undefined ? types.MISTAKEN : this.#read(expr, member, scope);
    }
    const key = this.#notNull(index);
    const found = type.shapes.flatMap((shape) => this.#element(shape, { expr: index.expr, type: key }) ?? []);
    if (found.length === 0 || (!type.isLoose && found.length < type.shapes.length)) {
      this.tell(expr, `${types.describe(type)} has no items by ${types.describe(key)}`);
      return types.MISTAKEN;
    }
    const isOptional = found.some((member) => member.isOptional);
    return this.#read(expr, { type: types.unionOf(found.map((member) => member.type)), isOptional }, scope);
  }

  #element(shape: Shape, { expr, type }: Operand): types.Member | undefined {
    if (shape.kind === "list")
      return this.#are(type, "int", "uint") ? { type: shape.items(literalIndex(expr)), isOptional: false } : undefined;
    if (shape.kind !== "map" || !this.#are(type, ...types.kindsOf(shape.keys))) return undefined;
    const members = types.textsOf(type)?.map((text) => shape.find(text));
    if (members === undefined || members.includes(undefined)) return { type: shape.values(), isOptional: true };
    const known = members.flatMap((member) => member ?? []);
    return { type: types.unionOf(known.map((each) => each.type)), isOptional: known.some((each) => each.isOptional) };
  }

  #struct(expr: Expr, { messageName, entries }: Expr_CreateStruct, scope: Scope): Found {
    if (messageName !== "") return this.#mistaken(expr, `unknown type "${messageName}"`);
    const found = entries.flatMap(({ keyKind, value }) => {
      if (keyKind.case !== "mapKey" || value === undefined) return [];
      const key = this.#find(keyKind.value, scope);
      if (!this.#are(key.type, "string", "int", "uint", "bool"))
        this.tell(keyKind.value, `a key must be string, int, uint or bool, not ${types.describe(key.type)}`);
      return [{ name: stringConstant(keyKind.value), key, value: this.#find(value, scope) }];
    });
    const steps = sum(found.flatMap(({ key, value }) => [key, value]));
    return {
      type: literalMap(found.map(({ name, key, value }) => ({ name, key: key.type, value: value.type }))),
      steps,
    };
  }

  #loop(expr: Expr, comprehension: Expr_Comprehension, scope: Scope): Found {
    const macro = macroOf(comprehension);
    if (macro === undefined) return this.#mistaken(expr, "is no macro that rules have");
    const range = this.#find(macro.range, scope);
    const type = this.#notNull({ expr: macro.range, type: range.type });
    const walked = type.shapes.filter((shape) => shape.kind === "list" || shape.kind === "map");
    if (!this.#are(type, "list", "map") || walked.length === 0)
      return this.#mistaken(macro.range, `expected a list, not ${types.describe(type)}`, range.steps);
    const item = types.unionOf(walked.map((shape) => (shape.kind === "list" ? shape.items() : shape.keys)));
    const inner = this.#bound(scope, {
      name: `${macro.variable}#${expr.id}`,
      variable: macro.variable,
      item,
      range: macro.range,
    });
    const test = macro.test === undefined ? undefined : this.#condition(macro.test, inner, "a condition");
    const held = macro.test === undefined ? inner : knowing(inner, guardsOf(macro.test, inner.names).whenTrue);
    const made = macro.item === undefined ? undefined : this.#find(macro.item, held);
    const count = types.maxItemsOf({ shapes: walked, isLoose: false });
    const steps = range.steps + count * (1 + (test?.steps ?? 0) + (made?.steps ?? 0));
    if (macro.gives === "bool") return { type: types.scalar("bool"), steps };
    return { type: types.listOf(made?.type ?? types.MISTAKEN, count), steps };
  }

  #bound(
    { variables, names, facts }: Scope,
    {
      name,
      variable,
      item,
      range,
    }: { readonly name: string; readonly variable: string; readonly item: ValueType; readonly range: Expr },
  ): Scope {
    const key = keyOf(range, names);
    return {
      variables: new Map([...variables, [variable, item]]),
      names: new Map([...names, [variable, name]]),
      facts: key === undefined ? facts : both(facts, new Set([isThere(memberKey(key, name))])),
    };
  }

  #call(expr: Expr, scope: Scope): Found {
    if (expr.exprKind.case !== "callExpr") return this.#mistaken(expr, "cannot be read");
    const { function: name, args, target } = expr.exprKind.value;
    const [first, second, third] = args;
    if (first === undefined || target !== undefined) return this.#function(expr, scope);
    switch (name) {
      case "!_":
        return this.#condition(first, scope, "what `!` negates");
      case "_&&_":
      case "_||_": {
        const operator = name.slice(1, -1);
        const left = this.#condition(first, scope, `what \`${operator}\` joins`);
        if (second === undefined) return left;
        const { whenTrue, whenFalse } = guardsOf(first, scope.names);
        const after = knowing(scope, name === "_&&_" ? whenTrue : whenFalse);
        const right = this.#condition(second, after, `what \`${operator}\` joins`);
        return { type: left.type, steps: left.steps + right.steps };
      }
      case "_?_:_": {
        const condition = this.#condition(first, scope, "what `?` asks");
        if (second === undefined || third === undefined) return condition;
        const { whenTrue, whenFalse } = guardsOf(first, scope.names);
        const branches = [this.#find(second, knowing(scope, whenTrue)), this.#find(third, knowing(scope, whenFalse))];
        const steps = condition.steps + Math.max(...branches.map((branch) => branch.steps));
        return { type: types.unionOf(branches.map((branch) => branch.type)), steps };
      }
      case "_==_":
      case "_!=_":
      case "@in":
      case "_[_]":
        return this.#binary(expr, name, scope);
      default:
        return this.#function(expr, scope);
    }
  }

  #binary(expr: Expr, name: "_==_" | "_!=_" | "@in" | "_[_]", scope: Scope): Found {
    const args = expr.exprKind.case === "callExpr" ? expr.exprKind.value.args : [];
    const found = args.map((each) => this.#find(each, scope));
    const operands = args.map((each, at) => ({ expr: each, type: found[at]?.type ?? types.MISTAKEN }));
    const [left, right] = operands;
    const [one, other] = found;
    if (left === undefined || right === undefined || one === undefined || other === undefined)
      return this.#mistaken(expr, "cannot be read");
    const steps = sum(found) + 1;
    if (name === "_[_]") return { type: this.#index(expr, operands, scope), steps };
    if (name === "@in") this.#membership(expr, left, right);
    else this.#equality(left, right);
    const walked =
      name === "@in"
        ? types.maxItemsOf(other.type)
        : Math.min(types.maxItemsOf(one.type), types.maxItemsOf(other.type));
    return { type: types.scalar("bool"), steps: steps + walked };
  }

  #equality(left: Operand, right: Operand): void {
    if (!isOnlyNull(right.type)) this.#notNull(left);
    if (!isOnlyNull(left.type)) this.#notNull(right);
    const mistake = equalityMistake(left, right);
    if (mistake !== undefined) this.tell(mistake.at, mistake.message);
  }

  #membership(expr: Expr, left: Operand, right: Operand): void {
    const type = this.#notNull(right);
    this.#notNull(left);
    if (!this.#are(type, "list", "map")) {
      this.tell(
        expr,
        `"in" looks in a list or a map, not in ${types.describe(type)}${this.#are(type, "string") ? ": use contains()" : ""}`,
      );
      return;
    }
    const name = stringConstant(left.expr);
    const elements = right.expr.exprKind.case === "listExpr" ? right.expr.exprKind.value.elements : undefined;
    for (const shape of type.shapes) {
      if (shape.kind === "map" && name !== undefined)
        this.#member(expr, { expr: right.expr, type: { shapes: [shape], isLoose: false } }, name);
      else if (shape.kind === "map") this.#compare(left, { expr: right.expr, type: shape.keys });
      else if (shape.kind === "list" && elements === undefined)
        this.#compare(left, { expr: right.expr, type: shape.items() });
    }
    for (const element of elements ?? []) this.#compare(left, { expr: element, type: typeOfConstant(element) });
  }

  #compare(left: Operand, right: Operand): void {
    const mistake = equalityMistake(left, right);
    if (mistake !== undefined) this.tell(mistake.at, mistake.message);
  }

  #function(expr: Expr, scope: Scope): Found {
    if (expr.exprKind.case !== "callExpr") return this.#mistaken(expr, "cannot be read");
    const { function: method, args, target } = expr.exprKind.value;
    const qualified = target === undefined ? undefined : `${chainOf(target)?.join(".") ?? ""}.${method}`;
    const isQualified = qualified !== undefined && FUNCTION_NAMES.includes(qualified);
    const name = isQualified ? qualified : method;
    const receiver = target === undefined || isQualified ? undefined : target;
    if (Object.hasOwn(MACROS, name)) return this.#mistaken(expr, MACROS[name] ?? "");
    const given = [...(receiver === undefined ? [] : [receiver]), ...args].map((each) => ({
      expr: each,
      ...this.#find(each, scope),
    }));
    const steps = sum(given) + (HISTORY_FUNCTIONS.has(name) ? STEPS_OF_HISTORY : 1);
    const isAnything = name === "type" || name === "dyn";
    const kinds = given.map((each) => (isAnything ? each.type : this.#notNull(each)));
    const [ofReceiver, ofArgs] = receiver === undefined ? [undefined, kinds] : [kinds[0], kinds.slice(1)];
    const resolution = resolveCall({ name, receiver: ofReceiver, args: ofArgs });
    const suggestion = resolution.ok || resolution.reason !== "unknown" ? "" : didYouMean(name, FUNCTION_NAMES);
    if (!resolution.ok) return this.#mistaken(expr, `${callMistake(name, kinds, resolution)}${suggestion}`, steps);
    this.#literals(expr, name, { receiver, args, scope });
    return { type: resolution.type, steps };
  }

  #literals(
    expr: Expr,
    name: string,
    {
      receiver,
      args,
      scope,
    }: { readonly receiver: Expr | undefined; readonly args: readonly Expr[]; readonly scope: Scope },
  ): void {
    if (HISTORY_FUNCTIONS.has(name) && (receiver === undefined || keyOf(receiver, scope.names) !== "session"))
      this.tell(expr, `${name}() is asked of \`session\` only`);
    const mistakes = [
      ...literalMistakes(name, args, this.#input.toolNames),
      ...(name === "count_distinct_within" ? distinctMistakes(args) : []),
    ];
    for (const { at, message } of mistakes) this.tell(at, message);
  }
}

function sum(found: readonly Found[]): number {
  return found.reduce((total, { steps }) => total + steps, 0);
}

function knowing(scope: Scope, facts: Facts): Scope {
  return { ...scope, facts: both(scope.facts, facts) };
}

function absence(expr: Expr): string {
  const chain = chainOf(expr)?.join(".");
  return chain === undefined
    ? "may be absent: test it with has() or `in` first"
    : `\`${chain}\` may be absent: test has(${chain}) first`;
}
