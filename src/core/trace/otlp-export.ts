// Decides how stored records read as OpenTelemetry: the one mapping of spans, resources and content to OTLP.
import { objectIn, isJsonObject, type Json } from "../json/canonical.ts";
import { ATTR, SEMCONV_SCHEMA_URL } from "./attributes.ts";
import { dialectIn } from "./recorded-model.ts";
import { requestContent, responseContent, type ContentAttributes } from "./chat-content.ts";
import type { OtlpAttribute, OtlpExport, OtlpResourceSpans, OtlpSpan, OtlpValue } from "./otlp-model.ts";
import type { Attributes, AttributeValue, Payload, Span, TraceRecord } from "./record.ts";
import { OTEL } from "./otlp-span.ts";
import { shortenStructure } from "./shorten.ts";
import { eventsIn, linksIn, withoutDetails } from "./span-details.ts";

/** What an exporter asks for. */
export interface ExportTerms {
  /** Whether messages, arguments and results go along: the masked payloads, as far as they were kept. */
  readonly hasContent: boolean;
  /** Further attributes of every resource. */
  readonly resource: Readonly<Record<string, string>>;
}

/** The longest content attribute; backends cut or refuse longer ones. */
const MAX_CONTENT = 64_000;
const SCOPE = "interlock";
const RESOURCE_PREFIX = "resource.";
/** Bit 0 of a span's flags: sampled (W3C trace context). */
const SAMPLED = 1;

/**
 * An export of these records, which are of one tenant. The gateway's own spans are of the resource `interlock`; spans
 * that an agent sent keep the resource they came with. Times are whole nanoseconds, ids hex, the schema is the pinned one.
 */
export function exportOf(tenant: string, records: readonly TraceRecord[], terms: ExportTerms): OtlpExport {
  const received = records.filter(({ index }) => index.kind === "otel");
  const own = records.filter(({ index }) => index.kind !== "otel");
  const groups = [
    ...(own.length === 0 ? [] : [resourceSpans(ownResource(tenant), own, terms)]),
    ...received.map((record) => resourceSpans(agentResource(tenant, record), [record], terms)),
  ];
  return { resourceSpans: groups };
}

function ownResource(tenant: string): readonly OtlpAttribute[] {
  return [
    { key: "service.name", value: "interlock" },
    { key: ATTR.tenant, value: tenant },
  ];
}

/** The resource that the agent named, as its receipt keeps it; its tenant is the gateway's word. */
function agentResource(tenant: string, { spans, index }: TraceRecord): readonly OtlpAttribute[] {
  const told = Object.entries(spans[0]?.attributes ?? {}).flatMap(([key, value]) =>
    key.startsWith(RESOURCE_PREFIX) && value !== undefined
      ? [{ key: key.slice(RESOURCE_PREFIX.length), value: otlpValue(key, value) }]
      : [],
  );
  const hasName = told.some(({ key }) => key === "service.name");
  return [
    ...(hasName ? [] : [{ key: "service.name", value: index.actor }]),
    ...told.filter(({ key }) => key !== ATTR.tenant),
    { key: ATTR.tenant, value: tenant },
  ];
}

function resourceSpans(
  attributes: readonly OtlpAttribute[],
  records: readonly TraceRecord[],
  terms: ExportTerms,
): OtlpResourceSpans {
  return {
    resource: { attributes: withResource(attributes, terms.resource), droppedAttributesCount: 0 },
    scopeSpans: [
      {
        scope: { name: SCOPE, version: "", attributes: [], droppedAttributesCount: 0 },
        spans: records.flatMap((record) => record.spans.map((span) => otlpSpan(record, span, terms))),
        schemaUrl: SEMCONV_SCHEMA_URL,
      },
    ],
    schemaUrl: SEMCONV_SCHEMA_URL,
  };
}

/** The attributes with those of the config, which stand where both name one. */
function withResource(attributes: readonly OtlpAttribute[], more: ExportTerms["resource"]): readonly OtlpAttribute[] {
  const configured = Object.entries(more).map(([key, value]) => ({ key, value }));
  return [...attributes.filter(({ key }) => !Object.hasOwn(more, key)), ...configured];
}

function otlpSpan(record: TraceRecord, span: Span, { hasContent }: ExportTerms): OtlpSpan {
  const content = hasContent ? contentOf(record, span) : {};
  return {
    traceId: record.index.trace_hex,
    spanId: span.span_id,
    traceState: textOf(span.attributes[OTEL.traceState]),
    parentSpanId: span.parent_span_id ?? "",
    name: span.name,
    kind: KINDS[span.kind],
    startTimeUnixNano: nanoOf(span.start_ms),
    endTimeUnixNano: nanoOf(span.end_ms),
    attributes: otlpAttributes({ ...withoutDetails(span.attributes), ...content }),
    droppedAttributesCount: 0,
    events: eventsIn(span.attributes).map(({ name, time_ms, attributes }) => ({
      name,
      timeUnixNano: nanoOf(time_ms),
      attributes: otlpAttributes(attributes),
      droppedAttributesCount: 0,
    })),
    droppedEventsCount: 0,
    links: linksIn(span.attributes).map(({ trace_hex, span_id, attributes }) => ({
      traceId: trace_hex,
      spanId: span_id,
      traceState: "",
      attributes: otlpAttributes(attributes),
      droppedAttributesCount: 0,
      flags: 0,
    })),
    droppedLinksCount: 0,
    status: statusOf(span),
    flags: SAMPLED,
  };
}

const KINDS: Readonly<Record<Span["kind"], number>> = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 };

/** A status; its message is for errors alone. */
function statusOf({ status, attributes }: Span): OtlpSpan["status"] {
  if (status !== "error") return { code: status === "ok" ? 1 : 0, message: "" };
  return { code: 2, message: textOf(attributes[OTEL.statusMessage] ?? attributes[ATTR.refusal]) };
}

function textOf(value: AttributeValue | undefined): string {
  return typeof value === "string" ? value : "";
}

/** Milliseconds as nanoseconds, to the microsecond. */
function nanoOf(ms: number): bigint {
  return BigInt(Math.max(0, Math.round(ms * 1_000))) * 1_000n;
}

function otlpAttributes(attributes: Attributes): readonly OtlpAttribute[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: otlpValue(key, value) }],
  );
}

/** Attributes that are doubles by convention, also where their value is whole. */
const DOUBLES: ReadonlySet<string> = new Set([
  ATTR.requestTemperature,
  ATTR.requestTopP,
  ATTR.requestTopK,
  ATTR.requestFrequencyPenalty,
  ATTR.requestPresencePenalty,
  ATTR.timeToFirstChunk,
  ATTR.confidence,
  "gen_ai.evaluation.score.value",
]);

function otlpValue(key: string, value: AttributeValue): OtlpValue {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || DOUBLES.has(key)) return value;
  return BigInt(value);
}

/** The content of a span, from the payloads that are its own. */
function contentOf({ index, payloads }: TraceRecord, { span_id, attributes }: Span): ContentAttributes {
  const own = payloads.filter((payload) => payload.span_id === span_id && payload.body !== null);
  const read = index.kind === "otel" ? agentContent : ownContent;
  const content = own.flatMap((payload) => Object.entries(read(payload, payload.body ?? "", attributes)));
  return Object.fromEntries(content.map(([key, text]) => [key, shortenStructure(text, MAX_CONTENT)]));
}

/** Content of an agent's span: kept by the names under which it came. */
function agentContent(_: Payload, text: string): ContentAttributes {
  const entries = Object.entries(objectIn(text) ?? {});
  return Object.fromEntries(
    entries.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

function ownContent({ name, content_type }: Payload, text: string, attributes: Attributes): ContentAttributes {
  if (name === "request") return requestContent(text, dialectIn(attributes, "caller"));
  if (name === "response") return responseContent(text, content_type, dialectIn(attributes, "provider"));
  if (name === "ask") return {};
  const found = name === "arguments" ? argumentsIn(text) : objectIn(text)?.["result"];
  const key = name === "arguments" ? "gen_ai.tool.call.arguments" : "gen_ai.tool.call.result";
  return found === undefined || found === null ? {} : { [key]: JSON.stringify(found) };
}

/** The arguments in a tool call's envelope. */
function argumentsIn(text: string): Json | undefined {
  const call = objectIn(text)?.["tool_call"];
  return isJsonObject(call) ? call["args"] : undefined;
}
