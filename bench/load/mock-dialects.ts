// What the stand-in provider answers in each dialect: the same 22 words, whole or a frame per word, always with usage.
import { streamFrames } from "./loads.ts";

/** The words of every answer; each is one output token of the usage that comes with it. */
export const answerWords: readonly string[] = Array.from(
  { length: streamFrames - 2 },
  (_, index) => ` word${String(index).padStart(2, "0")}`,
);

/** An answer of one dialect in both forms. */
export interface MockAnswer {
  readonly whole: Buffer;
  readonly frames: readonly Buffer[];
}

const inputTokens = 42;
const outputTokens = answerWords.length;
const text = answerWords.join("");

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function named(event: { readonly type: string } & Record<string, unknown>): Buffer {
  return Buffer.from(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

function messagesAnswer(): MockAnswer {
  const head = { id: "msg_bench0000000000000000", type: "message", role: "assistant", model: "claude-bench" };
  const usage = { input_tokens: inputTokens, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
  const end = { stop_reason: "end_turn", stop_sequence: null };
  const block = { type: "text", text: "" };
  const message = { ...head, content: [], stop_reason: null, stop_sequence: null };
  return {
    whole: json({
      ...head,
      content: [{ type: "text", text }],
      ...end,
      usage: { ...usage, output_tokens: outputTokens },
    }),
    frames: [
      named({ type: "message_start", message: { ...message, usage: { ...usage, output_tokens: 1 } } }),
      named({ type: "content_block_start", index: 0, content_block: block }),
      ...answerWords.map((word) =>
        named({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: word } }),
      ),
      named({ type: "content_block_stop", index: 0 }),
      named({ type: "message_delta", delta: end, usage: { output_tokens: outputTokens } }),
      named({ type: "message_stop" }),
    ],
  };
}

function generateAnswer(): MockAnswer {
  const usage = {
    promptTokenCount: inputTokens,
    candidatesTokenCount: outputTokens,
    totalTokenCount: inputTokens + outputTokens,
  };
  const reply = (words: string, finish: object, usageMetadata: object): unknown => ({
    candidates: [{ content: { parts: [{ text: words }], role: "model" }, ...finish, index: 0 }],
    usageMetadata,
    modelVersion: "gemini-bench",
    responseId: "bench00000000000000000",
  });
  const early = { promptTokenCount: inputTokens, totalTokenCount: inputTokens };
  const frame = (value: unknown): Buffer => Buffer.from(`data: ${JSON.stringify(value)}\r\n\r\n`);
  return {
    whole: json(reply(text, { finishReason: "STOP" }, usage)),
    frames: [
      ...answerWords.map((word) => frame(reply(word, {}, early))),
      frame(reply("", { finishReason: "STOP" }, usage)),
    ],
  };
}

function responsesAnswer(): MockAnswer {
  const usage = {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: inputTokens + outputTokens,
  };
  const part = { type: "output_text", text, annotations: [], logprobs: [] };
  const item = { id: "msg_bench0001", type: "message", status: "completed", role: "assistant", content: [part] };
  const response = (status: string, output: readonly unknown[], used: unknown): unknown => ({
    id: "resp_bench000000000000000",
    object: "response",
    created_at: 1_790_000_000,
    status,
    error: null,
    incomplete_details: null,
    model: "gpt-bench",
    output,
    usage: used,
  });
  const place = { item_id: item.id, output_index: 0, content_index: 0 };
  const opened = { ...item, status: "in_progress", content: [] };
  const done = response("completed", [item], usage);
  const events = [
    { type: "response.created", response: response("in_progress", [], null) },
    { type: "response.output_item.added", output_index: 0, item: opened },
    { type: "response.content_part.added", ...place, part: { ...part, text: "" } },
    ...answerWords.map((delta) => ({ type: "response.output_text.delta", ...place, delta, logprobs: [] })),
    { type: "response.output_text.done", ...place, text, logprobs: [] },
    { type: "response.content_part.done", ...place, part },
    { type: "response.output_item.done", output_index: 0, item },
    { type: "response.completed", response: done },
  ];
  return { whole: json(done), frames: events.map((event, at) => named({ ...event, sequence_number: at })) };
}

const messages = messagesAnswer();
const generate = generateAnswer();
const responses = responsesAnswer();

/** What a path other than chat completions answers; `undefined` for chat. */
export function answerAt(path: string): MockAnswer | undefined {
  if (path.startsWith("/v1/messages")) return messages;
  if (path.startsWith("/v1beta/")) return generate;
  return path.startsWith("/v1/responses") ? responses : undefined;
}
