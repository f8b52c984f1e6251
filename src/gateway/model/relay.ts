// Passes a model stream on as it comes, translated where it has to be, and learns from a copy what it used and how it ended.
import { isTimeout, type AttemptClock, type Stop } from "./attempt-clock.ts";
import type { ChunkTransform } from "./chunk-transform.ts";

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
  /** What changes the stream; without it, bytes go as they came. */
  readonly transform: ChunkTransform | undefined;
  /** Whether the stream may grow past what a copy of it should hold in memory. */
  readonly mayBeLong: boolean;
  readonly clock: AttemptClock;
  /** Whether the upstream is read to its end when the caller leaves. */
  readonly drains: boolean;
  /** The frames that tell the caller of a stream that broke, given what came; `undefined` when it ended well. */
  readonly closingFrame: (end: StreamEnd) => string | undefined;
}

/** Text of a stream kept for the record: this many characters of its start and as many of its end. */
export const CAPTURE_CHARS = 256 * 1024;
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
  const way = options.mayBeLong ? relayRead : options.transform === undefined ? relayCopied : relayPaced;
  const end = way(options, writable)
    .then((ended) => finish(options, writable, ended))
    .finally(() => options.clock.over());
  // A fault of ours must not leave the caller waiting for a body that nobody writes.
  end.catch((error: unknown) => writable.abort(error).catch(() => undefined));
  return { body: pipe.readable, end };
}

/** Short stream, nothing to change: a native pipe to the caller, and a copy that is hardly read before the pipe has ended. */
async function relayCopied(
  { first, rest, clock, drains }: RelayOptions,
  writable: WritableStream<Uint8Array>,
): Promise<StreamEnd> {
  const [toCaller, copy] = rest.tee();
  const watched = new WatchedCopy(copy, clock);
  try {
    await writeOnce(writable, first);
    const piping = toCaller.pipeTo(writable, { preventClose: true, preventAbort: true, signal: clock.signal });
    watched.watch(piping);
    await piping;
  } catch {
    const ending = endingOf(isErrored(writable), clock.stop);
    if (ending === "caller_left" && !drains) clock.end("caller_left");
    return { ending, text: shorten(decode(first) + (await watched.salvaged())) };
  }
  return { ending: "ended", text: shorten(decode(first) + (await watched.rest())) };
}

/** A copy of a stream that is looked at now and then while the stream itself goes elsewhere. */
class WatchedCopy {
  readonly #copy: ReadableStream<Uint8Array>;
  readonly #clock: AttemptClock;
  readonly #decoder = new TextDecoder();
  #text = "";
  #watching: Promise<void> = Promise.resolve();

  constructor(copy: ReadableStream<Uint8Array>, clock: AttemptClock) {
    this.#copy = copy;
    this.#clock = clock;
  }

  /** Ends the attempt when nothing has come for too long. A stream that is over sooner than a quarter of that costs nothing. */
  watch(piping: Promise<void>): void {
    const over = piping.catch(() => undefined);
    const look = async (): Promise<void> => {
      while (!(await pause(this.#clock.idleMs / 4, over))) if (await this.#drain(over)) return;
    };
    this.#watching = look();
  }

  /** Reads what has come, and then one chunk more, in at most the longest silence; whether the copy is at its end. */
  async #drain(over: Promise<void>): Promise<boolean> {
    const reader = this.#copy.getReader();
    const read = async (): Promise<boolean> => {
      const { done, value } = await reader.read();
      if (value !== undefined) this.#text += this.#decoder.decode(value, { stream: true });
      return done;
    };
    try {
      let reading = read();
      while (await Promise.race([reading.then(() => true), soon()])) {
        if (await reading) return true;
        reading = read();
      }
      const silence = setTimeout(() => this.#clock.end("idle"), this.#clock.idleMs);
      return await reading.finally(() => clearTimeout(silence));
    } catch {
      await over;
      return true;
    } finally {
      reader.releaseLock();
    }
  }

  /** The text of a stream that ended. */
  async rest(): Promise<string> {
    await this.#watching;
    if (this.#text === "") return new Response(this.#copy).text();
    return this.salvaged();
  }

  /** What the copy still holds of a stream that broke: its queued chunks come before its error. */
  async salvaged(): Promise<string> {
    await this.#watching;
    const reader = this.#copy.getReader();
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read())
        this.#text += this.#decoder.decode(next.value, { stream: true });
    } catch {
      // The error that ended the stream: everything before it has been read.
    }
    return this.#text;
  }
}

/** What is queued is read before this resolves. */
async function soon(): Promise<false> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return false;
}

/** Waits so long, or until something else is over; answers whether it is. */
async function pause(ms: number, over: Promise<void>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const waited = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  const isOver = await Promise.race([waited, over.then(() => true)]);
  clearTimeout(timer);
  return isOver;
}

/** Short stream that is changed on its way: reads spaced out, while a native drain gathers what comes. */
async function relayPaced(options: RelayOptions, writable: WritableStream<Uint8Array>): Promise<StreamEnd> {
  const [copy, toCaller] = options.rest.tee();
  const tap = new IdentityTransformStream();
  const stop = new AbortController();
  const draining = Promise.allSettled([
    copy.pipeTo(tap.writable, { signal: stop.signal }),
    new Response(tap.readable).text(),
  ]);
  const reader = toCaller.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(READ_BUFFER_BYTES);
  const read = async (hasShown: boolean): Promise<Uint8Array | undefined> => {
    // Until the caller has seen anything, nothing is worth waiting for.
    if (hasShown) await new Promise((resolve) => setTimeout(resolve, READ_PAUSE_MS));
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
  /** The next chunk; `hasShown` says whether anything has gone to the caller yet. */
  readonly read: (hasShown: boolean) => Promise<Uint8Array | undefined>;
  readonly cancel: (why: unknown) => Promise<void>;
}

/** Moves chunks from a source to the caller, changed where they are to be. */
async function pump(options: RelayOptions, writable: WritableStream<Uint8Array>, source: Source): Promise<StreamEnd> {
  const { clock, transform, drains } = options;
  const writer = writable.getWriter();
  const capture = new Capture();
  const decoder = new TextDecoder();
  const cancel = (why: unknown): void => void source.cancel(why).catch(() => undefined);
  const onAbort = (): void => cancel(clock.stop);
  clock.signal.addEventListener("abort", onAbort, { once: true });
  // While a read waits, nothing else notices that the caller has gone.
  let hasLeft = false;
  const left = (): void => {
    hasLeft = true;
    if (!drains) clock.end("caller_left");
  };
  writer.closed.catch(left);
  const silence = new Silence(clock);
  let hasShown = false;
  let isOver = false;
  const write = async (bytes: Uint8Array | undefined): Promise<void> => {
    if (bytes === undefined || hasLeft || isOver) return;
    hasShown = true;
    // A caller that reads slowly holds the stream up: that is no silence of the provider's.
    silence.hold();
    try {
      await writer.write(bytes);
    } catch {
      left();
    }
    silence.broken();
  };
  let ending: StreamEnding = "ended";
  try {
    for (let chunk: Uint8Array | undefined = options.first; chunk !== undefined; chunk = await source.read(hasShown)) {
      silence.broken();
      capture.add(decoder.decode(chunk, { stream: true }));
      await write(transform === undefined ? chunk : transform.pass(chunk));
      // The caller need not wait for the rest, which may still tell what was used.
      if (transform?.isBroken === true && !isOver) {
        isOver = true;
        writer.close().catch(() => undefined);
      }
    }
    if (hasLeft || clock.signal.aborted) ending = endingOf(hasLeft, clock.stop);
    else await write(transform?.flush());
  } catch (error) {
    ending = endingOf(hasLeft || writer.desiredSize === null, clock.stop);
    if (ending === "caller_left") clock.end("caller_left");
    cancel(error);
  }
  silence.over();
  clock.signal.removeEventListener("abort", onAbort);
  writer.releaseLock();
  return { ending, text: capture.text() };
}

/** Looks per silence that is too long: it is noticed at most a quarter late. */
const LOOKS = 4;

/** Ends the attempt when no chunk has come for too long. One timer for many chunks. */
class Silence {
  readonly #timer: ReturnType<typeof setInterval>;
  #silent = 0;

  constructor(clock: AttemptClock) {
    this.#timer = setInterval(() => {
      this.#silent += 1;
      if (this.#silent > LOOKS) clock.end("idle");
    }, clock.idleMs / LOOKS);
  }

  broken(): void {
    this.#silent = 0;
  }

  /** Does not count until it is broken again. */
  hold(): void {
    this.#silent = Number.NEGATIVE_INFINITY;
  }

  over(): void {
    clearInterval(this.#timer);
  }
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function shorten(text: string): string {
  return text.length <= 2 * CAPTURE_CHARS ? text : text.slice(0, CAPTURE_CHARS) + text.slice(-CAPTURE_CHARS);
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

function endingOf(hasLeft: boolean, stop: Stop | undefined): StreamEnding {
  if (stop === "halted") return "halted";
  if (isTimeout(stop)) return "timed_out";
  return hasLeft || stop !== undefined ? "caller_left" : "upstream_broke";
}
