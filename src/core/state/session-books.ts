// Decides how one call counts in a session's books: its account and its task's, opened under the limits the call came with.
import * as accounts from "./account.ts";
import type { Account, AccountChange, Want } from "./account.ts";
import type { Scopes, SessionLedgerState, SessionRefusal, CallRef } from "./session-messages.ts";

/** Tasks one session may have. */
const MAX_TASKS = 256;
/** Tool calls one session may have: rules see every one of them. */
export const MAX_CHARGES = 10_000;
/** Calls of one session that may have asked people, as drafts or for approval. */
export const MAX_ASKS = 500;
/** Records the outbox may hold before calls stop. */
export const MAX_OUTBOX = 1_000;

/** The accounts a call counts in, and whether what they durably set aside changed. */
export interface Books {
  readonly session: Account;
  readonly tasks: Readonly<Record<string, Account>>;
  readonly isCommitted: boolean;
}

/** Applies one change to the session's account and to the task's, where there is one. */
export function inBooks(
  books: Omit<Books, "isCommitted">,
  task: string | null,
  change: (account: Account) => AccountChange,
): Books {
  const session = change(books.session);
  const inTask = ownTask(books.tasks, task);
  if (task === null || inTask === undefined)
    return { session: session.account, tasks: books.tasks, isCommitted: session.isCommitted };
  const changed = change(inTask);
  return {
    session: session.account,
    tasks: { ...books.tasks, [task]: changed.account },
    isCommitted: session.isCommitted || changed.isCommitted,
  };
}

/** A task's account; a task may be called like a member that every object has. */
export function ownTask(tasks: Readonly<Record<string, Account>>, task: string | null): Account | undefined {
  return task !== null && Object.hasOwn(tasks, task) ? tasks[task] : undefined;
}

interface Opening {
  readonly scopes: Scopes;
  readonly ref: CallRef;
  readonly outboxDepth: number;
}

/** The books of a call, opened if need be and under the limits it came with; or why it may not count in them. */
export function open(
  state: SessionLedgerState,
  { scopes, ref, outboxDepth }: Opening,
  now: number,
): Omit<Books, "isCommitted"> | SessionRefusal {
  if (state.actor !== null && state.actor !== ref.actor) return { type: "other_actor" };
  if (state.pause !== null) return { type: "session_paused", pause: state.pause };
  if (outboxDepth >= MAX_OUTBOX) return { type: "outbox_full" };
  const session = { ...(state.session ?? accounts.openAccount(scopes.session, now)), limits: scopes.session };
  if (scopes.task === null) return { session, tasks: state.tasks };
  const { id, limits } = scopes.task;
  const known = ownTask(state.tasks, id);
  if (known === undefined && Object.keys(state.tasks).length >= MAX_TASKS)
    return { type: "too_many_tasks", limit: MAX_TASKS };
  return { session, tasks: { ...state.tasks, [id]: { ...(known ?? accounts.openAccount(limits, now)), limits } } };
}

/** The units that fit the session and the task alike, or the first budget that is short. */
export function grantIn(
  books: Omit<Books, "isCommitted">,
  task: string | null,
  want: Want,
  now: number,
): { readonly units: number } | SessionRefusal {
  const inSession = accounts.largestGrant(books.session, want, now);
  if ("dimension" in inSession) return { type: "budget_exceeded", scope: "session", ...inSession };
  const account = ownTask(books.tasks, task);
  const inTask = account === undefined ? inSession : accounts.largestGrant(account, want, now);
  if ("dimension" in inTask) return { type: "budget_exceeded", scope: "task", ...inTask };
  return { units: Math.min(inSession.units, inTask.units) };
}
