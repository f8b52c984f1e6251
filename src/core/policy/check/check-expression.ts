// Decides whether an expression may be published for one tool: every name, type, guard, literal and its cost are right.
import type { RulePhase } from "../../config/policy-document.ts";
import { everyPart, freeNames, stringConstant, type ExpressionFault, type SyntaxTree } from "../cel/syntax.ts";
import type { Schema } from "../cel/schema-walk.ts";
import { LISTING_VOCABULARY, VOCABULARY } from "../cel/vocabulary.ts";
import { MAX_ESTIMATE, tooCostly } from "./cost.ts";
import { memberKey } from "./guards.ts";
import { SchemaTypes } from "./types/schema-type.ts";
import { TypeChecker } from "./type-checker.ts";
import type { ValueType } from "./types/value-type.ts";

/** What an expression is checked against: one tool, and the names of all. */
export interface CheckEnvironment {
  /** The tool's `input_schema`. */
  readonly argsSchema: Schema;
  /** Whether the tool declares an amount: `call.amount_minor` is there exactly then. */
  readonly hasAmount: boolean;
  readonly toolNames: readonly string[];
  /** Names that a rule may compare with; where they are left out, any will do. */
  readonly actorNames?: readonly string[];
  /** Tools whose results taint a session. */
  readonly taintNames?: readonly string[];
  /** First names of the facts that tools capture. */
  readonly factNames?: readonly string[];
  /** When it is decided: less is known while tools are listed. At the call when left out. */
  readonly phase?: RulePhase | undefined;
}

/**
 * Every mistake in an expression, in the order of the source text; none when it may be published.
 *
 * An expression without mistakes never fails for want of a member or of a fitting operator over arguments that match the
 * schema, except where the schema says nothing of a value: such a value passes anywhere, and a rule that fails on it
 * counts at its strictest. Division, conversions, list indices and overflow can still fail.
 */
export function checkExpression(
  source: string,
  ast: SyntaxTree,
  environment: CheckEnvironment,
): readonly ExpressionFault[] {
  const checker = new TypeChecker({
    source,
    tree: ast,
    variables: variablesOf(environment),
    toolNames: environment.toolNames,
    elsewhere: environment.phase === "list" ? LATER : new Map(),
    absences: new Map(
      environment.hasAmount ? [] : [[AMOUNT, "the tool declares no amount, so `call.amount_minor` is not there"]],
    ),
  });
  const steps = checker.check();
  if (steps > MAX_ESTIMATE) checker.tell(ast.expr, tooCostly(steps));
  return inOrder(checker.faults);
}

const AMOUNT = memberKey("call", JSON.stringify("amount_minor"));

/** Types of the vocabulary as it is, read once. */
const KNOWN = typesOf(VOCABULARY);

const KNOWN_WHEN_LISTED = typesOf(LISTING_VOCABULARY);

/** What a rule of the call can name and a list rule cannot, with what its author is told. */
const LATER: ReadonlyMap<string, string> = new Map(
  ["args", ...Object.keys(VOCABULARY)]
    .flatMap((name) =>
      Object.hasOwn(LISTING_VOCABULARY, name)
        ? membersOf(VOCABULARY[name])
            .filter((member) => !membersOf(LISTING_VOCABULARY[name]).includes(member))
            .map((member) => `${name}.${member}`)
        : [name],
    )
    .map((chain) => [
      chain,
      `\`${chain}\` is not known when tools are listed: drop \`phase: list\`, and the rule is decided at the call`,
    ]),
);

function variablesOf(environment: CheckEnvironment): ReadonlyMap<string, ValueType> {
  const { argsSchema, hasAmount, toolNames, actorNames, phase } = environment;
  const named = [
    ["tool", typeOf(withMembers("tool", { name: { enum: toolNames } }))] as const,
    ...(actorNames === undefined
      ? []
      : [["actor", typeOf(withMembers("actor", { name: { enum: actorNames } }))] as const]),
  ];
  if (phase === "list") return new Map([...KNOWN_WHEN_LISTED, ...named]);
  return new Map([
    ["args", typeOf(argsSchema)],
    ...KNOWN,
    ...named,
    ["session", typeOf(withMembers("session", learntBy(environment)))],
    ...(hasAmount ? [["call", typeOf(requiring("call", "amount_minor"))] as const] : []),
  ]);
}

/** What a session can have learnt. Below a fact's first name the call may fill in: nothing is known of that. */
function learntBy({ taintNames, factNames }: CheckEnvironment): Readonly<Record<string, Schema>> {
  const taint = { type: "array", maxItems: 32, items: { enum: taintNames } };
  const known = Object.fromEntries((factNames ?? []).map((name) => [name, {}]));
  const facts = { type: "object", properties: known, additionalProperties: false };
  return {
    ...(taintNames === undefined ? {} : { taint }),
    ...(factNames === undefined ? {} : { facts }),
  };
}

function typesOf(vocabulary: Readonly<Record<string, Schema>>): readonly (readonly [string, ValueType])[] {
  return Object.entries(vocabulary).map(([name, schema]) => [name, typeOf(schema)]);
}

function membersOf(schema: Schema | undefined): readonly string[] {
  return Object.keys(schema?.["properties"] ?? {});
}

function typeOf(schema: Schema): ValueType {
  return new SchemaTypes(schema).typeOf(schema);
}

function withMembers(variable: string, members: Readonly<Record<string, Schema>>): Schema {
  return { ...VOCABULARY[variable], properties: { ...propertiesOf(variable), ...members } };
}

function propertiesOf(variable: string): object {
  const properties = VOCABULARY[variable]?.["properties"];
  return typeof properties === "object" && properties !== null ? properties : {};
}

function requiring(variable: string, name: string): Schema {
  const schema = VOCABULARY[variable] ?? {};
  const required: readonly unknown[] = Array.isArray(schema["required"]) ? schema["required"] : [];
  return { ...schema, required: [...required, name] };
}

function inOrder(faults: readonly ExpressionFault[]): readonly ExpressionFault[] {
  const told = new Set<string>();
  return faults
    .toSorted((left, right) => left.position.line - right.position.line || left.position.column - right.position.column)
    .filter(({ message, position }) => {
      const key = `${position.line}:${position.column}:${message}`;
      return !told.has(key) && told.add(key);
    });
}

/** A tool pattern and an argument path whose distinct values a rule counts. */
export interface DistinctPath {
  readonly tool: string;
  readonly path: string;
}

/** What every `session.count_distinct_within(tool, path, window)` of an expression counts, as written there; each once. */
export function distinctPaths(ast: SyntaxTree): readonly DistinctPath[] {
  const found = new Map<string, DistinctPath>();
  for (const { exprKind } of everyPart(ast.expr)) {
    if (exprKind.case !== "callExpr" || exprKind.value.function !== "count_distinct_within") continue;
    const [tool, path] = exprKind.value.args.map((arg) => stringConstant(arg));
    if (tool !== undefined && path !== undefined) found.set(`${tool}\n${path}`, { tool, path });
  }
  return [...found.values()];
}

/** Whether an expression looks at the session, and is therefore decided where the session is. */
export function usesSession(ast: SyntaxTree): boolean {
  return freeNames(ast.expr).has("session");
}
