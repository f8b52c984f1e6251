// Decides which tier of a routed call its session takes: what its rules say, never down within a task, and lower only where the budget says so.
import { DIMENSIONS } from "../budget/amounts.ts";
import type { Account, Want } from "./account.ts";

/** One tier that a call may be answered in. */
export interface RouteChoice {
  readonly tier: string;
  /** What it costs at most. */
  readonly want: Want;
  /** When a hold of it that nobody settles counts as spent. */
  readonly expiresAt: number;
  /** The model that is asked first. */
  readonly subject: string;
}

/** What the rules choose for one state of the session. */
export interface RoutePick {
  /** Index into the choices. */
  readonly choice: number;
  /** Why, for machines: `default`, `complexity`, `rule:<id>`, `capped`. */
  readonly why: string;
  /** The choice below which no used budget takes it; 0 where any will do. */
  readonly floor: number;
}

/** What a routed call brings along, so that its session can choose without asking back. */
export interface RouteAsk {
  /** Whether a task keeps the highest tier it has had. */
  readonly isSticky: boolean;
  /** In ascending order; at least one. */
  readonly choices: readonly RouteChoice[];
  /** By earlier failures; the last one stands for more. At least one. */
  readonly clean: readonly RoutePick[];
  /** The same for a session that has seen untrusted results. */
  readonly tainted: readonly RoutePick[];
  /** The highest choice once so much of a budget is used. */
  readonly degrade: readonly { readonly used: number; readonly choice: number }[];
}

/** What a session knows of a task's routing. */
export interface TaskRoute {
  /** The highest tier that it has had, whatever the budget made of it; `null` before the first routed call. */
  readonly tier: string | null;
  /** Its failed tool calls. */
  readonly failures: number;
}

/** What a session knows when a routed call comes. */
export interface RouteSeen {
  readonly tier: string | null;
  readonly failures: number;
  readonly isTainted: boolean;
  /** The part of the tightest budget that is used or held. */
  readonly used: number;
}

/** What was chosen. */
export interface Chosen {
  readonly choice: number;
  /** The pick's own reason, `sticky` or `degraded`. */
  readonly why: string;
  /** The choice that the task keeps. */
  readonly kept: number;
  /** Where the call may fall to when the choice does not fit the budget. */
  readonly fallback: number | undefined;
}

/** A task that has seen nothing. */
export const NEW_TASK: TaskRoute = { tier: null, failures: 0 };

/** The choice for a session. Pure and total; the tables are never empty. */
export function chooseTier(ask: RouteAsk, seen: RouteSeen): Chosen {
  const table = seen.isTainted ? ask.tainted : ask.clean;
  const pick = table[Math.min(seen.failures, table.length - 1)] ?? { choice: 0, why: "default", floor: 0 };
  const had = ask.isSticky ? ask.choices.findIndex(({ tier }) => tier === seen.tier) : -1;
  const kept = Math.max(pick.choice, had);
  const why = kept > pick.choice ? "sticky" : pick.why;
  const reached = ask.degrade.filter(({ used }) => seen.used >= used).map(({ choice }) => choice);
  const lowered = Math.max(pick.floor, Math.min(kept, ...reached));
  const lowest = Math.max(pick.floor, Math.min(lowered, ...ask.degrade.map(({ choice }) => choice)));
  const fallback = lowest < lowered ? lowest : undefined;
  return lowered < kept ? { choice: lowered, why: "degraded", kept, fallback } : { choice: kept, why, kept, fallback };
}

/** The part of an account's tightest budget that is used or held; 0 where nothing limits it. */
export function usedPart(accounts: readonly (Account | undefined)[]): number {
  const parts = accounts.flatMap((account) =>
    account === undefined
      ? []
      : DIMENSIONS.map((each) => {
          const limit = account.limits[each];
          if (limit === undefined || each === "tool_calls" || each === "tool_usd") return 0;
          return limit === 0 ? 1 : (account.used[each] + account.held[each]) / limit;
        }),
  );
  return Math.max(0, ...parts);
}
