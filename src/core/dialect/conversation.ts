// Decides what a request to a model means in no dialect's words: turns, parts, tools and how to sample.
import type { Json, JsonObject } from "../json/canonical.ts";
import type { GeneratingDialect } from "./names.ts";

/** Where media comes from. */
export type MediaSource =
  | { readonly type: "url"; readonly url: string }
  | { readonly type: "base64"; readonly mediaType: string; readonly data: string };

/** A hint that the prompt up to here is worth caching: it changes cost, never meaning. */
export interface CacheHint {
  readonly ttl: "5m" | "1h";
}

/** Signed or encrypted state of one dialect: it goes back to that dialect unchanged, and to no other. */
export interface Signed {
  readonly origin: GeneratingDialect;
  readonly value: Json;
}

/** Text of a turn. */
export interface TextPart {
  readonly type: "text";
  readonly text: string;
  readonly cache?: CacheHint;
}

/** An image. */
export interface ImagePart {
  readonly type: "image";
  readonly source: MediaSource;
  readonly detail?: "low" | "high" | "auto";
  readonly cache?: CacheHint;
}

/** A document such as a PDF. */
export interface DocumentPart {
  readonly type: "document";
  readonly source: MediaSource;
  readonly name?: string;
  readonly cache?: CacheHint;
}

/** Sound that is listened to. */
export interface AudioPart {
  readonly type: "audio";
  readonly mediaType: string;
  readonly data: string;
}

/** What the model thought. Without `signed` it is for reading only and is sent to no provider that wants signatures. */
export interface ReasoningPart {
  readonly type: "reasoning";
  readonly text: string;
  readonly signed?: Signed;
}

/** A tool that the model wants called. `args` is the JSON text as the model wrote it, never repaired; `{}` when it wrote none. */
export interface ToolCallPart {
  readonly type: "tool_call";
  readonly id: string;
  readonly name: string;
  readonly args: string;
  readonly signed?: Signed;
  readonly cache?: CacheHint;
}

/** What a tool answered. All results of one assistant turn's calls stand in the user turn right after it, before its other parts. */
export interface ToolResultPart {
  readonly type: "tool_result";
  readonly callId: string;
  /** The tool's name, as far as an earlier call tells it. */
  readonly name?: string;
  readonly content: readonly (TextPart | ImagePart | DocumentPart)[];
  readonly isError: boolean;
  readonly cache?: CacheHint;
}

/** What the model said instead of an answer it would not give. */
export interface RefusalPart {
  readonly type: "refusal";
  readonly text: string;
}

/** A part of a turn. */
export type Part =
  | TextPart
  | ImagePart
  | DocumentPart
  | AudioPart
  | ReasoningPart
  | ToolCallPart
  | ToolResultPart
  | RefusalPart;

/**
 * One turn. `system` may stand anywhere, in the caller's order. Neighbouring turns of one role are one turn; tool results
 * are parts of a `user` turn.
 */
export interface Turn {
  readonly role: "system" | "user" | "assistant";
  readonly parts: readonly Part[];
}

/** A function that the model is offered. Hosted tools have no counterpart and are refused by name. */
export interface ToolOffer {
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of its arguments. */
  readonly schema: JsonObject;
  readonly strict?: boolean;
  readonly cache?: CacheHint;
}

/** Which tool must be called. */
export type ToolChoice =
  | { readonly type: "auto" | "none" | "required" }
  | { readonly type: "tool"; readonly name: string };

/** What form the answer is to have. */
export type OutputFormat =
  | { readonly type: "text" }
  | { readonly type: "json" }
  | {
      readonly type: "json_schema";
      readonly name: string;
      readonly schema: JsonObject;
      readonly description?: string;
      readonly strict?: boolean;
    };

/** How hard the model is to think: words, tokens, or both, as the caller said it. */
export interface ReasoningWish {
  readonly effort?: "none" | "minimal" | "low" | "medium" | "high" | "xhigh";
  /** Tokens it may think at most; 0 for none. */
  readonly budgetTokens?: number;
  /** Whether the caller wants to read a summary of it. */
  readonly isShown?: boolean;
}

/** One request. An absent member was not said. */
export interface Conversation {
  readonly turns: readonly Turn[];
  readonly tools: readonly ToolOffer[];
  readonly toolChoice?: ToolChoice;
  /** `false`: at most one tool call per answer. */
  readonly parallelToolCalls?: boolean;
  readonly maxOutput?: number;
  /** As the dialect counts it: 0 to 2 at OpenAI and Gemini, 0 to 1 at Anthropic; a value out of the target's range is refused. */
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly stop?: readonly string[];
  readonly output?: OutputFormat;
  readonly reasoning?: ReasoningWish;
  /** The caller's opaque id of its end user. */
  readonly user?: string;
  readonly isStream: boolean;
  /**
   * Hints of the caller that change no meaning and have no counterpart here, by path (`metadata`, `store`,
   * `cache_control`). Writers add to the record what they leave out; everything else is refused.
   */
  readonly hints: readonly string[];
}
