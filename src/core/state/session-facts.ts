// Decides what rules see of a session: budget, counters and earlier calls, money in minor units and rounded against the caller.
import { NOTHING, plus } from "../budget/amounts.ts";
import { budgetFigures } from "../policy/budget-figures.ts";
import type { SessionInput } from "../policy/cel/world.ts";
import type { HistoryEntry } from "../policy/cel/vocabulary.ts";
import type { Charge, SessionLedgerState } from "./session-messages.ts";

type Seen = Pick<SessionLedgerState, "session" | "failures" | "consecutiveFailures" | "taint" | "facts"> & {
  readonly id: string;
};

/** The session as rules see it at an instant. */
export function sessionInput(state: Seen, history: readonly Charge[], now: number): SessionInput {
  const { session } = state;
  return {
    id: state.id,
    age_s: session === null ? 0 : Math.max(0, Math.floor((now - session.startedAt) / 1000)),
    budget:
      session === null ? budgetFigures({}, NOTHING) : budgetFigures(session.limits, plus(session.used, session.held)),
    counters: {
      calls: session?.used.calls ?? 0,
      tool_calls: session?.used.tool_calls ?? 0,
      failures: state.failures,
      consecutive_failures: state.consecutiveFailures,
    },
    taint: state.taint,
    facts: state.facts,
    // All of it: whoever could push a call out of sight could lift every rule that counts.
    history: history.flatMap(entryOf),
  };
}

/** An earlier call, or nothing for one that surely did not happen. */
function entryOf({ ref, at, status, outcome, amount, values }: Charge): readonly HistoryEntry[] {
  if (status === "given_back" || outcome === "failed" || outcome === "withdrawn") return [];
  return [{ tool: ref.subject, at, status: outcome ?? "executing", ...(amount === null ? {} : { amount }), values }];
}
