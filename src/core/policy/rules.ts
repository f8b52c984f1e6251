// Decides what the tenant's rules say to one call: each that matches is a reason, each that cannot be evaluated counts at its strictest.
import type { RuleEntry } from "../config/policy-document.ts";
import { compileExpression, decodeExpression, valuesSeen } from "./cel/expression.ts";
import type { CompiledExpression, ParsedExpression } from "./cel/expression.ts";
import type { World } from "./cel/world.ts";
import type { ApprovalTerms, Effect, Reason } from "./decision.ts";

/** A rule as it travels to the object that owns the session: plain data, its expression parsed at publish. */
export interface StoredRule {
  readonly id: string;
  readonly effect: Exclude<Effect, "draft">;
  readonly message: string;
  readonly approval: ApprovalTerms;
  readonly stop: boolean;
  /** The source text, `null` for a rule that always matches; and its syntax tree as published. */
  readonly when: string | null;
  readonly tree: string | null;
}

/** Bound variables, and the plain data that they are of: what a reason says it saw is read from there. */
export interface RuleWorld extends Pick<World, "meter" | "variables"> {
  readonly input: object;
}

/** Compiled expressions by source text, so that a rule is planned once per isolate. */
export class ExpressionCache {
  readonly #compiled = new Map<string, { readonly parsed: ParsedExpression; readonly compiled: CompiledExpression }>();

  /** The compiled expression of a stored rule; the least recently added leaves when there are more than 2,000. */
  get(when: string, tree: string): { readonly parsed: ParsedExpression; readonly compiled: CompiledExpression } {
    const known = this.#compiled.get(when);
    if (known !== undefined) return known;
    const parsed = decodeExpression(when, tree);
    const entry = { parsed, compiled: compileExpression(parsed) };
    this.#compiled.set(when, entry);
    for (const oldest of this.#compiled.keys()) {
      if (this.#compiled.size <= MAX_COMPILED) break;
      this.#compiled.delete(oldest);
    }
    return entry;
  }
}

const MAX_COMPILED = 2_000;

/** A stored rule of a document's rule. */
export function storedRule(entry: RuleEntry, terms: ApprovalTerms, tree: string | null): StoredRule {
  return {
    id: entry.id,
    effect: entry.effect,
    message: entry.message ?? defaultMessage(entry),
    approval: terms,
    stop: entry.stop_and_ask === true,
    when: entry.when ?? null,
    tree,
  };
}

function defaultMessage({ id, effect, phase }: RuleEntry): string {
  if (phase === "list") return `rule "${id}" ${effect === "deny" ? "hides" : "shows"} this tool`;
  switch (effect) {
    case "allow":
      return `rule "${id}" allows this call`;
    case "require_approval":
      return `rule "${id}" asks for a person's approval`;
    case "deny":
      return `rule "${id}" denies this call`;
    default:
      return effect satisfies never;
  }
}

/**
 * The reasons of every rule that matches; nothing is skipped once one has matched. A rule whose expression fails, is
 * not boolean or costs too much counts as its own effect, and as a denial where that is `allow`: no fault allows.
 */
export function ruleReasons(rules: readonly StoredRule[], world: RuleWorld, cache: ExpressionCache): readonly Reason[] {
  return rules.flatMap((rule) => reasonOf(rule, world, cache) ?? []);
}

function reasonOf(rule: StoredRule, world: RuleWorld, cache: ExpressionCache): Reason | undefined {
  if (rule.when === null) return matched(rule, {});
  if (rule.tree === null) return faulted(rule, "its published form is missing");
  try {
    const { parsed, compiled } = cache.get(rule.when, rule.tree);
    const evaluation = compiled.evaluate(world);
    if (!evaluation.ok) {
      const { message, position, text } = evaluation.fault;
      return faulted(rule, `${message} at line ${position.line}, column ${position.column} (${text})`);
    }
    return evaluation.value ? matched(rule, { values: valuesSeen(parsed, world) }) : undefined;
  } catch (error) {
    return faulted(rule, error instanceof Error ? error.message : "the rule could not be evaluated");
  }
}

function matched(rule: StoredRule, more: Pick<Reason, "values">): Reason {
  return { rule_id: rule.id, effect: rule.effect, message: rule.message, ...more, ...consequences(rule) };
}

function faulted(rule: StoredRule, fault: string): Reason {
  return {
    rule_id: rule.id,
    effect: rule.effect === "allow" ? "deny" : rule.effect,
    message: `rule "${rule.id}" could not be evaluated and counts at its strictest: ${fault}`,
    error: true,
    ...consequences(rule),
  };
}

function consequences(rule: StoredRule): Pick<Reason, "approval" | "stop_and_ask"> {
  return {
    ...(rule.effect === "require_approval" ? { approval: rule.approval } : {}),
    ...(rule.stop ? { stop_and_ask: true } : {}),
  };
}
