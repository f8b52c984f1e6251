// Decides recorded calls again under one policy, with what its sessions and limits have seen so far.
import type { ActiveConfig, ResolvedTool } from "../../config/published.ts";
import type { Reason } from "../decision.ts";
import { decideWhole } from "../evaluate.ts";
import { limitNeeds } from "../limits.ts";
import { LimitSimulation } from "./limit-simulation.ts";
import type { RecordedCall, RecordedModelCall, Replayed } from "./recorded-call.ts";
import { ReplayedSessions } from "./replay-sessions.ts";

/** Statuses of calls that had, or may have had, an effect. */
export const RAN: ReadonlySet<string> = new Set(["succeeded", "failed", "unknown", "executing"]);

/** One policy and what its sessions and limits have seen so far. Fed with calls in time order; no tool is within reach. */
export class ReplaySide {
  readonly config: ActiveConfig;
  readonly #sessions: ReplayedSessions;
  readonly #limits = new LimitSimulation();

  constructor(config: ActiveConfig) {
    this.config = config;
    this.#sessions = new ReplayedSessions(config);
  }

  /** Notes a model call. */
  modelCall(call: RecordedModelCall): void {
    this.#sessions.modelCall(call);
  }

  /** Notes a tool call that ran. */
  ran(call: RecordedCall): void {
    this.#sessions.ran(call);
  }

  /** What this policy says to a call at the instant it came. No switch is set, approvals are asked for anew. */
  decide(tool: ResolvedTool, call: RecordedCall): Replayed {
    const { ask, startedAt: now } = call;
    const facts = this.config.facts(tool, ask, { switches: [], now });
    const decision = decideWhole(facts, this.#sessions.seenBy(call));
    const needs = limitNeeds(tool.policy.limits, ask, { tool: tool.entry, actor: facts.actor, zone: facts.zone });
    const over = decision.effect === "allow" ? this.#limits.over(needs, now) : [];
    if (over.length > 0) return { effect: "deny", reasons: [...decision.reasons, ...over.map(limitReason)] };
    // A call that waits for people counts once they have let it run, as the record says they did.
    const hasRun =
      decision.effect === "allow" ? call.status !== "failed" : RAN.has(call.status) && call.status !== "failed";
    if (hasRun && decision.effect !== "deny") this.#limits.count(needs, now);
    return { effect: decision.effect, reasons: decision.reasons };
  }
}

function limitReason(limit: string): Reason {
  return {
    rule_id: `limit.${limit}`,
    effect: "deny",
    message: `limit "${limit}" is used up at this point of the window`,
  };
}
