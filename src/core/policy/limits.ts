// Decides which cross-session limits and rates one tool call counts in, under which key, and how much of each it needs.
import type { ActorEntry, ToolEntry } from "../config/document.ts";
import type { LimitEntry, RateLimitEntry } from "../config/policy-document.ts";
import { digestOf } from "../json/digest.ts";
import type { RateSpec } from "../state/gcra.ts";
import type { MeterSpec } from "../state/meter.ts";
import { formatUsd, usdFromJson } from "../units/money.ts";
import { readDuration, readWindow } from "../units/window.ts";
import type { ToolCallAsk } from "./ask.ts";
import type { Reason } from "./decision.ts";
import { valueAt } from "./values.ts";

/** A share of one limit that a call needs before it may run. */
export interface MeterNeed {
  /** The limit and whom it counts for: one meter of the tenant. */
  readonly key: string;
  readonly limit: string;
  readonly spec: MeterSpec;
  /** Calls, or micro-units of the amount. */
  readonly need: number;
  /** How figures of it are shown: decimals of an amount, or plain counts. */
  readonly unit: "amount" | "calls";
}

/** One turn at a rate. */
export interface RateNeed {
  readonly key: string;
  readonly limit: string;
  readonly spec: RateSpec;
}

/** What a call needs of the tenant, and why it may not count at all. */
export interface LimitNeeds {
  readonly meters: readonly MeterNeed[];
  readonly rates: readonly RateNeed[];
  readonly reasons: readonly Reason[];
}

/** The needs of a call; an amount that cannot be read exactly is a reason to deny it. */
export function limitNeeds(
  limits: readonly LimitEntry[],
  ask: ToolCallAsk,
  { tool, actor, zone }: { readonly tool: ToolEntry; readonly actor: ActorEntry | undefined; readonly zone: string },
): LimitNeeds {
  const meters: MeterNeed[] = [];
  const reasons: Reason[] = [];
  for (const limit of limits) {
    const need = limit.sum === undefined ? 1 : amountAt(ask, limit.sum);
    const max = limit.sum === undefined ? Number(limit.max) : usdFromJson(limit.max);
    const window = readWindow(limit.window);
    if (need === undefined || max === undefined || window === undefined || !hasSubjects(limit, ask)) {
      reasons.push(uncountable(limit));
      continue;
    }
    if (need > max) {
      reasons.push(neverFits(limit, need, max));
      continue;
    }
    const spec: MeterSpec = { max, window, zone };
    const unit = limit.sum === undefined ? "calls" : "amount";
    if (need > 0) meters.push({ key: meterKey(limit, ask), limit: limit.id, spec, need, unit });
  }
  const rates = [
    ...rateOf(`tool:${ask.tool}`, tool.rate_limit, ask),
    ...rateOf(`actor:${ask.actor}`, actor?.rate_limit, ask),
  ];
  return { meters, rates, reasons };
}

function subjectsOf({ per }: LimitEntry): readonly string[] {
  return per === undefined ? ["tenant"] : typeof per === "string" ? [per] : per;
}

/** Whether every argument that a limit counts per is there: a call that leaves one out is counted nowhere. */
function hasSubjects(limit: LimitEntry, ask: ToolCallAsk): boolean {
  return subjectsOf(limit)
    .filter((each) => each.startsWith("args."))
    .every((each) => (valueAt(ask.args, each.replace(/^args\./, "")) ?? null) !== null);
}

function amountAt(ask: ToolCallAsk, path: string): number | undefined {
  return usdFromJson(valueAt(ask.args, path.replace(/^args\./, "")));
}

function uncountable(limit: LimitEntry): Reason {
  return {
    rule_id: `limit.${limit.id}`,
    effect: "deny",
    message: `limit "${limit.id}" cannot count this call: an argument that it counts by is missing, or is no exact amount of at most six decimals`,
    path: limit.sum === undefined ? "tool_call.args" : `tool_call.args.${limit.sum.replace(/^args\./, "")}`,
  };
}

function neverFits(limit: LimitEntry, need: number, max: number): Reason {
  const show = (value: number): string => (limit.sum === undefined ? String(value) : formatUsd(value));
  return {
    rule_id: `limit.${limit.id}`,
    effect: "deny",
    message: `${show(need)} is more than limit "${limit.id}" of ${show(max)} ever allows`,
    ...(limit.sum === undefined ? {} : { path: `tool_call.args.${limit.sum.replace(/^args\./, "")}` }),
    values: { need: show(need), max: show(max) },
  };
}

/** The key of a meter: what it counts per, in clear for names of the config, as a digest for arguments. */
function meterKey(limit: LimitEntry, ask: ToolCallAsk): string {
  const parts = subjectsOf(limit)
    .toSorted()
    .map((each) => `${each}=${partOf(each, ask)}`);
  return `limit:${limit.id}:${parts.join(",")}`;
}

function partOf(by: string, ask: ToolCallAsk): string {
  if (by === "actor") return ask.actor;
  if (by === "tool") return ask.tool;
  if (by === "tenant") return "*";
  return digestOf(valueAt(ask.args, by.replace(/^args\./, "")) ?? null).slice(0, 24);
}

function rateOf(subject: string, entry: RateLimitEntry | undefined, ask: ToolCallAsk): readonly RateNeed[] {
  if (entry === undefined) return [];
  const whose = entry.by === "tenant" ? "*" : ask.actor;
  const spec: RateSpec = {
    requests: entry.requests,
    per_ms: readDuration(entry.per) ?? 1_000,
    burst: entry.burst ?? entry.requests,
  };
  return [{ key: `rate:${subject}:${whose}`, limit: subject, spec }];
}
