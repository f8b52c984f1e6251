// Names what a call's object needs of its Worker, and how it asks and answers.
import type { Amounts } from "../src/core/budget/amounts.ts";
import type {
  CallRef,
  ChargeOutcome,
  LedgerPolicy,
  Scopes,
  SessionPause,
  SessionReply,
} from "../src/core/state/session-messages.ts";
import type { Learnt } from "../src/core/state/teaching.ts";
import type { ToolCallRecord, ToolCallReply } from "../src/core/state/tool-call-record.ts";
import type { RecordQueue } from "./sql-store.ts";

/** The session's ledger, as a call's object calls it. */
export interface RemoteLedger {
  charge(
    call: LedgerAsk & { readonly callId: string; readonly isInSaga: boolean; readonly isHeld: boolean },
  ): Promise<SessionReply>;
  conclude(callId: string, outcome: ChargeOutcome, learnt: Learnt | null): Promise<SessionReply>;
  revisit(asked: {
    readonly ref: CallRef;
    readonly scopes: Scopes;
    readonly pause: Omit<SessionPause, "at"> | null;
  }): Promise<SessionReply>;
}

/** Another call's object, as this one calls it. */
interface RemoteCall {
  compensationStands(id: string, status: string, message: string | null): Promise<unknown>;
}

/** What the object needs of its Worker. */
export interface ToolCallEnv {
  readonly TOOL_CALL: { getByName(name: string): RemoteCall };
  readonly SESSION_LEDGER: { getByName(name: string): RemoteLedger };
  readonly TRACES: RecordQueue;
  readonly NOTICES: RecordQueue;
  readonly CALLS: RecordQueue;
  readonly DB: D1Database;
}

/** How a call asks its session to be charged. */
export interface LedgerAsk {
  readonly scopes: Scopes;
  readonly amounts: Amounts;
  readonly ref: CallRef;
  readonly policy: LedgerPolicy;
}

/** Reply with what the session has left, where it was asked; or the session's refusal. */
export type Answer =
  | { readonly call: ToolCallReply; readonly remainingUsd: number | null }
  | { readonly ledger: SessionReply; readonly record: ToolCallRecord | null };
