// Decides whether one call is allowed: every rule speaks, the strictest wins, silence is a denial.
import type { ActorEntry } from "../config/document.ts";
import { effectiveScopes } from "../principal.ts";
import { releaseReasons } from "../release/narrowing.ts";
import { localTime } from "../units/local-time.ts";
import { amountOf, builtInReasons, minorUnits, piiReason, writtenPii } from "./built-in.ts";
import { bindWorld, type SessionInput, type World, type WorldInput } from "./cel/world.ts";
import { matchesAny } from "./constraints.ts";
import { decide, type ApprovalTerms, type Decision, type EdgeReasons, type Reason } from "./decision.ts";
import { hidingReasons } from "./listing.ts";
import { limitNeeds, type LimitNeeds } from "./limits.ts";
import type { PolicyFacts } from "./policy-facts.ts";
import { ruleReasons, type ExpressionCache, type StoredRule } from "./rules.ts";
import { switchReasons, type Switch } from "./switches.ts";
import { tierOf, tierReasons } from "./tiers.ts";
import { breakerReasons } from "./upstream.ts";
import { usdFromJson } from "../units/money.ts";

/** What is decided before the session is asked, and what it will be asked. */
export interface EdgeDecision extends EdgeReasons {
  readonly needs: LimitNeeds;
  /** The world that the session's rules see, where there are any. */
  readonly world: Omit<WorldInput, "session"> | null;
}

/**
 * Decides as far as that goes without the session. Pure and total: the same facts give the same reasons, live, in a
 * test and in a replay. The actor's listing of the tool is what allows; everything else narrows.
 */
export function decideAtEdge(facts: PolicyFacts): EdgeDecision {
  const { actor, ask, tool, switches, terms, now } = facts;
  const isRead = tool.entry.effect === "read";
  const needs = limitNeeds(tool.limits, ask, { tool: tool.entry, actor, zone: facts.zone });
  const { always, standby } =
    actor === undefined ? { always: [], standby: null } : tierReasons(tierOf(actor, ask), isRead, terms);
  const needsWorld = tool.edgeRules.length + tool.sessionRules.length > 0;
  const pii = tool.readsPii || forbidsPii(facts) ? writtenPii(tool.entry, ask.args) : undefined;
  const input = needsWorld ? worldInput(facts, pii !== undefined) : null;
  const reasons = [
    ...builtInReasons(facts),
    ...releaseReasons(facts.release, tool.name),
    ...(forbidsPii(facts) && pii !== undefined ? [piiReason(facts, pii)] : []),
    ...confidenceReasons(facts),
    ...switchReasons(switches, ask, { isRead, now, terms }),
    ...breakerReasons(tool.name, tool.entry, facts),
    ...always,
    ...needs.reasons,
    ...hidingReasons(facts),
    ...(input === null || tool.edgeRules.length === 0
      ? []
      : ruleReasons(tool.edgeRules, bindWorld(input), facts.cache)),
  ];
  return { reasons, standby, needs, world: tool.sessionRules.length === 0 ? null : input };
}

/** Decides whole, with a session's facts at hand: what preflight, policy tests and replays do. */
export function decideWhole(facts: PolicyFacts, session: SessionInput): Decision {
  const edge = decideAtEdge(facts);
  const inSession =
    edge.world === null ? [] : sessionReasons(facts.tool.sessionRules, edge.world, { session, cache: facts.cache });
  return decide({ reasons: [...edge.reasons, ...inSession], standby: edge.standby }, facts.policyVersion);
}

/** The reasons of the rules that look at the session. */
export function sessionReasons(
  rules: readonly StoredRule[],
  world: Omit<WorldInput, "session">,
  { session, cache }: { readonly session: SessionInput; readonly cache: ExpressionCache },
): readonly Reason[] {
  const bound: World = bindWorld({ ...world, session });
  return ruleReasons(rules, bound, cache);
}

/** What a model-call decision rests on. */
export interface ModelCallFacts {
  readonly policyVersion: string;
  readonly actorName: string;
  readonly actor: ActorEntry | undefined;
  readonly modelName: string;
  readonly confidence: number | null;
  readonly release: string | null;
  /** What the release holds against the call. */
  readonly releaseReasons?: readonly Reason[];
  readonly session: string;
  readonly switches: readonly Switch[];
  readonly terms: ApprovalTerms;
  readonly now: number;
}

/** Decides a model call: the actor must exist and list the model, and no switch may have halted it. */
export function evaluateModelCall(facts: ModelCallFacts): Decision {
  const { actor, actorName, modelName, confidence } = facts;
  const halted = switchReasons(
    facts.switches,
    { actor: actorName, release: facts.release, tool: null, session: facts.session },
    { isRead: true, now: facts.now, terms: facts.terms },
  );
  if (actor === undefined) {
    const message = `actor "${actorName}" is not in the config`;
    const unknown: Reason = { rule_id: "actor.known", effect: "deny", message, path: "actor" };
    return decide({ reasons: [unknown, ...halted], standby: null }, facts.policyVersion);
  }
  const listed = matchesAny(modelName, actor.models ?? []);
  const message = listed
    ? `actor "${actorName}" may use model "${modelName}"`
    : `actor "${actorName}" does not list model "${modelName}"`;
  const listing: Reason = { rule_id: "actor.models", effect: listed ? "allow" : "deny", message, path: "model" };
  const reasons = [listing, ...(facts.releaseReasons ?? []), ...halted, ...unsure(actor, confidence)];
  return decide({ reasons, standby: null }, facts.policyVersion);
}

function confidenceReasons({ actor, ask }: PolicyFacts): readonly Reason[] {
  return actor === undefined ? [] : unsure(actor, ask.confidence);
}

/** A caller that declares less confidence than the actor's floor stops and asks; one that declares none is not stopped. */
function unsure(actor: ActorEntry, confidence: number | null): readonly Reason[] {
  const floor = actor.stop_and_ask?.min_confidence;
  if (floor === undefined || confidence === null || confidence >= floor) return [];
  return [
    {
      rule_id: "actor.min_confidence",
      effect: "deny",
      message: `confidence ${confidence} is below the actor's floor of ${floor}`,
      path: "confidence",
      values: { confidence, min_confidence: floor },
      stop_and_ask: true,
    },
  ];
}

function forbidsPii({ actor, ask, tool }: PolicyFacts): boolean {
  return (
    tool.entry.effect !== "read" && (ask.constraints.pii_write_allowed === false || actor?.pii_write_allowed === false)
  );
}

/** The world of a call as rules see it, without the session. Money is in minor units, rounded against the caller. */
function worldInput(facts: PolicyFacts, writesPii: boolean): Omit<WorldInput, "session"> {
  const { ask, actor, tool, now, zone } = facts;
  const { max_amount_usd, requires_human_approval_over_usd, pii_write_allowed, allowed_tools } = ask.constraints;
  const said = <T>(key: string, value: T | null): Readonly<Record<string, T>> =>
    value === null ? {} : { [key]: value };
  const cents = (key: string, usd: string | number | undefined): Readonly<Record<string, number>> => {
    const micro = usd === undefined ? undefined : usdFromJson(usd);
    return micro === undefined ? {} : { [key]: minorUnits(micro, "down") };
  };
  return {
    args: ask.args,
    argsSchema: tool.entry.input_schema,
    tool: { name: tool.name, effect: tool.entry.effect },
    call: {
      ...said("intent", ask.intent),
      ...said("confidence", ask.confidence),
      ...said("task", ask.task),
      ...(ask.user === null ? {} : { user: ask.user, user_origin: ask.user_origin }),
      ...said("user_prompt", ask.user_prompt),
      ...said("release", ask.release),
      confirmed: ask.confirmed,
      writes_pii: writesPii,
      ...(tool.entry.amount === undefined ? {} : { amount_minor: minorUnits(amountOf(tool.entry, ask.args), "up") }),
      constraints: {
        ...cents("max_amount_minor", max_amount_usd),
        ...cents("requires_human_approval_over_minor", requires_human_approval_over_usd),
        ...(pii_write_allowed === undefined ? {} : { pii_write_allowed }),
        ...(allowed_tools === undefined ? {} : { allowed_tools }),
      },
    },
    actor: {
      name: ask.actor,
      tier: actor === undefined ? "draft_only" : tierOf(actor, ask),
      scopes: effectiveScopes(ask.principal, actor?.scopes ?? []),
    },
    principal: { key_id: ask.principal.key_id, roles: ask.principal.roles, scopes: ask.principal.scopes },
    now,
    local: localTime(now, zone),
  };
}
