// Decides whether a tool call may run in its session: the session's rules, repeats, limits and budget in one step, and what its outcome changes.
import { sessionReasons } from "../policy/evaluate.ts";
import { decide, stopOf, type Effect, type Reason } from "../policy/decision.ts";
import * as accounts from "./account.ts";
import { unasked } from "./approval.ts";
import { withFailure } from "./session-routed.ts";
import * as leases from "./lease.ts";
import { termsOf } from "./meter.ts";
import { noted } from "./session-admissions.ts";
import { grantIn, inBooks, MAX_ASKS, MAX_CHARGES, open } from "./session-books.ts";
import { sessionInput } from "./session-facts.ts";
import { budgetPause, failurePause, paused, repeatPause } from "./session-pause.ts";
import { withLearnt } from "./teaching.ts";
import { RETENTION_MS } from "./tool-call.ts";
import type { MeterNeed } from "../policy/limits.ts";
import type {
  Charge,
  ChargeOutcome,
  Draw,
  SessionCommand,
  SessionEffect,
  SessionLedgerState,
  SessionPause,
  SessionRefusal,
  SessionTransition,
} from "./session-messages.ts";
import { remaining, whenExact } from "./session-written-back.ts";

type ChargeCommand = SessionCommand & { type: "charge" };

/**
 * Charges a tool call and records its intent, or says why it may not run. Rules that look at the session see every
 * earlier call of it, those in flight included: this is the one place where calls of a session are put in order.
 */
export function charge(state: SessionLedgerState, command: ChargeCommand, now: number): SessionTransition {
  const prior = priorOf(command, now);
  const closed = prior === null ? closedSaga(state, command) : undefined;
  if (closed !== undefined) return refused(state, { type: "saga_closed", task: closed });
  if (prior !== null && prior.fingerprint !== command.policy.fingerprint) return chargeAnew(state, command, prior, now);
  // What this very call has left behind is not a call before it.
  const asked =
    prior === null ? command : { ...command, history: command.history.filter((each) => each.callId !== prior.callId) };
  const opened = open(state, asked, now);
  if ("type" in opened) return refused(state, opened);
  // Under the limits that the call came with, also where it is the session's first.
  const reasons = reasonsOf({ ...state, ...opened }, asked, now);
  const pause = pauseOf(state, asked, { reasons, now });
  if (pause !== undefined) return stop(state, asked, pause);
  const effect = effectOf(asked, reasons);
  if (effect !== "allow") return notAllowed(state, asked, { effect, reasons, books: opened, now });
  if (prior === null) return chargeOnce(state, command, { reasons, books: opened, now });
  return chargedAlready(state, command, { prior, reasons });
}

/** The task of the call's saga where that takes no more calls. */
function closedSaga(
  { closedSagas }: SessionLedgerState,
  { isInSaga, scopes: { task } }: ChargeCommand,
): string | undefined {
  return isInSaga && task !== null && closedSagas.includes(task.id) ? task.id : undefined;
}

/** A call that was charged before and is sent only now: its charge stands, its slots are taken now. */
function chargedAlready(
  state: SessionLedgerState,
  command: ChargeCommand,
  { prior, reasons }: { readonly prior: Charge; readonly reasons: readonly Reason[] },
): SessionTransition {
  const taken = takenOf(command);
  const hasTaken = taken.slots !== undefined || taken.probes !== undefined;
  // The slot that it was given may be somebody else's by now.
  if (hasTaken && !command.isGranted)
    return { next: state, reply: { type: "needs_grants", shortages: [] }, effects: [] };
  const reply = { type: "charged", seq: prior.seq, remainingUsd: remaining(state.session), reasons } as const;
  // One that was held has had none until now; whoever concludes it gives it back.
  const isNew = hasTaken && prior.slots === undefined && prior.probes === undefined;
  return { next: state, reply, effects: isNew ? [{ type: "write_charge", charge: { ...prior, ...taken } }] : [] };
}

/** Charges a call that may run, if its budgets and limits cover it. */
function chargeOnce(
  state: SessionLedgerState,
  command: ChargeCommand,
  { reasons, books: opened, now }: Omit<Refusing, "effect">,
): SessionTransition {
  if (command.history.length >= MAX_CHARGES)
    return refused(state, { type: "too_many_calls", limit: MAX_CHARGES, what: "tool calls" });
  const task = command.scopes.task?.id ?? null;
  const want = { fixed: command.amounts, unitPico: 0, unitTokens: 0, minUnits: 0, maxUnits: 0 };
  const grant = grantIn(opened, task, want, now);
  if ("type" in grant) return refused(state, grant);
  const drawn = drawAll(state, command, now);
  if ("shortages" in drawn)
    return { next: state, reply: { type: "needs_grants", shortages: drawn.shortages }, effects: [] };
  const { isCommitted: _, ...books } = inBooks(opened, task, (account) => accounts.charge(account, command.amounts));
  return charged({ ...state, ...books, leases: drawn.leases }, command, { reasons, draws: drawn.draws, task, now });
}

/**
 * What an earlier attempt of the same call was charged, whose reply never arrived: it did not run, and is not charged
 * again. One whose outcome was told is over: once its own object has forgotten it, the same key is a new call.
 * One that was held is known to its object for as long as it was.
 */
function priorOf({ priorCharge: prior, isHeld }: ChargeCommand, now: number): Charge | null {
  const isOpen = prior?.status === "charged" && prior.outcome === undefined;
  return isOpen && (isHeld || now - prior.at < RETENTION_MS) ? prior : null;
}

/** Another call under the id of one that never ran: that one's charge is given back first. */
function chargeAnew(state: SessionLedgerState, command: ChargeCommand, prior: Charge, now: number): SessionTransition {
  if (state.session === null) return charge(state, { ...command, priorCharge: null }, now);
  const returned: Charge = { ...prior, outcome: "failed", status: "given_back" };
  const history = command.history.map((each) => (each.callId === prior.callId ? returned : each));
  const given = givenBack(state, state.session, prior);
  const anew = charge(given, { ...command, history, priorCharge: returned }, now);
  const row: SessionEffect = { type: "write_charge", charge: returned };
  return { ...anew, effects: [{ type: "persist" }, row, ...anew.effects] };
}

interface Refusing {
  readonly effect: Exclude<Effect, "allow">;
  readonly reasons: readonly Reason[];
  readonly books: Pick<SessionLedgerState, "tasks"> & { readonly session: NonNullable<SessionLedgerState["session"]> };
  readonly now: number;
}

/** A denial changes nothing. A call that asks people takes its turn at the rates and is counted, so that nobody is flooded. */
function notAllowed(
  state: SessionLedgerState,
  { policy, isGranted, ref }: ChargeCommand,
  { effect, reasons, books, now }: Refusing,
): SessionTransition {
  const reply = { type: "not_allowed", reasons } as const;
  if (effect === "deny" || policy.approved !== null) return { next: state, reply, effects: [] };
  if (state.asks.length >= MAX_ASKS)
    return refused(state, { type: "too_many_calls", limit: MAX_ASKS, what: "calls that asked people" });
  if (policy.rates.length > 0 && !isGranted)
    return { next: state, reply: { type: "needs_grants", shortages: [] }, effects: [] };
  const next: SessionLedgerState = {
    ...state,
    session: state.session ?? books.session,
    tenant: ref.tenant,
    actor: ref.actor,
    stopAndAsk: policy.stopAndAsk,
    asks: [...state.asks, { fingerprint: policy.fingerprint, at: now }],
    lastActivityAt: now,
  };
  return { next, reply, effects: [{ type: "persist" }] };
}

function charged(
  state: SessionLedgerState & { readonly session: NonNullable<SessionLedgerState["session"]> },
  command: ChargeCommand,
  { reasons, draws, task, now }: Charging,
): SessionTransition {
  const { callId, amounts, ref, policy } = command;
  const seq = state.seq + 1;
  const next = whenExact({
    ...state,
    ...budgetPause(state, { books: state, task, settings: policy.stopAndAsk, now }),
    ...noted(state, ref, { seq, kind: "execute_tool", call_id: callId, at: now }),
    tenant: ref.tenant,
    actor: ref.actor,
    stopAndAsk: policy.stopAndAsk,
    seq,
    seqCommitted: Math.max(seq, state.seqCommitted),
    lastActivityAt: now,
    asks: policy.approved === null ? state.asks : withoutOne(state.asks, policy.fingerprint),
  });
  const { fingerprint, amount, values } = policy;
  const intent: Charge = {
    callId,
    seq,
    task,
    amounts,
    status: "charged",
    at: now,
    ref,
    fingerprint,
    amount,
    values,
    draws,
    ...takenOf(command),
    isInSaga: command.isInSaga,
  };
  return {
    next,
    reply: { type: "charged", seq, remainingUsd: remaining(next.session), reasons },
    effects: [{ type: "persist" }, { type: "write_charge", charge: intent }],
  };
}

/** The slots and the places as a probe that a call takes; nothing for one that needs none. */
function takenOf({ policy: { upstream } }: ChargeCommand): Pick<Charge, "slots" | "probes"> {
  const slots = (upstream?.slots ?? []).map(({ key }) => key);
  const probes = (upstream?.probes ?? []).map(({ key }) => key);
  return { ...(slots.length === 0 ? {} : { slots }), ...(probes.length === 0 ? {} : { probes }) };
}

/** A call that people have let run is counted as the call it is, not as a question besides. */
function withoutOne(asks: SessionLedgerState["asks"], fingerprint: string): SessionLedgerState["asks"] {
  const at = asks.findIndex((each) => each.fingerprint === fingerprint);
  return at < 0 ? asks : asks.toSpliced(at, 1);
}

interface Charging {
  readonly reasons: readonly Reason[];
  readonly draws: readonly Draw[];
  readonly task: string | null;
  readonly now: number;
}

/** What the session's own rules say to the call. */
function reasonsOf(state: SessionLedgerState, command: ChargeCommand, now: number): readonly Reason[] {
  const { policy, history, cache } = command;
  if (policy.world === null || policy.rules.length === 0) return [];
  const session = sessionInput({ ...state, id: command.ref.session }, history, now);
  return sessionReasons(policy.rules, { ...policy.world, now }, { session, cache });
}

/** What comes of a call: it runs where everyone who is asked has approved. */
function effectOf({ policy }: ChargeCommand, reasons: readonly Reason[]): Effect {
  const spoken = { reasons: [...policy.reasons, ...reasons], standby: policy.standby };
  const decision = decide(spoken, policy.version);
  const isCovered = policy.approved !== null && unasked(policy.approved, decision).length === 0;
  return decision.effect !== "deny" && isCovered ? "allow" : decision.effect;
}

function pauseOf(
  state: SessionLedgerState,
  { policy, history, ref }: ChargeCommand,
  { reasons, now }: { readonly reasons: readonly Reason[]; readonly now: number },
): SessionPause | undefined {
  const wish = stopOf([...policy.reasons, ...reasons]);
  if (wish !== undefined) return { kind: "paused", rule_id: wish.rule_id, message: wish.message, at: now };
  const { fingerprint, stopAndAsk } = policy;
  // People have seen a call that they approved.
  if (policy.approved !== null) return undefined;
  return repeatPause({ resumedAt: state.resumedAt, asks: state.asks, stopAndAsk }, history, {
    fingerprint,
    tool: ref.subject,
    now,
  });
}

function stop(state: SessionLedgerState, { ref, scopes }: ChargeCommand, pause: SessionPause): SessionTransition {
  const session = state.session ?? accounts.openAccount(scopes.session, pause.at);
  return paused({ ...state, session, tenant: ref.tenant, actor: ref.actor, lastActivityAt: pause.at }, pause);
}

type Drawn =
  | { readonly leases: SessionLedgerState["leases"]; readonly draws: readonly Draw[] }
  | { readonly shortages: readonly MeterNeed[] };

/** Draws every share from the leases at hand, or none; a rate, a slot or a probe always asks the tenant's ledger. */
function drawAll(state: SessionLedgerState, { policy, isGranted }: ChargeCommand, now: number): Drawn {
  const needs = policy.meters.map(({ key, need, spec }) => ({ meter: key, need, terms: termsOf(spec) }));
  const drawn = leases.drawAll(state.leases, needs, now);
  if (!drawn.ok) return { shortages: policy.meters.filter(({ key }) => drawn.short.includes(key)) };
  if (asksTenant(policy) && !isGranted) return { shortages: [] };
  const draws = policy.meters.map(({ key, need }) => ({ key, leaseId: drawn.from[key] ?? "", amount: need }));
  return { leases: drawn.leases, draws };
}

/** Whether a call has to be let through by the tenant's ledger itself, whatever shares the session has. */
function asksTenant({ rates, upstream }: ChargeCommand["policy"]): boolean {
  return rates.length > 0 || (upstream !== undefined && upstream.slots.length + upstream.probes.length > 0);
}

/** Notes what became of a charged call, once: a failure gives its charge back, and a row of failures pauses the session. */
export function conclude(
  state: SessionLedgerState,
  { priorCharge: prior, outcome, learnt }: SessionCommand & { type: "conclude" },
  now: number,
): SessionTransition {
  if (prior === null || state.session === null || isConcluded(prior, outcome))
    return { next: state, reply: { type: "concluded" }, effects: [] };
  const counted = withOutcome(learnt === null ? state : withLearnt(state, learnt), { outcome, task: prior.task }, now);
  const row: SessionEffect = {
    type: "write_charge",
    charge: { ...prior, outcome, status: isGivenBack(outcome) ? "given_back" : prior.status },
  };
  // A plain success costs one row: what it changed besides is written with whatever is written next.
  const isPlain = outcome === "succeeded" && state.consecutiveFailures === 0 && counted.facts === state.facts;
  if (isPlain && counted.taint === state.taint) return { next: counted, reply: { type: "concluded" }, effects: [row] };
  const next = isGivenBack(outcome) ? givenBack(counted, state.session, prior) : counted;
  return { next, reply: { type: "concluded" }, effects: [{ type: "persist" }, row] };
}

/** What surely had no effect costs nothing. */
function isGivenBack(outcome: ChargeOutcome): boolean {
  return outcome === "failed" || outcome === "withdrawn";
}

function withOutcome(
  state: SessionLedgerState,
  { outcome, task }: { readonly outcome: ChargeOutcome; readonly task: string | null },
  now: number,
): SessionLedgerState {
  if (outcome === "withdrawn") return { ...state, lastActivityAt: now };
  const hasFailed = outcome !== "succeeded";
  const consecutiveFailures = hasFailed ? state.consecutiveFailures + 1 : 0;
  return {
    ...state,
    failures: state.failures + (hasFailed ? 1 : 0),
    ...(hasFailed ? withFailure(state, task) : {}),
    consecutiveFailures,
    pause: state.pause ?? failurePause(state.stopAndAsk, consecutiveFailures, now) ?? null,
    lastActivityAt: now,
  };
}

/** The first definite outcome stands; only `unknown` may still turn into one. */
function isConcluded(prior: Charge, outcome: ChargeOutcome): boolean {
  if (prior.status === "given_back") return true;
  return prior.outcome !== undefined && (prior.outcome !== "unknown" || outcome === "unknown");
}

function givenBack(
  state: SessionLedgerState,
  session: NonNullable<SessionLedgerState["session"]>,
  prior: Charge,
): SessionLedgerState {
  const { isCommitted: _, ...books } = inBooks({ session, tasks: state.tasks }, prior.task, (account) =>
    accounts.giveBack(account, prior.amounts),
  );
  const put = prior.draws.reduce(
    (all, { key, leaseId, amount }) => leases.putBack(all, { meter: key, leaseId, amount }),
    state.leases,
  );
  return whenExact({ ...state, ...books, leases: put });
}

function refused(state: SessionLedgerState, reply: SessionRefusal): SessionTransition {
  return { next: state, reply, effects: [] };
}
