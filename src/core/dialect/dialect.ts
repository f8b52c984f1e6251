// Names the dialects of model APIs, and what the gateway asks of each: fields it owns, what answers say, translation.
import type { Usage } from "../budget/price.ts";
import type { Outcome } from "../errors.ts";
import type { JsonObject } from "../json/canonical.ts";
import type { ObjectText } from "../json/members.ts";
import type { Conversation } from "./conversation.ts";
import type { Findings } from "./findings.ts";
import type { ModelError, Reply, ReplyEvent } from "./reply.ts";

export { GENERATING, isGenerating, type Dialect, type GeneratingDialect } from "./names.ts";

/** What the gateway reads of a request before it decides: the fields it owns. */
export interface CallFields {
  /** The model as the caller named it: a model, a route, an agent, or `auto`. */
  readonly model: string;
  readonly isStream: boolean;
  /** Whether the caller sees usage in a stream: `false` only in `chat`, without `stream_options.include_usage`. */
  readonly wantsUsage: boolean;
  /** Output tokens per choice that the caller asked for at most. */
  readonly maxOutput: number | undefined;
  /** Answers asked for at once (`n`, `candidateCount`); 1 to 128. */
  readonly choices: number;
}

/** What a path says of a call in dialects that name the model there (`generate`). */
export interface PathFields {
  readonly model?: string;
  readonly isStream?: boolean;
}

/** What the gateway changes in a request that keeps its dialect; every other byte stays as it came. */
export interface Edits {
  /** The provider's own name for the model. */
  readonly model: string;
  /** Output tokens per choice that the hold pays for; `undefined` leaves the field as it is (embeddings, counting). */
  readonly maxOutput: number | undefined;
  /** `max_completion_tokens` where OpenAI itself answers, `max_tokens` for others, when the caller named neither. */
  readonly isOpenAi: boolean;
}

/** What an answer said, read whole or as a stream that is over. */
export interface Said {
  /** `undefined` when the provider gave no usage, or none with both counts: the hold is charged then. */
  readonly usage: Usage | undefined;
  readonly model: string | undefined;
  readonly id: string | undefined;
  /** In the dialect's own words, in order of choices. */
  readonly finishReasons: readonly string[];
  /** An error told inside the answer, whatever its HTTP status. */
  readonly error: ModelError | undefined;
}

/** What a stream said, from its text: the whole of it, or its start and its end. */
export interface StreamSaid extends Said {
  /** Whether the dialect's own terminal marker came: without it, and without an error, the stream was cut. */
  readonly isDone: boolean;
}

/**
 * What a stream's first bytes show: `waiting` until something can be said, `preamble` while only events without content
 * came (pings, roles, `message_start`), `content` from the first event that a caller would see content in, `error` for an
 * error event before any content. Failover is possible until `content`.
 */
export type Opening =
  | { readonly type: "waiting" }
  | { readonly type: "preamble" }
  | { readonly type: "content" }
  | { readonly type: "error"; readonly error: ModelError };

/** How a stream that did not end as it should is told of: a code of the error catalogue and a sentence. */
export interface Broken {
  readonly code: string;
  readonly message: string;
}

/** What the gateway needs of a dialect for calls that pass through it: nothing here builds a message. */
export interface Wire {
  /** The owned fields of a request; refuses `invalid_request`, naming the field. */
  readFields(body: ObjectText, path: PathFields): Outcome<CallFields>;
  /** The request's text with only the owned fields changed. */
  edited(body: ObjectText, fields: CallFields, edits: Edits): string;
  /** What an answer read whole said. Total: what cannot be read is `undefined`. */
  whole(body: ObjectText): Said;
  /** What a stream's text said once it is over. O(length); frames that only carry text are not parsed. */
  streamed(text: string): StreamSaid;
  /** What the first bytes of a stream show. */
  opening(text: string): Opening;
  /**
   * The frames that end a broken stream, given what it said so far: a typed error event in the dialect's own shape, and
   * never a success marker. A leading blank line ends a frame that was cut off.
   */
  closing(broken: Broken, said: StreamSaid): string;
}

/** Reads a provider's stream event by event. */
export interface StreamReader {
  /** What one server-sent event says; `name` is its `event` field, empty when there is none. */
  push(data: string, name: string): readonly ReplyEvent[];
  /**
   * What its end says: nothing after a proper terminal event. A stream that ends without one ends with an `error` event.
   */
  end(): readonly ReplyEvent[];
}

/** Writes a stream for a client: frames for each event, in the dialect's own order. */
export interface StreamWriter {
  /** Text of zero or more whole frames. */
  write(event: ReplyEvent): string;
}

/** What a written answer needs that no provider says in another dialect. */
export interface Minted {
  /** Epoch seconds. */
  readonly createdS: number;
  /** Letters and digits that no other answer has: what ids are made of. */
  readonly seed: string;
  /** The model as the caller is to see it. */
  readonly model: string;
  /** Whether the caller asked to see usage in a stream (`chat`). */
  readonly wantsUsage: boolean;
  /** An estimate of the prompt's tokens, for dialects that tell them before anyone knows (`messages`). */
  readonly inputTokens?: number;
}

/** What a request is written for. */
export interface Target {
  /** The provider's own name for the model. */
  readonly model: string;
  /** Output tokens that the hold pays for. */
  readonly maxOutput: number;
  /** Whether OpenAI itself, or Azure's copy of it, answers. */
  readonly isOpenAi: boolean;
}

/** Translates a generating dialect to and from what no dialect owns. */
export interface Codec {
  /**
   * A request as a conversation; refuses `untranslatable`, naming each field that has no counterpart, and
   * `invalid_request`. Lenient findings refuse nothing.
   */
  readRequest(body: JsonObject, fields: CallFields, findings?: Findings): Outcome<Conversation>;
  /** A conversation as a request; refuses `untranslatable` for what this dialect has no word for. */
  writeRequest(conversation: Conversation, target: Target): Outcome<JsonObject>;
  /** An answer; refuses `upstream_failed` for what is none. */
  readReply(body: JsonObject): Outcome<Reply>;
  writeReply(reply: Reply, minted: Minted): JsonObject;
  /** A provider's error, whole: of any status of 400 or more, or an error object in a 200. */
  readError(text: string, status: number): ModelError;
  /** An error body in this dialect's shape. */
  writeError(error: ModelError): JsonObject;
  streamReader(): StreamReader;
  streamWriter(minted: Minted): StreamWriter;
  /** The request with a system text put before everything else. */
  withSystem(body: JsonObject, text: string): JsonObject;
}
