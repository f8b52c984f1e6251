// Decides whether a probe's condition may be published: it looks at the probe's result and at the call, and at nothing else.
import { parseExpression } from "../cel/expression.ts";
import type { Schema } from "../cel/schema-walk.ts";
import type { ExpressionFault } from "../cel/syntax.ts";
import { MAX_ESTIMATE, tooCostly } from "./cost.ts";
import { TypeChecker } from "./type-checker.ts";
import { SchemaTypes } from "./types/schema-type.ts";
import type { ValueType } from "./types/value-type.ts";

const CALL_IDS: Schema = {
  type: "object",
  properties: { id: { type: "string" }, idempotency_key: { type: "string" } },
  required: ["id", "idempotency_key"],
  additionalProperties: false,
};

/** Every mistake in a condition over a probe's `result`, which may be anything, its HTTP `status`, and the `args` and ids of its call. */
export function findingMistakes(source: string, argsSchema: Schema): readonly ExpressionFault[] {
  const parsed = parseExpression(source);
  if (!parsed.ok) return [parsed.fault];
  const { ast } = parsed.parsed;
  const variables = new Map([
    ["result", typeOf({})],
    ["status", typeOf({ type: "integer" })],
    ["args", typeOf(argsSchema)],
    ["call", typeOf(CALL_IDS)],
  ]);
  const checker = new TypeChecker({ source, tree: ast, variables, toolNames: [], absences: new Map() });
  const steps = checker.check();
  // What a probe answers has no schema: its size is bounded by the largest answer that is kept, not by the estimate.
  if (steps > MAX_ESTIMATE && !/\bresult\b/.test(source)) checker.tell(ast.expr, tooCostly(steps));
  // Unlike a rule, a condition that meets a member which is not there says nothing: that is no mistake.
  return checker.faults.filter(({ message }) => !message.includes("may be absent"));
}

function typeOf(schema: Schema): ValueType {
  return new SchemaTypes(schema).typeOf(schema);
}
