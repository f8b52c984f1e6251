// Decides which tools a caller is shown: those that a call of its could be allowed for, as far as is known before the call.
import type { ActiveConfig, ResolvedTool } from "../config/published.ts";
import { effectiveScopes } from "../principal.ts";
import { releaseReasons } from "../release/narrowing.ts";
import { localTime } from "../units/local-time.ts";
import type { ToolCallAsk, UserOrigin } from "./ask.ts";
import { accessReasons } from "./built-in.ts";
import { LISTING_VOCABULARY } from "./cel/vocabulary.ts";
import { bindValues } from "./cel/world.ts";
import type { Reason } from "./decision.ts";
import type { ListedAsk, ListingFacts } from "./policy-facts.ts";
import { ruleReasons, type RuleWorld } from "./rules.ts";
import { switchReasons, type Switch } from "./switches.ts";
import { tierOf } from "./tiers.ts";

/** Who asks for the list: what a call of the same caller would say of itself. `null` is "not said". */
export interface ListingCaller {
  readonly actor: string;
  readonly principal: ToolCallAsk["principal"];
  /** Patterns to which the caller has narrowed itself; `undefined` for none. */
  readonly allowedTools: readonly string[] | undefined;
  readonly user: string | null;
  readonly userOrigin: UserOrigin;
  readonly release: string | null;
}

/** One tool of the config, and whether the caller is shown it. */
export interface ToolListing {
  readonly tool: ResolvedTool;
  readonly verdict: "visible" | "hidden";
  /** Of a hidden tool, everything that hides it; of a visible one, what allows it. */
  readonly reasons: readonly Reason[];
}

/**
 * Every tool of the config in the order of its name, shown or hidden. Pure: the same input gives the same answer.
 *
 * A tool is hidden where the actor, its scopes, the caller's own narrowing or its release leave it out; where a switch
 * halts it, whatever the session; where a rule of the call denies without a condition; and where a list rule denies or
 * cannot be evaluated. Whatever is hidden is denied when it is called all the same, with any arguments. A rule of the
 * call that has a condition, a breaker, a limit and a budget hide nothing.
 */
export function listTools(
  config: ActiveConfig,
  who: ListingCaller,
  around: { readonly switches: readonly Switch[]; readonly now: number },
): readonly ToolListing[] {
  return Object.keys(config.published.document.tools)
    .toSorted()
    .flatMap((name) => {
      const tool = config.tool(name);
      return tool === undefined ? [] : [listingOf(tool, config.listingFacts(tool, askFor(who, name), around))];
    });
}

function askFor(who: ListingCaller, tool: string): ListedAsk {
  const { actor, principal, allowedTools, user, userOrigin, release } = who;
  const constraints = allowedTools === undefined ? {} : { allowed_tools: [...allowedTools] };
  return { actor, principal, tool, constraints, user, user_origin: userOrigin, release };
}

function listingOf(tool: ResolvedTool, facts: ListingFacts): ToolListing {
  const always = facts.tool.edgeRules.filter(({ when, effect }) => when === null && effect === "deny");
  const rules = [...always, ...facts.tool.listRules];
  const reasons = [
    ...accessReasons(facts),
    ...releaseReasons(facts.release, facts.tool.name),
    ...haltReasons(facts),
    ...(rules.length === 0 ? [] : ruleReasons(rules, listingWorld(facts), facts.cache)),
  ];
  const against = reasons.filter(({ effect }) => effect === "deny");
  return against.length === 0 ? { tool, verdict: "visible", reasons } : { tool, verdict: "hidden", reasons: against };
}

/** A halt of one session is not looked at: tools are listed outside of any. */
function haltReasons({ switches, ask, now, terms }: ListingFacts): readonly Reason[] {
  const halts = switches.filter(({ kind, scope }) => kind === "halt" && scope.session === undefined);
  return switchReasons(halts, { ...ask, session: "" }, { isRead: false, now, terms });
}

/**
 * What the list rules hold against a call: each that hides its tool denies it, in the same world in which the tool was
 * listed. One that allows says nothing here: it spares no approval that an actor's tier asks for.
 */
export function hidingReasons(facts: ListingFacts): readonly Reason[] {
  const { listRules } = facts.tool;
  if (listRules.length === 0) return [];
  return ruleReasons(listRules, listingWorld(facts), facts.cache).filter(({ effect }) => effect === "deny");
}

function listingWorld({ ask, actor, tool, now, zone }: ListingFacts): RuleWorld {
  const { principal } = ask;
  const input = {
    tool: { name: tool.name, effect: tool.entry.effect },
    call: {
      ...(ask.user === null ? {} : { user: ask.user, user_origin: ask.user_origin }),
      ...(ask.release === null ? {} : { release: ask.release }),
    },
    actor: {
      name: ask.actor,
      tier: actor === undefined ? "draft_only" : tierOf(actor, { intent: null, tool: tool.name }),
      scopes: effectiveScopes(principal, actor?.scopes ?? []),
    },
    principal: { key_id: principal.key_id, roles: principal.roles, scopes: principal.scopes },
    now,
    local: { ...localTime(now, zone) },
  };
  return { input, ...bindValues(input, LISTING_VOCABULARY) };
}
