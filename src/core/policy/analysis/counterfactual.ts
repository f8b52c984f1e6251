// Decides the smallest changes to a call that would make it pass: thresholds are read off the policy, and each is tried before it is told.
import type { JsonObject } from "../../json/canonical.ts";
import { effectiveScopes } from "../../principal.ts";
import { formatUsd, usdFromJson } from "../../units/money.ts";
import type { ArgumentCheck } from "../arguments.ts";
import type { SessionInput } from "../cel/world.ts";
import { approvalTermsOf, EFFECTS, type Decision, type Effect } from "../decision.ts";
import { decideWhole } from "../evaluate.ts";
import type { PolicyFacts } from "../policy-facts.ts";
import { comparedConstants } from "./thresholds.ts";
import { valueAt } from "../values.ts";

/** One change to a call. Amounts are decimal text. */
export type Change =
  | { readonly path: string; readonly at_most: string }
  | { readonly path: string; readonly at_least: string }
  | { readonly path: string; readonly exactly: string }
  | { readonly path: "scopes"; readonly add: readonly string[] };

/** What would become of the call with a change; without one, what it needs as it is. */
export interface Counterfactual {
  readonly effect: Exclude<Effect, "deny">;
  readonly change: Change | null;
  /** Who would have to approve it. */
  readonly approval?: readonly { readonly roles: readonly string[]; readonly count: number }[];
  readonly message: string;
}

/** A changed call, to be decided on. */
export interface Variant {
  readonly facts: PolicyFacts;
  readonly change: VariantChange;
}

type VariantChange =
  | { readonly type: "value"; readonly path: string; readonly micro: number; readonly distance: number }
  | { readonly type: "scopes"; readonly add: readonly string[] };

/** A variant and what the policy makes of it. */
export interface Judged {
  readonly variant: Variant;
  readonly decision: Decision;
  /** Whether budgets and limits would cover it too. */
  readonly isCovered: boolean;
}

/** What is tried per argument, and in all. */
const MAX_PER_PATH = 16;
const MAX_VARIANTS = 32;
const MICRO_PER_CENT = 10_000;
const MICRO_PER_ONE = 1_000_000;

/**
 * Changed calls worth trying, at most 32: the call's amount at every cap of actor and envelope and at the given
 * ceilings (micro-units: what limits and budgets have left), and each argument at the constants that rules compare it
 * with, one step below, at and above; and the call with the scopes that it lacks.
 */
export function variantsOf(facts: PolicyFacts, ceilings: readonly number[], check: ArgumentCheck): readonly Variant[] {
  const { tool, ask } = facts;
  const tried = [...thresholdsOf(facts, ceilings)].flatMap(([path, thresholds]) => {
    const was = usdFromJson(valueAt(ask.args, path));
    return was === undefined ? [] : around(thresholds, was, stepAt(facts, path)).map((micro) => ({ path, micro, was }));
  });
  const values = tried
    .toSorted((a, b) => Math.abs(a.micro - a.was) - Math.abs(b.micro - b.was))
    .slice(0, MAX_VARIANTS)
    .flatMap(({ path, micro, was }): readonly Variant[] => {
      const args = withValue(ask.args, path.split("."), micro);
      if (args === undefined || check(args).length > 0) return [];
      const change = { type: "value", path, micro, distance: micro - was } as const;
      return [{ facts: { ...facts, ask: { ...ask, args } }, change }];
    });
  const missing = missingScopes(facts);
  if (missing.length === 0 || facts.actor === undefined) return values;
  const principal = { ...ask.principal, scopes: [...ask.principal.scopes, ...missing] };
  const actor = { ...facts.actor, scopes: [...(facts.actor.scopes ?? []), ...missing] };
  return [
    ...values,
    { facts: { ...facts, tool, actor, ask: { ...ask, principal } }, change: { type: "scopes", add: missing } },
  ];
}

function missingScopes({ tool, ask, actor }: PolicyFacts): readonly string[] {
  const effective = effectiveScopes(ask.principal, actor?.scopes ?? []);
  return (tool.entry.scopes ?? []).filter((scope) => !effective.includes("*") && !effective.includes(scope));
}

/** Micro-units at which the policy may change its mind, by argument path. */
function thresholdsOf(facts: PolicyFacts, ceilings: readonly number[]): ReadonlyMap<string, readonly number[]> {
  const { tool, ask, actor } = facts;
  const found = new Map<string, number[]>();
  const add = (path: string, micro: number | undefined): void => {
    if (micro === undefined || !Number.isSafeInteger(micro)) return;
    const known = found.get(path);
    if (known === undefined) found.set(path, [micro]);
    else known.push(micro);
  };
  const field = tool.entry.amount?.field;
  if (field !== undefined) {
    const { max_amount_usd, requires_human_approval_over_usd } = ask.constraints;
    const caps = [
      actor?.max_amount_usd,
      actor?.requires_human_approval_over_usd,
      max_amount_usd,
      requires_human_approval_over_usd,
    ];
    for (const cap of caps) add(field, usdFromJson(cap));
    for (const ceiling of ceilings) add(field, ceiling);
  }
  for (const { path, micro } of comparedConstants([...tool.edgeRules, ...tool.sessionRules], facts.cache, field))
    add(path, micro);
  return found;
}

/** The least by which an argument can differ: a cent of the amount and of what has decimals, else one. */
function stepAt({ tool, ask }: PolicyFacts, path: string): number {
  const isWhole = path !== tool.entry.amount?.field && Number.isInteger(Number(valueAt(ask.args, path)));
  return isWhole ? MICRO_PER_ONE : MICRO_PER_CENT;
}

function around(thresholds: readonly number[], was: number, step: number): readonly number[] {
  const near = thresholds.flatMap((each) => [each - step, each, each + step]);
  return [...new Set(near)]
    .filter((each) => each >= 0 && each !== was && each % step === 0)
    .toSorted((a, b) => Math.abs(a - was) - Math.abs(b - was))
    .slice(0, MAX_PER_PATH);
}

/** The arguments with another value at a path, written as the one before it was: number or text. */
function withValue(args: JsonObject, path: readonly string[], micro: number): JsonObject | undefined {
  const [key = "", ...rest] = path;
  const was = args[key];
  if (rest.length > 0) {
    const inner =
      typeof was === "object" && was !== null && !Array.isArray(was)
        ? withValue(was as JsonObject, rest, micro)
        : undefined;
    return inner === undefined ? undefined : { ...args, [key]: inner };
  }
  if (typeof was === "number") return { ...args, [key]: micro / MICRO_PER_ONE };
  return typeof was === "string" ? { ...args, [key]: decimal(micro, was.includes(".")) } : undefined;
}

function decimal(micro: number, hasCents: boolean): string {
  return hasCents || micro % MICRO_PER_ONE !== 0 ? formatUsd(micro) : String(micro / MICRO_PER_ONE);
}

/**
 * What to tell of the tried variants: per argument and effect weaker than the call's own the nearest one that has it,
 * and none that asks for a greater change than a better one. `at_most` is told only where everything tried beyond it
 * passes as well. What the call needs as it is comes first.
 */
export function smallestChanges(
  asIs: { readonly decision: Decision; readonly isCovered: boolean },
  tried: readonly Judged[],
  amountField: string | undefined,
): readonly Counterfactual[] {
  const own = effectOf(asIs);
  // Where only money or a count is short, asking people for more would not bring it.
  const isShort = asIs.decision.effect === "allow" && !asIs.isCovered;
  const judged = isShort ? tried.filter((each) => each.isCovered) : tried;
  const needed = own === "require_approval" ? [approvalNeeded(asIs.decision)] : [];
  const paths = new Set(judged.flatMap(({ variant: { change } }) => (change.type === "value" ? [change.path] : [])));
  const values = [...paths].flatMap((path) =>
    nearestOf(path, own, judged).map((each) => told(each, judged, amountField)),
  );
  const scopes = judged.flatMap(({ variant, ...judgement }): readonly Counterfactual[] => {
    const effect = effectOf(judgement);
    if (variant.change.type !== "scopes" || effect === "deny") return [];
    const names = variant.change.add.map((scope) => `"${scope}"`).join(", ");
    const change = { path: "scopes", add: variant.change.add } as const;
    const message = `${says(effect, judgement.decision)} once key and actor both have scope ${names}`;
    return isWeaker(effect, own) ? [{ effect, change, ...approvalOf(effect, judgement.decision), message }] : [];
  });
  return [...needed, ...values, ...scopes];
}

/** The changes that would help a call, tried through the same decision that its live counterpart gets. */
export function counterfactuals(
  facts: PolicyFacts,
  session: SessionInput,
  { check, ceilings = [] }: { readonly check: ArgumentCheck; readonly ceilings?: readonly number[] },
): readonly Counterfactual[] {
  const judged = variantsOf(facts, ceilings, check).map((variant) => ({
    variant,
    decision: decideWhole(variant.facts, session),
    isCovered: true,
  }));
  const asIs = { decision: decideWhole(facts, session), isCovered: true };
  return smallestChanges(asIs, judged, facts.tool.entry.amount?.field);
}

function effectOf({ decision, isCovered }: { readonly decision: Decision; readonly isCovered: boolean }): Effect {
  // What only waits is charged later: it is not refused for what is short now.
  return isCovered || decision.effect !== "allow" ? decision.effect : "deny";
}

function isWeaker(left: Effect, right: Effect): boolean {
  return EFFECTS.indexOf(left) < EFFECTS.indexOf(right);
}

interface Nearest {
  readonly effect: Exclude<Effect, "deny">;
  readonly path: string;
  readonly micro: number;
  readonly distance: number;
  readonly decision: Decision;
}

/** The nearest variant of a path for each weaker effect, best effect first. */
function nearestOf(path: string, own: Effect, judged: readonly Judged[]): readonly Nearest[] {
  const found: Nearest[] = [];
  for (const effect of EFFECTS) {
    if (effect === "deny" || !isWeaker(effect, own)) continue;
    const nearest = judged
      .flatMap((each): readonly Nearest[] => {
        const { change } = each.variant;
        const isSuch = change.type === "value" && change.path === path && effectOf(each) === effect;
        return isSuch
          ? [{ effect, path, micro: change.micro, distance: change.distance, decision: each.decision }]
          : [];
      })
      .toSorted((a, b) => Math.abs(a.distance) - Math.abs(b.distance))[0];
    const best = Math.min(...found.map((each) => Math.abs(each.distance)));
    if (nearest !== undefined && Math.abs(nearest.distance) < best) found.push(nearest);
  }
  return found;
}

function told(nearest: Nearest, judged: readonly Judged[], amountField: string | undefined): Counterfactual {
  const { effect, path: argument, micro, distance, decision } = nearest;
  const isAmount = argument === amountField;
  const shown = decimal(micro, isAmount);
  const path = `tool_call.args.${argument}`;
  const subject = isAmount ? "" : ` with "${argument}"`;
  const isRange = judged.every((each) => {
    const { change } = each.variant;
    const isBeyond =
      change.type === "value" &&
      change.path === argument &&
      (distance < 0 ? change.distance < distance : change.distance > distance);
    return !isBeyond || !isWeaker(effect, effectOf(each));
  });
  const [change, how]: readonly [Change, string] = !isRange
    ? [{ path, exactly: shown }, `at ${shown}`]
    : distance < 0
      ? [{ path, at_most: shown }, `up to ${shown}`]
      : [{ path, at_least: shown }, `from ${shown}`];
  return { effect, change, ...approvalOf(effect, decision), message: `${says(effect, decision)}${subject} ${how}` };
}

function says(effect: Exclude<Effect, "deny">, decision: Decision): string {
  switch (effect) {
    case "allow":
      return "allowed";
    case "draft":
      return "kept as a draft";
    case "require_approval":
      return `needs approval by ${approversOf(decision)}`;
    default:
      return effect satisfies never;
  }
}

function approvalNeeded(decision: Decision): Counterfactual {
  const effect = "require_approval";
  return {
    effect,
    change: null,
    ...approvalOf(effect, decision),
    message: `needs approval by ${approversOf(decision)}`,
  };
}

function approvalOf(effect: Effect, decision: Decision): Pick<Counterfactual, "approval"> {
  if (effect !== "require_approval") return {};
  return { approval: approvalTermsOf(decision).map(({ roles, count }) => ({ roles, count })) };
}

function approversOf(decision: Decision): string {
  const terms = approvalTermsOf(decision).map(
    ({ roles, count }) => `${count > 1 ? `${count} of ` : ""}${roles.join(" or ")}`,
  );
  return [...new Set(terms)].join(" and ");
}
