// Speaks Anthropic's Messages: the message, the events of its stream in their order, and token counting.
import { parseRecord, type JsonRecord } from "../../json-source.ts";
import type { Finish, Figures, Part } from "../answer.ts";
import { eventStream, type Frame, type ModelDialect, type PlannedCall } from "../dialect.ts";
import { byteLength, isMalformed } from "../model-request.ts";
import { sign } from "../signatures.ts";
import { anthropicHeaders, OVERLOADED, refuseAsAnthropic } from "./anthropic-errors.ts";
import { readMessagesRequest } from "./messages-request.ts";

const PING = 'event: ping\ndata: {"type": "ping"}\n\n';

const STOP_REASON: Readonly<Record<Finish, string>> = {
  stop: "end_turn",
  calls: "tool_use",
  length: "max_tokens",
  refused: "refusal",
  filtered: "refusal",
  blocked: "refusal",
};

/** `POST /v1/messages`. */
export const messagesDialect: ModelDialect = {
  read: (source) => readMessagesRequest(source),
  whole: (call) => ({ ...message(call, call.answer.parts), ...ending(call), demo_echo: call.request.keys }),
  frames: events,
  framing: eventStream(true, `: keep-alive\n\n${PING}`, ""),
  inBand: () => ({ whole: OVERLOADED, first: OVERLOADED, late: () => OVERLOADED }),
  refuse: refuseAsAnthropic,
  headers: anthropicHeaders,
};

/** `POST /v1/messages/count_tokens`. */
export const countTokensDialect: ModelDialect = {
  ...messagesDialect,
  read: (source) => {
    const read = readMessagesRequest(source, true);
    return isMalformed(read) ? read : { ...read, isStream: false, maxTokens: 0 };
  },
  whole: ({ request, figures }) => (figures === undefined ? {} : { input_tokens: request.promptTokens }),
  isFree: true,
};

function message(call: PlannedCall, parts: readonly Part[]): JsonRecord {
  const { request, token, figures } = call;
  return {
    id: `msg_${token}`,
    type: "message",
    role: "assistant",
    model: request.model,
    content: parts.map((part, at) => block(call, part, at)),
    stop_reason: null,
    stop_sequence: null,
    ...(figures === undefined ? {} : { usage: usageOf(figures, figures.output) }),
  };
}

function ending({ answer }: PlannedCall): JsonRecord {
  const stopReason = STOP_REASON[answer.finish];
  const details = { type: "refusal", category: null, explanation: null };
  return {
    stop_reason: stopReason,
    stop_sequence: null,
    ...(stopReason === "refusal" ? { stop_details: details } : {}),
  };
}

/** Three disjoint counts of input: the prompt's tokens are their sum. What goes into a cache lasts, by halves, for two times. */
function usageOf({ prompt, cacheRead, cacheWrite, thoughts }: Figures, output: number): JsonRecord {
  const hour = Math.floor(cacheWrite / 2);
  return {
    input_tokens: prompt - cacheRead - cacheWrite,
    cache_creation_input_tokens: cacheWrite,
    cache_read_input_tokens: cacheRead,
    cache_creation: { ephemeral_5m_input_tokens: cacheWrite - hour, ephemeral_1h_input_tokens: hour },
    output_tokens: output,
    ...(thoughts > 0 && output > 1 ? { output_tokens_details: { thinking_tokens: thoughts } } : {}),
    service_tier: "standard",
  };
}

function block({ token }: PlannedCall, { kind, name, pieces }: Part, at: number): JsonRecord {
  const text = pieces.join("");
  switch (kind) {
    case "thought":
      return { type: "thinking", thinking: text, signature: text === "" ? "" : sign("anthropic", text) };
    case "call": {
      // Arguments that were cut off are no object, and a message has no place for anything else.
      const input = parseRecord(text) ?? {};
      return { type: "tool_use", id: `toolu_${token}${at}`, caller: { type: "direct" }, name, input };
    }
    case "text":
    case "refusal":
      return { type: "text", text };
  }
}

function* events(call: PlannedCall): Generator<Frame> {
  const { answer, figures, request } = call;
  const begun = message(call, []);
  const usage = figures === undefined ? {} : { usage: usageOf(figures, 1) };
  yield preamble({ type: "message_start", message: { ...begun, ...usage }, demo_echo: request.keys });
  for (const [index, part] of answer.parts.entries()) {
    const empty = block(call, { ...part, pieces: [] }, index);
    yield {
      ...preamble({ type: "content_block_start", index, content_block: empty }),
      outputBytes: byteLength(part.name),
    };
    if (index === 0) yield preamble({ type: "ping" });
    yield* deltas(part, index);
    yield { kind: "close", body: { type: "content_block_stop", index }, outputBytes: 0 };
  }
  const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens, output_tokens_details } =
    figures === undefined ? ({} as JsonRecord) : usageOf(figures, figures.output);
  const reported = {
    input_tokens,
    cache_creation_input_tokens,
    cache_read_input_tokens,
    output_tokens,
    ...(output_tokens_details === undefined ? {} : { output_tokens_details }),
  };
  const body = { type: "message_delta", delta: ending(call), ...(figures === undefined ? {} : { usage: reported }) };
  yield { kind: "close", body, outputBytes: 0 };
  yield { kind: "close", body: { type: "message_stop" }, outputBytes: 0 };
}

function preamble(body: JsonRecord): Frame {
  return { kind: "preamble", body, outputBytes: 0 };
}

/** A call's first delta is always empty, and the only one when it has no arguments. */
function* deltas({ kind, pieces }: Part, index: number): Generator<Frame> {
  const isCall = kind === "call";
  if (isCall) yield preamble(delta(index, { type: "input_json_delta", partial_json: "" }));
  const sent = isCall && pieces.join("") === "{}" ? [] : pieces;
  for (const piece of sent) {
    yield { kind: "output", body: delta(index, deltaOf(kind, piece)), outputBytes: byteLength(piece) };
  }
  if (kind === "thought")
    yield {
      kind: "close",
      body: delta(index, { type: "signature_delta", signature: sign("anthropic", pieces.join("")) }),
      outputBytes: 0,
    };
}

function deltaOf(kind: Part["kind"], piece: string): JsonRecord {
  if (kind === "call") return { type: "input_json_delta", partial_json: piece };
  return kind === "thought" ? { type: "thinking_delta", thinking: piece } : { type: "text_delta", text: piece };
}

function delta(index: number, inner: JsonRecord): JsonRecord {
  return { type: "content_block_delta", index, delta: inner };
}
