// Writes server-sent events that a client may stop reading at any time.

const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};
const KEEP_ALIVE_MS = 15_000;
const ENCODER = new TextEncoder();

/** One event: its id, where it can be asked for again, and its message. */
export interface SentEvent {
  readonly id?: string;
  readonly message: unknown;
}

/** A stream of events. Writing to one whose reader has left does nothing. */
export class EventStream {
  readonly response: Response;
  /** Aborts when the reader leaves, or the stream is closed. */
  readonly signal: AbortSignal;
  readonly #ending = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(headers: Readonly<Record<string, string>>) {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => this.#end(),
    });
    this.response = new Response(body, { headers: { ...HEADERS, ...headers } });
    this.signal = this.#ending.signal;
    this.#timer = setInterval(() => this.#write(": keep-alive\n\n"), KEEP_ALIVE_MS);
  }

  /** An event without a message, so that its id is known before anything else was sent. */
  prime(id: string): void {
    this.#write(`id: ${id}\ndata: \n\n`);
  }

  write({ id, message }: SentEvent): void {
    const named = id === undefined ? "" : `id: ${id}\n`;
    this.#write(`event: message\n${named}data: ${JSON.stringify(message)}\n\n`);
  }

  close(): void {
    if (this.#ending.signal.aborted) return;
    this.#end();
    this.#controller?.close();
  }

  #write(text: string): void {
    if (!this.#ending.signal.aborted) this.#controller?.enqueue(ENCODER.encode(text));
  }

  #end(): void {
    clearInterval(this.#timer);
    this.#ending.abort();
  }
}
