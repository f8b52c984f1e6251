// Decides what a model's answer means in no dialect's words, whole and event by event.
import type { Usage } from "../budget/price.ts";
import type { RefusalPart, ReasoningPart, Signed, TextPart, ToolCallPart } from "./conversation.ts";

/**
 * Why an answer ended. `tool_calls` whenever the answer holds a call that is to be run; `paused` asks to be sent again as
 * it is; `other` is a reason that no dialect shares, and never a success.
 */
export type Finish = "stop" | "stop_sequence" | "length" | "tool_calls" | "filtered" | "paused" | "other";

/** A part of an answer. */
export type ReplyPart = TextPart | ReasoningPart | ToolCallPart | RefusalPart;

/** One answer. */
export interface Reply {
  readonly id: string;
  readonly model: string;
  readonly parts: readonly ReplyPart[];
  readonly finish: Finish;
  /** The sequence that stopped it. */
  readonly stopSequence?: string;
  readonly usage: Usage | undefined;
}

/** What kind of error a provider told; each dialect has its own word for each. */
export type ModelErrorKind =
  | "invalid_request"
  | "authentication"
  | "permission"
  | "not_found"
  | "too_large"
  | "rate_limit"
  | "quota"
  | "overloaded"
  | "timeout"
  | "server";

/** A provider's error. */
export interface ModelError {
  readonly kind: ModelErrorKind;
  readonly message: string;
  /** The provider's own code or type. */
  readonly code?: string;
  readonly param?: string;
}

/** What part begins. */
export type PartStart =
  | { readonly type: "text" | "reasoning" | "refusal" }
  | { readonly type: "tool_call"; readonly id: string; readonly name: string };

/**
 * One event of an answer on its way. Order: `start`; then parts, one after another, each `part`, any number of `delta` and
 * at most one `signed`, `part_end`; `usage` anywhere, each one cumulative; `finish`; `done`. An `error` ends everything:
 * nothing comes after it. Indexes count parts from 0 and are never used again.
 */
export type ReplyEvent =
  | { readonly type: "start"; readonly id: string; readonly model: string; readonly usage?: Usage }
  | { readonly type: "part"; readonly index: number; readonly part: PartStart }
  /** Text, thought or refusal; for a tool call, a fragment of its arguments. */
  | { readonly type: "delta"; readonly index: number; readonly text: string }
  | { readonly type: "signed"; readonly index: number; readonly signed: Signed }
  | { readonly type: "part_end"; readonly index: number }
  | { readonly type: "usage"; readonly usage: Usage }
  | { readonly type: "finish"; readonly finish: Finish; readonly stopSequence?: string }
  | { readonly type: "error"; readonly error: ModelError }
  | { readonly type: "done" };
