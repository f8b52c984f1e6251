// Decides what each part of an expression can be, and every mistake on the way; it goes on after each, so that all are told.
import { didYouMean } from "../../config/mistakes.ts";
import { chainOf, faultAt, stringConstant, type ExpressionFault, type SyntaxTree } from "../cel/syntax.ts";
import { callMistake, equalityMistake, type Operand } from "./comparison.ts";
import { STEPS_OF_HISTORY } from "./cost.ts";
import { guardsOf, isThere, keyOf, knows } from "./guards.ts";
import { distinctMistakes, literalMistakes } from "./literals.ts";
import { macroOf, type Macro } from "./macro.ts";
import { isOnlyNull, literalIndex, literalMap, narrowed, typeOfConstant } from "./types/part-type.ts";
import { bound, knowing, type Scope } from "./scope.ts";
import { FUNCTION_NAMES, resolveCall } from "./types/signatures.ts";
import * as types from "./types/value-type.ts";
import type { Kind, Shape, ValueType } from "./types/value-type.ts";
import type {
  Expr,
  Expr_Call,
  Expr_Comprehension,
  Expr_CreateStruct,
  Expr_Select,
} from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";

/** What a part can be, and how many steps it takes at most. */
interface Found {
  readonly type: ValueType;
  readonly steps: number;
}

/** What an expression is checked against. */
export interface CheckerInput {
  readonly source: string;
  readonly tree: SyntaxTree;
  readonly variables: ReadonlyMap<string, ValueType>;
  readonly toolNames: readonly string[];
  /** Why members may be absent that no guard can bring back, by key. */
  readonly absences: ReadonlyMap<string, string>;
  /** Why names are unknown here that are known elsewhere, by their dotted chain. */
  readonly elsewhere?: ReadonlyMap<string, string>;
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
const BINARY = new Set(["_==_", "_!=_", "@in", "_[_]"]);
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
        return this.#call(expr, exprKind.value, scope);
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
    const unknown = `unknown variable "${name}"${didYouMean(name, [...scope.variables.keys()])}`;
    return this.#mistaken(expr, this.#input.elsewhere?.get(name) ?? unknown);
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
      const later = this.#input.elsewhere?.get([...(chainOf(of.expr) ?? []), name].join("."));
      this.tell(expr, later ?? `unknown field "${name}"${didYouMean(name, known)}`);
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

  #index(expr: Expr, [of, index]: readonly [Operand, Operand], scope: Scope): ValueType {
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
    const body = this.#body(macro, bound(scope, { macro, id: expr.id, item }));
    const count = types.maxItemsOf({ shapes: walked, isLoose: false });
    return {
      type: macro.gives === "bool" ? types.scalar("bool") : types.listOf(body.type, count),
      steps: range.steps + count * (1 + body.steps),
    };
  }

  /** What a macro makes of one item. */
  #body({ test, item }: Macro, scope: Scope): Found {
    const asked = test === undefined ? undefined : this.#condition(test, scope, "a condition");
    const held = test === undefined ? scope : knowing(scope, guardsOf(test, scope.names).whenTrue);
    const made = item === undefined ? undefined : this.#find(item, held);
    return { type: made?.type ?? types.MISTAKEN, steps: (asked?.steps ?? 0) + (made?.steps ?? 0) };
  }

  #call(expr: Expr, call: Expr_Call, scope: Scope): Found {
    const { function: name, args, target } = call;
    const [first, second, third] = args;
    if (first === undefined || target !== undefined) return this.#function(expr, call, scope);
    if (name === "!_") return this.#condition(first, scope, "what `!` negates");
    if (second === undefined) return this.#function(expr, call, scope);
    switch (name) {
      case "_&&_":
      case "_||_":
        return this.#joined(name, [first, second], scope);
      case "_?_:_":
        return this.#choice([first, second, third ?? second], scope);
      default:
        if (BINARY.has(name)) return this.#binary(expr, { name, args: [first, second] }, scope);
        return this.#function(expr, call, scope);
    }
  }

  #joined(name: "_&&_" | "_||_", [first, second]: readonly [Expr, Expr], scope: Scope): Found {
    const what = `what \`${name.slice(1, -1)}\` joins`;
    const left = this.#condition(first, scope, what);
    const { whenTrue, whenFalse } = guardsOf(first, scope.names);
    const right = this.#condition(second, knowing(scope, name === "_&&_" ? whenTrue : whenFalse), what);
    return { type: left.type, steps: left.steps + right.steps };
  }

  #choice([first, second, third]: readonly [Expr, Expr, Expr], scope: Scope): Found {
    const condition = this.#condition(first, scope, "what `?` asks");
    const { whenTrue, whenFalse } = guardsOf(first, scope.names);
    const branches = [this.#find(second, knowing(scope, whenTrue)), this.#find(third, knowing(scope, whenFalse))];
    const steps = condition.steps + Math.max(...branches.map((branch) => branch.steps));
    return { type: types.unionOf(branches.map((branch) => branch.type)), steps };
  }

  #binary(
    expr: Expr,
    { name, args }: { readonly name: string; readonly args: readonly [Expr, Expr] },
    scope: Scope,
  ): Found {
    const [one, other] = [this.#find(args[0], scope), this.#find(args[1], scope)];
    const [left, right] = [
      { expr: args[0], type: one.type },
      { expr: args[1], type: other.type },
    ];
    const steps = one.steps + other.steps + 1;
    if (name === "_[_]") return { type: this.#index(expr, [left, right], scope), steps };
    if (name === "@in") this.#membership(expr, left, right);
    else this.#equality(left, right);
    const walked = types.maxItemsOf(right.type);
    return {
      type: types.scalar("bool"),
      steps: steps + (name === "@in" ? walked : Math.min(types.maxItemsOf(left.type), walked)),
    };
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

  #function(expr: Expr, call: Expr_Call, scope: Scope): Found {
    const { name, receiver } = calledAs(call);
    if (Object.hasOwn(MACROS, name)) return this.#mistaken(expr, MACROS[name] ?? "");
    const given = [...(receiver === undefined ? [] : [receiver]), ...call.args].map((each) => ({
      expr: each,
      ...this.#find(each, scope),
    }));
    const steps = sum(given) + (HISTORY_FUNCTIONS.has(name) ? STEPS_OF_HISTORY : 1);
    const takesNull = name === "type" || name === "dyn";
    const kinds = given.map((each) => (takesNull ? each.type : this.#notNull(each)));
    const [ofReceiver, ofArgs] = receiver === undefined ? [undefined, kinds] : [kinds[0], kinds.slice(1)];
    const resolution = resolveCall({ name, receiver: ofReceiver, args: ofArgs });
    if (!resolution.ok) return this.#mistaken(expr, callMistake(name, kinds, resolution), steps);
    this.#literals(expr, { name, receiver, args: call.args }, scope);
    return { type: resolution.type, steps };
  }

  #literals(
    expr: Expr,
    {
      name,
      receiver,
      args,
    }: { readonly name: string; readonly receiver: Expr | undefined; readonly args: readonly Expr[] },
    scope: Scope,
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

/** The name a call goes by, and what it is called on: `strings.quote(x)` is called on nothing. */
function calledAs({ function: method, target }: Expr_Call): {
  readonly name: string;
  readonly receiver: Expr | undefined;
} {
  const qualified = target === undefined ? method : `${chainOf(target)?.join(".") ?? ""}.${method}`;
  return FUNCTION_NAMES.includes(qualified)
    ? { name: qualified, receiver: undefined }
    : { name: method, receiver: target };
}

function sum(found: readonly Found[]): number {
  return found.reduce((total, { steps }) => total + steps, 0);
}

function absence(expr: Expr): string {
  const chain = chainOf(expr)?.join(".");
  return chain === undefined
    ? "may be absent: test it with has() or `in` first"
    : `\`${chain}\` may be absent: test has(${chain}) first`;
}
