// Decides what one session may still spend: admissions, settlements, charges, expiries, and what must be durable before a reply.
import { minus, NOTHING, plus, type Amounts, type Limits } from "../budget/amounts.ts";
import * as accounts from "./account.ts";
import type { Account, Shortage, Want } from "./account.ts";

/** What a hold or a charge belongs to, kept so that an orphan can still be told in a trace. */
export interface CallRef {
  readonly tenant: string;
  readonly session: string;
  readonly actor: string;
  readonly traceHex: string;
  readonly spanId: string;
  /** The model or tool. */
  readonly subject: string;
  readonly policyVersion: string;
}

/** An open reservation. */
export interface Hold {
  readonly id: string;
  readonly seq: number;
  readonly task: string | null;
  readonly amounts: Amounts;
  readonly expiresAt: number;
  readonly openedAt: number;
  readonly ref: CallRef;
}

/** A session's ledger: its accounts, open holds and counters. Times are epoch milliseconds. */
export interface SessionLedgerState {
  readonly tenant: string | null;
  readonly actor: string | null;
  readonly session: Account | null;
  readonly tasks: Readonly<Record<string, Account>>;
  readonly holds: Readonly<Record<string, Hold>>;
  /** Last sequence number given to a call, and the last one durably set aside. */
  readonly seq: number;
  readonly seqCommitted: number;
  /** Whether the durable row describes this state to the last unit. */
  readonly isExact: boolean;
  readonly lastActivityAt: number;
  /** What unclean stops have cost, and how many there were. */
  readonly forfeited: Amounts;
  readonly uncleanStops: number;
  readonly expiredHolds: number;
}

/** The limits under which a call asks to be admitted. */
export interface Scopes {
  readonly session: Limits;
  readonly task: { readonly id: string; readonly limits: Limits } | null;
}

/** Commands of the ledger. `outboxDepth` and `priorCharge` are facts its object reads from its own tables. */
export type SessionCommand =
  | {
      readonly type: "admit";
      readonly holdId: string;
      readonly scopes: Scopes;
      readonly want: Want;
      readonly expiresAt: number;
      readonly ref: CallRef;
      readonly outboxDepth: number;
    }
  | { readonly type: "settle"; readonly holdId: string; readonly actual: Amounts }
  | {
      readonly type: "charge";
      readonly callId: string;
      readonly scopes: Scopes;
      readonly amounts: Amounts;
      readonly ref: CallRef;
      readonly priorCharge: Charge | null;
      readonly outboxDepth: number;
    }
  | { readonly type: "give_back"; readonly callId: string; readonly priorCharge: Charge | null }
  | { readonly type: "tick" };

/** The durable intent of one tool call in its session. */
export interface Charge {
  readonly callId: string;
  readonly seq: number;
  readonly task: string | null;
  readonly amounts: Amounts;
  readonly status: "charged" | "given_back";
  readonly at: number;
  readonly ref: CallRef;
}

/** Why a call was not admitted. */
export type SessionRefusal =
  | ({ readonly type: "budget_exceeded"; readonly scope: "session" | "task" } & Shortage)
  | { readonly type: "other_actor" }
  | { readonly type: "outbox_full" }
  | { readonly type: "too_many_tasks"; readonly limit: number };

/** Replies of the ledger. */
export type SessionReply =
  | {
      readonly type: "admitted";
      readonly seq: number;
      readonly units: number;
      readonly held: Amounts;
      readonly remainingUsd: number | null;
    }
  | { readonly type: "settled"; readonly remainingUsd: number | null }
  | { readonly type: "unknown_hold" }
  | { readonly type: "charged"; readonly seq: number; readonly remainingUsd: number | null }
  | { readonly type: "given_back" }
  | { readonly type: "ticked" }
  | SessionRefusal;

/** What the object must do, in this order, before the reply leaves. */
export type SessionEffect =
  | { readonly type: "persist" }
  | { readonly type: "write_charge"; readonly charge: Charge }
  | { readonly type: "report_expired"; readonly hold: Hold }
  | { readonly type: "forget" };

/** The result of a command. */
export interface SessionTransition {
  readonly next: SessionLedgerState;
  readonly reply: SessionReply;
  readonly effects: readonly SessionEffect[];
}

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
      return tick(state, now);
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
  };
}

/** When the object must wake: the next hold to expire, the write-back once the session is quiet, or the end of its retention. */
export function nextWake(state: SessionLedgerState): number | null {
  const expiries = Object.values(state.holds).map((each) => each.expiresAt);
  if (state.session === null) return null;
  return Math.min(...expiries, state.lastActivityAt + (state.isExact ? SESSION_RETENTION_MS : QUIET_MS));
}

interface Opened {
  readonly session: Account;
  readonly task: Account | null;
}

type CallOpening = Pick<SessionCommand & { type: "admit" }, "scopes" | "ref" | "outboxDepth">;

function open(
  state: SessionLedgerState,
  { scopes, ref, outboxDepth }: CallOpening,
  now: number,
): Opened | SessionRefusal {
  if (state.actor !== null && state.actor !== ref.actor) return { type: "other_actor" };
  if (outboxDepth >= MAX_OUTBOX) return { type: "outbox_full" };
  const session = { ...(state.session ?? accounts.openAccount(scopes.session, now)), limits: scopes.session };
  if (scopes.task === null) return { session, task: null };
  const known = state.tasks[scopes.task.id];
  if (known === undefined && Object.keys(state.tasks).length >= MAX_TASKS)
    return { type: "too_many_tasks", limit: MAX_TASKS };
  return { session, task: { ...(known ?? accounts.openAccount(scopes.task.limits, now)), limits: scopes.task.limits } };
}

function grantIn(opened: Opened, want: Want, now: number): { readonly units: number } | SessionRefusal {
  const inSession = accounts.largestGrant(opened.session, want, now);
  if ("dimension" in inSession) return { type: "budget_exceeded", scope: "session", ...inSession };
  if (opened.task === null) return inSession;
  const inTask = accounts.largestGrant(opened.task, want, now);
  if ("dimension" in inTask) return { type: "budget_exceeded", scope: "task", ...inTask };
  return { units: Math.min(inSession.units, inTask.units) };
}

function refused(state: SessionLedgerState, reply: SessionRefusal): SessionTransition {
  return { next: state, reply, effects: [] };
}

function admit(state: SessionLedgerState, command: SessionCommand & { type: "admit" }, now: number): SessionTransition {
  const repeated = state.holds[command.holdId];
  if (repeated !== undefined) {
    return {
      next: state,
      reply: {
        type: "admitted",
        seq: repeated.seq,
        units: unitsIn(command.want, repeated.amounts),
        held: repeated.amounts,
        remainingUsd: remaining(state.session),
      },
      effects: [],
    };
  }
  const opened = open(state, command, now);
  if ("type" in opened) return refused(state, opened);
  const grant = grantIn(opened, command.want, now);
  if ("type" in grant) return refused(state, grant);
  const need = accounts.needOf(command.want, grant.units);
  const inSession = accounts.hold(opened.session, need);
  const inTask = opened.task === null ? null : accounts.hold(opened.task, need);
  const seq = state.seq + 1;
  const taskId = command.scopes.task?.id ?? null;
  const newHold: Hold = {
    id: command.holdId,
    seq,
    task: taskId,
    amounts: need,
    expiresAt: command.expiresAt,
    openedAt: now,
    ref: command.ref,
  };
  const isUnsafe = state.isExact || seq > state.seqCommitted || inSession.isCommitted || inTask?.isCommitted === true;
  const next: SessionLedgerState = {
    ...state,
    tenant: command.ref.tenant,
    actor: command.ref.actor,
    session: inSession.account,
    tasks: taskId === null || inTask === null ? state.tasks : { ...state.tasks, [taskId]: inTask.account },
    holds: { ...state.holds, [newHold.id]: newHold },
    seq,
    seqCommitted: seq > state.seqCommitted ? seq - 1 + SEQ_CHUNK : state.seqCommitted,
    isExact: false,
    lastActivityAt: now,
  };
  const reply: SessionReply = {
    type: "admitted",
    seq,
    units: grant.units,
    held: need,
    remainingUsd: remaining(next.session),
  };
  return { next, reply, effects: isUnsafe ? [{ type: "persist" }] : [] };
}

function unitsIn(want: Want, held: Amounts): number {
  return want.unitTokens === 0 ? want.maxUnits : Math.floor((held.tokens - want.fixed.tokens) / want.unitTokens);
}

function settle(state: SessionLedgerState, holdId: string, actual: Amounts, now: number): SessionTransition {
  const open = state.holds[holdId];
  if (open === undefined || state.session === null)
    return { next: state, reply: { type: "unknown_hold" }, effects: [] };
  const settled = settleHold(state, state.session, open, actual);
  const next = { ...settled.next, isExact: false, lastActivityAt: now };
  const effects: SessionEffect[] = state.isExact || settled.isCommitted ? [{ type: "persist" }] : [];
  return { next, reply: { type: "settled", remainingUsd: remaining(next.session) }, effects };
}

function settleHold(
  state: SessionLedgerState,
  session: Account,
  open: Hold,
  actual: Amounts,
): { readonly next: SessionLedgerState; readonly isCommitted: boolean } {
  const inSession = accounts.settle(session, open.amounts, actual);
  const task = open.task === null ? undefined : state.tasks[open.task];
  const inTask = task === undefined ? null : accounts.settle(task, open.amounts, actual);
  const holds = Object.fromEntries(Object.entries(state.holds).filter(([id]) => id !== open.id));
  const tasks = open.task === null || inTask === null ? state.tasks : { ...state.tasks, [open.task]: inTask.account };
  return {
    next: { ...state, session: inSession.account, tasks, holds },
    isCommitted: inSession.isCommitted || inTask?.isCommitted === true,
  };
}

function charge(
  state: SessionLedgerState,
  command: SessionCommand & { type: "charge" },
  now: number,
): SessionTransition {
  const prior = command.priorCharge;
  if (prior !== null && prior.status === "charged") {
    return {
      next: state,
      reply: { type: "charged", seq: prior.seq, remainingUsd: remaining(state.session) },
      effects: [],
    };
  }
  const opened = open(state, command, now);
  if ("type" in opened) return refused(state, opened);
  const grant = grantIn(opened, { fixed: command.amounts, unitPico: 0, unitTokens: 0, minUnits: 0, maxUnits: 0 }, now);
  if ("type" in grant) return refused(state, grant);
  const inSession = accounts.charge(opened.session, command.amounts).account;
  const inTask = opened.task === null ? null : accounts.charge(opened.task, command.amounts).account;
  const seq = state.seq + 1;
  const task = command.scopes.task?.id ?? null;
  const next = whenExact({
    ...state,
    tenant: command.ref.tenant,
    actor: command.ref.actor,
    session: inSession,
    tasks: task === null || inTask === null ? state.tasks : { ...state.tasks, [task]: inTask },
    seq,
    seqCommitted: Math.max(seq, state.seqCommitted),
    lastActivityAt: now,
  });
  const intent: Charge = {
    callId: command.callId,
    seq,
    task,
    amounts: command.amounts,
    status: "charged",
    at: now,
    ref: command.ref,
  };
  return {
    next,
    reply: { type: "charged", seq, remainingUsd: remaining(next.session) },
    effects: [{ type: "persist" }, { type: "write_charge", charge: intent }],
  };
}

function giveBack(state: SessionLedgerState, prior: Charge | null, now: number): SessionTransition {
  if (prior === null || prior.status !== "charged" || state.session === null)
    return { next: state, reply: { type: "given_back" }, effects: [] };
  const task = prior.task === null ? undefined : state.tasks[prior.task];
  const next = whenExact({
    ...state,
    session: accounts.giveBack(state.session, prior.amounts),
    tasks:
      prior.task === null || task === undefined
        ? state.tasks
        : { ...state.tasks, [prior.task]: accounts.giveBack(task, prior.amounts) },
    lastActivityAt: now,
  });
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

function tick(state: SessionLedgerState, now: number): SessionTransition {
  const expired = Object.values(state.holds).filter((each) => each.expiresAt <= now);
  const isOver =
    state.session !== null &&
    state.isExact &&
    Object.keys(state.holds).length === 0 &&
    now - state.lastActivityAt >= SESSION_RETENTION_MS;
  if (isOver) return { next: EMPTY_LEDGER, reply: { type: "ticked" }, effects: [{ type: "forget" }] };
  let next = state;
  for (const each of expired) {
    if (next.session !== null) next = settleHold(next, next.session, each, each.amounts).next;
  }
  if (expired.length > 0) next = { ...next, expiredHolds: next.expiredHolds + expired.length };
  const isQuiet = !next.isExact && now - next.lastActivityAt >= QUIET_MS;
  if (isQuiet || (next.isExact && expired.length > 0)) next = writtenBack(next);
  const effects: SessionEffect[] = expired.map((each) => ({ type: "report_expired", hold: each }));
  return { next, reply: { type: "ticked" }, effects: next === state ? effects : [...effects, { type: "persist" }] };
}

function remaining(session: Account | null): number | null {
  const room = session === null ? undefined : accounts.headroom(session, "usd");
  return room === undefined ? null : Math.max(0, room);
}

/** What people see of a ledger: limits, used, held and left per dimension, for the session and each task. */
export function describe(account: Account): {
  readonly limits: Limits;
  readonly used: Amounts;
  readonly held: Amounts;
  readonly set_aside: Amounts;
} {
  return {
    limits: account.limits,
    used: account.used,
    held: account.held,
    set_aside: minus(account.committed, plus(account.used, account.held)),
  };
}
