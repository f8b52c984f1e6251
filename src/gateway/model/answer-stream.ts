// Answers a model call as a stream that has begun: it passes as it comes, translated where it has to be, and its end is told truthfully.
import type { Broken, StreamSaid } from "../../core/dialect/dialect.ts";
import type { ModelError, ModelErrorKind } from "../../core/dialect/reply.ts";
import { wireOf } from "../../core/dialect/registry.ts";
import { refuse } from "../../core/errors.ts";
import type { ModelAnswer, PlannedCall } from "./admitted-call.ts";
import type { Attempt, AttemptResult } from "./attempt.ts";
import { both, together, type ChunkTransform } from "./chunk-transform.ts";
import { FrameFilter } from "./frame-filter.ts";
import { passedBack } from "./passed-back.ts";
import type { Learnt, ModelCallStatus } from "./record-model-call.ts";
import { CAPTURE_CHARS, relay, type StreamEnd } from "./relay.ts";
import type { ModelCallTally } from "./settle-model-call.ts";
import type { StreamTranslation } from "./stream-translation.ts";

type Stream = AttemptResult & { readonly type: "stream" };

/** Streams of at most this many output tokens (some 5 MB of frames) are metered from a copy in memory. */
const LONG_OUTPUT_TOKENS = 16_384;

/** Relays a provider's event stream. One that is cut short ends with a typed error event, and never with a marker of success. */
export function answerStream(
  planned: PlannedCall,
  tally: ModelCallTally,
  attempt: Attempt,
  { answered, peeked, body }: Stream,
): ModelAnswer {
  const { around, plan, watch } = planned;
  const { exchange, clock } = attempt;
  const translation = exchange.translation?.stream();
  const read = readingOf(attempt);
  const relayed = relay({
    first: peeked.bytes,
    rest: body,
    transform: transformOf(planned, attempt, translation),
    mayBeLong: tally.grantedOutput > LONG_OUTPUT_TOKENS,
    clock,
    drains: plan.drains,
    closingFrame: (end) => shown(around.shows, closingFrame(attempt, end, { translation, read })),
  });
  const settled = relayed.end.then(
    (end) => settle(planned, tally, attempt, { end, said: read(end), told: translation?.error }),
    () => tally.settleAtHold("failed", refuse("upstream_failed", "the stream could not be relayed")),
  );
  around.defer(settled.finally(() => watch.over()));
  const headers = passedBack(answered.headers);
  if (translation !== undefined) headers.set("content-type", EVENT_STREAM);
  return { ok: true, status: answered.status, headers, body: relayed.body, meta: tally.meta };
}

/** Gives a stream again that is there whole, in the caller's dialect. */
export function replayStream(
  planned: PlannedCall,
  { tally, attempt }: { readonly tally: ModelCallTally; readonly attempt: Attempt },
  { bytes, text, contentType }: { readonly bytes: Uint8Array; readonly text: string; readonly contentType: string },
): ModelAnswer {
  const translation = attempt.exchange.translation?.stream();
  const transform = transformOf(planned, attempt, translation);
  const replayed = transform === undefined ? bytes : together([transform.pass(bytes), transform.flush()]);
  const end: StreamEnd = { ending: "ended", text };
  settle(planned, tally, attempt, { end, said: readingOf(attempt)(end), told: translation?.error });
  const headers = new Headers({ "content-type": translation === undefined ? contentType : EVENT_STREAM });
  return { ok: true, status: 200, headers, body: replayed ?? new Uint8Array(), meta: tally.meta };
}

const EVENT_STREAM = "text/event-stream; charset=utf-8";

function transformOf(
  { call, around }: PlannedCall,
  { exchange }: Attempt,
  translation: StreamTranslation | undefined,
): ChunkTransform | undefined {
  const isStripped = exchange.dialect === "chat" && !call.fields.wantsUsage;
  return both(translation ?? (isStripped ? new FrameFilter() : undefined), around.shows);
}

/** The last frames of a broken stream, as they are shown. */
function shown(shows: ChunkTransform | undefined, frames: string | undefined): string | undefined {
  if (shows === undefined || frames === undefined) return frames;
  const last = together([shows.pass(new TextEncoder().encode(frames)), shows.flush()]);
  return last === undefined ? undefined : new TextDecoder().decode(last);
}

type Reading = (end: StreamEnd) => StreamSaid;

/** Reads what a stream said once, however often it is asked: before its last frame, and when it is settled. */
function readingOf({ exchange }: Attempt): Reading {
  let last: { readonly end: StreamEnd; readonly said: StreamSaid } | undefined;
  return (end) => {
    if (last?.end !== end) last = { end, said: wireOf(exchange.dialect).streamed(end.text) };
    return last.said;
  };
}

/** A stream that is over, what it said, and the error its caller was told in another dialect, if any. */
interface Over {
  readonly end: StreamEnd;
  readonly said: StreamSaid;
  readonly told: ModelError | undefined;
}

function settle({ around }: PlannedCall, tally: ModelCallTally, attempt: Attempt, { end, said, told }: Over): void {
  const { exchange, candidate } = attempt;
  const status = statusOf(end, { ...said, error: said.error ?? told });
  tally.settleLearnt(status, learntFrom(end, said, { status, told }));
  around.onAnswered?.({
    dialect: exchange.dialect,
    text: end.text,
    contentType: "text/event-stream",
    model: candidate.model.name,
    isStream: true,
    isCut: end.text.length >= 2 * CAPTURE_CHARS,
    isSuccess: status === "succeeded",
    seed: tally.spanId,
  });
}

const CUT: Broken = { code: "upstream_failed", message: "The model provider's stream ended before it was complete." };
const CLOSING: Readonly<Record<StreamEnd["ending"], Broken>> = {
  ended: CUT,
  upstream_broke: CUT,
  caller_left: CUT,
  timed_out: { code: "upstream_timeout", message: "The stream was stopped at its deadline." },
  halted: { code: "halted", message: "A person has stopped this call." },
};
const KINDS: Readonly<Record<StreamEnd["ending"], ModelErrorKind>> = {
  ended: "server",
  upstream_broke: "server",
  caller_left: "server",
  timed_out: "timeout",
  halted: "permission",
};

/** The error event for a stream that did not end as it should; nothing when it did, or when it said so itself. */
function closingFrame(
  { exchange }: Attempt,
  end: StreamEnd,
  { translation, read }: { readonly translation: StreamTranslation | undefined; readonly read: Reading },
): string | undefined {
  const broken = CLOSING[end.ending];
  if (translation !== undefined) {
    // A stream that ended has told by itself whether that was its proper end.
    if (end.ending === "ended") return undefined;
    return translation.broken({ kind: KINDS[end.ending], ...broken });
  }
  const said = read(end);
  return said.isDone || said.error !== undefined ? undefined : wireOf(exchange.dialect).closing(broken, said);
}

function statusOf(end: StreamEnd, said: StreamSaid): ModelCallStatus {
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

function learntFrom(
  end: StreamEnd,
  said: StreamSaid,
  { status, told }: { readonly status: ModelCallStatus; readonly told: ModelError | undefined },
): Learnt {
  const { usage, model, id } = said;
  return {
    usage,
    responseText: end.text,
    contentType: "text/event-stream",
    finishReasons: said.finishReasons,
    ...(model === undefined ? {} : { responseModel: model }),
    ...(id === undefined ? {} : { responseId: id }),
    ...(status === "succeeded" ? {} : { errorType: errorTypeOf(end, said, told) }),
  };
}

function errorTypeOf(end: StreamEnd, said: StreamSaid, told: ModelError | undefined): string {
  // The provider ended as it should: what it sent in between could not be translated.
  if (end.ending === "ended" && said.isDone && said.error === undefined && told !== undefined)
    return "untranslatable_answer";
  return end.ending === "ended" && said.error !== undefined ? "in_band_error" : ERROR_TYPES[end.ending];
}
