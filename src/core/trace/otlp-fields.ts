// Decides which field of which OTLP message is what: one table from which both encodings are read and written.

/** Types of fields that hold no message. `id` is bytes, shown as hex; `time` is `fixed64`; `value` is `AnyValue`. */
export type ScalarType = "string" | "id" | "time" | "uint32" | "fixed32" | "int32" | "int64" | "kind" | "code";

/** The messages. */
export type MessageName =
  | "Export"
  | "ResourceSpans"
  | "Resource"
  | "ScopeSpans"
  | "Scope"
  | "Span"
  | "Event"
  | "Link"
  | "SpanStatus"
  | "KeyValue"
  | "Answer"
  | "PartialSuccess"
  | "RpcStatus";

/** One field: its number, its lowerCamelCase name, what it holds, and whether there may be many. */
export interface Field {
  readonly no: number;
  readonly name: string;
  readonly type: ScalarType | "value" | MessageName;
  readonly isMany: boolean;
}

function one(no: number, name: string, type: Field["type"]): Field {
  return { no, name, type, isMany: false };
}

function many(no: number, name: string, type: MessageName): Field {
  return { no, name, type, isMany: true };
}

const attributes = (no: number): readonly Field[] => [
  many(no, "attributes", "KeyValue"),
  one(no + 1, "droppedAttributesCount", "uint32"),
];

/**
 * opentelemetry-proto 1.x: collector/trace/v1/trace_service.proto, trace/v1/trace.proto, common/v1/common.proto,
 * resource/v1/resource.proto; and google/rpc/status.proto. Fields that are not here are skipped when read.
 */
export const FIELDS: Readonly<Record<MessageName, readonly Field[]>> = {
  Export: [many(1, "resourceSpans", "ResourceSpans")],
  ResourceSpans: [one(1, "resource", "Resource"), many(2, "scopeSpans", "ScopeSpans"), one(3, "schemaUrl", "string")],
  Resource: attributes(1),
  ScopeSpans: [one(1, "scope", "Scope"), many(2, "spans", "Span"), one(3, "schemaUrl", "string")],
  Scope: [one(1, "name", "string"), one(2, "version", "string"), ...attributes(3)],
  Span: [
    one(1, "traceId", "id"),
    one(2, "spanId", "id"),
    one(3, "traceState", "string"),
    one(4, "parentSpanId", "id"),
    one(5, "name", "string"),
    one(6, "kind", "kind"),
    one(7, "startTimeUnixNano", "time"),
    one(8, "endTimeUnixNano", "time"),
    ...attributes(9),
    many(11, "events", "Event"),
    one(12, "droppedEventsCount", "uint32"),
    many(13, "links", "Link"),
    one(14, "droppedLinksCount", "uint32"),
    one(15, "status", "SpanStatus"),
    one(16, "flags", "fixed32"),
  ],
  Event: [one(1, "timeUnixNano", "time"), one(2, "name", "string"), ...attributes(3)],
  Link: [
    one(1, "traceId", "id"),
    one(2, "spanId", "id"),
    one(3, "traceState", "string"),
    ...attributes(4),
    one(6, "flags", "fixed32"),
  ],
  SpanStatus: [one(2, "message", "string"), one(3, "code", "code")],
  KeyValue: [one(1, "key", "string"), one(2, "value", "value")],
  Answer: [one(1, "partialSuccess", "PartialSuccess")],
  PartialSuccess: [one(1, "rejectedSpans", "int64"), one(2, "errorMessage", "string")],
  RpcStatus: [one(1, "code", "int32"), one(2, "message", "string")],
};

/** Names of enum values, for readers of JSON: writers of older releases sent names. */
export const ENUM_NAMES: Readonly<Record<"kind" | "code", readonly string[]>> = {
  kind: [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
  ],
  code: ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"],
};

/** A message while it is read or written: its fields by name. */
export type Message = Record<string, unknown>;

/** A message of which nothing was sent: every field as proto3 has it then. */
export function emptyMessage(name: MessageName): Message {
  return Object.fromEntries(FIELDS[name].map((field) => [field.name, field.isMany ? [] : defaultOf(field.type)]));
}

function defaultOf(type: Field["type"]): unknown {
  if (isMessage(type)) return emptyMessage(type);
  if (type === "value") return null;
  if (type === "string" || type === "id") return "";
  return type === "time" || type === "int64" ? 0n : 0;
}

/** Whether a type is a message of the table. */
export function isMessage(type: Field["type"]): type is MessageName {
  return Object.hasOwn(FIELDS, type);
}

/** Whether a field is left out when written: in proto3 one that holds its default is not sent. A value of an attribute is a oneof, and is sent whatever it holds. */
export function isUnsent(type: Field["type"], value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return type !== "value" && (value === "" || value === 0 || value === 0n);
}
