// Makes chat-completions requests and streams for tests.
import type { CallFields, Minted, Target } from "../../src/core/dialect/dialect.ts";
import type { ReplyEvent } from "../../src/core/dialect/reply.ts";
import { chatCodec } from "../../src/core/dialect/chat/codec.ts";
import type { Json } from "../../src/core/json/canonical.ts";
import { readInPieces } from "./dialect-laws.ts";

export const FIELDS: CallFields = {
  model: "fast",
  isStream: false,
  wantsUsage: true,
  maxOutput: undefined,
  choices: 1,
};

export const MINTED: Minted = { createdS: 1_700_000_000, seed: "seed1", model: "gpt-5-mini", wantsUsage: true };

export const TARGET: Target = { model: "gpt-5-mini", maxOutput: 4096, isOpenAi: true };

/** A picture of one pixel. */
export const IMAGE_DATA =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** A chunk with this delta. */
export function chunk(delta: Json, finish: string | null = null): Json {
  return {
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1_700_000_000,
    model: "gpt-5-mini-2025-08-07",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  };
}

/** Frames of a stream, as OpenAI sends them. */
export function sse(...chunks: readonly Json[]): string {
  return chunks.map((each) => `data: ${JSON.stringify(each)}\n\n`).join("");
}

/** What the end of a stream reads as. */
export const DONE = "data: [DONE]\n\n";

/** What a stream says in no dialect's words. */
export function replyEvents(text: string): readonly ReplyEvent[] {
  return readInPieces(chatCodec, text, []);
}
