// Decides what an export of spans holds, whichever encoding carried it: the messages of opentelemetry-proto 1.x, traces only.

/**
 * A value of an attribute (`AnyValue`): text, truth, a 64-bit integer, a double, bytes, a list, a map, or nothing.
 * Integers are bigints, so that no digit of an `intValue` is lost.
 */
export type OtlpValue = string | boolean | bigint | number | Uint8Array | readonly OtlpValue[] | OtlpMap | null;

/** A map value: its entries in the order in which they came. */
export interface OtlpMap {
  readonly entries: readonly OtlpAttribute[];
}

/** Whether a value is a list. */
export function isList(value: OtlpValue): value is readonly OtlpValue[] {
  return Array.isArray(value);
}

/** One attribute (`KeyValue`). */
export interface OtlpAttribute {
  readonly key: string;
  readonly value: OtlpValue;
}

/** What an event of a span is. Times are nanoseconds since the epoch. */
export interface OtlpEvent {
  readonly timeUnixNano: bigint;
  readonly name: string;
  readonly attributes: readonly OtlpAttribute[];
  readonly droppedAttributesCount: number;
}

/** A link to another span. Ids are lower-case hex. */
export interface OtlpLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  readonly attributes: readonly OtlpAttribute[];
  readonly droppedAttributesCount: number;
  readonly flags: number;
}

/** One span. Ids are lower-case hex, empty where there is none; times are nanoseconds since the epoch. */
export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  readonly attributes: readonly OtlpAttribute[];
  readonly droppedAttributesCount: number;
  readonly events: readonly OtlpEvent[];
  readonly droppedEventsCount: number;
  readonly links: readonly OtlpLink[];
  readonly droppedLinksCount: number;
  /** Code 0 unset, 1 ok, 2 error. */
  readonly status: { readonly message: string; readonly code: number };
  readonly flags: number;
}

/** The spans of one instrumentation scope. */
export interface OtlpScopeSpans {
  readonly scope: {
    readonly name: string;
    readonly version: string;
    readonly attributes: readonly OtlpAttribute[];
    readonly droppedAttributesCount: number;
  };
  readonly spans: readonly OtlpSpan[];
  readonly schemaUrl: string;
}

/** The spans of one resource. */
export interface OtlpResourceSpans {
  readonly resource: { readonly attributes: readonly OtlpAttribute[]; readonly droppedAttributesCount: number };
  readonly scopeSpans: readonly OtlpScopeSpans[];
  readonly schemaUrl: string;
}

/** `ExportTraceServiceRequest`. */
export interface OtlpExport {
  readonly resourceSpans: readonly OtlpResourceSpans[];
}

/** `ExportTraceServiceResponse`: how many spans were not taken, and why. */
export interface OtlpExportAnswer {
  readonly partialSuccess: { readonly rejectedSpans: bigint; readonly errorMessage: string };
}

/** `google.rpc.Status`, as an OTLP error is told; `code` is one of google.rpc.Code. */
export interface OtlpStatus {
  readonly code: number;
  readonly message: string;
}

/** What was read, or why it is no message of this kind: one sentence, without anything of the content. */
export type OtlpRead<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/** Keeps the messages of one body countable: a few bytes on the wire may stand for objects that fill the memory. */
export const MAX_OTLP_MESSAGES = 200_000;
/** How deep a value of an attribute may nest. */
export const MAX_OTLP_DEPTH = 32;

/** Thrown while reading and caught by the same module's entry; its message is the reason. */
export class MalformedOtlp extends Error {}

/** Counts the messages of one body; throws past the bound. */
export class MessageCount {
  #left = MAX_OTLP_MESSAGES;

  take(): void {
    this.#left -= 1;
    if (this.#left < 0) throw new MalformedOtlp(`more than ${MAX_OTLP_MESSAGES} messages in one body`);
  }
}
