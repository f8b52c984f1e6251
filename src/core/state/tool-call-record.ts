// Names what one tool call is, what it is told, and what it answers.
import type { Decision } from "../policy/decision.ts";
import type { ToolCallAsk } from "../policy/ask.ts";
import type { ToolOutcome } from "../policy/tool-outcome.ts";
import type { Teaching } from "./teaching.ts";
import type { Approval, Approved, DraftTerms, Vote, VoteRefusal } from "./approval.ts";
import type { Compensation, CompensationOrder, DueWork, Resolution, SagaReport } from "./tool-call-after.ts";

/** The statuses of a tool call. */
export const TOOL_CALL_STATUSES = [
  "denied",
  "drafted",
  "pending_approval",
  "approval_denied",
  "approval_expired",
  "approval_withdrawn",
  "held",
  "withdrawn",
  "executing",
  "succeeded",
  "failed",
  "unknown",
  "compensating",
  "compensated",
  "compensation_failed",
] as const;
/** A status of a tool call. */
export type ToolCallStatus = (typeof TOOL_CALL_STATUSES)[number];

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
  /** How long it is held, and can be withdrawn, before it is sent; 0 for not at all. */
  readonly holdMs: number;
  /** How an outcome that stayed unknown is to be settled. */
  readonly settle: SettleBy;
  /** How long the finished call answers repeats. */
  readonly retentionMs: number;
  /** Whether it is one of its task's calls that stand or fall together. */
  readonly isInSaga: boolean;
  /** The call that this one undoes, or `null`. */
  readonly compensates: string | null;
}

/** Who settles an unknown outcome: a read tool, the upstream's own idempotency, or a person alone. */
export type SettleBy = "probe" | "repeat" | "person";

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
  /** Whether the list of calls has to show it and does not yet, and whether the call that it undoes has yet to be told. */
  readonly isListed: boolean;
  readonly owesListing: boolean;
  readonly owesReport: boolean;
  /** What the gateway has yet to do for it. */
  readonly work: DueWork | null;
  /** When a probe first found no effect. */
  readonly absentAt: number | null;
  /** Until when a repeat of the call may be on its way: nobody's word counts until it has come back. */
  readonly repeatingUntil?: number;
  /** Who turned an unknown outcome into this one, and on what evidence. */
  readonly resolution: Resolution | null;
  readonly compensation: Compensation | null;
  /** What became of its saga when that was undone. */
  readonly saga: SagaReport | null;
  /** When a held call may be sent. */
  readonly heldUntil: number | null;
  readonly changedAt: number;
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
  /** Whether it has been held until now: it is charged already. */
  readonly isHeld: boolean;
}

/** The call as the policy sees it at the instant of a vote; a tool that is gone has the definition `""`. */
export interface Redecision {
  readonly decision: Decision;
  readonly definition: Pick<ToolCallRequest, "definitionDigest" | "teaching">;
}

/** What somebody found out about an unknown outcome. */
export type Finding =
  | {
      readonly type: "settled";
      readonly outcome: Exclude<ToolOutcome, { readonly status: "unknown" }>;
      readonly resolution: Omit<Resolution, "at">;
    }
  /** A probe found no effect; only when the next one finds none either has the call surely failed. */
  | { readonly type: "absent"; readonly message: string }
  /** The call is about to be sent again under its key, and is over by then; taken once at a time. */
  | { readonly type: "repeating"; readonly until: number }
  /** Nobody but a person can tell. */
  | { readonly type: "person" };

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
  /** A held call's time has come: this is what the edge decides now. */
  | { readonly type: "release"; readonly decision: Decision; readonly draft: DraftTerms }
  | { readonly type: "finish"; readonly outcome: ToolOutcome; readonly attempts?: number }
  | { readonly type: "settle"; readonly finding: Finding }
  | { readonly type: "compensate"; readonly order: CompensationOrder; readonly isRetry: boolean }
  | {
      readonly type: "compensation_stands";
      readonly id: string;
      readonly status: string;
      readonly message: string | null;
    }
  | { readonly type: "unwound"; readonly report: SagaReport | null }
  | { readonly type: "listed"; readonly changedAt: number }
  | { readonly type: "reported"; readonly status: ToolCallStatus }
  | { readonly type: "work_unsent" }
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
  /** It was sent already, or has ended otherwise. */
  | { readonly type: "too_late"; readonly record: ToolCallRecord }
  | { readonly type: "settled"; readonly record: ToolCallRecord }
  /** The outcome was no longer unknown. */
  | { readonly type: "known"; readonly record: ToolCallRecord }
  /** Being undone, or undone already; `isNew` for the request that began it. */
  | { readonly type: "compensating"; readonly record: ToolCallRecord; readonly isNew: boolean }
  | { readonly type: "not_compensable"; readonly record: ToolCallRecord }
  | { readonly type: "nothing" };

/** What the object must do before the reply leaves; what the record owes others it pays besides. */
export type ToolCallEffect =
  | { readonly type: "persist" }
  | { readonly type: "report_abandoned"; readonly record: ToolCallRecord }
  | { readonly type: "report_expired"; readonly record: ToolCallRecord }
  /** Ask the gateway to do what is due. */
  | { readonly type: "enqueue"; readonly kind: DueWork["kind"] }
  | { readonly type: "forget" };

/** The result of a command. */
export interface ToolCallTransition {
  readonly next: ToolCallState;
  readonly reply: ToolCallReply;
  readonly effects: readonly ToolCallEffect[];
}

/** The transition to a record that is written before the reply; what was being admitted is not any more. */
export function persisted(record: ToolCallRecord, reply: ToolCallReply): ToolCallTransition {
  return { next: { record, admitting: null }, reply, effects: [{ type: "persist" }] };
}

/** The transition of a command that changes nothing. */
export function unchanged(state: ToolCallState, reply: ToolCallReply): ToolCallTransition {
  return { next: state, reply, effects: [] };
}
