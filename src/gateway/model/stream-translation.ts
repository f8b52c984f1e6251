// Turns a provider's stream into the caller's dialect, chunk by chunk.
import type { StreamReader, StreamWriter } from "../../core/dialect/dialect.ts";
import type { ModelError, ReplyEvent } from "../../core/dialect/reply.ts";
import { originalName } from "../../core/dialect/tool-names.ts";
import { EventParser } from "../../core/stream/events.ts";
import type { ChunkTransform } from "./chunk-transform.ts";

/** A provider's stream on its way into another dialect. Nothing goes out after an error or a proper end. */
export class StreamTranslation implements ChunkTransform {
  readonly #reader: StreamReader;
  readonly #writer: StreamWriter;
  readonly #parser = new EventParser();
  readonly #decoder = new TextDecoder();
  readonly #encoder = new TextEncoder();
  readonly #names: readonly string[];
  #isOver = false;
  #error: ModelError | undefined;

  /** `names` are those that the provider got in other letters: its calls come back under the caller's. */
  constructor(reader: StreamReader, writer: StreamWriter, names: readonly string[]) {
    this.#reader = reader;
    this.#writer = writer;
    this.#names = names;
  }

  /** The error that the caller was told, if any: also one that only the translation has found. */
  get error(): ModelError | undefined {
    return this.#error;
  }

  get isBroken(): boolean {
    return this.#error !== undefined;
  }

  pass(chunk: Uint8Array): Uint8Array | undefined {
    const events = this.#parser.push(this.#decoder.decode(chunk, { stream: true }));
    return this.#encoded(events.map(({ data, name }) => this.#written(this.#reader.push(data, name))).join(""));
  }

  flush(): Uint8Array | undefined {
    return this.#encoded(this.#written(this.#reader.end().map(withCode)));
  }

  /** The frames that tell of an error that no provider told; empty where the stream has ended already. */
  broken(error: ModelError): string {
    return this.#written([{ type: "error", error }]);
  }

  #written(events: readonly ReplyEvent[]): string {
    let text = "";
    for (const event of events) {
      if (this.#isOver) break;
      text += this.#writer.write(this.#named(event));
      this.#isOver = event.type === "error" || event.type === "done";
      if (event.type === "error") this.#error = event.error;
    }
    return text;
  }

  #named(event: ReplyEvent): ReplyEvent {
    if (this.#names.length === 0 || event.type !== "part" || event.part.type !== "tool_call") return event;
    return { ...event, part: { ...event.part, name: originalName(event.part.name, this.#names) } };
  }

  #encoded(text: string): Uint8Array | undefined {
    return text === "" ? undefined : this.#encoder.encode(text);
  }
}

/** A stream that ended too soon is told of by the code that a cut one has, whichever dialect it was in. */
function withCode(event: ReplyEvent): ReplyEvent {
  if (event.type !== "error" || event.error.code !== undefined) return event;
  return { ...event, error: { ...event.error, code: "upstream_failed" } };
}
