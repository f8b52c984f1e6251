// Shows a stream of Responses events to its caller: events that hold the response say what the caller asked for, every other byte passes.
import type { ChunkTransform } from "../../gateway/model/chunk-transform.ts";
import { shownEvent, type Shown } from "../../core/dialect/responses/state.ts";

const BLANK_LINE = /\r\n\r\n|\n\n|\r\r/g;

/** Changes a stream frame by frame. */
export class ResponseFrames implements ChunkTransform {
  readonly #decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
  readonly #encoder = new TextEncoder();
  readonly #shown: () => Shown;
  readonly #onOver: (response: string) => void;
  readonly #pending: string[] = [];

  /** `onOver` is told the text of the response that ends the stream, as it is shown. */
  constructor(shown: () => Shown, onOver: (response: string) => void) {
    this.#shown = shown;
    this.#onOver = onOver;
  }

  pass(chunk: Uint8Array): Uint8Array | undefined {
    return this.#encoded(this.push(this.#decoder.decode(chunk, { stream: true })));
  }

  flush(): Uint8Array | undefined {
    return this.#encoded(this.push(this.#decoder.decode()) + this.end());
  }

  #encoded(text: string): Uint8Array | undefined {
    return text === "" ? undefined : this.#encoder.encode(text);
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
    const shown = shownEvent(text, this.#shown());
    if (shown === undefined) return frame;
    if (shown.over !== undefined) this.#onOver(shown.over);
    const changed = `data: ${shown.data}${/[\r\n]+$/.exec(data[0] ?? "")?.[0] ?? ""}`;
    return lines.map((line) => (line.startsWith("data:") ? (line === data[0] ? changed : "") : line)).join("");
  }
}
