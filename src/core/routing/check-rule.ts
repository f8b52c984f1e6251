// Decides whether a routing rule may be published: it looks at the figures of a request, at its call and its session, and at nothing else.
import type { SyntaxTree, ExpressionFault } from "../policy/cel/syntax.ts";
import { routingVocabulary } from "./vocabulary.ts";
import { MAX_ESTIMATE, tooCostly } from "../policy/check/cost.ts";
import { TypeChecker } from "../policy/check/type-checker.ts";
import { SchemaTypes } from "../policy/check/types/schema-type.ts";

/** Every mistake in a routing rule's expression, in the order of the source text. */
export function routingRuleMistakes(
  source: string,
  tree: SyntaxTree,
  actorNames: readonly string[],
): readonly ExpressionFault[] {
  const variables = new Map(
    Object.entries(routingVocabulary(actorNames)).map(([name, schema]) => [
      name,
      new SchemaTypes(schema).typeOf(schema),
    ]),
  );
  const checker = new TypeChecker({ source, tree, variables, toolNames: [], absences: new Map() });
  const steps = checker.check();
  if (steps > MAX_ESTIMATE) checker.tell(tree.expr, tooCostly(steps));
  return checker.faults.toSorted(
    (left, right) => left.position.line - right.position.line || left.position.column - right.position.column,
  );
}
