// Shows a stream of Responses events to its caller: events that hold the response say what the caller asked for, every other byte passes.
import { shownEvent, type Shown } from "../../core/dialect/responses/state.ts";

const BLANK_LINE = /\r\n\r\n|\n\n|\r\r/g;

/** Changes a stream frame by frame. */
export class ResponseFrames {
  readonly #shown: Shown;
  readonly #onOver: (response: string) => void;
  readonly #pending: string[] = [];

  /** `onOver` is told the text of the response that ends the stream, as it is shown. */
  constructor(shown: Shown, onOver: (response: string) => void) {
    this.#shown = shown;
    this.#onOver = onOver;
  }

  /** What goes out for a piece of the stream: its whole frames, and those that it ends. */
  push(piece: string): string {
    const last = [...piece.matchAll(BLANK_LINE)].at(-1);
    // A blank line may stand between two pieces: then its frame goes out with the next.
    const end = last === undefined ? 0 : last.index + last[0].length;
    if (end === 0) {
      this.#pending.push(piece);
      return "";
    }
    const whole = this.#pending.join("") + piece.slice(0, end);
    this.#pending.length = 0;
    if (end < piece.length) this.#pending.push(piece.slice(end));
    return this.#frames(whole);
  }

  /** What goes out at the end: a last frame without its blank line is one. */
  end(): string {
    return this.#frames(this.#pending.splice(0).join(""));
  }

  #frames(text: string): string {
    return text
      .split(/(?<=\r\n\r\n|\n\n|\r\r)/)
      .map((frame) => this.#frame(frame))
      .join("");
  }

  #frame(frame: string): string {
    if (!frame.includes("data:")) return frame;
    const lines = frame.split(/(?<=\r\n|\n|\r(?!\n))/);
    const data = lines.filter((line) => line.startsWith("data:"));
    const text = data.map((line) => line.replace(/^data: ?/, "").replace(/[\r\n]+$/, "")).join("\n");
    const shown = shownEvent(text, this.#shown);
    if (shown === undefined) return frame;
    if (shown.over !== undefined) this.#onOver(shown.over);
    const changed = `data: ${shown.data}${/[\r\n]+$/.exec(data[0] ?? "")?.[0] ?? ""}`;
    return lines.map((line) => (line.startsWith("data:") ? (line === data[0] ? changed : "") : line)).join("");
  }
}

/** The same as a stream of bytes; `defer` keeps it going. A caller that leaves ends the stream that it was made of. */
export function shownStream(
  body: ReadableStream<Uint8Array>,
  frames: ResponseFrames,
  defer: (work: Promise<void>) => void,
): ReadableStream<Uint8Array> {
  const pipe = new IdentityTransformStream();
  defer(pump(body, pipe.writable, frames));
  return pipe.readable;
}

async function pump(
  body: ReadableStream<Uint8Array>,
  writable: WritableStream<Uint8Array>,
  frames: ResponseFrames,
): Promise<void> {
  const reader = body.getReader();
  const writer = writable.getWriter();
  const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
  const encoder = new TextEncoder();
  // While a read waits, nothing else notices that the caller has gone.
  writer.closed.catch((error: unknown) => reader.cancel(error).catch(() => undefined));
  const write = async (text: string): Promise<void> => {
    if (text !== "") await writer.write(encoder.encode(text));
  };
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read())
      await write(frames.push(decoder.decode(next.value, { stream: true })));
    await write(frames.push(decoder.decode()) + frames.end());
    await writer.close();
  } catch (error) {
    await Promise.allSettled([reader.cancel(error), writer.abort(error)]);
  }
}
