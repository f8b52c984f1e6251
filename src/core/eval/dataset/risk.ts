// Decides how much a wrong answer to a recorded case can hurt, from what its calls could do and what came of them.
import type { ToolEntry } from "../../config/document.ts";
import { amountOf } from "../../policy/built-in.ts";
import type { RecordedCall } from "../../policy/replay/recorded-call.ts";
import type { Risk } from "../case.ts";

/** What a case's risk rests on. */
export interface RiskFacts {
  readonly asks: readonly RecordedCall[];
  /** What each tool did to the world when it was called, by its governed name. */
  readonly effects: ReadonlyMap<string, string>;
  /** The config's tools: they say which argument is an amount. */
  readonly tools: ReadonlyMap<string, ToolEntry>;
  readonly outcome: string | null;
}

/** Outcomes that tell of a failure of the agent. */
const ADVERSE: ReadonlySet<string> = new Set(["escalated", "overridden", "complaint"]);
/** Statuses of calls that moved what they were asked to move, or may have. */
const MOVED: ReadonlySet<string> = new Set(["succeeded", "unknown", "executing", "compensating", "compensated"]);

/**
 * `low`: nothing but reads, or no tool at all. `medium`: a write was asked for. `high`: a call was irreversible, moved
 * money, or was not simply allowed (denied, kept as a draft, put before people); or the trace was reported as escalated,
 * overridden or a complaint. `critical`: an irreversible call or moved money, and one of the others beside it.
 */
export function riskOf({ asks, effects, tools, outcome }: RiskFacts): Risk {
  const effectsAsked = asks.map(({ ask }) => effects.get(ask.tool) ?? tools.get(ask.tool)?.effect ?? "write");
  const isIrreversible = effectsAsked.includes("irreversible");
  const isMoney = asks.some(({ ask, status }) => {
    const entry = tools.get(ask.tool);
    return MOVED.has(status) && entry !== undefined && amountOf(entry, ask.args) > 0;
  });
  const isWithheld = asks.some(({ effect }) => effect !== "allow");
  const isAdverse = outcome !== null && ADVERSE.has(outcome);
  const isGrave = isIrreversible || isMoney;
  if (isGrave && (isWithheld || isAdverse)) return "critical";
  if (isGrave || isWithheld || isAdverse) return "high";
  return effectsAsked.some((effect) => effect !== "read") ? "medium" : "low";
}
