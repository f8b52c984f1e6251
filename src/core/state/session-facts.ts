// Decides what rules see of a session: budget, counters and earlier calls, money in minor units and rounded against the caller.
import { DIMENSIONS, type Dimension } from "../budget/amounts.ts";
import { minorUnits } from "../policy/built-in.ts";
import type { SessionInput } from "../policy/cel/world.ts";
import type { HistoryEntry } from "../policy/cel/vocabulary.ts";
import type { Account } from "./account.ts";
import { headroom } from "./account.ts";
import type { Charge, SessionLedgerState } from "./session-messages.ts";

/** Earlier calls that rules see: the latest ones. */
const MAX_HISTORY = 500;

type Seen = Pick<SessionLedgerState, "session" | "failures" | "consecutiveFailures" | "taint" | "facts"> & {
  readonly id: string;
};

/** The session as rules see it at an instant. */
export function sessionInput(state: Seen, history: readonly Charge[], now: number): SessionInput {
  const { session } = state;
  return {
    id: state.id,
    age_s: session === null ? 0 : Math.max(0, Math.floor((now - session.startedAt) / 1000)),
    budget: budgetOf(session),
    counters: {
      calls: session?.used.calls ?? 0,
      tool_calls: session?.used.tool_calls ?? 0,
      failures: state.failures,
      consecutive_failures: state.consecutiveFailures,
    },
    taint: state.taint,
    facts: state.facts,
    history: history.flatMap(entryOf).slice(-MAX_HISTORY),
  };
}

/** An earlier call, or nothing for one that surely did not happen. */
function entryOf({ ref, at, status, outcome, amount, values }: Charge): readonly HistoryEntry[] {
  if (status === "given_back" || outcome === "failed") return [];
  return [{ tool: ref.subject, at, status: outcome ?? "executing", ...(amount === null ? {} : { amount }), values }];
}

function budgetOf(session: Account | null): SessionInput["budget"] {
  const figures = (dimension: Dimension): { limit?: number; used: number; remaining?: number } => {
    const isMoney = dimension === "usd" || dimension === "tool_usd";
    const show = (value: number, direction: "up" | "down"): number => (isMoney ? minorUnits(value, direction) : value);
    const used = session === null ? 0 : session.used[dimension] + session.held[dimension];
    const limit = session?.limits[dimension];
    const room = session === null ? undefined : headroom(session, dimension);
    return {
      used: show(used, "up"),
      ...(limit === undefined ? {} : { limit: show(limit, "down") }),
      ...(room === undefined ? {} : { remaining: Math.max(0, show(room, "down")) }),
    };
  };
  const [usd, tokens, calls, tool_calls, tool_usd] = DIMENSIONS.map(figures);
  const none = { used: 0 };
  return {
    usd: usd ?? none,
    tokens: tokens ?? none,
    calls: calls ?? none,
    tool_calls: tool_calls ?? none,
    tool_usd: tool_usd ?? none,
  };
}
