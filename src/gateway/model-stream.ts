// Answers a model call as a stream: the first event is looked at, the rest passes as it comes, the end is told truthfully.
import type { JsonObject } from "../core/json/canonical.ts";
import { refuse, type Refusal } from "../core/errors.ts";
import { errorInEvent, readChatStream, type ChatStream } from "../core/stream/chat-stream.ts";
import { firstData } from "../core/stream/frames.ts";
import { CALLER_LEFT, isHalted, relay, type StreamEnd } from "./meter.ts";
import type { AdmittedCall, ModelAnswer } from "./admitted-call.ts";
import type { ModelResponse } from "./ports.ts";
import type { Learnt, ModelCallStatus } from "./record-model-call.ts";
import type { ModelCallTally } from "./settle-model-call.ts";

type Answered = ModelResponse & { type: "answered" };

/** Streams of at most this many output tokens (some 5 MB of frames) are metered from a copy in memory. */
const LONG_OUTPUT_TOKENS = 16_384;
/** The first event is looked for in at most this many bytes. */
const MAX_PEEK_BYTES = 64 * 1024;

/**
 * Relays a provider's event stream. An error that comes instead of the first event is answered as 502 before any
 * header is sent; one that comes later, or a stream cut short, ends with a typed error event and no `[DONE]`.
 */
export async function answerStream(admitted: AdmittedCall, answered: Answered): Promise<ModelAnswer> {
  const { call, meta, around, tally, abort } = admitted;
  const body = answered.body ?? new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
  const peeked = await peek(body);
  const failed = peeked.isBroken ? brokenRefusal(abort.signal) : firstEventRefusal(peeked.text);
  if (failed !== undefined) {
    await cancelRest(body);
    if (peeked.isBroken || peeked.text === "")
      tally.settleAtHold(abort.signal.reason === CALLER_LEFT ? "caller_left" : "failed", failed);
    else
      tally.settleLearnt("failed", {
        usage: undefined,
        responseText: peeked.text,
        contentType: "text/event-stream",
        errorType: failed.code,
        isUnbilled: true,
      });
    return { ok: false, refusal: failed, meta };
  }
  const relayed = relay({
    first: peeked.bytes,
    rest: body,
    stripsUsage: !call.wantsUsage,
    mayBeLong: admitted.grantedOutput > LONG_OUTPUT_TOKENS,
    abort,
    closingFrame,
  });
  around.defer(
    relayed.end.then(
      (end) => settle(tally, end),
      () => tally.settleAtHold("failed", refuse("upstream_failed", "the stream could not be relayed")),
    ),
  );
  return { ok: true, status: answered.status, headers: answered.headers, body: relayed.body, meta };
}

function settle(tally: ModelCallTally, end: StreamEnd): void {
  const said = readChatStream(end.text);
  const status = statusOf(end, said);
  tally.settleLearnt(status, learntFrom(end, said, status));
}

interface Peeked {
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly isBroken: boolean;
}

/** Reads until the first data event is whole, then gives the stream back unread from there. */
async function peek(body: ReadableStream<Uint8Array>): Promise<Peeked> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const chunks: Uint8Array[] = [];
  let text = "";
  let size = 0;
  try {
    while (size < MAX_PEEK_BYTES && firstData(text) === undefined) {
      const next = await reader.read();
      if (next.done) break;
      chunks.push(next.value);
      size += next.value.byteLength;
      text += decoder.decode(next.value, { stream: true });
    }
  } catch {
    return { bytes: new Uint8Array(), text, isBroken: true };
  } finally {
    reader.releaseLock();
  }
  return {
    bytes: chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : concat(chunks, size),
    text,
    isBroken: false,
  };
}

function concat(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.byteLength;
  }
  return all;
}

async function cancelRest(body: ReadableStream<Uint8Array>): Promise<void> {
  try {
    await body.cancel();
  } catch {
    // Already ended or broken.
  }
}

function brokenRefusal(signal: AbortSignal): Refusal {
  if (isHalted(signal)) return refuse("halted", "a person has stopped this call while it ran");
  return signal.aborted && signal.reason !== CALLER_LEFT
    ? refuse("upstream_timeout", "the model provider's stream did not begin in time")
    : refuse("upstream_failed", "the model provider's stream broke before its first event");
}

function firstEventRefusal(text: string): Refusal | undefined {
  const data = firstData(text);
  if (data === undefined && text.trim() === "")
    return refuse("upstream_failed", "the model provider's stream was empty");
  const error = data === undefined ? undefined : errorInEvent(data);
  if (error === undefined) return undefined;
  return refuse("upstream_failed", `the model provider answered with an error: ${messageOf(error)}`, {
    extensions: { upstream_error: error },
  });
}

function messageOf(error: JsonObject): string {
  return typeof error["message"] === "string" ? error["message"] : "no message";
}

const CUT = { code: "upstream_failed", message: "The model provider's stream ended before it was complete." } as const;
const CLOSING = {
  ended: CUT,
  upstream_broke: CUT,
  caller_left: CUT,
  timed_out: { code: "upstream_timeout", message: "The stream was stopped at its deadline." },
  halted: { code: "halted", message: "A person has stopped this call." },
} as const;

/** The error event for a stream that did not end as it should; nothing when it did, or when it said so itself. */
function closingFrame(end: StreamEnd): string | undefined {
  const { isDone, error: said } = readChatStream(end.text);
  if (isDone || said !== undefined) return undefined;
  const { code, message } = CLOSING[end.ending];
  const error = { message, type: "server_error", param: null, code };
  return `\n\ndata: ${JSON.stringify({ error })}\n\n`;
}

function statusOf(end: StreamEnd, said: ChatStream): ModelCallStatus {
  if (end.ending === "caller_left") return "caller_left";
  return end.ending === "ended" && said.isDone && said.error === undefined ? "succeeded" : "failed";
}

const ERROR_TYPES = {
  ended: "stream_cut",
  upstream_broke: "stream_cut",
  timed_out: "upstream_timeout",
  caller_left: "caller_left",
  halted: "halted",
} as const;

function learntFrom(end: StreamEnd, said: ChatStream, status: ModelCallStatus): Learnt {
  const { usage, model, id } = said;
  return {
    usage,
    responseText: end.text,
    contentType: "text/event-stream",
    finishReasons: said.finishReasons,
    ...(model === undefined ? {} : { responseModel: model }),
    ...(id === undefined ? {} : { responseId: id }),
    ...(status === "succeeded" ? {} : { errorType: ERROR_TYPES[end.ending] }),
  };
}
