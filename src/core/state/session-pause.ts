// Decides when a session stops and asks a person, and what it forgets when the person lets it go on.
import type { StopAndAskEntry } from "../config/policy-document.ts";
import { DIMENSIONS } from "../budget/amounts.ts";
import type { Account } from "./account.ts";
import { ownTask } from "./session-books.ts";
import type { Charge, SessionLedgerState, SessionPause, SessionTransition } from "./session-messages.ts";

/** The session paused, durably; one that is paused or ended already stays as it is, except that a pause can become an end. */
export function paused(state: SessionLedgerState, pause: SessionPause): SessionTransition {
  const isSettled = state.pause !== null && !(state.pause.kind === "paused" && pause.kind === "ended");
  const standing = isSettled && state.pause !== null ? state.pause : pause;
  return {
    next: { ...state, pause: standing },
    reply: { type: "session_paused", pause: standing },
    effects: isSettled ? [] : [{ type: "persist" }],
  };
}

/** Lets a paused session go on: repeats and failures count anew, and the budget's warning is not given again. */
export function resume(state: SessionLedgerState, now: number): SessionTransition {
  if (state.pause === null || state.pause.kind === "ended")
    return state.pause === null
      ? { next: state, reply: { type: "resumed", was: null }, effects: [] }
      : { next: state, reply: { type: "session_paused", pause: state.pause }, effects: [] };
  const next: SessionLedgerState = {
    ...state,
    pause: null,
    resumedAt: now,
    isBudgetSeen: state.isBudgetSeen || state.pause.rule_id === BUDGET_USED,
    consecutiveFailures: 0,
    lastActivityAt: now,
  };
  return { next, reply: { type: "resumed", was: state.pause }, effects: [{ type: "persist" }] };
}

const BUDGET_USED = "actor.budget_used";

/**
 * The pause that a nearly used budget asks for, after a call that was still admitted; nothing once a person has seen it.
 * What running calls hold does not count: a hold is a worst case, and one alone can cover most of a budget that is
 * hardly used.
 */
export function budgetPause(
  state: SessionLedgerState,
  { books, task, settings, now }: Spending,
): Pick<SessionLedgerState, "pause"> {
  const part = settings?.budget_used;
  if (part === undefined || state.isBudgetSeen || state.pause !== null) return { pause: state.pause };
  const inTask = ownTask(books.tasks, task);
  const over =
    nearlyUsed("session", books.session, part, now) ??
    (inTask === undefined ? undefined : nearlyUsed("task", inTask, part, now));
  if (over === undefined) return { pause: null };
  const message = `${Math.round(part * 100)} % of ${over} is used`;
  return { pause: { kind: "paused", rule_id: BUDGET_USED, message, at: now } };
}

interface Spending {
  readonly books: { readonly session: Account; readonly tasks: Readonly<Record<string, Account>> };
  readonly task: string | null;
  readonly settings: StopAndAskEntry | null;
  readonly now: number;
}

function nearlyUsed(scope: string, account: Account, part: number, now: number): string | undefined {
  const over = DIMENSIONS.find((each) => {
    const limit = account.limits[each];
    return limit !== undefined && limit > 0 && account.used[each] >= limit * part;
  });
  if (over !== undefined) return `the ${scope}'s ${over} budget`;
  const time = account.limits.wall_time_ms;
  return time !== undefined && now - account.startedAt >= time * part ? `the ${scope}'s wall time` : undefined;
}

/** The pause that a repeated call asks for: so many identical ones since a person last looked. */
export function repeatPause(
  { resumedAt, stopAndAsk, asks }: Pick<SessionLedgerState, "resumedAt" | "stopAndAsk" | "asks">,
  history: readonly Charge[],
  { fingerprint, tool, now }: { readonly fingerprint: string; readonly tool: string; readonly now: number },
): SessionPause | undefined {
  const most = stopAndAsk?.repeated_calls;
  if (most === undefined) return undefined;
  const charged = history.filter((each) => each.fingerprint === fingerprint && each.at >= resumedAt).length;
  const asked = asks.filter((each) => each.fingerprint === fingerprint && each.at >= resumedAt).length;
  const same = charged + asked;
  if (same + 1 < most) return undefined;
  return {
    kind: "paused",
    rule_id: "actor.repeated_calls",
    message: `"${tool}" was called ${same + 1} times with the same arguments`,
    at: now,
  };
}

/** The pause that failures in a row ask for. */
export function failurePause(
  stopAndAsk: StopAndAskEntry | null,
  consecutiveFailures: number,
  now: number,
): SessionPause | undefined {
  const most = stopAndAsk?.consecutive_failures;
  if (most === undefined || consecutiveFailures < most) return undefined;
  return {
    kind: "paused",
    rule_id: "actor.consecutive_failures",
    message: `${consecutiveFailures} tool calls in a row did not succeed`,
    at: now,
  };
}
