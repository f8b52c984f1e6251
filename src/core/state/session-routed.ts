// Decides what a model call is granted in its session: the tier that its session chooses for it, and what of that fits the budget.
import type { Want } from "./account.ts";
import { grantIn, ownTask, type Books } from "./session-books.ts";
import type { CallRef, RouteTaken, SessionCommand, SessionLedgerState, SessionRefusal } from "./session-messages.ts";
import { chooseTier, NEW_TASK, usedPart, type RouteAsk, type RouteSeen, type TaskRoute } from "./session-route.ts";

/** What a call is granted. */
interface RoutedGrant {
  readonly units: number;
  readonly want: Want;
  readonly expiresAt: number;
  readonly ref: CallRef;
  /** What is noted and told of a routed call's tier; nothing for any other call. */
  readonly taken: { readonly route?: RouteTaken };
  /** The tier that the call's task keeps. */
  readonly keptTier: string | null;
}

type Opened = Omit<Books, "isCommitted">;
type Admit = SessionCommand & { readonly type: "admit" };

/** The grant of a call; of a routed one in the tier that its session chooses, or in a cheaper one that the policy allows where that does not fit. */
export function grantRouted(
  state: SessionLedgerState,
  opened: Opened,
  command: Admit,
  now: number,
): RoutedGrant | SessionRefusal {
  const { route, want, expiresAt, ref } = command;
  const task = command.scopes.task?.id ?? null;
  if (route === undefined) {
    const grant = grantIn(opened, task, want, now);
    return "type" in grant ? grant : { units: grant.units, want, expiresAt, ref, taken: {}, keptTier: null };
  }
  const chosen = chooseTier(route, seenBy(state, opened, task));
  const keptTier = route.isSticky ? (route.choices[chosen.kept]?.tier ?? null) : null;
  const first = grantOf({ choice: chosen.choice, why: chosen.why }, { route, opened, command, now });
  if (!("type" in first)) return { ...first, keptTier };
  if (first.type !== "budget_exceeded" || chosen.fallback === undefined) return first;
  const second = grantOf({ choice: chosen.fallback, why: "degraded" }, { route, opened, command, now });
  return "type" in second ? first : { ...second, keptTier };
}

function grantOf(
  taken: RouteTaken,
  {
    route,
    opened,
    command,
    now,
  }: { readonly route: RouteAsk; readonly opened: Opened; readonly command: Admit; readonly now: number },
): Omit<RoutedGrant, "keptTier"> | SessionRefusal {
  const choice = route.choices[taken.choice];
  const { want, expiresAt, subject } = choice ?? { ...command, subject: command.ref.subject };
  const grant = grantIn(opened, command.scopes.task?.id ?? null, want, now);
  if ("type" in grant) return grant;
  return { units: grant.units, want, expiresAt, ref: { ...command.ref, subject }, taken: { route: taken } };
}

/** What a session knows of a call's task; of a call without one, what it knows of itself. */
export function seenBy(state: SessionLedgerState, { session, tasks }: Opened, task: string | null): RouteSeen {
  const { tier, failures } = task === null ? { tier: null, failures: state.failures } : taskRoute(state, task);
  return { tier, failures, isTainted: state.taint.length > 0, used: usedPart([session, ownTask(tasks, task)]) };
}

/** What is known of a task's routing. */
export function taskRoute({ routes }: Pick<SessionLedgerState, "routes">, task: string): TaskRoute {
  return (Object.hasOwn(routes, task) ? routes[task] : undefined) ?? NEW_TASK;
}

/** The routes with a task's highest tier noted; it is written with whatever is written next. */
export function withRoute(
  state: Pick<SessionLedgerState, "routes">,
  task: string | null,
  tier: string | null,
): Pick<SessionLedgerState, "routes"> {
  if (task === null || tier === null) return { routes: state.routes };
  const known = taskRoute(state, task);
  return known.tier === tier ? { routes: state.routes } : { routes: { ...state.routes, [task]: { ...known, tier } } };
}

/** The routes with one more failure of a task. */
export function withFailure(
  state: Pick<SessionLedgerState, "routes">,
  task: string | null,
): Pick<SessionLedgerState, "routes"> {
  if (task === null) return { routes: state.routes };
  const known = taskRoute(state, task);
  return { routes: { ...state.routes, [task]: { ...known, failures: known.failures + 1 } } };
}
