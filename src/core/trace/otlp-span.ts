// Decides what is kept of one span that came over OTLP, and which spans are not taken.
import type { Attributes, Payload, Span, SpanKind } from "./record.ts";
import { ATTR } from "./attributes.ts";
import type { OtlpEvent, OtlpLink, OtlpScopeSpans, OtlpSpan } from "./otlp-model.ts";
import { withoutContent } from "./otlp-content.ts";
import { keepAttributes } from "./otlp-values.ts";
import { shortenText } from "./shorten.ts";

const SPAN_BOUNDS = { count: 128, length: 8_192 };
const DETAIL_BOUNDS = { count: 32, length: 4_096 };
const MAX_EVENTS = 32;
const MAX_LINKS = 32;
const MAX_NAME = 256;
const MAX_TRACE_STATE = 512;
/** Bytes of one span as JSON, its payloads apart: a queue message holds a few of them at least. */
const MAX_SPAN_BYTES = 32_000;
/** A span may have begun this long ago, and this far ahead of our clock. */
const MAX_AGE_MS = 30 * 86_400_000;
const MAX_AHEAD_MS = 3_600_000;

/** Attributes in which a span keeps what it has besides attributes, named as OpenTelemetry's mappings to other formats do. */
export const OTEL = {
  statusMessage: "otel.status_description",
  traceState: "otel.trace_state",
  events: "otel.events",
  links: "otel.links",
} as const;

/** An event of an agent's span, as `otel.events` keeps it. */
export interface SpanEvent {
  readonly name: string;
  readonly time_ms: number;
  readonly attributes: Attributes;
}

/** A link of an agent's span, as `otel.links` keeps it. */
export interface SpanLink {
  readonly trace_hex: string;
  readonly span_id: string;
  readonly attributes: Attributes;
}

const KINDS: readonly SpanKind[] = ["internal", "internal", "server", "client", "producer", "consumer"];

/** What is kept of a span: the span, its content, and how many of its attributes, events and links are not. */
export interface KeptSpan {
  readonly span: Span;
  readonly payloads: readonly Payload[];
  readonly dropped: number;
}

/** Why a span is not taken, or `undefined`: an id that is none, or times that cannot be. `now` is epoch milliseconds. */
export function whyRejected(span: OtlpSpan, now: number): string | undefined {
  if (!isId(span.traceId, 32)) return "a trace id is not 16 bytes, or all zero";
  if (!isId(span.spanId, 16)) return "a span id is not 8 bytes, or all zero";
  if (span.parentSpanId !== "" && span.parentSpanId.length !== 16) return "a parent span id is not 8 bytes";
  const [start, end] = [toMs(span.startTimeUnixNano), toMs(span.endTimeUnixNano)];
  if (start < now - MAX_AGE_MS) return "a span began more than 30 days ago, or has no start time";
  return start > now + MAX_AHEAD_MS || end > now + MAX_AHEAD_MS ? "a span lies in the future" : undefined;
}

function isId(hex: string, length: number): boolean {
  return hex.length === length && !/^0+$/.test(hex);
}

/** Nanoseconds as milliseconds, to the microsecond. */
function toMs(nano: bigint): number {
  return Number(nano / 1_000n) / 1_000;
}

const STATUSES: readonly Span["status"][] = ["unset", "ok", "error"];

/** A span as it is kept: its content apart, every text and list bounded, its claims to names of ours marked as the caller's. */
export function keepSpan(span: OtlpSpan, { scope }: Pick<OtlpScopeSpans, "scope">): KeptSpan {
  const { told, payloads } = withoutContent(span.spanId, span.attributes);
  const { attributes, dropped } = keepAttributes(told, SPAN_BOUNDS);
  const events = span.events.slice(0, MAX_EVENTS).map((event) => keepEvent(span.spanId, event));
  const links = span.links.slice(0, MAX_LINKS).map(keepLink);
  const { message } = span.status;
  const kept: Span = {
    ...core(span),
    attributes: {
      ...attributes,
      ...named("otel.scope.name", scope.name),
      ...named("otel.scope.version", scope.version),
      ...named(OTEL.statusMessage, message, DETAIL_BOUNDS.length),
      ...named(OTEL.traceState, span.traceState, MAX_TRACE_STATE),
      ...listed(OTEL.events, events),
      ...listed(OTEL.links, links),
      // Last: whatever the sender calls its attributes, this span is its word and not the gateway's.
      [ATTR.callerDeclared]: ["span"],
    },
  };
  const fitted = fit(kept);
  const inside = [...events, ...links].reduce((sum, each) => sum + each.dropped, 0);
  const beyond = span.events.length - events.length + span.links.length - links.length;
  return {
    span: fitted.span,
    payloads: [...payloads, ...events.flatMap((event) => event.payloads)],
    dropped: dropped + inside + beyond + fitted.dropped + droppedBySender(span),
  };
}

/** What every span has. */
function core(span: OtlpSpan): Omit<Span, "attributes"> {
  const start = toMs(span.startTimeUnixNano);
  return {
    span_id: span.spanId,
    parent_span_id: /^0*$/.test(span.parentSpanId) ? null : span.parentSpanId,
    name: shortenText(span.name, MAX_NAME),
    kind: KINDS[span.kind] ?? "internal",
    start_ms: start,
    end_ms: Math.max(start, toMs(span.endTimeUnixNano)),
    status: STATUSES[span.status.code] ?? "unset",
  };
}

function named(key: string, text: string, max = MAX_NAME): Readonly<Record<string, string>> {
  return text === "" ? {} : { [key]: shortenText(text, max) };
}

/** Details of a span as an attribute: one JSON text each, so that they are masked like every other attribute. */
function listed(
  key: string,
  details: readonly { readonly kept: unknown }[],
): Readonly<Record<string, readonly string[]>> {
  return details.length === 0 ? {} : { [key]: details.map(({ kept }) => JSON.stringify(kept)) };
}

function keepEvent(
  spanId: string,
  event: OtlpEvent,
): { readonly kept: SpanEvent; readonly payloads: readonly Payload[]; readonly dropped: number } {
  const { told, payloads } = withoutContent(spanId, event.attributes);
  const { attributes, dropped } = keepAttributes(told, DETAIL_BOUNDS);
  const kept = { name: shortenText(event.name, MAX_NAME), time_ms: toMs(event.timeUnixNano), attributes };
  return { kept, payloads, dropped };
}

function keepLink(link: OtlpLink): { readonly kept: SpanLink; readonly dropped: number } {
  const { attributes, dropped } = keepAttributes(link.attributes, DETAIL_BOUNDS);
  return { kept: { trace_hex: link.traceId, span_id: link.spanId, attributes }, dropped };
}

/** What the sender itself says that it left out. */
function droppedBySender(span: OtlpSpan): number {
  return span.droppedAttributesCount + span.droppedEventsCount + span.droppedLinksCount;
}

/** A span small enough for a message: the largest attributes go until it is, and are counted. */
function fit(span: Span): { readonly span: Span; readonly dropped: number } {
  let excess = sizeOf(span) - MAX_SPAN_BYTES;
  if (excess <= 0) return { span, dropped: 0 };
  const largestFirst = Object.entries(span.attributes)
    .filter(([key]) => key !== ATTR.callerDeclared)
    .map(([key, value]) => ({ key, size: sizeOf({ [key]: value }) }))
    .toSorted((left, right) => right.size - left.size);
  const gone = new Set<string>();
  for (const { key, size } of largestFirst) {
    if (excess <= 0) break;
    gone.add(key);
    excess -= size;
  }
  const kept = Object.entries(span.attributes).filter(([key]) => !gone.has(key));
  return { span: { ...span, attributes: Object.fromEntries(kept) }, dropped: gone.size };
}

/** Bytes of a value as JSON. */
export function sizeOf(value: unknown): number {
  return encoder.encode(JSON.stringify(value)).length;
}

const encoder = new TextEncoder();
