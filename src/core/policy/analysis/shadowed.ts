// Decides which rules never matter, because another rule speaks at least as strictly whenever they do.
import { canonicalJson } from "../../json/canonical.ts";
import { matchesAny } from "../constraints.ts";
import type { SyntaxTree } from "../cel/syntax.ts";
import { isContained } from "./domain.ts";
import { alternativesOf, type Conjunction } from "./normal-form.ts";

/** A rule as its document has it, and its tree where the expression could be parsed. */
export interface RuleToCompare {
  readonly id: string;
  readonly tools?: readonly string[] | undefined;
  readonly effect: "allow" | "require_approval" | "deny";
  readonly phase?: "list" | "call" | undefined;
  readonly when?: string | undefined;
  readonly approval?: unknown;
  readonly stop_and_ask?: boolean | undefined;
  readonly ast?: SyntaxTree | undefined;
}

/** A rule that never matters, and why. */
export interface ShadowedRule {
  readonly id: string;
  readonly message: string;
}

/** More alternatives of one rule than this are not compared: the pairs of all rules are. */
const MAX_COMPARED = 16;

interface Comparable {
  readonly rule: RuleToCompare;
  readonly alternatives: readonly Conjunction[] | undefined;
}

/**
 * The rules that never matter, each with the first rule that makes it so: at least as strict, for at least the same
 * tools, and true whenever the rule is. Of two that say the same, the later one. A rule that can never match is not
 * among them. Quadratic in the number of rules.
 *
 * A rule that allows is made pointless by one that denies and by one that allows as much, but not by one that asks for
 * approval: its being there spares the approval that an actor's tier would ask for besides. Of two rules that ask for
 * approval, the terms must be the same; a rule that stops the session is made pointless only by one that stops it too.
 */
export function shadowedRules(rules: readonly RuleToCompare[]): readonly ShadowedRule[] {
  const comparable = rules.map((rule): Comparable => ({ rule, alternatives: alternativesOfRule(rule) }));
  const hidden = new Set<number>();
  return comparable.flatMap((each, index) => {
    const by = comparable.find(
      (other, at) => at !== index && !hidden.has(at) && hides(other, each) && (at < index || !hides(each, other)),
    );
    if (by === undefined) return [];
    hidden.add(index);
    return [{ id: each.rule.id, message: messageOf(each.rule, by.rule) }];
  });
}

function alternativesOfRule({ when, ast }: RuleToCompare): readonly Conjunction[] | undefined {
  if (when === undefined) return [new Map()];
  const alternatives = ast === undefined ? undefined : alternativesOf(ast.expr);
  return alternatives === undefined || alternatives.length > MAX_COMPARED ? undefined : alternatives;
}

function hides(by: Comparable, each: Comparable): boolean {
  return (
    isInPhase(by.rule, each.rule) &&
    isAsStrict(by.rule, each.rule) &&
    (each.rule.stop_and_ask !== true || by.rule.stop_and_ask === true) &&
    coversTools(by.rule.tools, each.rule.tools) &&
    follows(by, each)
  );
}

/** Rules of two phases see two worlds, and a condition of the call hides nothing: a denial without one holds in both. */
function isInPhase(by: RuleToCompare, each: RuleToCompare): boolean {
  return (by.phase ?? "call") === (each.phase ?? "call") || (by.effect === "deny" && by.when === undefined);
}

function isAsStrict(by: RuleToCompare, each: RuleToCompare): boolean {
  if (by.effect === "deny") return true;
  if (by.effect !== each.effect) return false;
  return by.effect === "allow" || canonicalJson(by.approval ?? null) === canonicalJson(each.approval ?? null);
}

function coversTools(by: readonly string[] | undefined, each: readonly string[] | undefined): boolean {
  if (by === undefined || by.includes("*")) return true;
  return each?.every((pattern) => matchesAny(pattern, by)) === true;
}

/** Whether a rule is true whenever another one is: each alternative of the other is part of one of its own. */
function follows(by: Comparable, each: Comparable): boolean {
  if (by.rule.when === undefined) return each.alternatives?.length !== 0;
  if (each.rule.when !== undefined && by.rule.when.trim() === each.rule.when.trim())
    return by.alternatives?.length !== 0;
  const [outer, inner] = [by.alternatives, each.alternatives];
  if (outer === undefined || inner === undefined || inner.length === 0) return false;
  return inner.every((narrow) => outer.some((wide) => isPartOf(narrow, wide)));
}

function isPartOf(narrow: Conjunction, wide: Conjunction): boolean {
  return [...wide].every(([key, domain]) => {
    const inner = narrow.get(key);
    return inner !== undefined && isContained(inner, domain);
  });
}

function messageOf(each: RuleToCompare, by: RuleToCompare): string {
  const verb = { allow: "allows", require_approval: "asks for approval", deny: "denies" }[by.effect];
  return `rule "${each.id}" never matters: rule "${by.id}" ${verb} whenever it matches`;
}
