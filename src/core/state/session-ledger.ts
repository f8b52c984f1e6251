// Decides what one session may still spend: admissions, settlements, charges, expiries, and what must be durable before a reply.
import { NOTHING, plus, type Amounts } from "../budget/amounts.ts";
import * as accounts from "./account.ts";
import type { Account, Want } from "./account.ts";
import { afterStop, hasSayable, noted, over, stated, tellingMany } from "./session-admissions.ts";
import { inBooks, open } from "./session-books.ts";
import { charge, conclude } from "./session-charge.ts";
import { closeSaga } from "./session-saga.ts";
import { grantRouted, withRoute } from "./session-routed.ts";
import * as leases from "./lease.ts";
import { budgetPause, paused, resume } from "./session-pause.ts";
import type {
  Hold,
  SessionCommand,
  SessionEffect,
  SessionLedgerState,
  SessionRefusal,
  SessionReply,
  SessionTransition,
} from "./session-messages.ts";
import { remaining, writtenBack } from "./session-written-back.ts";

/** Sequence numbers set aside with one durable write. */
const SEQ_CHUNK = 64;
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
  pause: null,
  resumedAt: 0,
  isBudgetSeen: false,
  stopAndAsk: null,
  failures: 0,
  consecutiveFailures: 0,
  leases: {},
  asks: [],
  taint: [],
  facts: {},
  routes: {},
  closedSagas: [],
  sessionId: null,
  unstated: [],
  uncertain: [],
};

/** Applies one command. Total: every state answers every command, and a refusal changes nothing. */
export function transition(state: SessionLedgerState, command: SessionCommand, now: number): SessionTransition {
  // Each entry takes the command of its own name: the table's type says so, which a look-up by name forgets.
  const handle = HANDLERS[command.type] as (
    state: SessionLedgerState,
    command: SessionCommand,
    now: number,
  ) => SessionTransition;
  return tellingMany(handle(state, command, now), now);
}

type Handlers = {
  readonly [T in SessionCommand["type"]]: (
    state: SessionLedgerState,
    command: SessionCommand & { readonly type: T },
    now: number,
  ) => SessionTransition;
};

const HANDLERS: Handlers = {
  admit,
  settle: (state, { holdId, actual }, now) => settle(state, holdId, actual, now),
  charge,
  conclude,
  lease,
  reclaim,
  give_up: giveUp,
  pause: (state, { pause }, now) => paused(state, { ...pause, at: now }),
  resume: (state, _, now) => resume(state, now),
  close_saga: (state, { task }, now) => closeSaga(state, task, now),
  revisit,
  tick: (state, { outboxDepth }, now) => tick(state, outboxDepth, now),
};

/** The state that durable storage gives back after a start: exact, or with everything set aside counted as spent. */
export function reload(stored: SessionLedgerState): SessionLedgerState {
  if (stored.isExact || stored.session === null) return stored;
  const all = [stored.session, ...Object.values(stored.tasks)];
  const lost = accounts.forfeitOf(all[0] ?? stored.session);
  return {
    ...stored,
    session: accounts.forfeited(stored.session),
    tasks: Object.fromEntries(Object.entries(stored.tasks).map(([id, account]) => [id, accounts.forfeited(account)])),
    ...afterStop(stored),
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
  // Shares that nobody draws any more go back to the tenant once the session is quiet.
  const isDone = state.isExact && Object.keys(state.leases).length === 0 && !hasSayable(state);
  // What a person ended for good is not forgotten: its id would begin anew.
  if (isEnded(state) && isDone) return expiries.length === 0 ? null : Math.min(...expiries);
  return Math.min(...expiries, state.lastActivityAt + (isDone ? SESSION_RETENTION_MS : QUIET_MS));
}

function refused(state: SessionLedgerState, reply: SessionRefusal): SessionTransition {
  return { next: state, reply, effects: [] };
}

function admit(state: SessionLedgerState, command: SessionCommand & { type: "admit" }, now: number): SessionTransition {
  const repeated = state.holds[command.holdId];
  if (repeated !== undefined) return admittedAgain(state, command, repeated);
  const opened = open(state, command, now);
  if ("type" in opened) return refused(state, opened);
  if (command.stop !== null) return stopped(state, command, now);
  const task = command.scopes.task?.id ?? null;
  const grant = grantRouted(state, opened, command, now);
  if ("type" in grant) return refused(state, grant);
  const { want, expiresAt, ref, taken } = grant;
  const need = accounts.needOf(want, grant.units);
  const { isCommitted, ...books } = inBooks(opened, task, (account) => accounts.hold(account, need));
  const seq = state.seq + 1;
  const { holdId: id } = command;
  const next: SessionLedgerState = {
    ...state,
    ...books,
    ...budgetPause(state, { books, task, settings: command.stopAndAsk, now }),
    ...noted(state, ref, { seq, kind: "chat", call_id: null, at: now }),
    tenant: ref.tenant,
    actor: ref.actor,
    stopAndAsk: command.stopAndAsk,
    holds: { ...state.holds, [id]: { id, seq, task, amounts: need, expiresAt, openedAt: now, ref, ...taken } },
    ...withRoute(state, task, grant.keptTier),
    seq,
    seqCommitted: seq > state.seqCommitted ? seq - 1 + SEQ_CHUNK : state.seqCommitted,
    isExact: false,
    lastActivityAt: now,
  };
  const mustPersist = state.isExact || isCommitted || seq > state.seqCommitted || next.pause !== null;
  const reply: SessionReply = {
    type: "admitted",
    seq,
    units: grant.units,
    held: need,
    remainingUsd: remaining(next.session),
    ...taken,
  };
  return { next, reply, effects: mustPersist ? [{ type: "persist" }] : [] };
}

/** The same reservation asked for twice is held once. */
function admittedAgain(
  state: SessionLedgerState,
  command: SessionCommand & { type: "admit" },
  { seq, amounts, route }: Hold,
): SessionTransition {
  const want: Want = (route === undefined ? undefined : command.route?.choices[route.choice]?.want) ?? command.want;
  const units =
    want.unitTokens === 0 ? want.maxUnits : Math.floor((amounts.tokens - want.fixed.tokens) / want.unitTokens);
  return {
    next: state,
    reply: {
      type: "admitted",
      seq,
      units,
      held: amounts,
      remainingUsd: remaining(state.session),
      ...(route === undefined ? {} : { route }),
    },
    effects: [],
  };
}

function settle(state: SessionLedgerState, holdId: string, actual: Amounts, now: number): SessionTransition {
  const held = state.holds[holdId];
  if (held === undefined || state.session === null)
    return { next: state, reply: { type: "unknown_hold" }, effects: [] };
  const settled = settleHold(state, state.session, held, actual);
  const next = { ...settled.next, ...over(state, held.seq, now), isExact: false, lastActivityAt: now };
  const mustPersist = state.isExact || settled.isCommitted;
  return {
    next,
    reply: { type: "settled", remainingUsd: remaining(next.session) },
    effects: mustPersist ? [{ type: "persist" }] : [],
  };
}

/** A hold that was never settled costs all of it, and its record is the ledger's own. */
function expire(state: SessionLedgerState, session: Account, held: Hold): SessionLedgerState {
  const { next } = settleHold(state, session, held, held.amounts);
  return { ...next, ...over(next, held.seq, 0) };
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

/** A call that its own reasons stop: the session is opened and paused, and nothing is held. */
function stopped(
  state: SessionLedgerState,
  { stop, ref, scopes }: SessionCommand & { type: "admit" },
  now: number,
): SessionTransition {
  const session = state.session ?? accounts.openAccount(scopes.session, now);
  const known = { ...state, session, tenant: ref.tenant, actor: ref.actor, lastActivityAt: now };
  return paused(known, { kind: "paused", rule_id: stop?.rule_id ?? "policy", message: stop?.message ?? "", at: now });
}

/** Whether a call may be answered in this session without being charged: not in another actor's, nor while it waits for a person. */
function revisit(
  state: SessionLedgerState,
  { ref, scopes, pause }: SessionCommand & { type: "revisit" },
  now: number,
): SessionTransition {
  if (state.actor !== null && state.actor !== ref.actor) return refused(state, { type: "other_actor" });
  if (state.pause !== null) return refused(state, { type: "session_paused", pause: state.pause });
  if (pause === null) return { next: state, reply: { type: "revisited" }, effects: [] };
  const session = state.session ?? accounts.openAccount(scopes.session, now);
  const known = { ...state, session, tenant: ref.tenant, actor: ref.actor, lastActivityAt: now };
  return paused(known, { ...pause, at: now });
}

function lease(state: SessionLedgerState, { grants }: SessionCommand & { type: "lease" }): SessionTransition {
  const next = grants.reduce((all, { key, grant }) => leases.add(all, key, grant), state.leases);
  return { next: { ...state, leases: next }, reply: { type: "leased" }, effects: [] };
}

function reclaim(state: SessionLedgerState, { leaseId }: SessionCommand & { type: "reclaim" }): SessionTransition {
  const { leases: next, unused } = leases.reclaim(state.leases, leaseId);
  return {
    next: { ...state, leases: next },
    reply: { type: "reclaimed", unused },
    // Gone from here before the tenant may grant it again.
    effects: next === state.leases ? [] : [{ type: "persist" }],
  };
}

/** What is not used goes back: everything once the session is quiet, at once what a failure put back. */
function giveUp(
  state: SessionLedgerState,
  { which }: SessionCommand & { type: "give_up" },
  now: number,
): SessionTransition {
  const { leases: kept, unused } = leases.giveUp(state.leases, which, now);
  if (unused.length === 0) return { next: state, reply: { type: "given_up", unused }, effects: [] };
  // Gone from here before the tenant may grant it again.
  return { next: { ...state, leases: kept }, reply: { type: "given_up", unused }, effects: [{ type: "persist" }] };
}

function tick(state: SessionLedgerState, outboxDepth: number, now: number): SessionTransition {
  // A session is forgotten only once all its records are on their way.
  if (outboxDepth === 0 && isForgotten(state, now))
    return { next: EMPTY_LEDGER, reply: { type: "ticked" }, effects: [{ type: "forget" }] };
  const expired = Object.values(state.holds).filter((each) => each.expiresAt <= now);
  const settled = expired.reduce(
    (next, each) => (next.session === null ? next : expire(next, next.session, each)),
    state,
  );
  const counted = expired.length === 0 ? settled : { ...settled, expiredHolds: settled.expiredHolds + expired.length };
  const isQuiet = now - state.lastActivityAt >= QUIET_MS;
  const mayWriteBack = state.isExact ? expired.length > 0 : isQuiet;
  const exact = mayWriteBack ? writtenBack(counted) : counted;
  const { next, statements } = isQuiet || mayWriteBack ? stated(exact, now) : { next: exact, statements: [] };
  const reports = [
    ...expired.map((hold): SessionEffect => ({ type: "report_expired", hold })),
    ...(statements.length === 0 ? [] : [{ type: "state_admissions", statements } as const]),
  ];
  return { next, reply: { type: "ticked" }, effects: next === state ? [] : [...reports, { type: "persist" }] };
}

function isForgotten(state: SessionLedgerState, now: number): boolean {
  return (
    state.session !== null &&
    state.isExact &&
    !isEnded(state) &&
    !hasSayable(state) &&
    Object.keys(state.holds).length === 0 &&
    now - state.lastActivityAt >= SESSION_RETENTION_MS
  );
}

function isEnded({ pause }: SessionLedgerState): boolean {
  return pause?.kind === "ended";
}
