// Renders an answer in the shapes of OpenAI's chat completions: the completion body, or the chunks of a stream.
import type { JsonRecord } from "../../json-source.ts";
import type { Finish, Figures, Part } from "../answer.ts";
import type { Frame, PlannedCall } from "../dialect.ts";
import { byteLength, newToken } from "../model-request.ts";
import { asksForUsage } from "./chat-request.ts";

const FINISH: Readonly<Record<Finish, string>> = {
  stop: "stop",
  calls: "tool_calls",
  length: "length",
  refused: "stop",
  filtered: "content_filter",
  blocked: "content_filter",
};

/** `usage` as chat completions report it; `completion_tokens` covers all choices. */
export function chatUsage({ prompt, cacheRead, cacheWrite, output, thoughts }: Figures): JsonRecord {
  return {
    prompt_tokens: prompt,
    completion_tokens: output,
    total_tokens: prompt + output,
    prompt_tokens_details: {
      cached_tokens: cacheRead,
      audio_tokens: 0,
      ...(cacheWrite > 0 ? { cache_write_tokens: cacheWrite } : {}),
    },
    completion_tokens_details: {
      reasoning_tokens: thoughts,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

/** The body of a call without streaming; usage is left out when it is kept back. */
export function completionBody(call: PlannedCall): JsonRecord {
  const { request, answer, figures } = call;
  return {
    ...envelope(call, "chat.completion"),
    choices: Array.from({ length: request.choices }, (_, index) => ({
      index,
      message: message(answer.parts),
      logprobs: null,
      finish_reason: FINISH[answer.finish],
    })),
    ...(figures === undefined ? {} : { usage: chatUsage(figures) }),
    demo_echo: request.keys,
  };
}

/** The chunks of a stream in order. `demo_echo` is on the first; usage only when asked for. */
export function* completionChunks(call: PlannedCall): Generator<Frame> {
  const { request, answer, figures } = call;
  const hasUsage = asksForUsage(request);
  const shared = { ...envelope(call, "chat.completion.chunk"), ...(hasUsage ? { usage: null } : {}) };
  const seeds = Array.from({ length: request.choices }, newToken);
  const isText = !answer.parts.some(({ kind }) => kind === "call" || kind === "refusal");
  for (const [index] of seeds.entries()) {
    const delta = { role: "assistant", content: isText ? "" : null, refusal: null };
    const echo = index === 0 ? { demo_echo: request.keys } : {};
    yield {
      kind: "preamble",
      body: { ...shared, choices: [choice(index, delta, null)], ...echo },
      outputBytes: 0,
    };
  }
  for (const { delta, outputBytes } of deltas(answer.parts)) {
    for (const [index, seed] of seeds.entries()) {
      yield { kind: "output", body: { ...shared, choices: [choice(index, delta(seed), null)] }, outputBytes };
    }
  }
  for (const [index] of seeds.entries()) {
    yield {
      kind: "close",
      body: { ...shared, choices: [choice(index, {}, FINISH[answer.finish])] },
      outputBytes: 0,
    };
  }
  if (hasUsage && figures !== undefined)
    yield { kind: "close", body: { ...shared, choices: [], usage: chatUsage(figures) }, outputBytes: 0 };
}

interface Delta {
  readonly delta: (seed: string) => JsonRecord;
  readonly outputBytes: number;
}

/** Thoughts go by the name that OpenAI-compatible servers give them; OpenAI itself only counts them. */
const TEXT_FIELD = { thought: "reasoning_content", text: "content", refusal: "refusal" } as const;

function* deltas(parts: readonly Part[]): Generator<Delta> {
  let index = 0;
  for (const { kind, name, pieces } of parts) {
    if (kind !== "call") {
      const field = TEXT_FIELD[kind];
      for (const piece of pieces) yield { delta: () => ({ [field]: piece }), outputBytes: byteLength(piece) };
      continue;
    }
    const at = index;
    index += 1;
    yield {
      delta: (seed) => ({
        tool_calls: [{ index: at, id: callId(seed, at), type: "function", function: { name, arguments: "" } }],
      }),
      outputBytes: byteLength(name),
    };
    for (const piece of pieces) {
      yield {
        delta: () => ({ tool_calls: [{ index: at, function: { arguments: piece } }] }),
        outputBytes: byteLength(piece),
      };
    }
  }
}

function message(parts: readonly Part[]): JsonRecord {
  const seed = newToken();
  const toolCalls = parts
    .filter(({ kind }) => kind === "call")
    .map(({ name, pieces }, at) => ({
      id: callId(seed, at),
      type: "function",
      function: { name, arguments: pieces.join("") },
    }));
  const refusal = textOf(parts, "refusal");
  const text = textOf(parts, "text");
  const thought = textOf(parts, "thought");
  return {
    role: "assistant",
    content: text ?? (toolCalls.length > 0 || refusal !== undefined ? null : ""),
    refusal: refusal ?? null,
    annotations: [],
    ...(thought === undefined ? {} : { reasoning_content: thought }),
    ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }),
  };
}

function textOf(parts: readonly Part[], kind: Part["kind"]): string | undefined {
  const found = parts.filter((part) => part.kind === kind);
  return found.length === 0 ? undefined : found.map(({ pieces }) => pieces.join("")).join("");
}

function choice(index: number, delta: JsonRecord, finishReason: string | null): JsonRecord {
  return { index, delta, logprobs: null, finish_reason: finishReason };
}

function envelope({ request, token }: PlannedCall, object: string): JsonRecord {
  return {
    id: `chatcmpl-${token}`,
    object,
    created: Math.floor(Date.now() / 1000),
    model: request.model,
    system_fingerprint: "fp_demo",
  };
}

function callId(seed: string, at: number): string {
  return at === 0 ? `call_${seed}` : `call_${seed.slice(0, -1)}${at}`;
}
