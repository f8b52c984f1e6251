// Names what a replay is given of each recorded call, and what it makes of it.
import type { ToolOutcome } from "../tool-outcome.ts";
import type { ToolCallAsk } from "../ask.ts";
import type { Effect, Reason } from "../decision.ts";

/** One tool call as it was recorded. Times are epoch milliseconds. */
export interface RecordedCall {
  readonly callId: string | null;
  readonly traceId: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** What became of it, such as `succeeded`, `failed`, `denied`, `pending_approval`. */
  readonly status: string;
  /** The effect that was recorded. */
  readonly effect: string;
  readonly ask: ToolCallAsk;
  /** What the tool did, where it was called and its answer is kept. */
  readonly outcome: ToolOutcome | null;
}

/** One model call, as far as sessions count it. */
export interface RecordedModelCall {
  readonly session: string;
  readonly startedAt: number;
  readonly costMicro: number;
}

/** What one policy says to a recorded call. */
export interface Replayed {
  readonly effect: Effect;
  readonly reasons: readonly Reason[];
}

/** A call decided under both policies. */
export interface ReplayedCall {
  readonly call: RecordedCall;
  /** What the candidate's definition of the tool says it does. */
  readonly isWrite: boolean;
  /** Micro-USD it would move. */
  readonly amount: number;
  readonly before: Replayed;
  readonly after: Replayed;
}

/** Why a recorded call could not be decided again. */
export type Unreplayable =
  | "ask_missing"
  | "ask_too_large"
  | "tool_unknown_in_active"
  | "tool_unknown_in_candidate"
  | "arguments_do_not_fit_active"
  | "arguments_do_not_fit_candidate";
