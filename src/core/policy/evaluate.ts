// Decides whether one call is allowed: every rule speaks, the strictest wins, silence is a denial.
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";
import type { ActorEntry, ToolEntry } from "../config/document.ts";
import { formatUsd, usdFromJson } from "../units/money.ts";
import { matchesAny, type Constraints } from "./constraints.ts";
import { decide, type Decision, type Reason } from "./decision.ts";

/** What a tool-call decision rests on: the tenant's entries, the caller's scopes and constraints, the arguments. */
export interface ToolCallFacts {
  readonly policyVersion: string;
  readonly actorName: string;
  readonly actor: ActorEntry | undefined;
  readonly toolName: string;
  readonly tool: ToolEntry;
  /** Scopes of the key that the actor has too. */
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
  readonly args: JsonObject;
}

/** What a model-call decision rests on. */
export interface ModelCallFacts {
  readonly policyVersion: string;
  readonly actorName: string;
  readonly actor: ActorEntry | undefined;
  readonly modelName: string;
}

/**
 * Decides a tool call. Pure and total: the same facts give the same decision, live, in a test and in a replay.
 * Deny beats require_approval beats allow; the actor's listing of the tool is the only thing that allows.
 */
export function evaluateToolCall(facts: ToolCallFacts): Decision {
  const reasons = [
    ...actorReasons(facts.actorName, facts.actor),
    ...listingReasons(facts),
    ...scopeReasons(facts),
    ...amountReasons(facts),
    ...piiReasons(facts),
  ];
  return decide(reasons, facts.policyVersion);
}

/** Decides a model call: the actor must exist and list the model. */
export function evaluateModelCall(facts: ModelCallFacts): Decision {
  const { actor, actorName, modelName } = facts;
  if (actor === undefined) return decide(actorReasons(actorName, actor), facts.policyVersion);
  const listed = matchesAny(modelName, actor.models ?? []);
  const message = listed
    ? `actor "${actorName}" may use model "${modelName}"`
    : `actor "${actorName}" does not list model "${modelName}"`;
  return decide(
    [{ rule_id: "actor.models", effect: listed ? "allow" : "deny", message, path: "model" }],
    facts.policyVersion,
  );
}

function actorReasons(name: string, actor: ActorEntry | undefined): readonly Reason[] {
  return actor === undefined
    ? [{ rule_id: "actor.known", effect: "deny", message: `actor "${name}" is not in the config`, path: "actor" }]
    : [];
}

function listingReasons({ actor, actorName, toolName, constraints }: ToolCallFacts): readonly Reason[] {
  const reasons: Reason[] = [];
  if (actor !== undefined) {
    const listed = matchesAny(toolName, actor.allowed_tools ?? []);
    const message = listed
      ? `actor "${actorName}" may call "${toolName}"`
      : `actor "${actorName}" does not list tool "${toolName}"`;
    reasons.push({
      rule_id: "actor.allowed_tools",
      effect: listed ? "allow" : "deny",
      message,
      path: "tool_call.name",
    });
  }
  if (constraints.allowed_tools !== undefined && !matchesAny(toolName, constraints.allowed_tools)) {
    const message = `the caller's own constraints do not list "${toolName}"`;
    reasons.push({ rule_id: "envelope.allowed_tools", effect: "deny", message, path: "constraints.allowed_tools" });
  }
  return reasons;
}

function scopeReasons({ tool, scopes }: ToolCallFacts): readonly Reason[] {
  const missing = (tool.scopes ?? []).filter((scope) => !scopes.includes("*") && !scopes.includes(scope));
  if (missing.length === 0) return [];
  const message = `missing scope ${missing.map((scope) => `"${scope}"`).join(", ")}: key and actor must both have it`;
  return [{ rule_id: "scopes", effect: "deny", message, values: { required: tool.scopes ?? [], effective: scopes } }];
}

function amountReasons(facts: ToolCallFacts): readonly Reason[] {
  const { tool, args, actor, constraints } = facts;
  if (tool.amount === undefined) return [];
  const path = `tool_call.args.${tool.amount.field}`;
  const amount = usdFromJson(valueAt(args, tool.amount.field));
  if (amount === undefined) {
    return [
      {
        rule_id: "tool.amount",
        effect: "deny",
        message: "the amount is missing or is not exact dollars of at most six decimals",
        path,
      },
    ];
  }
  const over = (rule_id: string, limit: string | number | undefined, says: string): readonly Reason[] => {
    const cap = limit === undefined ? undefined : usdFromJson(limit);
    if (cap === undefined || amount <= cap) return [];
    const effect = rule_id === "envelope.requires_human_approval_over_usd" ? "require_approval" : "deny";
    return [
      {
        rule_id,
        effect,
        message: `${formatUsd(amount)} USD ${says} ${formatUsd(cap)} USD`,
        path,
        values: { amount_usd: formatUsd(amount), limit_usd: formatUsd(cap) },
      },
    ];
  };
  const { max_amount_usd, requires_human_approval_over_usd } = constraints;
  return [
    ...over("actor.max_amount_usd", actor?.max_amount_usd, "is over the actor's limit of"),
    ...over("envelope.max_amount_usd", max_amount_usd, "is over the caller's own limit of"),
    ...over(
      "envelope.requires_human_approval_over_usd",
      requires_human_approval_over_usd,
      "needs a person's approval above",
    ),
  ];
}

function piiReasons({ tool, args, constraints }: ToolCallFacts): readonly Reason[] {
  if (constraints.pii_write_allowed !== false) return [];
  return (tool.pii?.writes ?? [])
    .filter((path) => mayBePresent(args, path))
    .map((path) => ({
      rule_id: "envelope.pii_write_allowed",
      effect: "deny" as const,
      message: `"${path}" writes personal data, which the caller's constraints forbid`,
      path: `tool_call.args.${path}`,
    }));
}

/** Whether a path leads to a value; one that leads into a list may, and that counts. */
function mayBePresent(args: JsonObject, path: string): boolean {
  let at: Json | undefined = args;
  for (const key of path.split(".")) {
    if (Array.isArray(at)) return at.length > 0;
    if (!isJsonObject(at) || !Object.hasOwn(at, key)) return false;
    at = at[key];
  }
  return true;
}

/** The value at a dotted path of the arguments, or `undefined`. Own members only: no prototype is ever read. */
export function valueAt(args: JsonObject, path: string): Json | undefined {
  let at: Json | undefined = args;
  for (const key of path.split(".")) {
    if (!isJsonObject(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}

/** Micro-USD that the arguments would move, by the tool's `amount` field; 0 for a tool that moves none. */
export function amountOf(tool: ToolEntry, args: JsonObject): number {
  return tool.amount === undefined ? 0 : (usdFromJson(valueAt(args, tool.amount.field)) ?? 0);
}
