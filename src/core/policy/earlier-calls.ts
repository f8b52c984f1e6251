// Builds the session that rules see from a list of earlier calls: for policy tests and replays, where no ledger is asked.
import type { Amounts, Limits } from "../budget/amounts.ts";
import type { ActiveConfig } from "../config/published.ts";
import { digestOf } from "../json/digest.ts";
import type { JsonObject } from "../json/canonical.ts";
import { budgetFigures } from "./budget-figures.ts";
import { amountOf } from "./built-in.ts";
import type { HistoryEntry } from "./cel/vocabulary.ts";
import type { SessionInput } from "./cel/world.ts";
import { valueAt } from "./values.ts";

/** One call that a session made before. */
export interface EarlierCall {
  readonly tool: string;
  readonly args: JsonObject;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly status: HistoryEntry["status"];
}

/** The digests of the argument values that rules count, as a session's history keeps them. */
export function countedValues(paths: readonly string[], args: JsonObject): Readonly<Record<string, string>> {
  return Object.fromEntries(
    paths.flatMap((path) => {
      const value = valueAt(args, path);
      return value === undefined ? [] : [[path, digestOf(value).slice(0, 24)] as const];
    }),
  );
}

/** An earlier call as rules see it; one of a tool that the config does not know moves nothing and counts nothing. */
export function historyEntry(config: ActiveConfig, { tool: name, args, at, status }: EarlierCall): HistoryEntry {
  const tool = config.tool(name);
  if (tool === undefined) return { tool: name, at, status };
  const values = countedValues(tool.policy.trackedPaths, args);
  return {
    tool: name,
    at,
    status,
    values,
    ...(tool.entry.amount === undefined ? {} : { amount: amountOf(tool.entry, args) }),
  };
}

/** What is known of a session besides its earlier calls. */
export interface SessionSketch {
  readonly id: string;
  readonly ageS: number;
  readonly limits: Limits;
  readonly used: Amounts;
  readonly failures: number;
  readonly consecutiveFailures: number;
  readonly taint: readonly string[];
  readonly facts: JsonObject;
}

/** The session as rules see it: money in minor units, rounded against the caller. */
export function sessionOf(sketch: SessionSketch, history: readonly HistoryEntry[]): SessionInput {
  const { id, ageS, limits, used, failures, consecutiveFailures, taint, facts } = sketch;
  return {
    id,
    age_s: ageS,
    budget: budgetFigures(limits, used),
    counters: { calls: used.calls, tool_calls: used.tool_calls, failures, consecutive_failures: consecutiveFailures },
    taint,
    facts,
    history,
  };
}
