// Decides where two versions of a policy answer differently at the edges of their own constants: threshold -1, 0, +1.
import type { ActiveConfig, ResolvedTool } from "../../config/published.ts";
import { canonicalJson, type Json, type JsonObject } from "../../json/canonical.ts";
import { formatUsd, usdFromJson } from "../../units/money.ts";
import { probesOf, withValue } from "./boundaries.ts";
import type { ToolCallAsk } from "../ask.ts";
import { decodeExpression } from "../cel/expression.ts";
import { matchesAny } from "../constraints.ts";
import type { Effect } from "../decision.ts";
import { sessionOf } from "../earlier-calls.ts";
import { decideWhole } from "../evaluate.ts";
import { sampleArguments } from "./sample-arguments.ts";
import { amounts } from "../../budget/amounts.ts";

/** One call on which the two versions differ. */
export interface BoundaryChange {
  readonly tool: string;
  readonly actor: string;
  /** What was set to which value, such as `args.amount_usd = 50.01`. */
  readonly probe: string;
  readonly args: JsonObject;
  readonly before: Effect;
  readonly after: Effect;
}

/** Every difference found, and how many calls were decided under both. */
export interface BoundaryDiff {
  readonly changes: readonly BoundaryChange[];
  readonly probes: number;
  /** Whether there were more probes than are tried. */
  readonly truncated: boolean;
}

/** Calls decided under both versions, at most. */
const MAX_PROBES = 4_000;
/** A Monday at noon, UTC: rules that look at the clock are probed there. */
const NOW = 1_767_614_400_000;

/**
 * Decides probes under both versions: for every tool both know and every actor that lists it in either, the arguments
 * that the schema asks for with one value at, just under and just over each constant of either version's rules and
 * caps. Sessions are new, no switch is set, cross-session limits are not drawn on.
 */
export function diffBoundaries(before: ActiveConfig, after: ActiveConfig): BoundaryDiff {
  const all = Object.keys(after.published.document.tools).flatMap((name) => probesOfTool(name, before, after));
  const changes = all.slice(0, MAX_PROBES).flatMap((probe) => {
    const [was, is] = [effectUnder(before, probe.ask), effectUnder(after, probe.ask)];
    if (was === undefined || is === undefined || was === is) return [];
    const { tool, actor, args } = probe.ask;
    return [{ tool, actor, probe: probe.says, args, before: was, after: is }];
  });
  return { changes, probes: Math.min(all.length, MAX_PROBES), truncated: all.length > MAX_PROBES };
}

interface Probe {
  readonly ask: ToolCallAsk;
  readonly says: string;
}

function probesOfTool(name: string, before: ActiveConfig, after: ActiveConfig): readonly Probe[] {
  const [was, is] = [before.tool(name), after.tool(name)];
  if (was === undefined || is === undefined || isUntouched(before, after, name)) return [];
  const args = sampleArguments(is.entry.input_schema);
  return actorsOf(name, before, after).flatMap((actor) => {
    const ask = askOf(actor, name, args);
    const values = [...valuesOf(before, was, actor), ...valuesOf(after, is, actor)];
    const probes = values.flatMap((value) => withProbe(ask, is, value));
    const unique = new Map([{ ask, says: "the required arguments alone" }, ...probes].map((each) => [each.says, each]));
    return [...unique.values()];
  });
}

/** Nothing that decides on the tool differs: neither its entry and rules nor any actor, defaults and zone. */
function isUntouched(before: ActiveConfig, after: ActiveConfig, name: string): boolean {
  const basis = (config: ActiveConfig): string => {
    const tool = config.tool(name);
    const { document } = config.published;
    const actors = Object.entries(document.actors).filter(([, actor]) => matchesAny(name, actor.allowed_tools ?? []));
    const rules = [...(tool?.policy.edgeRules ?? []), ...(tool?.policy.sessionRules ?? [])];
    return canonicalJson(JSON.parse(JSON.stringify([tool?.entry, rules, actors, document.policy.time_zone])));
  };
  return basis(before) === basis(after);
}

function actorsOf(tool: string, before: ActiveConfig, after: ActiveConfig): readonly string[] {
  const listing = ({ published }: ActiveConfig): readonly string[] =>
    Object.entries(published.document.actors).flatMap(([name, actor]) =>
      matchesAny(tool, actor.allowed_tools ?? []) ? [name] : [],
    );
  return [...new Set([...listing(before), ...listing(after)])];
}

interface ProbeValue {
  readonly chain: readonly string[];
  readonly value: Json;
}

/** The constants a version compares with: those of the rules, and the actor's caps on the declared amount. */
function valuesOf(config: ActiveConfig, { entry, policy }: ResolvedTool, actorName: string): readonly ProbeValue[] {
  const rules = [...policy.edgeRules, ...policy.sessionRules].flatMap(({ when, tree }) =>
    when === null || tree === null ? [] : probesOf(decodeExpression(when, tree).ast),
  );
  const actor = config.actor(actorName);
  const field = entry.amount?.field;
  const caps = [actor?.max_amount_usd, actor?.requires_human_approval_over_usd].flatMap(
    (cap) => usdFromJson(cap) ?? [],
  );
  const around =
    field === undefined ? [] : caps.flatMap((cap) => [cap - CENT, cap, cap + CENT]).filter((each) => each >= 0);
  return [
    ...rules,
    ...around.map((micro) => ({ chain: ["args", ...(field ?? "").split(".")], value: Number(formatUsd(micro)) })),
  ];
}

const CENT = 10_000;

/** The call with one value set; nothing for a value that no caller sends. */
function withProbe(ask: ToolCallAsk, { entry }: ResolvedTool, { chain, value }: ProbeValue): readonly Probe[] {
  const says = `${chain.join(".")} = ${canonicalJson(value)}`;
  const [root] = chain;
  if (root === "args") return [{ says, ask: { ...ask, args: withValue(ask.args, chain, value) } }];
  return root === "call" ? withSaid(ask, entry, { member: chain[1] ?? "", value, says }) : [];
}

function withSaid(
  ask: ToolCallAsk,
  entry: ResolvedTool["entry"],
  { member, value, says }: { readonly member: string; readonly value: Json; readonly says: string },
): readonly Probe[] {
  if (member === "amount_minor" && typeof value === "number" && value >= 0 && entry.amount !== undefined) {
    const path = ["args", ...entry.amount.field.split(".")];
    return [{ says, ask: { ...ask, args: withValue(ask.args, path, value / 100) } }];
  }
  if (member === "confidence" && typeof value === "number" && value >= 0 && value <= 1)
    return [{ says, ask: { ...ask, confidence: value } }];
  return member === "intent" && typeof value === "string" ? [{ says, ask: { ...ask, intent: value } }] : [];
}

function askOf(actor: string, tool: string, args: JsonObject): ToolCallAsk {
  return {
    actor,
    tool,
    args,
    constraints: {},
    session: "probe",
    task: null,
    intent: null,
    confidence: null,
    user: null,
    user_origin: "declared",
    user_prompt: null,
    release: null,
    confirmed: false,
    principal: {
      key_id: "probe",
      roles: ["agent"],
      scopes: ["*"],
    },
  };
}

function effectUnder(config: ActiveConfig, ask: ToolCallAsk): Effect | undefined {
  const tool = config.tool(ask.tool);
  if (tool === undefined) return undefined;
  const session = sessionOf(
    {
      id: ask.session,
      ageS: 0,
      limits: config.limits(ask.actor).session,
      used: amounts({}),
      failures: 0,
      consecutiveFailures: 0,
      taint: [],
      facts: {},
    },
    [],
  );
  return decideWhole(config.facts(tool, ask, { switches: [], now: NOW }), session).effect;
}
