// Decides how one config differs from another in what it lets through: every change with its path, in a sentence.
import { canonicalJson, isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";
import { matchesAny } from "../policy/constraints.ts";
import { sentSetDigest } from "../mcp/definitions.ts";
import * as directions from "./diff-directions.ts";
import type { Comparator, Direction } from "./diff-directions.ts";
import { describeChange } from "./diff-words.ts";
import { ConfigDocument, type ActorEntry, type ToolEntry } from "./document.ts";
import type { LimitEntry, RuleEntry } from "./policy-document.ts";

/** The parts of a config whose changes are told apart. */
export const CHANGE_GROUPS = [
  "rules",
  "limits",
  "policy",
  "tools",
  "mcp",
  "actors",
  "models",
  "routes",
  "routing",
  "providers",
  "prompts",
  "agents",
  "evals",
  "approvals",
  "egress",
  "trace",
  "tests",
] as const;
/** One part of a config. */
export type ChangeGroup = (typeof CHANGE_GROUPS)[number];

/** One change. */
export interface ConfigChange {
  readonly group: ChangeGroup;
  readonly kind: "added" | "removed" | "changed";
  /** Where it stands: rules, limits and tests by their id or name. */
  readonly path: string;
  /** The values; absent where there was or is none. */
  readonly before?: Json;
  readonly after?: Json;
  /** One sentence for people. */
  readonly says: string;
  /** Certain: nothing that passed before is stopped by it, and some calls may pass that did not. */
  readonly widens: boolean;
  /** Certain: nothing passes by it that was stopped before. */
  readonly narrows: boolean;
}

/** The changes from one document to another, by group in the order of `CHANGE_GROUPS`; none when they say the same. */
export function diffConfigs(before: ConfigDocument | undefined, after: ConfigDocument): readonly ConfigChange[] {
  const was = before ?? ConfigDocument.parse({});
  const both: Both = { was, is: after, tools: [...new Set([...Object.keys(was.tools), ...Object.keys(after.tools)])] };
  return [
    ...entries(rulesOf(was), rulesOf(after), ruleKind(both)),
    ...entries(byId(was.policy.limits), byId(after.policy.limits), limitKind(both)),
    ...entries({ policy: settingsOf(was) }, { policy: settingsOf(after) }, POLICY),
    ...entries(was.tools, after.tools, toolKind(both)),
    ...entries({ mcp: mcpOf(was) }, { mcp: mcpOf(after) }, MCP),
    ...entries(serversOf(was), serversOf(after), plainKind("mcp", "MCP server", "mcp.servers.")),
    ...entries(was.actors, after.actors, actorKind(both)),
    ...entries(was.models, after.models, plainKind("models", "model")),
    ...entries(was.routes, after.routes, plainKind("routes", "route")),
    ...entries({ routing: routingOf(was) }, { routing: routingOf(after) }, ROUTING),
    ...entries(byId(was.routing?.rules ?? []), byId(after.routing?.rules ?? []), ROUTING_RULES),
    ...entries(was.providers, after.providers, plainKind("providers", "provider")),
    ...entries(was.prompts, after.prompts, plainKind("prompts", "prompt")),
    ...entries(was.agents, after.agents, plainKind("agents", "agent")),
    ...entries(was.evals.judges, after.evals.judges, plainKind("evals", "judge", "evals.judges.")),
    ...entries(was.evals.suites, after.evals.suites, plainKind("evals", "suite", "evals.suites.")),
    ...entries({ approvals: was.approvals }, { approvals: after.approvals }, APPROVALS),
    ...entries({ egress: was.egress }, { egress: after.egress }, EGRESS),
    ...entries({ trace: was.trace }, { trace: after.trace }, TRACE),
    ...entries(byName(was.policy.tests), byName(after.policy.tests), plainKind("tests", "test", "policy.tests.")),
    ...entries(byName(was.routing?.tests ?? []), byName(after.routing?.tests ?? []), ROUTING_TESTS),
  ];
}

interface Both {
  readonly was: ConfigDocument;
  readonly is: ConfigDocument;
  /** The names of the tools of both. */
  readonly tools: readonly string[];
}

/** How the entries of one group are compared. */
interface Kind<E> {
  readonly group: ChangeGroup;
  readonly prefix: string;
  /** What an entry is called in a sentence; empty for a section that is no table. */
  readonly noun: string;
  readonly added: (entry: E, name: string) => Direction;
  readonly removed: (entry: E, name: string) => Direction;
  readonly fields: (before: E, after: E) => Readonly<Record<string, Comparator>>;
}

function entries<E extends object>(
  before: Readonly<Record<string, E>>,
  after: Readonly<Record<string, E>>,
  kind: Kind<E>,
): readonly ConfigChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name): readonly ConfigChange[] => {
    const was = Object.hasOwn(before, name) ? before[name] : undefined;
    const is = Object.hasOwn(after, name) ? after[name] : undefined;
    const subject = kind.noun === "" ? kind.group : `${kind.noun} "${name}"`;
    const path = kind.noun === "" ? kind.group : `${kind.prefix}${name}`;
    const change = { group: kind.group, subject, path };
    if (was === undefined && is !== undefined)
      return [changeOf({ ...change, kind: "added", after: plain(is) }, kind.added(is, name))];
    if (was !== undefined && is === undefined)
      return [changeOf({ ...change, kind: "removed", before: plain(was) }, kind.removed(was, name))];
    return was === undefined || is === undefined
      ? []
      : fieldChanges(was, is, { ...change, fields: kind.fields(was, is) });
  });
}

interface Subject {
  readonly group: ChangeGroup;
  readonly subject: string;
  readonly path: string;
}

function fieldChanges(
  was: object,
  is: object,
  { fields, ...subject }: Subject & { readonly fields: Readonly<Record<string, Comparator>> },
): readonly ConfigChange[] {
  const leaves = (entry: object): ReadonlyMap<string, Json> =>
    subject.group === "tests" ? new Map(Object.entries(plain(entry))) : leavesOf(plain(entry), "");
  const [before, after] = [leaves(was), leaves(is)] as const;
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((field) => {
    const [old, now] = [before.get(field), after.get(field)];
    if (old !== undefined && now !== undefined && canonicalJson(old) === canonicalJson(now)) return [];
    const compare = fields[field] ?? fields[`${field.split(".")[0] ?? field}.*`];
    const values = { ...(old === undefined ? {} : { before: old }), ...(now === undefined ? {} : { after: now }) };
    const path = `${subject.path}.${field}`;
    return [changeOf({ ...subject, kind: "changed", path, field, ...values }, compare?.(old, now) ?? "unclear")];
  });
}

function changeOf(
  change: Subject & Pick<ConfigChange, "kind" | "before" | "after"> & { readonly field?: string },
  direction: Direction,
): ConfigChange {
  const { subject, field, ...rest } = change;
  const says = describeChange({ subject, field, ...rest });
  return { ...rest, says, widens: direction === "widens", narrows: direction === "narrows" };
}

/** Members whose value is compared as one. */
const WHOLE = new Set([
  "input_schema",
  "output_schema",
  "annotations",
  "flows",
  "rate_limit",
  "amount",
  "auth",
  "price",
  "idempotency",
  "approvers",
]);

function leavesOf(value: JsonObject, prefix: string): ReadonlyMap<string, Json> {
  return new Map(
    Object.entries(value).flatMap(([key, member]): readonly (readonly [string, Json])[] => {
      const isSection = isJsonObject(member) && !WHOLE.has(key);
      return isSection ? [...leavesOf(member, `${prefix}${key}.`)] : [[`${prefix}${key}`, member]];
    }),
  );
}

function plain(entry: object): JsonObject {
  return JSON.parse(JSON.stringify(entry)) as JsonObject;
}

/** The rules; one that says `phase: call` says nothing. */
function rulesOf({ policy }: ConfigDocument): Readonly<Record<string, RuleEntry>> {
  return byId(policy.rules.map(({ phase, ...rule }) => (phase === "list" ? { ...rule, phase } : rule)));
}

function byId<E extends { readonly id: string }>(list: readonly E[]): Readonly<Record<string, E>> {
  return Object.fromEntries(list.map((each) => [each.id, each]));
}

function byName<E extends { readonly name: string }>(list: readonly E[]): Readonly<Record<string, E>> {
  return Object.fromEntries(list.map((each) => [each.name, each]));
}

const APPROVAL_TERMS: Readonly<Record<string, Comparator>> = {
  "approval.roles": directions.approvers,
  "approval.count": directions.quorum,
  "approval.expires_in": directions.lifetime,
};
const STRICTNESS: readonly unknown[] = ["allow", "require_approval", "deny"];

/** A rule that allows opens; every other closes. */
function ruleKind({ tools }: Both): Kind<RuleEntry> {
  const closes = ({ effect }: RuleEntry): boolean => effect !== "allow";
  const isOfCall = ({ phase }: RuleEntry): boolean => phase !== "list";
  return {
    group: "rules",
    prefix: "policy.rules.",
    noun: "rule",
    added: (rule) => (closes(rule) ? "narrows" : isOfCall(rule) ? "widens" : "unclear"),
    removed: (rule) => (closes(rule) ? "widens" : isOfCall(rule) ? "narrows" : "unclear"),
    fields: (before, after) => {
      const isSameEffect = before.effect === after.effect;
      const alike = (direction: Direction): Direction =>
        isSameEffect ? (closes(after) ? directions.opposite(direction) : direction) : "unclear";
      return {
        // A rule that denies does so at the call in either phase; one that allows spares an approval there alone.
        phase: () => (closes(before) || closes(after) ? "unclear" : isOfCall(after) ? "widens" : "narrows"),
        effect: (was, is) => directions.byMore(-STRICTNESS.indexOf(was), -STRICTNESS.indexOf(is)),
        tools: () =>
          alike(directions.bySets(directions.covered(before.tools, tools), directions.covered(after.tools, tools))),
        when: (was, is) => alike(directions.restriction(was, is)),
        stop_and_ask: directions.stopping,
        ...APPROVAL_TERMS,
      };
    },
  };
}

function limitKind({ tools }: Both): Kind<LimitEntry> {
  return {
    group: "limits",
    prefix: "policy.limits.",
    noun: "limit",
    added: () => "narrows",
    removed: () => "widens",
    fields: (before, after) => ({
      max: directions.usdCap,
      window: directions.countingWindow,
      tools: () =>
        directions.opposite(
          directions.bySets(directions.covered(before.tools, tools), directions.covered(after.tools, tools)),
        ),
    }),
  };
}

function toolKind({ was, is }: Both): Kind<ToolEntry> {
  const isListed = ({ actors }: ConfigDocument, name: string): boolean =>
    Object.values(actors).some((actor) => matchesAny(name, actor.allowed_tools ?? []));
  return {
    group: "tools",
    prefix: "tools.",
    noun: "tool",
    added: (_, name) => (isListed(is, name) ? "widens" : "unclear"),
    removed: (_, name) => (isListed(was, name) ? "narrows" : "unclear"),
    fields: () => ({
      effect: directions.effectClass,
      amount: directions.restriction,
      scopes: directions.demands,
      "pii.writes": directions.demands,
      rate_limit: directions.rate,
    }),
  };
}

function actorKind({ tools }: Both): Kind<ActorEntry> {
  const mayAct = ({ allowed_tools = [], models = [] }: ActorEntry): boolean => allowed_tools.length + models.length > 0;
  return {
    group: "actors",
    prefix: "actors.",
    noun: "actor",
    added: (actor) => (mayAct(actor) ? "widens" : "unclear"),
    removed: (actor) => (mayAct(actor) ? "narrows" : "unclear"),
    fields: (before, after) => ({
      scopes: directions.grants,
      models: directions.grants,
      allowed_tools: () =>
        directions.bySets(
          new Set([...directions.covered(before.allowed_tools ?? [], tools), ...(before.allowed_tools ?? [])]),
          new Set([...directions.covered(after.allowed_tools ?? [], tools), ...(after.allowed_tools ?? [])]),
        ),
      max_amount_usd: directions.usdCap,
      requires_human_approval_over_usd: directions.usdCap,
      pii_write_allowed: directions.permission,
      tier: () => directions.tierDirection(before, after, tools),
      flows: () => directions.tierDirection(before, after, tools),
      rate_limit: directions.rate,
      "budgets.*": directions.usdCap,
      "stop_and_ask.min_confidence": directions.floor,
      "stop_and_ask.*": directions.cap,
    }),
  };
}

function plainKind<E>(group: ChangeGroup, noun: string, prefix = `${group}.`): Kind<E> {
  return { group, prefix, noun, added: () => "unclear", removed: () => "unclear", fields: () => ({}) };
}

function settingsOf({ policy: { time_zone, explain_to_agents } }: ConfigDocument): object {
  return { time_zone, explain_to_agents };
}

/** The routing section but for what has entries of its own. */
function routingOf({ routing }: ConfigDocument): object {
  const { rules: _rules, tests: _tests, ...settings } = routing ?? {};
  return settings;
}

/** The MCP section but for its servers, which are entries of their own. */
function mcpOf({ mcp }: ConfigDocument): object {
  const { servers: _servers, ...settings } = mcp;
  return settings;
}

/** The servers; their definitions are told tool by tool, and here by the digest of them all. */
function serversOf({ mcp }: ConfigDocument): Readonly<Record<string, object>> {
  return Object.fromEntries(
    Object.entries(mcp.servers).map(([name, { definitions = [], ...server }]) => [
      name,
      { ...server, definitions: definitions.length === 0 ? "none" : setDigestOf(definitions) },
    ]),
  );
}

function setDigestOf(definitions: readonly object[]): string {
  // What a parsed document holds was JSON.
  return sentSetDigest(definitions as readonly JsonObject[]).slice(0, 12);
}

const MCP: Kind<object> = plainKind("mcp", "");
const ROUTING: Kind<object> = plainKind("routing", "");
const ROUTING_RULES: Kind<object> = plainKind("routing", "routing rule", "routing.rules.");
const ROUTING_TESTS: Kind<object> = plainKind("tests", "routing test", "routing.tests.");
const TRACE: Kind<ConfigDocument["trace"]> = plainKind("trace", "");
const POLICY: Kind<object> = plainKind("policy", "");
const APPROVALS: Kind<ConfigDocument["approvals"]> = {
  ...plainKind("approvals", ""),
  fields: () => ({
    "defaults.roles": directions.approvers,
    "defaults.count": directions.quorum,
    "defaults.expires_in": directions.lifetime,
    drafts_expire_in: directions.lifetime,
    links_without_account: directions.opening,
  }),
};
const EGRESS: Kind<ConfigDocument["egress"]> = {
  ...plainKind("egress", ""),
  fields: () => ({ allow: directions.grants }),
};
