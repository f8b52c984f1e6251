// Decides what one session may still spend: admissions, settlements, charges, expiries, and what must be durable before a reply.
import { NOTHING, plus, type Amounts } from "../budget/amounts.ts";
import * as accounts from "./account.ts";
import type { Account, AccountChange, Want } from "./account.ts";
import { RETENTION_MS } from "./tool-call.ts";
import type {
  Charge,
  Hold,
  SessionCommand,
  SessionEffect,
  SessionLedgerState,
  SessionRefusal,
  SessionReply,
  SessionTransition,
} from "./session-messages.ts";

/** Sequence numbers set aside with one durable write. */
const SEQ_CHUNK = 64;
/** Tasks one session may have. */
const MAX_TASKS = 256;
/** Records the outbox may hold before calls stop. */
export const MAX_OUTBOX = 1_000;
/** Quiet time after which the exact figures are written back. */
export const QUIET_MS = 3_000;

/** A session without any call for this long is forgotten: 30 days. */
export const SESSION_RETENTION_MS = 30 * 86_400_000;

/** The ledger of a session never seen. */
export const EMPTY_LEDGER: SessionLedgerState = {
  tenant: null,
  actor: null,
  session: null,
  tasks: {},
  holds: {},
  seq: 0,
  seqCommitted: 0,
  isExact: true,
  lastActivityAt: 0,
  forfeited: NOTHING,
  uncleanStops: 0,
  expiredHolds: 0,
};

/** Applies one command. Total: every state answers every command, and a refusal changes nothing. */
export function transition(state: SessionLedgerState, command: SessionCommand, now: number): SessionTransition {
  switch (command.type) {
    case "admit":
      return admit(state, command, now);
    case "settle":
      return settle(state, command.holdId, command.actual, now);
    case "charge":
      return charge(state, command, now);
    case "give_back":
      return giveBack(state, command.priorCharge, now);
    case "tick":
      return tick(state, command.outboxDepth, now);
    default:
      return command satisfies never;
  }
}

/** The state that durable storage gives back after a start: exact, or with everything set aside counted as spent. */
export function reload(stored: SessionLedgerState): SessionLedgerState {
  if (stored.isExact || stored.session === null) return stored;
  const all = [stored.session, ...Object.values(stored.tasks)];
  const lost = accounts.forfeitOf(all[0] ?? stored.session);
  return {
    ...stored,
    session: accounts.forfeited(stored.session),
    tasks: Object.fromEntries(Object.entries(stored.tasks).map(([id, account]) => [id, accounts.forfeited(account)])),
    holds: {},
    seq: stored.seqCommitted,
    forfeited: plus(stored.forfeited, lost),
    uncleanStops: stored.uncleanStops + 1,
    // Nothing is open and everything set aside is spent: this is exact again.
    isExact: true,
  };
}

/** When the object must wake: the next hold to expire, the write-back once the session is quiet, or the end of its retention. */
export function nextWake(state: SessionLedgerState): number | null {
  const expiries = Object.values(state.holds).map((each) => each.expiresAt);
  if (state.session === null) return null;
  return Math.min(...expiries, state.lastActivityAt + (state.isExact ? SESSION_RETENTION_MS : QUIET_MS));
}

/** The accounts a call counts in, and whether what they durably set aside changed. */
interface Books {
  readonly session: Account;
  readonly tasks: Readonly<Record<string, Account>>;
  readonly isCommitted: boolean;
}

/** Applies one change to the session's account and to the task's, where there is one. */
function inBooks(
  books: Omit<Books, "isCommitted">,
  task: string | null,
  change: (account: Account) => AccountChange,
): Books {
  const session = change(books.session);
  const inTask = task === null ? undefined : books.tasks[task];
  if (task === null || inTask === undefined)
    return { session: session.account, tasks: books.tasks, isCommitted: session.isCommitted };
  const changed = change(inTask);
  return {
    session: session.account,
    tasks: { ...books.tasks, [task]: changed.account },
    isCommitted: session.isCommitted || changed.isCommitted,
  };
}

type Opening = Pick<SessionCommand & { type: "admit" }, "scopes" | "ref" | "outboxDepth">;

/** The books of a call, opened if need be and under the limits it came with; or why it may not count in them. */
function open(
  state: SessionLedgerState,
  { scopes, ref, outboxDepth }: Opening,
  now: number,
): Omit<Books, "isCommitted"> | SessionRefusal {
  if (state.actor !== null && state.actor !== ref.actor) return { type: "other_actor" };
  if (outboxDepth >= MAX_OUTBOX) return { type: "outbox_full" };
  const session = { ...(state.session ?? accounts.openAccount(scopes.session, now)), limits: scopes.session };
  if (scopes.task === null) return { session, tasks: state.tasks };
  const { id, limits } = scopes.task;
  const known = state.tasks[id];
  if (known === undefined && Object.keys(state.tasks).length >= MAX_TASKS)
    return { type: "too_many_tasks", limit: MAX_TASKS };
  return { session, tasks: { ...state.tasks, [id]: { ...(known ?? accounts.openAccount(limits, now)), limits } } };
}

/** The units that fit the session and the task alike, or the first budget that is short. */
function grantIn(
  books: Omit<Books, "isCommitted">,
  task: string | null,
  want: Want,
  now: number,
): { readonly units: number } | SessionRefusal {
  const inSession = accounts.largestGrant(books.session, want, now);
  if ("dimension" in inSession) return { type: "budget_exceeded", scope: "session", ...inSession };
  const account = task === null ? undefined : books.tasks[task];
  const inTask = account === undefined ? inSession : accounts.largestGrant(account, want, now);
  if ("dimension" in inTask) return { type: "budget_exceeded", scope: "task", ...inTask };
  return { units: Math.min(inSession.units, inTask.units) };
}

function refused(state: SessionLedgerState, reply: SessionRefusal): SessionTransition {
  return { next: state, reply, effects: [] };
}

function admit(state: SessionLedgerState, command: SessionCommand & { type: "admit" }, now: number): SessionTransition {
  const repeated = state.holds[command.holdId];
  if (repeated !== undefined) return admittedAgain(state, command.want, repeated);
  const opened = open(state, command, now);
  if ("type" in opened) return refused(state, opened);
  const task = command.scopes.task?.id ?? null;
  const grant = grantIn(opened, task, command.want, now);
  if ("type" in grant) return refused(state, grant);
  const need = accounts.needOf(command.want, grant.units);
  const { isCommitted, ...books } = inBooks(opened, task, (account) => accounts.hold(account, need));
  const seq = state.seq + 1;
  const { holdId: id, expiresAt, ref } = command;
  const next: SessionLedgerState = {
    ...state,
    ...books,
    tenant: ref.tenant,
    actor: ref.actor,
    holds: { ...state.holds, [id]: { id, seq, task, amounts: need, expiresAt, openedAt: now, ref } },
    seq,
    seqCommitted: seq > state.seqCommitted ? seq - 1 + SEQ_CHUNK : state.seqCommitted,
    isExact: false,
    lastActivityAt: now,
  };
  const mustPersist = state.isExact || isCommitted || seq > state.seqCommitted;
  const reply: SessionReply = {
    type: "admitted",
    seq,
    units: grant.units,
    held: need,
    remainingUsd: remaining(next.session),
  };
  return { next, reply, effects: mustPersist ? [{ type: "persist" }] : [] };
}

/** The same reservation asked for twice is held once. */
function admittedAgain(state: SessionLedgerState, want: Want, { seq, amounts }: Hold): SessionTransition {
  const units =
    want.unitTokens === 0 ? want.maxUnits : Math.floor((amounts.tokens - want.fixed.tokens) / want.unitTokens);
  return {
    next: state,
    reply: { type: "admitted", seq, units, held: amounts, remainingUsd: remaining(state.session) },
    effects: [],
  };
}

function settle(state: SessionLedgerState, holdId: string, actual: Amounts, now: number): SessionTransition {
  const held = state.holds[holdId];
  if (held === undefined || state.session === null)
    return { next: state, reply: { type: "unknown_hold" }, effects: [] };
  const settled = settleHold(state, state.session, held, actual);
  const next = { ...settled.next, isExact: false, lastActivityAt: now };
  const mustPersist = state.isExact || settled.isCommitted;
  return {
    next,
    reply: { type: "settled", remainingUsd: remaining(next.session) },
    effects: mustPersist ? [{ type: "persist" }] : [],
  };
}

function settleHold(
  state: SessionLedgerState,
  session: Account,
  held: Hold,
  actual: Amounts,
): { readonly next: SessionLedgerState; readonly isCommitted: boolean } {
  const { isCommitted, ...books } = inBooks({ session, tasks: state.tasks }, held.task, (account) =>
    accounts.settle(account, held.amounts, actual),
  );
  const { [held.id]: _, ...holds } = state.holds;
  return { next: { ...state, ...books, holds }, isCommitted };
}

function charge(
  state: SessionLedgerState,
  command: SessionCommand & { type: "charge" },
  now: number,
): SessionTransition {
  const prior = command.priorCharge;
  // The call's own object forgets no earlier than this: after it, the same key is a new call and is charged as one.
  if (prior?.status === "charged" && now - prior.at < RETENTION_MS) {
    return {
      next: state,
      reply: { type: "charged", seq: prior.seq, remainingUsd: remaining(state.session) },
      effects: [],
    };
  }
  const opened = open(state, command, now);
  if ("type" in opened) return refused(state, opened);
  const task = command.scopes.task?.id ?? null;
  const grant = grantIn(
    opened,
    task,
    { fixed: command.amounts, unitPico: 0, unitTokens: 0, minUnits: 0, maxUnits: 0 },
    now,
  );
  if ("type" in grant) return refused(state, grant);
  const { isCommitted: _, ...books } = inBooks(opened, task, (account) => accounts.charge(account, command.amounts));
  const seq = state.seq + 1;
  const { callId, amounts, ref } = command;
  const next = whenExact({
    ...state,
    ...books,
    tenant: ref.tenant,
    actor: ref.actor,
    seq,
    seqCommitted: Math.max(seq, state.seqCommitted),
    lastActivityAt: now,
  });
  const intent: Charge = { callId, seq, task, amounts, status: "charged", at: now, ref };
  const reply: SessionReply = { type: "charged", seq, remainingUsd: remaining(next.session) };
  return { next, reply, effects: [{ type: "persist" }, { type: "write_charge", charge: intent }] };
}

function giveBack(state: SessionLedgerState, prior: Charge | null, now: number): SessionTransition {
  if (prior?.status !== "charged" || state.session === null)
    return { next: state, reply: { type: "given_back" }, effects: [] };
  const { isCommitted: _, ...books } = inBooks({ session: state.session, tasks: state.tasks }, prior.task, (account) =>
    accounts.giveBack(account, prior.amounts),
  );
  const next = whenExact({ ...state, ...books, lastActivityAt: now });
  return {
    next,
    reply: { type: "given_back" },
    effects: [{ type: "persist" }, { type: "write_charge", charge: { ...prior, status: "given_back" } }],
  };
}

/** A state that was exact stays exact through a change that is itself written: nothing needs a chunk. */
function whenExact(state: SessionLedgerState): SessionLedgerState {
  return state.isExact ? writtenBack(state) : state;
}

function writtenBack(state: SessionLedgerState): SessionLedgerState {
  return {
    ...state,
    session: state.session === null ? null : accounts.exactly(state.session),
    tasks: Object.fromEntries(Object.entries(state.tasks).map(([id, account]) => [id, accounts.exactly(account)])),
    seqCommitted: state.seq,
    isExact: true,
  };
}

function tick(state: SessionLedgerState, outboxDepth: number, now: number): SessionTransition {
  // A session is forgotten only once all its records are on their way.
  if (outboxDepth === 0 && isForgotten(state, now))
    return { next: EMPTY_LEDGER, reply: { type: "ticked" }, effects: [{ type: "forget" }] };
  const expired = Object.values(state.holds).filter((each) => each.expiresAt <= now);
  const settled = expired.reduce(
    (next, each) => (next.session === null ? next : settleHold(next, next.session, each, each.amounts).next),
    state,
  );
  const counted = expired.length === 0 ? settled : { ...settled, expiredHolds: settled.expiredHolds + expired.length };
  const isQuiet = now - state.lastActivityAt >= QUIET_MS;
  const mayWriteBack = state.isExact ? expired.length > 0 : isQuiet;
  const next = mayWriteBack ? writtenBack(counted) : counted;
  const reports = expired.map((hold): SessionEffect => ({ type: "report_expired", hold }));
  return { next, reply: { type: "ticked" }, effects: next === state ? [] : [...reports, { type: "persist" }] };
}

function isForgotten(state: SessionLedgerState, now: number): boolean {
  return (
    state.session !== null &&
    state.isExact &&
    Object.keys(state.holds).length === 0 &&
    now - state.lastActivityAt >= SESSION_RETENTION_MS
  );
}

function remaining(session: Account | null): number | null {
  const room = session === null ? undefined : accounts.headroom(session, "usd");
  return room === undefined ? null : Math.max(0, room);
}
