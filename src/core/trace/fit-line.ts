// Decides how a line too large for a message of the trace queue leaves all the same: bodies become digests, statements several.
import { withoutBody } from "../guard/mask.ts";
import { readStatement, statementLine, type AdmissionStatement } from "./admissions.ts";
import { readRecord } from "./read-record.ts";
import type { Attributes, AttributeValue, TraceRecord } from "./record.ts";
import { shortenText } from "./shorten.ts";

/** A line stays below the queue's 128 KB. */
export const MAX_LINE_BYTES = 120_000;

/** Stands for a body that had no room. */
const NO_ROOM = "too large for the queue";
/** The longest text of an attribute, and the most items of a list, of a record that is too large without its bodies. */
const LONGEST_TEXT = 256;
const MOST_ITEMS = 16;
/** What is left of a line that is neither a record nor a statement: enough to see what it was. */
const LEFT_OF_OTHERS = 4_096;

/** The lines that say what this one says as far as they have room for it: itself where that is small enough. */
export function linesThatFit(line: string, max = MAX_LINE_BYTES): readonly string[] {
  if (fits(line, max)) return [line];
  const record = readRecord(line);
  if (record !== undefined) return [smallerRecord(record, max)];
  const statement = readStatement(line);
  if (statement !== undefined && statement.calls.length > 1)
    return halves(statement).flatMap((half) => linesThatFit(statementLine(half), max));
  return [line.slice(0, Math.min(LEFT_OF_OTHERS, Math.floor(max / MAX_BYTES_PER_UNIT)))];
}

/** Most UTF-8 bytes that one UTF-16 unit takes. */
const MAX_BYTES_PER_UNIT = 3;

function fits(line: string, max: number): boolean {
  return line.length * MAX_BYTES_PER_UNIT <= max || encoder.encode(line).byteLength <= max;
}

const encoder = new TextEncoder();

/** The largest bodies go first, then long attributes, then every span but the record's own. */
function smallerRecord(record: TraceRecord, max: number): string {
  const bySize = record.payloads
    .filter(({ body }) => body !== null)
    .toSorted((a, b) => (b.body?.length ?? 0) - (a.body?.length ?? 0));
  const gone = new Set<TraceRecord["payloads"][number]>();
  for (const payload of bySize) {
    gone.add(payload);
    const line = JSON.stringify({
      ...record,
      payloads: record.payloads.map((each) => (gone.has(each) ? withoutBody(each, NO_ROOM) : each)),
    });
    if (fits(line, max)) return line;
  }
  const payloads = record.payloads.map((each) => withoutBody(each, NO_ROOM));
  const spans = record.spans.map((span) => ({ ...span, attributes: shortened(span.attributes) }));
  const short = JSON.stringify({ ...record, spans, payloads });
  if (fits(short, max)) return short;
  const own = spans.filter(({ span_id: id }) => id === record.index.span_id).slice(0, 1);
  return JSON.stringify({ ...record, spans: own, payloads: payloads.slice(0, MOST_ITEMS) });
}

function shortened(attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, shortValue(value)]));
}

function shortValue(value: AttributeValue | undefined): AttributeValue | undefined {
  if (typeof value === "string") return shortenText(value, LONGEST_TEXT);
  if (typeof value !== "object") return value;
  return value.slice(0, MOST_ITEMS).map((item) => shortenText(item, LONGEST_TEXT));
}

/** Two statements that say what one did, each of numbers of its own. */
function halves(statement: AdmissionStatement): readonly AdmissionStatement[] {
  const calls = statement.calls.toSorted((a, b) => a.seq - b.seq);
  const second = calls.slice(Math.ceil(calls.length / 2));
  const from = second[0]?.seq ?? statement.to_seq;
  return [
    { ...statement, to_seq: from - 1, calls: calls.slice(0, calls.length - second.length) },
    { ...statement, from_seq: from, calls: second },
  ];
}
