// Renders an answer in OpenAI's shapes: the completion body, or the chunks of a stream.
import { byteLength, type ChatRequest } from "./chat-request.ts";
import type { Answer } from "./answer.ts";

/** `usage` as OpenAI reports it; `completion_tokens` covers all choices. */
export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number; readonly audio_tokens: number };
  readonly completion_tokens_details: {
    readonly reasoning_tokens: number;
    readonly audio_tokens: number;
    readonly accepted_prediction_tokens: number;
    readonly rejected_prediction_tokens: number;
  };
}

/** One chunk of a stream and the bytes of model output it carries. */
export interface Chunk {
  readonly kind: "role" | "output" | "finish" | "usage";
  readonly body: Readonly<Record<string, unknown>>;
  readonly outputBytes: number;
}

type Delta = Readonly<Record<string, unknown>>;

/** Usage of a call with this many prompt and completion tokens. Nothing is cached, nothing is reasoning. */
export function usageOf(promptTokens: number, completionTokens: number): Usage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

/** The body of a call without streaming; `usage` is left out when undefined. */
export function completionBody(
  request: ChatRequest,
  answer: Answer,
  usage: Usage | undefined,
): Record<string, unknown> {
  return {
    ...envelope(request, "chat.completion"),
    choices: Array.from({ length: request.choices }, (_, index) => ({
      index,
      message: message(answer),
      logprobs: null,
      finish_reason: answer.finishReason,
    })),
    ...(usage === undefined ? {} : { usage }),
    demo_echo: request.keys,
  };
}

/** The chunks of a stream in order. `demo_echo` is on the first; usage only when asked for. */
export function* completionChunks(request: ChatRequest, answer: Answer, usage: Usage | undefined): Generator<Chunk> {
  const shared = {
    ...envelope(request, "chat.completion.chunk"),
    ...(request.includeUsage ? { usage: null } : {}),
  };
  const callIds = Array.from({ length: request.choices }, newCallId);
  for (const [index] of callIds.entries()) {
    const delta = {
      role: "assistant",
      content: answer.toolCall === undefined ? "" : null,
      refusal: null,
    };
    const echo = index === 0 ? { demo_echo: request.keys } : {};
    yield {
      kind: "role",
      body: { ...shared, choices: [choice(index, delta, null)], ...echo },
      outputBytes: 0,
    };
  }
  for (const { delta, outputBytes } of deltas(answer)) {
    for (const [index, callId] of callIds.entries()) {
      yield {
        kind: "output",
        body: { ...shared, choices: [choice(index, delta(callId), null)] },
        outputBytes,
      };
    }
  }
  for (const [index] of callIds.entries()) {
    yield {
      kind: "finish",
      body: { ...shared, choices: [choice(index, {}, answer.finishReason)] },
      outputBytes: 0,
    };
  }
  if (request.includeUsage && usage !== undefined) {
    yield { kind: "usage", body: { ...shared, choices: [], usage }, outputBytes: 0 };
  }
}

function* deltas(answer: Answer): Generator<{ delta: (callId: string) => Delta; outputBytes: number }> {
  for (const content of answer.text) yield { delta: () => ({ content }), outputBytes: byteLength(content) };
  if (answer.toolCall === undefined) return;
  const { name, fragments } = answer.toolCall;
  yield {
    delta: (id) => ({
      tool_calls: [{ index: 0, id, type: "function", function: { name, arguments: "" } }],
    }),
    outputBytes: byteLength(name),
  };
  for (const fragment of fragments) {
    yield {
      delta: () => ({ tool_calls: [{ index: 0, function: { arguments: fragment } }] }),
      outputBytes: byteLength(fragment),
    };
  }
}

function message(answer: Answer): Record<string, unknown> {
  if (answer.toolCall === undefined) {
    return { role: "assistant", content: answer.text.join(""), refusal: null, annotations: [] };
  }
  const call = { name: answer.toolCall.name, arguments: answer.toolCall.fragments.join("") };
  const toolCalls = [{ id: newCallId(), type: "function", function: call }];
  return {
    role: "assistant",
    content: null,
    refusal: null,
    annotations: [],
    tool_calls: toolCalls,
  };
}

function choice(index: number, delta: Delta, finishReason: string | null): Record<string, unknown> {
  return { index, delta, logprobs: null, finish_reason: finishReason };
}

function envelope(request: ChatRequest, object: string): Record<string, unknown> {
  return {
    id: `chatcmpl-${randomToken()}`,
    object,
    created: Math.floor(Date.now() / 1000),
    model: request.model,
    system_fingerprint: "fp_demo",
  };
}

function newCallId(): string {
  return `call_${randomToken()}`;
}

function randomToken(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 24);
}
