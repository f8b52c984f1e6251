// Decides what a release resolves to under one config version, and the digest over all of it.
import type { Price } from "../budget/price.ts";
import type { ConfigDocument, ModelEntry, ProviderEntry, RouteEntry } from "../config/document.ts";
import type { ReleaseEntry } from "../config/release-document.ts";
import { AUTO } from "../config/routing-document.ts";
import type { JsonObject } from "../json/canonical.ts";
import { digestOf } from "../json/digest.ts";
import { matchesAny } from "../policy/constraints.ts";
import { definitionDigest } from "../tools/definition.ts";
import type { PromptVersion } from "./prompt.ts";

/** A config version, as far as releases rest on it. */
export interface ReleaseWorld {
  readonly document: ConfigDocument;
  readonly prices: Readonly<Record<string, Price>>;
}

/** A release ready to answer. */
export interface ResolvedRelease {
  readonly agent: string;
  readonly id: string;
  readonly entry: ReleaseEntry;
  /** SHA-256 over everything it resolves to: prompt, models with providers and prices, tools' definitions, policy pin. */
  readonly digest: string;
  readonly prompt: PromptVersion | null;
  /** The model or route that answers. */
  readonly target: { readonly kind: "model" | "route"; readonly name: string };
  /** Tools that it may be offered and may call; `null` for every tool. */
  readonly tools: ReleaseTools | null;
  /** What its policy pin comes to: `null` for none. */
  readonly pin: { readonly isStrict: boolean; readonly holds: boolean } | null;
}

/** The tools of a release: patterns as its entry has them, and what they stand for. */
export interface ReleaseTools {
  readonly patterns: readonly string[];
  readonly names: readonly string[];
}

/** A release under a config version; `undefined` for one that the version has not, or whose parts it has not. */
export function resolveEntry(world: ReleaseWorld, agent: string, id: string): ResolvedRelease | undefined {
  const { document } = world;
  const entry = own(own(document.agents, agent)?.releases, id);
  if (entry === undefined) return undefined;
  const content = contentOf(world, entry);
  const name = entry.model ?? entry.route;
  if (content === undefined || name === undefined) return undefined;
  const names = Object.keys(document.tools).filter((tool) => matchesAny(tool, entry.tools ?? ["*"]));
  const digest = policyDigest(document);
  return {
    agent,
    id,
    entry,
    digest: digestOf(content),
    prompt: entry.prompt === undefined ? null : (promptOf(document, entry.prompt) ?? null),
    target: { kind: entry.model === undefined ? "route" : "model", name },
    tools: entry.tools === undefined ? null : { patterns: entry.tools, names },
    pin:
      entry.policy === undefined
        ? null
        : { isStrict: entry.policy.mode !== "loose", holds: digest.startsWith(entry.policy.digest) },
  };
}

/** The version of a prompt that `prompt@version` names. */
export function promptOf({ prompts }: Pick<ConfigDocument, "prompts">, named: string): PromptVersion | undefined {
  const [prompt = "", version = ""] = named.split("@");
  return own(own(prompts, prompt)?.versions, version);
}

/** The digest that a policy is pinned by: rules, limits and settings. Its tests decide nothing and are left out. */
export function policyDigest({ policy }: Pick<ConfigDocument, "policy">): string {
  const { tests: _tests, ...decides } = policy;
  return digestOf(decides);
}

/**
 * Everything that a release resolves to, as plain data: what its digest is taken over, and what two releases are compared
 * by. `undefined` where a part is missing. How long one waits for an answer, and by which credential, is no part of it.
 */
export function contentOf({ document, prices }: ReleaseWorld, entry: ReleaseEntry): JsonObject | undefined {
  const prompt = entry.prompt === undefined ? null : promptOf(document, entry.prompt);
  const targets = targetsOf(document, entry);
  const routes = targets.flatMap((name) => {
    const route = own(document.routes, name);
    return route === undefined ? [] : [[name, route] as const];
  });
  const isRoute = (name: string): boolean => Object.hasOwn(document.routes, name);
  const names = [
    ...targets.filter((name) => !isRoute(name)),
    ...routes.flatMap(([, { candidates }]) => candidates.map(({ model }) => model)),
  ];
  const models = names.map((name) => modelOf({ document, prices }, name));
  if (prompt === undefined || names.length === 0 || models.includes(undefined)) return undefined;
  const tools = Object.entries(document.tools)
    .filter(([name]) => matchesAny(name, entry.tools ?? ["*"]))
    .map(([name, tool]) => [name, definitionDigest(name, tool)]);
  return plain({
    prompt,
    models: Object.fromEntries(names.map((name, at) => [name, models[at]])),
    routes: Object.fromEntries(routes.map(([name, route]) => [name, routeOf(route)])),
    routing: isAuto(document, entry) ? routingOf(document) : null,
    tools: Object.fromEntries(tools),
    policy: entry.policy ?? null,
  });
}

/** Whether routing chooses what answers: a route of that name has it for itself. */
function isAuto({ routes }: ConfigDocument, { route }: ReleaseEntry): boolean {
  return route === AUTO && !Object.hasOwn(routes, AUTO);
}

/** The models and routes that may answer. */
function targetsOf(document: ConfigDocument, entry: ReleaseEntry): readonly string[] {
  if (!isAuto(document, entry)) return [entry.model ?? entry.route ?? ""];
  return (document.routing?.tiers ?? []).map(({ name, route, model }) => route ?? model ?? name);
}

/** The routing that chooses. Its tests decide nothing and are left out. */
function routingOf({ routing }: ConfigDocument): object | null {
  if (routing === undefined) return null;
  const { tests: _tests, ...decides } = routing;
  return decides;
}

function modelOf({ document, prices }: ReleaseWorld, name: string): object | undefined {
  const entry = own(document.models, name);
  const provider = entry === undefined ? undefined : own(document.providers, entry.provider);
  const price = own(prices, name);
  if (entry === undefined || provider === undefined || price === undefined) return undefined;
  return { ...answering(entry, name), provider: whoAnswers(provider), price: price.tiers };
}

function answering({ provider: _provider, price: _price, ...entry }: ModelEntry, name: string): object {
  return { ...entry, upstream: entry.upstream ?? name };
}

function whoAnswers({
  secret: _secret,
  timeout_ms: _ms,
  timeouts: _all,
  breaker: _breaker,
  ...provider
}: ProviderEntry): object {
  return provider;
}

function routeOf({
  candidates,
  timeouts: _timeouts,
  retry: _retry,
  on_caller_left: _left,
  ...route
}: RouteEntry): object {
  return { ...route, candidates: candidates.map(({ model, weight }) => ({ model, weight })) };
}

/** Without members that say nothing, as JSON has it. */
function plain(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject;
}

function own<T>(table: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
}
