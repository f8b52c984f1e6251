// Decides what the gateway itself holds against a tool call, before any rule of the tenant: listing, scopes, amounts, personal data.
import type { ToolEntry } from "../config/document.ts";
import { holdsPii } from "../guard/pii.ts";
import type { JsonObject } from "../json/canonical.ts";
import { effectiveScopes } from "../principal.ts";
import { formatUsd, usdFromJson } from "../units/money.ts";
import { matchesAny } from "./constraints.ts";
import type { ApprovalTerms, Reason } from "./decision.ts";
import type { ListingFacts, PolicyFacts } from "./policy-facts.ts";
import { tierOf } from "./tiers.ts";
import { mayBePresent, valueAt } from "./values.ts";

/** Every built-in reason of a call. The actor's listing of the tool is the one that allows. */
export function builtInReasons(facts: PolicyFacts): readonly Reason[] {
  return [...accessReasons(facts), ...amountReasons(facts)];
}

/** The reasons that hold whatever a tool would be called with: who lists it, and whose scopes suffice. */
export function accessReasons(facts: ListingFacts): readonly Reason[] {
  return [...listingReasons(facts), ...scopeReasons(facts)];
}

function listingReasons({ actor, ask, tool }: ListingFacts): readonly Reason[] {
  const reasons: Reason[] = [];
  if (actor === undefined) {
    const message = `actor "${ask.actor}" is not in the config`;
    reasons.push({ rule_id: "actor.known", effect: "deny", message, path: "actor" });
  } else {
    const listed = matchesAny(tool.name, actor.allowed_tools ?? []);
    const message = listed
      ? `actor "${ask.actor}" may call "${tool.name}"`
      : `actor "${ask.actor}" does not list tool "${tool.name}"`;
    const effect = listed ? "allow" : "deny";
    reasons.push({ rule_id: "actor.allowed_tools", effect, message, path: "tool_call.name" });
  }
  const { allowed_tools } = ask.constraints;
  if (allowed_tools !== undefined && !matchesAny(tool.name, allowed_tools)) {
    const message = `the caller's own constraints do not list "${tool.name}"`;
    reasons.push({ rule_id: "envelope.allowed_tools", effect: "deny", message, path: "constraints.allowed_tools" });
  }
  return reasons;
}

function scopeReasons({ tool, ask, actor }: ListingFacts): readonly Reason[] {
  const effective = effectiveScopes(ask.principal, actor?.scopes ?? []);
  const required = tool.entry.scopes ?? [];
  const missing = required.filter((scope) => !effective.includes("*") && !effective.includes(scope));
  if (missing.length === 0) return [];
  const message = `missing scope ${missing.map((scope) => `"${scope}"`).join(", ")}: key and actor must both have it`;
  return [{ rule_id: "scopes", effect: "deny", message, values: { required, effective } }];
}

function amountReasons(facts: PolicyFacts): readonly Reason[] {
  const { tool, ask, actor, terms } = facts;
  const { amount: declared } = tool.entry;
  if (declared === undefined) return [];
  const path = `tool_call.args.${declared.field}`;
  const amount = usdFromJson(valueAt(ask.args, declared.field));
  if (amount === undefined) {
    const message = "the amount is missing or is not exact dollars of at most six decimals";
    return [{ rule_id: "tool.amount", effect: "deny", message, path }];
  }
  const over = overAmount(amount, path, terms);
  const { max_amount_usd, requires_human_approval_over_usd } = ask.constraints;
  const isAutonomous = actor !== undefined && tierOf(actor, ask) === "autonomous";
  return [
    ...over("actor.max_amount_usd", actor?.max_amount_usd, "is over the actor's limit of"),
    ...over(
      "actor.requires_human_approval_over_usd",
      isAutonomous ? undefined : actor?.requires_human_approval_over_usd,
      "needs a person's approval above the actor's",
    ),
    ...over("envelope.max_amount_usd", max_amount_usd, "is over the caller's own limit of"),
    ...over(
      "envelope.requires_human_approval_over_usd",
      requires_human_approval_over_usd,
      "needs a person's approval above",
    ),
  ];
}

type Over = (rule_id: string, limit: string | number | undefined, says: string) => readonly Reason[];

function overAmount(amount: number, path: string, terms: ApprovalTerms): Over {
  return (rule_id, limit, says) => {
    const cap = limit === undefined ? undefined : usdFromJson(limit);
    if (cap === undefined || amount <= cap) return [];
    const message = `${formatUsd(amount)} USD ${says} ${formatUsd(cap)} USD`;
    const values = { amount_usd: formatUsd(amount), limit_usd: formatUsd(cap) };
    return rule_id.endsWith(".requires_human_approval_over_usd")
      ? [{ rule_id, effect: "require_approval", message, path, values, approval: terms }]
      : [{ rule_id, effect: "deny", message, path, values }];
  };
}

/** Where a call would write personal data: a path the tool declares, or a text that holds some. */
export interface WrittenPii {
  readonly path: string;
  readonly kind: string;
}

/** The first place where the arguments write personal data, or `undefined`. */
export function writtenPii(tool: ToolEntry, args: JsonObject): WrittenPii | undefined {
  const declared = (tool.pii?.writes ?? []).find((path) => mayBePresent(args, path));
  return declared === undefined ? holdsPii(args) : { path: declared, kind: "declared" };
}

/** The reason against a call that writes personal data where that is forbidden. The data itself is not repeated. */
export function piiReason({ ask }: PolicyFacts, { path, kind }: WrittenPii): Reason {
  const isCallers = ask.constraints.pii_write_allowed === false;
  const whose = isCallers ? "the caller's constraints" : "the actor's config";
  const what = kind === "declared" ? "is declared to write personal data" : `holds personal data (${kind})`;
  return {
    rule_id: isCallers ? "envelope.pii_write_allowed" : "actor.pii_write_allowed",
    effect: "deny",
    message: `"${path}" ${what}, which ${whose} forbid${isCallers ? "" : "s"}`,
    path: `tool_call.args.${path}`,
  };
}

/** Micro-USD that the arguments would move, by the tool's `amount` field; 0 for a tool that moves none. */
export function amountOf(tool: ToolEntry, args: JsonObject): number {
  return tool.amount === undefined ? 0 : (usdFromJson(valueAt(args, tool.amount.field)) ?? 0);
}

const MICRO_PER_CENT = 10_000;

/** Cents of a micro-USD amount: up where the caller spends it, down where the caller is limited by it. */
export function minorUnits(micro: number, direction: "up" | "down"): number {
  return direction === "up" ? Math.ceil(micro / MICRO_PER_CENT) : Math.floor(micro / MICRO_PER_CENT);
}
