// Decides how a sentence is put together: what it says, the spans it rests on, and where the evidence lies.
import { isoTime } from "../../units/local-time.ts";
import { formatUsd } from "../../units/money.ts";
import type { TraceRecord } from "../record.ts";
import type { EvidenceLink, Sentence } from "./explanation.ts";
import type { Step } from "./step.ts";

/** Spans named by one sentence. */
const MOST_SPANS = 24;

/** A sentence about a record: its own span, and the further ones. */
export function tell(
  record: TraceRecord,
  text: string,
  more: { readonly spans?: readonly string[]; readonly links?: readonly EvidenceLink[] } = {},
): Sentence {
  const spans = more.spans === undefined || more.spans.length === 0 ? [record.index.span_id] : more.spans;
  const links = spans.slice(0, 1).map((span) => spanLink(record, span));
  return { text, span_ids: [...new Set(spans)].slice(0, MOST_SPANS), links: [...links, ...(more.links ?? [])] };
}

/** A sentence about several records at once; the list is not empty. */
export function tellOf(
  records: readonly [TraceRecord, ...TraceRecord[]],
  text: string,
  links: readonly EvidenceLink[] = [],
): Sentence {
  return tell(records[0], text, { spans: records.map((record) => record.index.span_id), links });
}

/** Where a span of a record is read. */
export function spanLink({ index }: TraceRecord, spanId: string): EvidenceLink {
  return { rel: "trace", href: `/v1/traces/${encodeURIComponent(index.trace_id)}#${spanId}` };
}

/** Where a tool call is read; none for a record without one. */
export function callLink({ index }: TraceRecord): readonly EvidenceLink[] {
  return index.call_id === null ? [] : [link("tool_call", `/v1/tool-calls/${encodeURIComponent(index.call_id)}`)];
}

/** Evidence of a kind. */
export function link(rel: EvidenceLink["rel"], href: string): EvidenceLink {
  return { rel, href };
}

/** How sentences name a call. */
export function nameOf({ number }: Step): string {
  return `Call ${number}`;
}

/** An instant: RFC 3339 in UTC; one that no calendar has is named as the number that is stored. */
export function iso(ms: number): string {
  return Math.abs(ms) <= LAST_INSTANT ? isoTime(ms) : `instant ${ms}`;
}

/** The last one that an ECMAScript date holds. */
const LAST_INSTANT = 8.64e15;

/** An amount in dollars. */
export function usd(micro: number): string {
  return `$${formatUsd(Math.round(micro))}`;
}

/** A count and its noun. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}
