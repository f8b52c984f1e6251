// Names what a session's ledger is, what it is told, and what it answers.
import type { Amounts, Limits } from "../budget/amounts.ts";
import type { StopAndAskEntry } from "../config/policy-document.ts";
import type { WorldInput } from "../policy/cel/world.ts";
import type { EdgeReasons, Reason } from "../policy/decision.ts";
import type { MeterNeed, RateNeed } from "../policy/limits.ts";
import type { ExpressionCache, StoredRule } from "../policy/rules.ts";
import type { Unavailable, UpstreamNeeds } from "../policy/upstream.ts";
import type { AdmissionStatement, AdmittedCall } from "../trace/admissions.ts";
import type { Account, Shortage, Want } from "./account.ts";
import type { Approved } from "./approval.ts";
import type { GivenUp, Leases } from "./lease.ts";
import type { LeaseGrant } from "./meter.ts";
import type { RouteAsk, TaskRoute } from "./session-route.ts";
import type { Learnt } from "./teaching.ts";
import type { JsonObject } from "../json/canonical.ts";

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
  /** What was chosen for a routed call. */
  readonly route?: RouteTaken;
}

/** The tier that a routed call was admitted in: its place among the choices, and why it was taken. */
export interface RouteTaken {
  readonly choice: number;
  readonly why: string;
}

/** An admitted call that was not stated yet. `overAt`: when its hold was closed; absent while it runs, and for tool calls. */
export interface UnstatedCall extends AdmittedCall {
  readonly overAt?: number;
}

/** Numbers that may or may not have been given to calls, since `at`. */
export interface UncertainRange {
  readonly from: number;
  readonly to: number;
  readonly at: number;
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
  /** Why the session waits for a person, or `null`. */
  readonly pause: SessionPause | null;
  /** When a person last let it go on; repeats before that do not count. */
  readonly resumedAt: number;
  /** Whether a person has seen that the budget is nearly used. */
  readonly isBudgetSeen: boolean;
  /** What the actor's config says of stopping, as of the last call. */
  readonly stopAndAsk: StopAndAskEntry | null;
  readonly failures: number;
  readonly consecutiveFailures: number;
  /** Shares of cross-session limits that the tenant's ledger has granted. */
  readonly leases: Leases;
  /** Calls that asked people instead of running, oldest first. */
  readonly asks: readonly { readonly fingerprint: string; readonly at: number }[];
  /** Tools whose untrusted results the agent has seen, and what tools' results have taught. */
  readonly taint: readonly string[];
  readonly facts: JsonObject;
  /** What routing needs to know of each task. */
  readonly routes: Readonly<Record<string, TaskRoute>>;
  /** Tasks whose saga is being undone, or was: it takes no further calls. */
  readonly closedSagas: readonly string[];
  /** The session's id, once a call was admitted. */
  readonly sessionId: string | null;
  /** Admitted calls that the trace store has not been told of. */
  readonly unstated: readonly UnstatedCall[];
  /** Numbers of which an unclean stop left nothing known, not told yet either. */
  readonly uncertain: readonly UncertainRange[];
}

/** Why a session takes no calls: until a person resumes it, or for good. */
export interface SessionPause {
  readonly kind: "paused" | "ended";
  /** The rule or setting that asked for it; `person` where a person did. */
  readonly rule_id: string;
  readonly message: string;
  readonly at: number;
}

/** What the session's object decides about a tool call: the edge's reasons, and the rules that need the session. */
export interface LedgerPolicy extends EdgeReasons {
  readonly version: string;
  readonly rules: readonly StoredRule[];
  readonly world: Omit<WorldInput, "session"> | null;
  /** The people who have approved this very call, so that it runs where it asks for no others; `null` for none. */
  readonly approved: Approved | null;
  readonly stopAndAsk: StopAndAskEntry | null;
  readonly meters: readonly MeterNeed[];
  readonly rates: readonly RateNeed[];
  /** What it needs of its upstream; nothing when left out. */
  readonly upstream?: UpstreamNeeds;
  /** Digest of tool and arguments: what makes two calls identical. */
  readonly fingerprint: string;
  /** Digests of the argument values that rules count. */
  readonly values: Readonly<Record<string, string>>;
  /** Micro-USD the call moves; `null` for a tool without an amount. */
  readonly amount: number | null;
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
      readonly stop: Reason | null;
      readonly stopAndAsk: StopAndAskEntry | null;
      /** The tiers that may answer it: what is chosen takes the place of `want`, `expiresAt` and the reference's subject. */
      readonly route?: RouteAsk;
      readonly outboxDepth: number;
    }
  | { readonly type: "settle"; readonly holdId: string; readonly actual: Amounts }
  | {
      readonly type: "charge";
      readonly callId: string;
      readonly scopes: Scopes;
      readonly amounts: Amounts;
      readonly ref: CallRef;
      readonly policy: LedgerPolicy;
      /** Whether the call is one of its task's that stand or fall together. */
      readonly isInSaga: boolean;
      /** Whether it was charged when it was held, and is sent now. */
      readonly isHeld: boolean;
      readonly history: readonly Charge[];
      readonly cache: ExpressionCache;
      /** Whether the tenant's ledger has just granted what limits and rates need. */
      readonly isGranted: boolean;
      readonly priorCharge: Charge | null;
      readonly outboxDepth: number;
    }
  | {
      readonly type: "conclude";
      readonly callId: string;
      readonly outcome: ChargeOutcome;
      readonly learnt: Learnt | null;
      readonly priorCharge: Charge | null;
    }
  | { readonly type: "lease"; readonly grants: readonly { readonly key: string; readonly grant: LeaseGrant }[] }
  | { readonly type: "reclaim"; readonly leaseId: string }
  | { readonly type: "give_up"; readonly which: "all" | "returned" }
  | { readonly type: "pause"; readonly pause: Omit<SessionPause, "at"> }
  | { readonly type: "resume" }
  | { readonly type: "close_saga"; readonly task: string }
  /** A call is answered without being charged: a stored answer, or a denial. `pause` is what it asks for, if anything. */
  | {
      readonly type: "revisit";
      readonly ref: CallRef;
      readonly scopes: Scopes;
      readonly pause: Omit<SessionPause, "at"> | null;
    }
  | { readonly type: "tick"; readonly outboxDepth: number };

/** What became of a charged call, as far as the session knows. `withdrawn`: taken back before it was sent, which is no failure. */
export type ChargeOutcome = "succeeded" | "failed" | "unknown" | "withdrawn";

/** The durable intent of one tool call in its session. */
export interface Charge {
  readonly callId: string;
  readonly seq: number;
  readonly task: string | null;
  readonly amounts: Amounts;
  readonly status: "charged" | "given_back";
  /** Absent while the call runs. */
  readonly outcome?: ChargeOutcome;
  readonly at: number;
  readonly ref: CallRef;
  readonly fingerprint: string;
  readonly amount: number | null;
  readonly values: Readonly<Record<string, string>>;
  /** What was drawn from which lease. */
  readonly draws: readonly Draw[];
  /** Keys of the slots that it holds at the tenant's ledger while it runs; none when left out. */
  readonly slots?: readonly string[];
  /** Keys of the breakers that let it through as a probe; none when left out. */
  readonly probes?: readonly string[];
  readonly isInSaga: boolean;
}

/** A task's saga as its session has it. */
export interface SessionSaga {
  readonly isClosed: boolean;
  /** The calls that were charged and not given back, in the order in which they were admitted. */
  readonly members: readonly { readonly callId: string; readonly tool: string }[];
}

/** An amount drawn from a lease. */
export interface Draw {
  readonly key: string;
  readonly leaseId: string;
  readonly amount: number;
}

/** Why a call was not admitted. */
export type SessionRefusal =
  | ({ readonly type: "budget_exceeded"; readonly scope: "session" | "task" } & Shortage)
  | { readonly type: "other_actor" }
  | { readonly type: "outbox_full" }
  | { readonly type: "too_many_tasks"; readonly limit: number }
  | { readonly type: "too_many_calls"; readonly limit: number; readonly what: "tool calls" | "calls that asked people" }
  | { readonly type: "session_paused"; readonly pause: SessionPause }
  | { readonly type: "saga_closed"; readonly task: string }
  /** Answered by the object once the tenant's ledger has refused. */
  | {
      readonly type: "limit_exceeded";
      readonly limit: string;
      readonly max: number;
      readonly used: number;
      readonly need: number;
      readonly unit: "amount" | "calls";
      readonly resetAt: number;
    }
  | { readonly type: "rate_limited"; readonly limit: string; readonly retryAfterMs: number; readonly resetAt: number }
  | { readonly type: "concurrency_limited"; readonly tool: string; readonly max: number }
  | Unavailable;

/** Replies of the ledger. */
export type SessionReply =
  | {
      readonly type: "admitted";
      readonly seq: number;
      readonly units: number;
      readonly held: Amounts;
      readonly remainingUsd: number | null;
      readonly route?: RouteTaken;
    }
  | { readonly type: "settled"; readonly remainingUsd: number | null }
  | { readonly type: "unknown_hold" }
  | {
      readonly type: "charged";
      readonly seq: number;
      readonly remainingUsd: number | null;
      /** What the session's rules said. */
      readonly reasons: readonly Reason[];
    }
  /** The policy does not let it run as it is: nothing was charged. */
  | { readonly type: "not_allowed"; readonly reasons: readonly Reason[] }
  /** The tenant's ledger must be asked first: nothing was charged. */
  | { readonly type: "needs_grants"; readonly shortages: readonly MeterNeed[] }
  | { readonly type: "concluded" }
  | { readonly type: "leased" }
  | { readonly type: "reclaimed"; readonly unused: number }
  | {
      readonly type: "given_up";
      readonly unused: readonly GivenUp[];
    }
  | { readonly type: "paused"; readonly pause: SessionPause }
  | { readonly type: "resumed"; readonly was: SessionPause | null }
  | { readonly type: "revisited" }
  | { readonly type: "ticked" }
  | SessionRefusal;

/** What the object must do, in this order, before the reply leaves. */
export type SessionEffect =
  | { readonly type: "persist" }
  | { readonly type: "write_charge"; readonly charge: Charge }
  | { readonly type: "report_expired"; readonly hold: Hold }
  /** Tells the trace store of admitted calls, over the outbox. */
  | { readonly type: "state_admissions"; readonly statements: readonly AdmissionStatement[] }
  | { readonly type: "forget" };

/** The result of a command. */
export interface SessionTransition {
  readonly next: SessionLedgerState;
  readonly reply: SessionReply;
  readonly effects: readonly SessionEffect[];
}
