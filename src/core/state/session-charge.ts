// Decides whether a tool call may run in its session: the session's rules, repeats, limits and budget in one step, and what its outcome changes.
import { sessionReasons } from "../policy/evaluate.ts";
import { decide, stopOf, type Reason } from "../policy/decision.ts";
import * as accounts from "./account.ts";
import { unasked } from "./approval.ts";
import * as leases from "./lease.ts";
import { grantIn, inBooks, open } from "./session-books.ts";
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
  const prior = command.priorCharge;
  // The call's own object forgets no earlier than this: after it, the same key is a new call and is charged as one.
  if (prior?.status === "charged" && now - prior.at < RETENTION_MS) {
    const reply = { type: "charged", seq: prior.seq, remainingUsd: remaining(state.session), reasons: [] } as const;
    return { next: state, reply, effects: [] };
  }
  const opened = open(state, command, now);
  if ("type" in opened) return refused(state, opened);
  // Under the limits that the call came with, also where it is the session's first.
  const reasons = reasonsOf({ ...state, ...opened }, command, now);
  const pause = pauseOf(state, command, { reasons, now });
  if (pause !== undefined) return stop(state, command, pause);
  if (!mayRun(command, reasons)) return { next: state, reply: { type: "not_allowed", reasons }, effects: [] };
  const task = command.scopes.task?.id ?? null;
  const want = { fixed: command.amounts, unitPico: 0, unitTokens: 0, minUnits: 0, maxUnits: 0 };
  const grant = grantIn(opened, task, want, now);
  if ("type" in grant) return refused(state, grant);
  const drawn = drawAll(state, command, now);
  if ("shortages" in drawn) {
    return { next: state, reply: { type: "needs_grants", shortages: drawn.shortages }, effects: [] };
  }
  const { isCommitted: _, ...books } = inBooks(opened, task, (account) => accounts.charge(account, command.amounts));
  return charged({ ...state, ...books, leases: drawn.leases }, command, { reasons, draws: drawn.draws, task, now });
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
    tenant: ref.tenant,
    actor: ref.actor,
    stopAndAsk: policy.stopAndAsk,
    seq,
    seqCommitted: Math.max(seq, state.seqCommitted),
    lastActivityAt: now,
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
  };
  return {
    next,
    reply: { type: "charged", seq, remainingUsd: remaining(next.session), reasons },
    effects: [{ type: "persist" }, { type: "write_charge", charge: intent }],
  };
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

function mayRun({ policy }: ChargeCommand, reasons: readonly Reason[]): boolean {
  const spoken = { reasons: [...policy.reasons, ...reasons], standby: policy.standby };
  const decision = decide(spoken, policy.version);
  if (decision.effect === "allow" || decision.effect === "deny") return decision.effect === "allow";
  return policy.approved !== null && unasked(policy.approved, decision).length === 0;
}

function pauseOf(
  state: SessionLedgerState,
  { policy, history, ref }: ChargeCommand,
  { reasons, now }: { readonly reasons: readonly Reason[]; readonly now: number },
): SessionPause | undefined {
  const wish = stopOf([...policy.reasons, ...reasons]);
  if (wish !== undefined) return { kind: "paused", rule_id: wish.rule_id, message: wish.message, at: now };
  const { fingerprint, stopAndAsk } = policy;
  return repeatPause({ resumedAt: state.resumedAt, stopAndAsk }, history, { fingerprint, tool: ref.subject, now });
}

function stop(state: SessionLedgerState, { ref, scopes }: ChargeCommand, pause: SessionPause): SessionTransition {
  const session = state.session ?? accounts.openAccount(scopes.session, pause.at);
  return paused({ ...state, session, tenant: ref.tenant, actor: ref.actor, lastActivityAt: pause.at }, pause);
}

type Drawn =
  | { readonly leases: SessionLedgerState["leases"]; readonly draws: readonly Draw[] }
  | { readonly shortages: readonly MeterNeed[] };

/** Draws every share from the leases at hand, or none; a rate always asks the tenant's ledger. */
function drawAll(state: SessionLedgerState, { policy, isGranted }: ChargeCommand, now: number): Drawn {
  const needs = policy.meters.map(({ key, need }) => ({ meter: key, need }));
  const drawn = leases.drawAll(state.leases, needs, now);
  if (!drawn.ok) return { shortages: policy.meters.filter(({ key }) => drawn.short.includes(key)) };
  if (policy.rates.length > 0 && !isGranted) return { shortages: [] };
  const draws = policy.meters.map(({ key, need }) => ({ key, leaseId: drawn.from[key] ?? "", amount: need }));
  return { leases: drawn.leases, draws };
}

/** Notes what became of a charged call, once: a failure gives its charge back, and a row of failures pauses the session. */
export function conclude(
  state: SessionLedgerState,
  { priorCharge: prior, outcome, learnt }: SessionCommand & { type: "conclude" },
  now: number,
): SessionTransition {
  if (prior === null || state.session === null || isConcluded(prior, outcome))
    return { next: state, reply: { type: "concluded" }, effects: [] };
  const counted = withOutcome(learnt === null ? state : withLearnt(state, learnt), outcome, now);
  const row: SessionEffect = {
    type: "write_charge",
    charge: { ...prior, outcome, status: outcome === "failed" ? "given_back" : prior.status },
  };
  // A plain success costs one row: what it changed besides is written with whatever is written next.
  const isPlain = outcome === "succeeded" && state.consecutiveFailures === 0 && counted.facts === state.facts;
  if (isPlain && counted.taint === state.taint) return { next: counted, reply: { type: "concluded" }, effects: [row] };
  const next = outcome === "failed" ? givenBack(counted, state.session, prior) : counted;
  return { next, reply: { type: "concluded" }, effects: [{ type: "persist" }, row] };
}

function withOutcome(state: SessionLedgerState, outcome: ChargeOutcome, now: number): SessionLedgerState {
  const hasFailed = outcome !== "succeeded";
  const consecutiveFailures = hasFailed ? state.consecutiveFailures + 1 : 0;
  return {
    ...state,
    failures: state.failures + (hasFailed ? 1 : 0),
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
