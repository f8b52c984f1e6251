// Names what one tool call is, what it is told, and what it answers.
import type { Decision } from "../policy/decision.ts";
import type { ToolCallAsk } from "../policy/ask.ts";
import type { ToolOutcome } from "../policy/tool-outcome.ts";
import type { Teaching } from "./teaching.ts";
import type { Approval, Approved, DraftTerms, Vote, VoteRefusal } from "./approval.ts";

/** The statuses of a tool call. */
export type ToolCallStatus =
  | "denied"
  | "drafted"
  | "pending_approval"
  | "approval_denied"
  | "approval_expired"
  | "approval_withdrawn"
  | "executing"
  | "succeeded"
  | "failed"
  | "unknown";

/** What a tool call is, fixed when it is first recorded. */
export interface ToolCallRequest {
  readonly id: string;
  readonly tenant: string;
  /** Everything the caller brought that the policy decides on. */
  readonly ask: ToolCallAsk;
  readonly traceId: string;
  readonly traceHex: string;
  readonly spanId: string;
  readonly definitionDigest: string;
  readonly effect: "read" | "write" | "irreversible";
  /** What its result teaches the session, by the definition it was called under. */
  readonly teaching: Teaching;
  /** Digest of the canonical body: the same key with another fingerprint is a conflict. */
  readonly fingerprint: string;
  /** Whether the key is derived from the call itself, so that a repeat is one the agent makes unawares. */
  readonly isKeyDerived: boolean;
  /** How long after its start an unfinished call counts as abandoned. */
  readonly abandonAfterMs: number;
}

/** The durable record of one call. */
export interface ToolCallRecord {
  readonly request: ToolCallRequest;
  readonly status: ToolCallStatus;
  readonly decision: Decision;
  readonly approval: Approval | null;
  readonly seq: number | null;
  readonly outcome: ToolOutcome | null;
  /** Times that it was sent, once it has finished. */
  readonly attempts: number;
  /** Whether the session still has to be told what became of the call. */
  readonly owesConclusion: boolean;
  /** Whether the inbox does not yet show the approval as it stands, and whether its approvers have yet to be told of it. */
  readonly owesInbox: boolean;
  readonly owesNotice: boolean;
  readonly createdAt: number;
  /** Instant after which a running call counts as abandoned. */
  readonly deadlineAt: number | null;
  readonly finishedAt: number | null;
}

/** Nothing recorded yet, or a record; `admitting` is memory only: the ledger is being asked right now. */
export interface ToolCallState {
  readonly record: ToolCallRecord | null;
  readonly admitting: Admitting | null;
}

/** What is being admitted: the call as it came, or the approved one with the vote that granted it. */
export interface Admitting {
  readonly request: ToolCallRequest;
  readonly decision: Decision;
  readonly vote: Vote | null;
}

/** The call as the policy sees it at the instant of a vote; a tool that is gone has the definition `""`. */
export interface Redecision {
  readonly decision: Decision;
  readonly definition: Pick<ToolCallRequest, "definitionDigest" | "teaching">;
}

/** Commands of the call's object. */
export type ToolCallCommand =
  | { readonly type: "begin"; readonly request: ToolCallRequest; readonly decision: Decision }
  | { readonly type: "admitted"; readonly seq: number; readonly decision: Decision }
  | { readonly type: "decided"; readonly decision: Decision; readonly draft: DraftTerms }
  | { readonly type: "not_admitted" }
  | {
      readonly type: "vote";
      readonly vote: Vote;
      /** The digest of what the person saw: a vote on anything else does not count. */
      readonly digest: string;
      readonly redecided: Redecision | null;
      readonly draft: DraftTerms;
    }
  | { readonly type: "withdraw" }
  | { readonly type: "finish"; readonly outcome: ToolOutcome; readonly attempts?: number }
  | { readonly type: "concluded" }
  | { readonly type: "inbox_shown" }
  | { readonly type: "notified" }
  | { readonly type: "tick" };

/** Replies of the call's object. */
export type ToolCallReply =
  /** The ledger must be asked before anything else, and told who has approved the call. */
  | { readonly type: "ask_ledger"; readonly request: ToolCallRequest; readonly approved: Approved | null }
  /** The intent is durable: perform the effect, once. */
  | { readonly type: "execute"; readonly record: ToolCallRecord }
  /** The first answer, again. */
  | { readonly type: "replay"; readonly record: ToolCallRecord }
  | { readonly type: "denied"; readonly record: ToolCallRecord }
  /** Recorded, and waiting for people. */
  | { readonly type: "waiting"; readonly record: ToolCallRecord }
  | { readonly type: "reused" }
  | { readonly type: "in_flight" }
  | { readonly type: "finished"; readonly record: ToolCallRecord }
  /** A vote was counted and did not end the matter, or denied it. */
  | { readonly type: "voted"; readonly record: ToolCallRecord }
  | { readonly type: "vote_refused"; readonly why: VoteRefusal; readonly record: ToolCallRecord }
  /** What was to be approved is not what the policy now decides on; the record shows the new state. */
  | { readonly type: "stale"; readonly record: ToolCallRecord }
  | { readonly type: "withdrawn"; readonly record: ToolCallRecord }
  | { readonly type: "nothing" };

/** What the object must do before the reply leaves; what the record owes others it pays besides. */
export type ToolCallEffect =
  | { readonly type: "persist" }
  | { readonly type: "report_abandoned"; readonly record: ToolCallRecord }
  | { readonly type: "report_expired"; readonly record: ToolCallRecord }
  | { readonly type: "forget" };

/** The result of a command. */
export interface ToolCallTransition {
  readonly next: ToolCallState;
  readonly reply: ToolCallReply;
  readonly effects: readonly ToolCallEffect[];
}
