// Decides recorded calls again under the active policy and under a candidate, on the same reconstruction, and counts what would change.
import type { ActiveConfig, ResolvedTool } from "../../config/published.ts";
import { amountOf } from "../built-in.ts";
import type { Reason } from "../decision.ts";
import { decideWhole } from "../evaluate.ts";
import { LimitSimulation } from "./limit-simulation.ts";
import { limitNeeds } from "../limits.ts";
import { ReplayedSessions } from "./replay-sessions.ts";
import { summarise, type ReplayReport } from "./replay-report.ts";
import type { RecordedCall, RecordedModelCall, Replayed, ReplayedCall, Unreplayable } from "./recorded-call.ts";

/** What is replayed. */
export interface ReplayInput {
  readonly active: ActiveConfig;
  readonly candidate: ActiveConfig;
  readonly calls: readonly RecordedCall[];
  readonly modelCalls: readonly RecordedModelCall[];
  /** Decides only calls of this tool; the others still count as history. */
  readonly tool?: string;
  /** Calls that could not even be read, by why. */
  readonly unreadable: Readonly<Partial<Record<Unreplayable, number>>>;
}

/** Statuses of calls that had, or may have had, an effect. */
const RAN: ReadonlySet<string> = new Set(["succeeded", "failed", "unknown", "executing"]);

/**
 * Replays recorded calls in time order. No switch is set, approvals are asked for anew, limits are counted within the
 * window alone; the same input always gives the same report. No tool is within reach.
 */
export function replay(input: ReplayInput): ReplayReport {
  const sides = [new Side(input.active), new Side(input.candidate)] as const;
  const isAsked = firstAsks(input.calls);
  const outcomes = inOrder(input).flatMap((event) => {
    if ("costMicro" in event) {
      for (const side of sides) side.sessions.modelCall(event);
      return [];
    }
    const isWanted = isAsked(event) && (input.tool === undefined || input.tool === event.ask.tool);
    const outcome = isWanted ? [decideBoth(event, sides)] : [];
    if (RAN.has(event.status)) for (const side of sides) side.sessions.ran(event);
    return outcome;
  });
  const lost = Map.groupBy(
    outcomes.filter((each) => typeof each === "string"),
    (why) => why,
  );
  const counts = [...lost].map(([why, each]) => [why, each.length + (input.unreadable[why] ?? 0)] as const);
  const decided = outcomes.filter((each) => typeof each !== "string");
  return summarise(decided, { ...input.unreadable, ...Object.fromEntries(counts) });
}

/** Whether a record is the first of its call: a call that people approved is recorded again when it runs. */
function firstAsks(calls: readonly RecordedCall[]): (call: RecordedCall) => boolean {
  const first = new Map<string, RecordedCall>();
  for (const call of calls.toSorted(byStart)) {
    if (call.callId !== null && !first.has(call.callId)) first.set(call.callId, call);
  }
  return (call) => call.status !== "replayed" && (call.callId === null || first.get(call.callId) === call);
}

function byStart(left: { readonly startedAt: number }, right: { readonly startedAt: number }): number {
  return left.startedAt - right.startedAt;
}

function inOrder({ calls, modelCalls }: ReplayInput): readonly (RecordedCall | RecordedModelCall)[] {
  return [...modelCalls, ...calls].toSorted(byStart);
}

/** One policy and what its sessions and limits have seen so far. */
class Side {
  readonly config: ActiveConfig;
  readonly sessions: ReplayedSessions;
  readonly limits = new LimitSimulation();

  constructor(config: ActiveConfig) {
    this.config = config;
    this.sessions = new ReplayedSessions(config);
  }
}

function decideBoth(call: RecordedCall, [active, candidate]: readonly [Side, Side]): ReplayedCall | Unreplayable {
  const was = active.config.tool(call.ask.tool);
  if (was === undefined) return "tool_unknown_in_active";
  const is = candidate.config.tool(call.ask.tool);
  if (is === undefined) return "tool_unknown_in_candidate";
  if (was.check(call.ask.args).length > 0) return "arguments_do_not_fit_active";
  if (is.check(call.ask.args).length > 0) return "arguments_do_not_fit_candidate";
  return {
    call,
    isWrite: is.entry.effect !== "read",
    amount: amountOf(is.entry, call.ask.args),
    before: decideOn(active, was, call),
    after: decideOn(candidate, is, call),
  };
}

function decideOn({ config, sessions, limits }: Side, tool: ResolvedTool, call: RecordedCall): Replayed {
  const { ask, startedAt: now } = call;
  const facts = config.facts(tool, ask, { switches: [], now });
  const decision = decideWhole(facts, sessions.seenBy(call));
  const needs = limitNeeds(tool.policy.limits, ask, { tool: tool.entry, actor: facts.actor, zone: facts.zone });
  const over = decision.effect === "allow" ? limits.over(needs, now) : [];
  if (over.length > 0) return { effect: "deny", reasons: [...decision.reasons, ...over.map(limitReason)] };
  // A call that waits for people counts once they have let it run, as the record says they did.
  const hasRun =
    decision.effect === "allow" ? call.status !== "failed" : RAN.has(call.status) && call.status !== "failed";
  if (hasRun && decision.effect !== "deny") limits.count(needs, now);
  return { effect: decision.effect, reasons: decision.reasons };
}

function limitReason(limit: string): Reason {
  return {
    rule_id: `limit.${limit}`,
    effect: "deny",
    message: `limit "${limit}" is used up at this point of the window`,
  };
}
