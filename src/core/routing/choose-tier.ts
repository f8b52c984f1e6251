// Decides which tier a call gets for each state its session may be in: rules, complexity and default, inside what its actor may reach.
import type { RoutingEntry } from "../config/routing-document.ts";
import type { ExpressionCache } from "../policy/rules.ts";
import type { RoutePick } from "../state/session-route.ts";
import { ruleWords, type RoutedSession, type RoutingWorld, type RuleWord, type StoredRoutingRule } from "./rules.ts";
import { MAX_FAILURES } from "./vocabulary.ts";

/** The routing policy that one call is under. */
export interface RoutingTerms {
  readonly routing: RoutingEntry;
  readonly rules: readonly StoredRoutingRule[];
  /** Tiers that the actor may reach; all of them where nothing narrows. */
  readonly allowed: readonly string[] | undefined;
  readonly cache: ExpressionCache;
}

/** What the policy says to a call in one state of its session. */
export interface TierWord {
  readonly tier: string;
  /** Why, for machines: `default`, `complexity`, `rule:<id>`, or `capped` where the actor may not reach what was called for. */
  readonly why: string;
  readonly words: readonly RuleWord[];
  readonly pick: RoutePick;
}

/** What the policy says to a call in every state of its session that it tells apart. */
export interface TierTable {
  /** The tiers that the actor may reach, in ascending order. */
  readonly tiers: readonly string[];
  /** By earlier failures, of a session without taint and of one with it; the last one stands for more. */
  readonly clean: readonly TierWord[];
  readonly tainted: readonly TierWord[];
  readonly degrade: readonly { readonly used: number; readonly choice: number }[];
}

/** Says which tiers a call gets. Rules that do not look at the session are evaluated once. */
export function tierTable(terms: RoutingTerms, world: RoutingWorld): TierTable {
  const { routing, rules, allowed, cache } = terms;
  const tiers = reachable(routing, allowed);
  const fixed = rules.filter((rule) => !rule.usesSession);
  const moving = rules.filter((rule) => rule.usesSession);
  const said = ruleWords(fixed, world, { session: { failures: 0, tainted: false }, cache });
  const order = new Map(rules.map(({ entry }, index) => [entry.id, index]));
  const wordOf = (session: RoutedSession): TierWord => {
    const words = [...said, ...ruleWords(moving, world, { session, cache })];
    return tierWord(
      terms,
      world,
      words.toSorted((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0)),
    );
  };
  const states = moving.length === 0 ? 1 : MAX_FAILURES + 1;
  const row = (tainted: boolean): readonly TierWord[] =>
    Array.from({ length: states }, (_, failures) => wordOf({ failures, tainted }));
  const clean = row(false);
  const degrade = routing.degrade.map(({ budget_used: used, tier }) => ({
    used,
    choice: within(routing, tiers, tier),
  }));
  return { tiers, clean, tainted: moving.length === 0 ? clean : row(true), degrade };
}

function reachable({ tiers }: RoutingEntry, allowed: readonly string[] | undefined): readonly string[] {
  const names = tiers.map(({ name }) => name);
  return allowed === undefined ? names : names.filter((name) => allowed.includes(name));
}

function rankOf({ tiers }: RoutingEntry, tier: string): number {
  return tiers.findIndex(({ name }) => name === tier);
}

/** The place among the reachable tiers: the tier itself, or the next below it, or the lowest. */
function within(routing: RoutingEntry, tiers: readonly string[], tier: string): number {
  const rank = rankOf(routing, tier);
  return Math.max(
    0,
    tiers.findLastIndex((each) => rankOf(routing, each) <= rank),
  );
}

/** The highest tier that anything calls for; among equals a rule tells more than the score, and the score more than the default. */
function tierWord({ routing, allowed }: RoutingTerms, world: RoutingWorld, words: readonly RuleWord[]): TierWord {
  const tiers = reachable(routing, allowed);
  const matched = words.filter((word) => word.matched);
  const calls = [
    ...matched.map(({ id, tier }) => ({ tier, why: `rule:${id}` })),
    ...routing.complexity
      .filter(({ at_least }) => world.request.complexity >= at_least)
      .map(({ tier }) => ({ tier, why: "complexity" })),
    { tier: routing.default, why: "default" },
  ];
  const highest = Math.max(...calls.map(({ tier }) => rankOf(routing, tier)));
  const called = calls.find(({ tier }) => rankOf(routing, tier) === highest) ?? {
    tier: routing.default,
    why: "default",
  };
  const choice = within(routing, tiers, called.tier);
  const tier = tiers[choice] ?? routing.default;
  const why = rankOf(routing, tier) < highest ? "capped" : called.why;
  const kept = matched.filter(({ mayDegrade }) => !mayDegrade).map((word) => within(routing, tiers, word.tier));
  return { tier, why, words, pick: { choice, why, floor: Math.max(0, ...kept) } };
}
