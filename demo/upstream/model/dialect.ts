// Declares what the demo model needs of a vendor's dialect: reading a request, rendering the answer, refusing.
import type { JsonRecord } from "../json-source.ts";
import type { Answer, Figures } from "./answer.ts";
import type { Malformed, ModelRequest } from "./model-request.ts";

/** A call that is understood and planned, ready to be rendered. */
export interface PlannedCall {
  readonly request: ModelRequest;
  readonly answer: Answer;
  /** Undefined when usage is to be kept back. */
  readonly figures: Figures | undefined;
  /** What the answer's ids are made of. */
  readonly token: string;
}

/** One event of a stream and the bytes of model output it carries. */
export interface Frame {
  readonly kind: "preamble" | "output" | "close";
  readonly body: JsonRecord;
  readonly outputBytes: number;
}

/** How the events of a stream become text. */
export interface Framing {
  readonly contentType: string;
  /** The text of one event; `name` is for dialects that name their events, `at` counts from 0. */
  write(json: string, name: string, at: number): string;
  /** What may come between events and means nothing. */
  readonly idle: string;
  /** What comes after the last event of a stream that ended as it should. */
  readonly close: string;
}

/** What is wrong with a call, whatever the dialect calls it. */
export type Trouble =
  | ({ readonly kind: "malformed" } & Malformed)
  | { readonly kind: "refused" }
  | { readonly kind: "key" }
  | { readonly kind: "unauthenticated" }
  | { readonly kind: "model"; readonly model: string }
  | { readonly kind: "path"; readonly method: string; readonly path: string }
  | { readonly kind: "limited" }
  | { readonly kind: "overloaded"; readonly status: 503 | 529 };

/** An error that is told inside of an answer that began well. */
export interface InBand {
  readonly whole: JsonRecord;
  /** As the first event. */
  readonly first: JsonRecord;
  /** As a later one: `at` events came before it. */
  late(at: number): JsonRecord;
}

/** One vendor's dialect, for one request. */
export interface ModelDialect {
  read(source: string): ModelRequest | Malformed;
  whole(call: PlannedCall): JsonRecord;
  /** The events of a stream in order. Lazy: a stream may be long. */
  frames(call: PlannedCall): Iterable<Frame>;
  readonly framing: Framing;
  inBand(call: PlannedCall): InBand;
  refuse(trouble: Trouble): Response;
  /** Headers of every answer: a fresh request id where the vendor has one. */
  headers(): Record<string, string>;
  /** Whether the vendor bills nothing, as for counting tokens. */
  readonly isFree?: true;
}

/** Frames without names, as OpenAI chat completions and Gemini send them; named by the event's own type elsewhere. */
export function eventStream(isNamed: boolean, idle: string, close: string): Framing {
  return {
    contentType: "text/event-stream; charset=utf-8",
    write: (json, name) => `${isNamed ? `event: ${name}\n` : ""}data: ${json}\n\n`,
    idle,
    close,
  };
}
