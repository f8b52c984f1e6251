// Parses, stores, plans and evaluates one CEL expression: the one module through which rules reach the engine.
import { celEnv, CelScalar, isCelError, parse, plan, type CelInput, type CelResult } from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { ParsedExprSchema, type Expr, type Expr_Call } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { RE2JS } from "@bufbuild/re2";
import type { Json, JsonObject } from "../../json/canonical.ts";
import { isJsonObject } from "../../json/canonical.ts";
import { FUNCTIONS } from "./functions.ts";
import {
  chainOf,
  chainsOf,
  everyPart,
  faultAt,
  freeNames,
  partsOf,
  positionAt,
  stringConstant,
  type ExpressionFault,
  type SyntaxTree,
} from "./syntax.ts";
import { BOUNDED_FUNCTIONS } from "./bounded-functions.ts";
import { WALKS, withCountedWalks } from "./counted-walks.ts";
import type { World } from "./world.ts";

/** A source text and its tree. */
export interface ParsedExpression {
  readonly source: string;
  readonly ast: SyntaxTree;
}

/** An expression, or what is wrong with it. */
export type Parsing =
  | { readonly ok: true; readonly parsed: ParsedExpression }
  | { readonly ok: false; readonly fault: ExpressionFault };

/** A boolean, or why there is none. No fault is ever a value. */
export type Evaluation =
  | { readonly ok: true; readonly value: boolean }
  | {
      readonly ok: false;
      readonly code: "evaluation_error" | "not_boolean" | "cost_exceeded";
      readonly fault: ExpressionFault;
    };

/** An expression ready to be evaluated many times. */
export interface CompiledExpression {
  /** The variables it reads. */
  readonly variables: ReadonlySet<string>;
  /** Never throws. A budget that is used up is `cost_exceeded`, also where CEL itself would have absorbed the error. */
  evaluate(world: Pick<World, "meter" | "variables">): Evaluation;
}

/** The longest source text, in characters. */
const MAX_SOURCE = 4_096;

/** The deepest tree: each level costs stack when it is walked, planned, stored and read. */
const MAX_DEPTH = 100;
/** A level of the tree is at most three levels of the stored message (an entry of a map), and some come on top. */
const MESSAGE_DEPTH = MAX_DEPTH * 3 + 16;

/** Compiled patterns: a rule's are few, and each costs more to compile than to match. */
const patterns = new Map<string, { test(text: string): boolean }>();
const MAX_PATTERNS = 1_000;

function compiledPattern(pattern: string): { test(text: string): boolean } {
  const known = patterns.get(pattern);
  if (known !== undefined) return known;
  const matcher = RE2JS.compile(pattern);
  if (patterns.size >= MAX_PATTERNS) patterns.clear();
  patterns.set(pattern, matcher);
  return matcher;
}

const { DYN } = CelScalar;
const environment = celEnv({
  // NOTE: `result` and `status` are bound for probes alone, `request` for routing; checking a rule refuses the names.
  variables: {
    request: DYN,
    result: DYN,
    status: DYN,
    args: DYN,
    tool: DYN,
    call: DYN,
    actor: DYN,
    principal: DYN,
    session: DYN,
    now: DYN,
    local: DYN,
    // And these for graders of suites.
    case: DYN,
    episode: DYN,
    recorded: DYN,
  },
  funcs: [...strings, ...BOUNDED_FUNCTIONS, ...FUNCTIONS, ...WALKS],
  re2: { compile: compiledPattern },
});

/**
 * Parses a source text. Refuses one of more than 4,096 characters, one nested too deeply, a pattern of `matches()`
 * that is no RE2 expression, and the optional-value extension, whose semantics are not those of its specification.
 */
export function parseExpression(source: string): Parsing {
  if (source.length > MAX_SOURCE) return unparsed(source, 0, `expected at most ${MAX_SOURCE} characters`);
  let ast: SyntaxTree;
  try {
    ast = parse(source);
  } catch (error) {
    if (error instanceof RangeError) return unparsed(source, 0, TOO_DEEP);
    return unparsed(source, offsetOf(error), messageOf(error));
  }
  if (depthOf(ast) > MAX_DEPTH) return unparsed(source, 0, TOO_DEEP);
  const fault = refusedPart(source, ast);
  return fault === undefined ? { ok: true, parsed: { source, ast } } : { ok: false, fault };
}

const TOO_DEEP = "the expression is nested too deeply";

/** How deep a tree is, as far as that matters; it is walked without recursion. */
function depthOf({ expr }: SyntaxTree): number {
  let level: readonly Expr[] = [expr];
  for (let depth = 1; depth <= MAX_DEPTH; depth += 1) {
    level = level.flatMap((each) => partsOf(each));
    if (level.length === 0) return depth;
  }
  return MAX_DEPTH + 1;
}

function unparsed(source: string, offset: number, message: string): Parsing {
  const text = source.slice(offset, offset + 40).split("\n")[0] ?? "";
  return { ok: false, fault: { message, position: positionAt(source, offset), text } };
}

function offsetOf(error: unknown): number {
  const location: unknown = isRecord(error) ? error["location"] : undefined;
  const start: unknown = isRecord(location) ? location["start"] : undefined;
  const offset: unknown = isRecord(start) ? start["offset"] : undefined;
  return typeof offset === "number" ? offset : 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function messageOf(error: unknown): string {
  // The position is told apart from the message.
  return error instanceof Error
    ? (error.message.split("\n")[0] ?? "").replace(/^<input>:\d+:\d+: /, "")
    : "it cannot be read";
}

const OPTIONAL_CALLS = new Set(["_[?_]", "_?._", "optional.of", "optional.none", "optional.ofNonZeroValue"]);

function nameOfCall({ function: name, target }: Expr_Call): string {
  const owner = target === undefined ? undefined : chainOf(target);
  return owner === undefined ? name : [...owner, name].join(".");
}

function refusedPart(source: string, ast: SyntaxTree): ExpressionFault | undefined {
  for (const expr of everyPart(ast.expr)) {
    if (expr.exprKind.case !== "callExpr") continue;
    const { function: name, args } = expr.exprKind.value;
    if (OPTIONAL_CALLS.has(nameOfCall(expr.exprKind.value)))
      return faultAt(source, ast, expr, "optional values are not supported: use has()");
    const pattern = name === "matches" ? stringConstant(args.at(-1)) : undefined;
    if (pattern === undefined) continue;
    try {
      compiledPattern(pattern);
    } catch (error) {
      return faultAt(source, ast, args.at(-1) ?? expr, `no RE2 pattern: ${messageOf(error)}`);
    }
  }
  return undefined;
}

/** The tree as base64 text, as published configs store it. */
export function encodeExpression({ ast }: ParsedExpression): string {
  return base64Encode(toBinary(ParsedExprSchema, ast));
}

/** The expression of a source text whose tree was stored. Throws when the text is not one of ours. */
export function decodeExpression(source: string, encoded: string): ParsedExpression {
  const { expr, ...rest } = fromBinary(ParsedExprSchema, base64Decode(encoded), {
    recursionLimit: MESSAGE_DEPTH,
  });
  if (expr === undefined) throw new Error("the stored expression is empty");
  return { source, ast: { ...rest, expr } };
}

/** Plans an expression. Throws when it uses a function the environment does not know in any form. */
export function compileExpression({ source, ast }: ParsedExpression): CompiledExpression {
  const planned = plan(environment, ast);
  const variables = freeNames(ast.expr);
  return {
    variables,
    evaluate: (world) => {
      world.meter.restart();
      const answer = world.meter.during(() =>
        evaluated(() => planned(world.variables as Parameters<typeof planned>[0])),
      );
      const at = (message: string, id = ast.expr.id): ExpressionFault => faultAt(source, ast, { id }, message);
      if (world.meter.isSpent)
        return { ok: false, code: "cost_exceeded", fault: at("the expression takes too many steps") };
      if (!answer.ok) return { ok: false, code: "evaluation_error", fault: at(answer.message, answer.exprId) };
      if (typeof answer.value === "boolean") return { ok: true, value: answer.value };
      return { ok: false, code: "not_boolean", fault: at("the expression is not true or false") };
    },
  };
}

/** An expression that gives a value rather than a condition, ready to be evaluated many times. */
export interface CompiledValue {
  readonly variables: ReadonlySet<string>;
  /** The engine's value, or why there is none. Never throws; a budget that is used up is an error. */
  evaluate(
    world: Pick<World, "meter" | "variables">,
  ): { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string };
}

/**
 * Plans an expression for its value. Throws as `compileExpression` does. Every walk counts, over lists of the expression's
 * own too: nothing was estimated of it.
 */
export function compileValue({ ast }: ParsedExpression): CompiledValue {
  const planned = plan(environment, { ...ast, expr: withCountedWalks(ast.expr) });
  return {
    variables: freeNames(ast.expr),
    evaluate: (world) => {
      world.meter.restart();
      const answer = world.meter.during(() =>
        evaluated(() => planned(world.variables as Parameters<typeof planned>[0])),
      );
      if (world.meter.isSpent) return { ok: false, message: "the expression takes too many steps" };
      return answer.ok ? { ok: true, value: answer.value } : { ok: false, message: answer.message };
    },
  };
}

/**
 * What any expression gives in the environment of the rules, a rule or not: a value of the engine, or an error, never
 * thrown. What the conformance suite of the language is run through.
 */
export function resultOf({ ast }: ParsedExpression, variables: Readonly<Record<string, CelInput>>): CelResult {
  const planned = plan(environment, ast);
  return planned(variables as Parameters<typeof planned>[0]);
}

type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string; readonly exprId: bigint | undefined };

function evaluated(run: () => unknown): Answer {
  try {
    const value = run();
    if (!isCelError(value)) return { ok: true, value };
    return { ok: false, message: valueless(value.message), exprId: value.exprId };
  } catch (error) {
    return { ok: false, message: valueless(messageOf(error)), exprId: undefined };
  }
}

/** Faults of the engine whose words repeat what they were about: a fault is recorded and sent to people, a value is not. */
const REPEATS_A_VALUE =
  /^(Unable to convert string|Failed to \w+ \w+|Error converting|Unsupported input|Not a CEL value|map key conflict|no such key|invalid type url|invalid argument to function \w+).*/s;

function valueless(message: string): string {
  return message.replace(REPEATS_A_VALUE, "$1");
}

const MAX_VALUES = 16;
const MAX_VALUE_TEXT = 256;

/**
 * What an expression looked at, by the chains it reads (`args.amount_usd`); what was not there is left out. At most 16
 * values; texts are cut at 256 characters, and of lists and objects only the size is told.
 */
export function valuesSeen(
  { ast }: ParsedExpression,
  { input }: { readonly input: object },
): Readonly<Record<string, Json>> {
  return valuesIn({ ast }, input as unknown as JsonObject);
}

/** The same of values that are plain data. */
export function valuesIn({ ast }: Pick<ParsedExpression, "ast">, input: JsonObject): Readonly<Record<string, Json>> {
  const seen = chainsOf(ast.expr).flatMap((chain): readonly (readonly [string, Json])[] => {
    const value = lookUp(input, chain);
    return value === undefined ? [] : [[chain.join("."), shown(value)]];
  });
  return Object.fromEntries(seen.slice(0, MAX_VALUES));
}

function lookUp(input: JsonObject, chain: readonly string[]): Json | undefined {
  let at: Json | undefined = input;
  for (const key of chain) {
    if (!isJsonObject(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}

function shown(value: Json): Json {
  if (typeof value === "string") return value.length <= MAX_VALUE_TEXT ? value : `${value.slice(0, MAX_VALUE_TEXT)}…`;
  if (Array.isArray(value)) return `list of ${value.length}`;
  return isJsonObject(value) ? `object of ${Object.keys(value).length} members` : value;
}
