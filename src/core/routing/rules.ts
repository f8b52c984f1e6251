// Decides what the routing rules say to one call: each that matches calls for its tier, and so does each that cannot be evaluated.
import type { RoutingRuleEntry } from "../config/routing-document.ts";
import type { Json, JsonObject } from "../json/canonical.ts";
import { valuesIn } from "../policy/cel/expression.ts";
import { bindValues } from "../policy/cel/world.ts";
import type { ExpressionCache } from "../policy/rules.ts";
import type { RequestFeatures } from "./figures.ts";
import { ROUTING_VOCABULARY } from "./vocabulary.ts";

/** A rule with its syntax tree as published; `null` where that is missing. */
export interface StoredRoutingRule {
  readonly entry: RoutingRuleEntry;
  readonly tree: string | null;
  readonly usesSession: boolean;
}

/** What routing rules look at, as plain data. */
export interface RoutingWorld {
  readonly request: RequestFeatures;
  readonly call: JsonObject;
  readonly actor: JsonObject;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly local: JsonObject;
}

/** What of a session routing rules look at. */
export interface RoutedSession {
  /** Failed tool calls of the task; 10 stands for more. */
  readonly failures: number;
  readonly tainted: boolean;
}

/** What one rule says. */
export interface RuleWord {
  readonly id: string;
  readonly tier: string;
  readonly matched: boolean;
  readonly mayDegrade: boolean;
  /** Why it could not be evaluated: it counts as matching then. */
  readonly error?: string;
  /** What it looked at. */
  readonly values: Readonly<Record<string, Json>>;
}

/** What each rule says, in their order. Nothing is skipped once one has matched. */
export function ruleWords(
  rules: readonly StoredRoutingRule[],
  world: RoutingWorld,
  { session, cache }: { readonly session: RoutedSession; readonly cache: ExpressionCache },
): readonly RuleWord[] {
  if (rules.length === 0) return [];
  const input = { ...world, session } as unknown as JsonObject;
  const bound = bindValues(input, ROUTING_VOCABULARY);
  return rules.map((rule) => {
    const { id, tier, may_degrade } = rule.entry;
    const said = { id, tier, mayDegrade: may_degrade !== false };
    if (rule.tree === null) return { ...said, matched: true, error: "its published form is missing", values: {} };
    const { parsed, compiled } = cache.get(rule.entry.when, rule.tree);
    const evaluation = compiled.evaluate(bound);
    const values = valuesIn(parsed, input);
    if (evaluation.ok) return { ...said, matched: evaluation.value, values };
    const { message, position, text } = evaluation.fault;
    const error = `${message} at line ${position.line}, column ${position.column} (${text})`;
    return { ...said, matched: true, error, values };
  });
}
