// Passes a model stream on as it comes and learns from a copy what it used and how it ended.
import { isJsonObject, type Json, type JsonObject } from "../core/json/canonical.ts";
import { isUsageOnlyFrame, lastBoundary } from "../core/stream/frames.ts";

/** How a stream ended, from the gateway's side. */
export type StreamEnding = "ended" | "caller_left" | "upstream_broke" | "timed_out";

/** What is known once a stream is over. */
export interface StreamEnd {
  readonly ending: StreamEnding;
  /** Everything that came, up to the capture limit; the middle of a longer stream is left out. */
  readonly text: string;
  readonly bytes: number;
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
  /** Aborted at the call's deadline (or by a kill switch). */
  readonly signal: AbortSignal;
  /** The frame that tells the caller of a stream that broke, given what came; `undefined` when it ended well. */
  readonly closingFrame: (end: StreamEnd) => string | undefined;
}

/** Text of a stream kept for the record: this many bytes of its start and as many of its end. */
const CAPTURE_BYTES = 256 * 1024;
/** After this the copy is read as the stream runs, so that a long stream is never held whole. */
const DRAIN_AFTER_MS = 1_000;

class Capture {
  readonly #decoder = new TextDecoder();
  #head = "";
  #tail = "";
  bytes = 0;

  add(chunk: Uint8Array): void {
    this.bytes += chunk.byteLength;
    const text = this.#decoder.decode(chunk, { stream: true });
    if (this.#head.length < CAPTURE_BYTES) this.#head += text;
    else this.#tail = (this.#tail + text).slice(-CAPTURE_BYTES);
  }

  text(): string {
    return this.#head + this.#tail;
  }
}

/** Starts relaying. The body is for the caller; `end` settles when the last byte has gone or the stream broke. */
export function relay(options: RelayOptions): Relay {
  const pipe = new IdentityTransformStream();
  const end = options.stripsUsage ? relayFiltered(options, pipe.writable) : relayWhole(options, pipe.writable);
  return { body: pipe.readable, end };
}

/** Native pipe to the caller; the copy is read once the pipe ends, or along with it when it runs long. */
async function relayWhole(options: RelayOptions, writable: WritableStream<Uint8Array>): Promise<StreamEnd> {
  const capture = new Capture();
  capture.add(options.first);
  const [toCaller, copy] = options.rest.tee();
  const reader = copy.getReader();
  let draining: Promise<void> | undefined;
  const drain = (): Promise<void> => (draining ??= readAll(reader, capture));
  const timer = setTimeout(() => void drain(), DRAIN_AFTER_MS);
  let ending: StreamEnding = "ended";
  try {
    await writeOnce(writable, options.first);
    await toCaller.pipeTo(writable, { preventClose: true, preventAbort: true, signal: options.signal });
  } catch (error) {
    ending = endingOf(error, options.signal);
    await cancelQuietly(ending === "upstream_broke" ? undefined : reader);
  } finally {
    clearTimeout(timer);
  }
  if (ending !== "caller_left") await drain();
  return finish(options, writable, { ending, text: capture.text(), bytes: capture.bytes });
}

/** Reads frame by frame, holding back only the usage-only frame that the caller did not ask for. */
async function relayFiltered(options: RelayOptions, writable: WritableStream<Uint8Array>): Promise<StreamEnd> {
  const capture = new Capture();
  const reader = options.rest.getReader();
  const writer = writable.getWriter();
  const filter = new FrameFilter();
  let ending: StreamEnding = "ended";
  const onAbort = (): void => void cancelQuietly(reader);
  options.signal.addEventListener("abort", onAbort, { once: true });
  const leaving = writer.closed.then(
    () => undefined,
    () => reader.cancel("the caller left"),
  );
  try {
    let chunk: Uint8Array | undefined = options.first;
    while (chunk !== undefined) {
      capture.add(chunk);
      const passed = filter.pass(chunk);
      if (passed !== undefined) await writer.write(passed);
      const next: ReadableStreamReadResult<Uint8Array> = await reader.read();
      chunk = next.done ? undefined : next.value;
    }
    const rest = filter.flush();
    if (rest !== undefined) await writer.write(rest);
    if (options.signal.aborted) ending = "timed_out";
  } catch (error) {
    ending = endingOf(error, options.signal);
    await cancelQuietly(reader);
  } finally {
    options.signal.removeEventListener("abort", onAbort);
    leaving.catch(() => undefined);
    writer.releaseLock();
  }
  return finish(options, writable, { ending, text: capture.text(), bytes: capture.bytes });
}

/** Lets whole frames pass and keeps the part of a frame that a chunk cut off until the rest is there. */
class FrameFilter {
  #rest: Uint8Array | undefined;
  readonly #decoder = new TextDecoder();

  pass(chunk: Uint8Array): Uint8Array | undefined {
    const all = this.#rest === undefined ? chunk : joined(this.#rest, chunk);
    const cut = lastBoundary(all);
    this.#rest = cut === all.byteLength ? undefined : all.subarray(cut);
    return cut === 0 ? undefined : this.#without(all.subarray(0, cut));
  }

  flush(): Uint8Array | undefined {
    return this.#rest === undefined ? undefined : this.#without(this.#rest);
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

async function readAll(reader: ReadableStreamDefaultReader<Uint8Array>, capture: Capture): Promise<void> {
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) capture.add(next.value);
  } catch {
    // The copy breaks with its source; the relay has already said how the stream ended.
  }
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

function endingOf(error: unknown, signal: AbortSignal): StreamEnding {
  if (signal.aborted) return signal.reason === CALLER_LEFT ? "caller_left" : "timed_out";
  return isDisconnect(error) ? "caller_left" : "upstream_broke";
}

/** The reason with which a call's signal is aborted when its caller has gone. */
export const CALLER_LEFT = "caller_left";

function isDisconnect(error: unknown): boolean {
  const text = error instanceof Error ? error.message : String(error);
  return /cancel|destination|disconnect|client|writ|abort/i.test(text);
}

async function cancelQuietly(reader: ReadableStreamDefaultReader<Uint8Array> | undefined): Promise<void> {
  try {
    await reader?.cancel();
  } catch {
    // Already broken: nothing is left to cancel.
  }
}

/** Reads JSON objects out of `data:` frames, newest last; frames that are not JSON objects are skipped. */
export function frameObjects(text: string): readonly JsonObject[] {
  const found: JsonObject[] = [];
  for (const line of text.split(/\r?\n/)) {
    if (!line.startsWith("data:")) continue;
    try {
      const value = JSON.parse(line.slice(5)) as Json;
      if (isJsonObject(value)) found.push(value);
    } catch {
      // `[DONE]`, a cut frame, or not JSON: it carries no usage.
    }
  }
  return found;
}
