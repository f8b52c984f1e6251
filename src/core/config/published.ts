// Decides what one published config version holds, and how its entries are looked up while calls run.
import { argumentCheck, type ArgumentCheck } from "../policy/arguments.ts";
import type { ToolCallAsk } from "../policy/ask.ts";
import { matchesAny } from "../policy/constraints.ts";
import type { ApprovalTerms } from "../policy/decision.ts";
import type { FactsAbout, ListedAsk, ListingFacts, PolicyFacts, ToolPolicy } from "../policy/policy-facts.ts";
import { ExpressionCache, storedRule } from "../policy/rules.ts";
import type { Switch } from "../policy/switches.ts";
import type { ListedBreaker } from "../state/breaker.ts";
import type { DraftTerms } from "../state/approval.ts";
import { readDuration } from "../units/window.ts";
import { releaseLimits, type ReleaseLimits } from "../release/narrowing.ts";
import { resolveEntry, type ResolvedRelease } from "../release/release.ts";
import { definitionDigest } from "../tools/definition.ts";
import { usdFromJson } from "../units/money.ts";
import type { Limits } from "../budget/amounts.ts";
import type { Price } from "../budget/price.ts";
import type { StoredRoutingRule } from "../routing/rules.ts";
import {
  ConfigDocument,
  type ActorEntry,
  type BudgetEntry,
  type ModelEntry,
  type ProviderEntry,
  type RouteEntry,
  type ToolEntry,
} from "./document.ts";
import type { ApprovalTermsEntry, RuleEntry } from "./policy-document.ts";

/** One immutable version of a tenant's config, as stored: the document and the prices it was published with. */
export interface PublishedConfig {
  readonly tenant: string;
  readonly version: number;
  /** SHA-256 of the canonical document and its prices: the policy version that decisions carry is `v<version>-<first 12>`. */
  readonly digest: string;
  /** Epoch milliseconds. */
  readonly published_at: number;
  readonly published_by: string;
  readonly document: ConfigDocument;
  /** Price of every model, resolved when published, so that a later table cannot change what a version costs. */
  readonly prices: Readonly<Record<string, Price>>;
  /** What publishing found out about each rule that has an expression, by rule id. */
  readonly rules: Readonly<Record<string, PublishedRule>>;
  /** The version whose document this one takes up again, and why, where it was published as a rollback. */
  readonly rolled_back?: { readonly to: number; readonly reason: string | null };
  /** What was taken over of an MCP server, where the version was published for that. */
  readonly accepted?: AcceptedDefinitions;
}

/** Definitions of an MCP server that somebody took over. */
export interface AcceptedDefinitions {
  readonly server: string;
  /** Digest of the whole set that counts now. */
  readonly set: string;
  /** The tools whose definition came, changed or went. */
  readonly tools: readonly string[];
  /** Kinds of flags that were accepted with them. */
  readonly flags: readonly string[];
  readonly reason: string | null;
}

/**
 * A stored version as this release reads it: sections and defaults that came later are filled in. Throws on what is no
 * config document of any release; a rule whose tree is missing is left to fail closed when it is evaluated.
 */
export function storedConfig(stored: PublishedConfig): PublishedConfig {
  // NOTE: versions published before rules existed have no `rules`, whatever their type says.
  const { rules } = stored as Partial<PublishedConfig>;
  return { ...stored, document: ConfigDocument.parse(stored.document), rules: rules ?? {} };
}

/** A document that is not published, as if it were: what its tests, a replay and a diff decide with. */
export function unpublished(
  document: ConfigDocument,
  rules: Readonly<Record<string, PublishedRule>>,
  policyVersion: Pick<PublishedConfig, "version" | "digest"> = { version: 0, digest: "unpublished" },
): ActiveConfig {
  return new ActiveConfig({
    ...policyVersion,
    tenant: "",
    published_at: 0,
    published_by: "",
    document,
    rules,
    prices: {},
  });
}

/** A rule's expression as publishing left it. */
export interface PublishedRule {
  /** The syntax tree, encoded. */
  readonly tree: string;
  /** Whether it looks at the session, and is therefore decided where the session is. */
  readonly uses_session: boolean;
  /** Argument paths whose distinct values it counts, with the tools they are arguments of. */
  readonly counts: readonly { readonly tool: string; readonly path: string }[];
}

/** Under which key a routing rule's tree is kept among those of the policy: no rule's id has a colon. */
export function routingRuleKey(id: string): string {
  return `routing:${id}`;
}

/** How decisions and headers name a version: `v<version>-<first 12 of its digest>`. */
export function policyVersionOf({ version, digest }: Pick<PublishedConfig, "version" | "digest">): string {
  return `v${version}-${digest.slice(0, 12)}`;
}

/** A model ready to be called: its entry, provider and price. */
export interface ResolvedModel {
  readonly name: string;
  readonly entry: ModelEntry;
  readonly providerName: string;
  readonly provider: ProviderEntry;
  readonly price: Price;
  /** The provider's own name for it. */
  readonly upstreamName: string;
}

/** A tool ready to be decided on. */
export interface ResolvedTool {
  readonly name: string;
  readonly entry: ToolEntry;
  readonly definitionDigest: string;
  readonly check: ArgumentCheck;
  readonly policy: ToolPolicy;
}

/** What is known of the tenant at an instant, in epoch milliseconds. */
interface Around {
  readonly switches: readonly Switch[];
  readonly breakers?: readonly ListedBreaker[];
  readonly now: number;
}

const DAY_MS = 86_400_000;
/** Who approves when nothing else is said, and how long the question stands. */
const DEFAULT_TERMS: ApprovalTerms = { roles: ["approver", "operator"], count: 1, expires_in_ms: DAY_MS };
const DRAFT_LIFE_MS = 7 * DAY_MS;

/** A published version with its lookups; tools are compiled when first called, and rules when first evaluated. */
export class ActiveConfig {
  readonly published: PublishedConfig;
  readonly policyVersion: string;
  /** Terms of an approval that no rule words otherwise. */
  readonly terms: ApprovalTerms;
  /** Expressions planned in this isolate. */
  readonly expressions = new ExpressionCache();
  #routingRules: readonly StoredRoutingRule[] | undefined;
  readonly #tools = new Map<string, ResolvedTool>();
  readonly #models = new Map<string, ResolvedModel>();
  readonly #limits = new Map<string, { session: Limits; task: Limits }>();
  readonly #releases = new Map<string, ResolvedRelease>();
  readonly #releaseLimits = new Map<string, ReleaseLimits>();

  constructor(published: PublishedConfig) {
    this.published = published;
    this.policyVersion = policyVersionOf(published);
    this.terms = termsOf(published.document.approvals.defaults, DEFAULT_TERMS);
  }

  /** Terms of executing a draft. */
  get draftTerms(): DraftTerms {
    const { drafts_expire_in } = this.published.document.approvals;
    return { rule_id: "draft", ...this.terms, expires_in_ms: readDuration(drafts_expire_in) ?? DRAFT_LIFE_MS };
  }

  /** Everything a decision on a call of a tool rests on besides the session. */
  facts(tool: ResolvedTool, ask: ToolCallAsk, around: Around): PolicyFacts {
    return this.#factsAbout(tool, ask, around);
  }

  /** Everything that the listing of a tool rests on. */
  listingFacts(tool: ResolvedTool, ask: ListedAsk, around: Around): ListingFacts {
    return this.#factsAbout(tool, ask, around);
  }

  #factsAbout<Ask extends Pick<ToolCallAsk, "actor" | "release">>(
    tool: ResolvedTool,
    ask: Ask,
    { switches, breakers = [], now }: Around,
  ): FactsAbout<Ask> {
    return {
      policyVersion: this.policyVersion,
      zone: this.published.document.policy.time_zone ?? "UTC",
      actor: this.actor(ask.actor),
      tool: tool.policy,
      ask,
      release: this.#limitsOfRelease(ask.release),
      switches,
      breakers,
      terms: this.terms,
      now,
      cache: this.expressions,
    };
  }

  /** The actor's entry, or `undefined`. */
  actor(name: string): ActorEntry | undefined {
    return own(this.published.document.actors, name);
  }

  /** A model by its config name, or `undefined`. Publishing guarantees its provider and price. */
  model(name: string): ResolvedModel | undefined {
    const known = this.#models.get(name);
    if (known !== undefined) return known;
    const entry = own(this.published.document.models, name);
    const provider = entry === undefined ? undefined : own(this.published.document.providers, entry.provider);
    const price = own(this.published.prices, name);
    if (entry === undefined || provider === undefined || price === undefined) return undefined;
    const model = { name, entry, providerName: entry.provider, provider, price, upstreamName: entry.upstream ?? name };
    this.#models.set(name, model);
    return model;
  }

  /** A route by its name, or `undefined`. */
  route(name: string): RouteEntry | undefined {
    return own(this.published.document.routes, name);
  }

  /** The routing rules, in their order. */
  get routingRules(): readonly StoredRoutingRule[] {
    const { document, rules } = this.published;
    this.#routingRules ??= (document.routing?.rules ?? []).map((entry) => {
      const published = own(rules, routingRuleKey(entry.id));
      return { entry, tree: published?.tree ?? null, usesSession: published?.uses_session === true };
    });
    return this.#routingRules;
  }

  /** A tool by its config name, or `undefined`. */
  tool(name: string): ResolvedTool | undefined {
    const known = this.#tools.get(name);
    if (known !== undefined) return known;
    const entry = own(this.published.document.tools, name);
    if (entry === undefined) return undefined;
    const tool = {
      name,
      entry,
      definitionDigest: definitionDigest(name, entry),
      check: argumentCheck(entry.input_schema),
      policy: this.#policyOf(name, entry),
    };
    this.#tools.set(name, tool);
    return tool;
  }

  /** Whether a name is an agent's: callers ask for it like for a model. */
  isAgent(name: string): boolean {
    return Object.hasOwn(this.published.document.agents, name);
  }

  /** A release of an agent as it resolves under this version, or `undefined`. */
  release(agent: string, id: string): ResolvedRelease | undefined {
    const key = `${agent}/${id}`;
    const known = this.#releases.get(key) ?? resolveEntry(this.published, agent, id);
    if (known !== undefined) this.#releases.set(key, known);
    return known;
  }

  /** What the release that a tool call names allows it. Callers choose that name: only known ones are kept. */
  #limitsOfRelease(id: string | null): ReleaseLimits | null {
    if (id === null) return null;
    const limits = this.#releaseLimits.get(id) ?? releaseLimits(this.published.document, id);
    if (limits !== null) this.#releaseLimits.set(id, limits);
    return limits;
  }

  /** The rules and limits that name a tool: the index by which a tenant's many rules cost a call only its own. */
  #policyOf(name: string, entry: ToolEntry): ToolPolicy {
    const { rules, limits } = this.published.document.policy;
    const concerns = ({ tools }: { readonly tools?: readonly string[] | undefined }): boolean =>
      tools === undefined || matchesAny(name, tools);
    const own = rules.filter(concerns).map((rule) => ({
      isList: rule.phase === "list",
      usesSession: this.published.rules[rule.id]?.uses_session === true,
      stored: storedRule(rule, this.#termsOf(rule), this.published.rules[rule.id]?.tree ?? null),
    }));
    const readsPii = rules.some((rule) => concerns(rule) && rule.when?.includes("writes_pii") === true);
    const counted = Object.values(this.published.rules).flatMap((rule) => rule.counts);
    return {
      name,
      entry,
      listRules: own.filter((each) => each.isList).map((each) => each.stored),
      edgeRules: own.filter((each) => !each.isList && !each.usesSession).map((each) => each.stored),
      sessionRules: own.filter((each) => !each.isList && each.usesSession).map((each) => each.stored),
      limits: limits.filter(concerns),
      readsPii,
      trackedPaths: [...new Set(counted.filter((each) => matchesAny(name, [each.tool])).map((each) => each.path))],
    };
  }

  #termsOf({ approval }: RuleEntry): ApprovalTerms {
    return termsOf(approval, this.terms);
  }

  /** The actor's budget limits per session and per task. */
  limits(actorName: string): { readonly session: Limits; readonly task: Limits } {
    const known = this.#limits.get(actorName);
    if (known !== undefined) return known;
    const budgets = this.actor(actorName)?.budgets;
    const limits = { session: limitsOf(budgets?.session), task: limitsOf(budgets?.task) };
    this.#limits.set(actorName, limits);
    return limits;
  }
}

function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function termsOf(entry: ApprovalTermsEntry | undefined, otherwise: ApprovalTerms): ApprovalTerms {
  return {
    roles: entry?.roles ?? otherwise.roles,
    count: entry?.count ?? otherwise.count,
    expires_in_ms: readDuration(entry?.expires_in) ?? otherwise.expires_in_ms,
  };
}

function limitsOf(budget: BudgetEntry | undefined): Limits {
  if (budget === undefined) return {};
  const usd = usdFromJson(budget.usd);
  const toolUsd = usdFromJson(budget.tool_usd);
  return {
    ...(usd === undefined ? {} : { usd }),
    ...(budget.tokens === undefined ? {} : { tokens: budget.tokens }),
    ...(budget.calls === undefined ? {} : { calls: budget.calls }),
    ...(budget.tool_calls === undefined ? {} : { tool_calls: budget.tool_calls }),
    ...(toolUsd === undefined ? {} : { tool_usd: toolUsd }),
    ...(budget.wall_time_s === undefined ? {} : { wall_time_ms: budget.wall_time_s * 1000 }),
  };
}
