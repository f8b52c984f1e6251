// Passes a model stream on as it comes and learns from a copy what it used and how it ended.
import { isUsageOnlyFrame, lastBoundary } from "../core/stream/frames.ts";

/** How a stream ended, from the gateway's side. */
export type StreamEnding = "ended" | "caller_left" | "upstream_broke" | "timed_out" | "halted";

/** What is known once a stream is over. */
export interface StreamEnd {
  readonly ending: StreamEnding;
  /** Everything that came, up to the capture limit; the middle of a longer stream is left out. */
  readonly text: string;
}

/** A stream on its way to the caller. */
export interface Relay {
  readonly body: ReadableStream<Uint8Array>;
  readonly end: Promise<StreamEnd>;
}

/** How a relay behaves. */
export interface RelayOptions {
  readonly first: Uint8Array;
  readonly rest: ReadableStream<Uint8Array>;
  /** Whether the usage-only frame is for us alone and must not reach the caller. */
  readonly stripsUsage: boolean;
  /** Whether the stream may grow past what a copy of it should hold in memory. */
  readonly mayBeLong: boolean;
  /** Aborted at the call's deadline, or here when the caller goes: that is what stops the upstream. */
  readonly abort: AbortController;
  /** The frame that tells the caller of a stream that broke, given what came; `undefined` when it ended well. */
  readonly closingFrame: (end: StreamEnd) => string | undefined;
}

/** Text of a stream kept for the record: this many characters of its start and as many of its end. */
const CAPTURE_CHARS = 256 * 1024;
/**
 * Reads of a stripped stream are this far apart, in milliseconds. What costs is each read that wakes the isolate;
 * the copy is drained natively meanwhile, so that one read brings all that has come.
 */
const READ_PAUSE_MS = 4;
const READ_BUFFER_BYTES = 16 * 1024;

/** Starts relaying. The body is for the caller; `end` settles when the last byte has gone or the stream broke. */
export function relay(options: RelayOptions): Relay {
  const pipe = new IdentityTransformStream();
  const writable: WritableStream<Uint8Array> = pipe.writable;
  const way = options.mayBeLong ? relayRead : options.stripsUsage ? relayStripped : relayCopied;
  const end = way(options, writable).then((ended) => finish(options, writable, ended));
  // A fault of ours must not leave the caller waiting for a body that nobody writes.
  end.catch((error: unknown) => writable.abort(error).catch(() => undefined));
  return { body: pipe.readable, end };
}

/** Short stream, nothing to strip: a native pipe to the caller, and a copy that is read once the pipe has ended. */
async function relayCopied(
  { first, rest, abort }: RelayOptions,
  writable: WritableStream<Uint8Array>,
): Promise<StreamEnd> {
  const [toCaller, copy] = rest.tee();
  try {
    await writeOnce(writable, first);
    await toCaller.pipeTo(writable, { preventClose: true, preventAbort: true, signal: abort.signal });
  } catch {
    const ending = endingOf(isErrored(writable), abort.signal);
    if (ending === "caller_left") abort.abort(CALLER_LEFT);
    return salvaged(ending, first, copy);
  }
  const text = decode(first) + (await new Response(copy).text());
  return { ending: "ended", text: shorten(text) };
}

/** What a copy still holds of a stream that broke: its queued chunks come before its error. */
async function salvaged(ending: StreamEnding, first: Uint8Array, copy: ReadableStream<Uint8Array>): Promise<StreamEnd> {
  const reader = copy.getReader();
  const decoder = new TextDecoder();
  let text = decoder.decode(first, { stream: true });
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      text += decoder.decode(next.value, { stream: true });
    }
  } catch {
    // The error that ended the stream: everything before it has been read.
  }
  return { ending, text: shorten(text) };
}

/** Short stream whose usage frame is ours alone: reads spaced out, while a native drain gathers what comes. */
async function relayStripped(options: RelayOptions, writable: WritableStream<Uint8Array>): Promise<StreamEnd> {
  const [copy, toCaller] = options.rest.tee();
  const tap = new IdentityTransformStream();
  const stop = new AbortController();
  const draining = Promise.allSettled([
    copy.pipeTo(tap.writable, { signal: stop.signal }),
    new Response(tap.readable).text(),
  ]);
  const reader = toCaller.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(READ_BUFFER_BYTES);
  const read = async (): Promise<Uint8Array | undefined> => {
    await new Promise((resolve) => setTimeout(resolve, READ_PAUSE_MS));
    const next = await reader.read(new Uint8Array(buffer));
    if (next.done) return undefined;
    // Handed back to the next read: the filter and the writer are done with it by then.
    buffer = next.value.buffer;
    return next.value;
  };
  const end = await pump(options, writable, { read, cancel: (why) => reader.cancel(why) });
  if (end.ending !== "ended") stop.abort();
  await draining;
  return end;
}

/** Long stream: read as it passes, with only its start and its end kept. */
async function relayRead(options: RelayOptions, writable: WritableStream<Uint8Array>): Promise<StreamEnd> {
  const reader = options.rest.getReader();
  return pump(options, writable, {
    read: async () => (await reader.read()).value,
    cancel: (why) => reader.cancel(why),
  });
}

/** The start and the end of a stream's text. */
class Capture {
  #head = "";
  #tail = "";

  add(text: string): void {
    if (this.#head.length < CAPTURE_CHARS) this.#head += text;
    else this.#tail = (this.#tail + text).slice(-CAPTURE_CHARS);
  }

  text(): string {
    return this.#head + this.#tail;
  }
}

interface Source {
  readonly read: () => Promise<Uint8Array | undefined>;
  readonly cancel: (why: unknown) => Promise<void>;
}

/** Moves chunks from a source to the caller, frame by frame where the usage frame is held back. */
async function pump(options: RelayOptions, writable: WritableStream<Uint8Array>, source: Source): Promise<StreamEnd> {
  const { signal } = options.abort;
  const writer = writable.getWriter();
  const capture = new Capture();
  const decoder = new TextDecoder();
  const filter = options.stripsUsage ? new FrameFilter() : undefined;
  const cancel = (why: unknown): void => void source.cancel(why).catch(() => undefined);
  const onAbort = (): void => cancel(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  // While a read waits, nothing else notices that the caller has gone.
  let hasLeft = false;
  writer.closed.catch(() => {
    hasLeft = true;
    options.abort.abort(CALLER_LEFT);
  });
  let ending: StreamEnding = "ended";
  try {
    for (let chunk: Uint8Array | undefined = options.first; chunk !== undefined; chunk = await source.read()) {
      capture.add(decoder.decode(chunk, { stream: true }));
      const passed = filter === undefined ? chunk : filter.pass(chunk);
      if (passed !== undefined) await writer.write(passed);
    }
    const rest = filter?.flush();
    if (rest !== undefined) await writer.write(rest);
    if (signal.aborted) ending = endingOf(hasLeft, signal);
  } catch (error) {
    ending = endingOf(hasLeft || writer.desiredSize === null, signal);
    if (ending === "caller_left") options.abort.abort(CALLER_LEFT);
    cancel(error);
  }
  signal.removeEventListener("abort", onAbort);
  writer.releaseLock();
  return { ending, text: capture.text() };
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function shorten(text: string): string {
  return text.length <= 2 * CAPTURE_CHARS ? text : text.slice(0, CAPTURE_CHARS) + text.slice(-CAPTURE_CHARS);
}

/** A frame longer than this is passed on as it comes. */
const MAX_FRAME_BYTES = 2 * 1024 * 1024;

/** Lets whole frames pass and keeps the part of a frame that a chunk cut off until the rest is there. */
class FrameFilter {
  #rest: Uint8Array | undefined;
  // A byte order mark is the caller's to see, like every other byte.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: false });

  pass(chunk: Uint8Array): Uint8Array | undefined {
    const all = this.#rest === undefined ? chunk : joined(this.#rest, chunk);
    const cut = lastBoundary(all);
    // Copied: the chunk's own buffer goes back to the next read.
    this.#rest = cut === all.byteLength ? undefined : all.slice(cut);
    if (cut === 0 && all.byteLength > MAX_FRAME_BYTES) return this.flush();
    return cut === 0 ? undefined : this.#without(all.subarray(0, cut));
  }

  flush(): Uint8Array | undefined {
    const rest = this.#rest;
    this.#rest = undefined;
    return rest === undefined ? undefined : this.#without(rest);
  }

  #without(frames: Uint8Array): Uint8Array | undefined {
    const text = this.#decoder.decode(frames);
    if (!/"usage"\s*:\s*\{/.test(text)) return frames;
    const kept = text.split(/(?<=\r?\n\r?\n)/).filter((frame) => !isUsageOnlyFrame(frame));
    return kept.length === 0 ? undefined : new TextEncoder().encode(kept.join(""));
  }
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const out = new Uint8Array(left.byteLength + right.byteLength);
  out.set(left);
  out.set(right, left.byteLength);
  return out;
}

async function writeOnce(writable: WritableStream<Uint8Array>, chunk: Uint8Array): Promise<void> {
  const writer = writable.getWriter();
  await writer.write(chunk);
  writer.releaseLock();
}

async function finish(options: RelayOptions, writable: WritableStream<Uint8Array>, end: StreamEnd): Promise<StreamEnd> {
  if (end.ending === "caller_left") return end;
  const frame = options.closingFrame(end);
  try {
    if (frame !== undefined) await writeOnce(writable, new TextEncoder().encode(frame));
    await writable.close();
  } catch {
    // The caller left while the last bytes were written: the stream itself had ended.
  }
  return end;
}

/** Whether the caller's side of a pipe has failed: a stream that errored has no desired size. */
function isErrored(writable: WritableStream<Uint8Array>): boolean {
  const writer = writable.getWriter();
  const { desiredSize } = writer;
  writer.releaseLock();
  return desiredSize === null;
}

function endingOf(hasLeft: boolean, signal: AbortSignal): StreamEnding {
  if (isHalted(signal)) return "halted";
  if (signal.aborted) return signal.reason === CALLER_LEFT ? "caller_left" : "timed_out";
  return hasLeft ? "caller_left" : "upstream_broke";
}

/** The reason with which a call's signal is aborted when its caller has gone. */
export const CALLER_LEFT = "caller_left";

/** The reason with which a call's signal is aborted when a kill switch stops it. */
export const HALTED = "halted";

/** Whether a kill switch has stopped the call of a signal. */
export function isHalted(signal: AbortSignal): boolean {
  return signal.aborted && signal.reason === HALTED;
}
