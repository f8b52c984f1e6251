// Names what a session's ledger is, what it is told, and what it answers.
import type { Amounts, Limits } from "../budget/amounts.ts";
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
  | { readonly type: "tick"; readonly outboxDepth: number };

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
