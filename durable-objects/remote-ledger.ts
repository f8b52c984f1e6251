// Names the session's ledger as a tool call's object calls it.
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

/** How a call asks its session to be charged. */
export interface LedgerAsk {
  readonly scopes: Scopes;
  readonly amounts: Amounts;
  readonly ref: CallRef;
  readonly policy: LedgerPolicy;
}

/** The session's ledger. */
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
