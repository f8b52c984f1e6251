// Decides what one published config version holds, and how its entries are looked up while calls run.
import { argumentCheck, type ArgumentCheck } from "../policy/arguments.ts";
import { digestOf } from "../json/digest.ts";
import { usdFromJson } from "../units/money.ts";
import type { Limits } from "../budget/amounts.ts";
import type { Price } from "../budget/price.ts";
import type { ActorEntry, BudgetEntry, ConfigDocument, ModelEntry, ProviderEntry, ToolEntry } from "./document.ts";

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
}

/** A published version with its lookups; tools are compiled when first called. */
export class ActiveConfig {
  readonly published: PublishedConfig;
  readonly policyVersion: string;
  readonly #tools = new Map<string, ResolvedTool>();
  readonly #models = new Map<string, ResolvedModel>();
  readonly #limits = new Map<string, { session: Limits; task: Limits }>();

  constructor(published: PublishedConfig) {
    this.published = published;
    this.policyVersion = policyVersionOf(published);
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

  /** A tool by its config name, or `undefined`. */
  tool(name: string): ResolvedTool | undefined {
    const known = this.#tools.get(name);
    if (known !== undefined) return known;
    const entry = own(this.published.document.tools, name);
    if (entry === undefined) return undefined;
    const tool = {
      name,
      entry,
      definitionDigest: digestOf({ name, ...entry }),
      check: argumentCheck(entry.input_schema),
    };
    this.#tools.set(name, tool);
    return tool;
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
