// Decides what becomes of spans that an agent sends: records of its trace, marked as its word, and the spans that are not taken.
import { telltaleId } from "../guard/caller-id.ts";
import { sha256Hex } from "../json/digest.ts";
import { isCallerId } from "../units/identifier.ts";
import { ATTR } from "./attributes.ts";
import type { OtlpExport, OtlpExportAnswer, OtlpResourceSpans } from "./otlp-model.ts";
import { keepSpan, sizeOf, whyRejected, type KeptSpan } from "./otlp-span.ts";
import { keepAttributes, textOf } from "./otlp-values.ts";
import { NO_CALLER, type IndexRow, type Span, type TraceRecord } from "./record.ts";
import { shortenText } from "./shorten.ts";

/** Spans that are taken of one request. */
export const MAX_SPANS = 2_000;
/** Bytes of a record's spans as JSON: with its row and its payloads' heads it fits into a queue message. */
const MAX_RECORD_BYTES = 56_000;
const RESOURCE_BOUNDS = { count: 64, length: 1_024 };
const MAX_SUBJECT = 128;

/** Who sends, as its key says, and what its headers say of the session. */
export interface Sender {
  readonly tenant: string;
  readonly actor: string;
  readonly keyId: string;
  readonly session: string | null;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** What one request came to. */
export interface Received {
  readonly records: readonly TraceRecord[];
  readonly answer: OtlpExportAnswer;
}

/**
 * Makes records of the spans: one per resource and trace, more where they are too many for a message. Each begins with
 * a span of the gateway's own, `otlp.receive`, which alone says who sent them; the others are the sender's word and
 * hold no name of ours. A record is named by a digest of its spans' ids: a request that is sent again makes the same
 * records, and no sender can take the place of a record of the gateway's. Spans past `MAX_SPANS` and spans that are
 * none are counted in the answer, and not taken.
 */
export function receiveSpans(sent: OtlpExport, sender: Sender): Received {
  const rejected = new Rejected();
  let room = MAX_SPANS;
  const records = sent.resourceSpans.flatMap((resourceSpans) => {
    const byTrace = new Map<string, Map<string, KeptSpan>>();
    for (const scopeSpans of resourceSpans.scopeSpans) {
      for (const span of scopeSpans.spans) {
        const reason = room > 0 ? whyRejected(span, sender.now) : `more than ${MAX_SPANS} spans in one request`;
        if (reason !== undefined) {
          rejected.add(reason);
          continue;
        }
        room -= 1;
        const spans = byTrace.get(span.traceId) ?? new Map<string, KeptSpan>();
        byTrace.set(span.traceId, spans.set(span.spanId, keepSpan(span, scopeSpans)));
      }
    }
    return [...byTrace].flatMap(([traceHex, spans]) => recordsOf(traceHex, [...spans.values()], resourceSpans, sender));
  });
  return { records, answer: { partialSuccess: rejected.told() } };
}

/** Counts what is not taken, by reason. */
class Rejected {
  readonly #counts = new Map<string, number>();

  add(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  told(): OtlpExportAnswer["partialSuccess"] {
    const counts = [...this.#counts];
    return {
      rejectedSpans: BigInt(counts.reduce((sum, [, count]) => sum + count, 0)),
      errorMessage: counts.map(([reason, count]) => `${count}: ${reason}`).join("; "),
    };
  }
}

function recordsOf(
  traceHex: string,
  spans: readonly KeptSpan[],
  { resource }: OtlpResourceSpans,
  sender: Sender,
): readonly TraceRecord[] {
  const kept = keepAttributes(resource.attributes, RESOURCE_BOUNDS);
  const told = Object.entries(kept.attributes).map(([key, value]) => [`resource.${key}`, value] as const);
  const shared: Batch = {
    traceHex,
    sender,
    session: sessionOf(spans, kept.attributes, sender) ?? `tr_${traceHex}`,
    service: textOf(resource.attributes, "service.name"),
    resource: Object.fromEntries(told),
    dropped: kept.dropped + resource.droppedAttributesCount,
  };
  return chunksOf(spans, MAX_RECORD_BYTES - sizeOf(shared.resource)).map((chunk) => recordOf(chunk, shared));
}

/** What the records of one resource and trace have in common. */
interface Batch {
  readonly traceHex: string;
  readonly sender: Sender;
  readonly session: string;
  readonly service: string | undefined;
  readonly resource: Span["attributes"];
  readonly dropped: number;
}

/** As many spans to a chunk as fit; one that is larger alone still makes a chunk of its own. */
function chunksOf(spans: readonly KeptSpan[], maxBytes: number): readonly (readonly KeptSpan[])[] {
  const chunks: KeptSpan[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const kept of spans) {
    const bytes = sizeOf(kept.span) + kept.payloads.length * PAYLOAD_HEAD_BYTES;
    if (size + bytes > maxBytes) {
      chunks.push([]);
      size = 0;
    }
    chunks.at(-1)?.push(kept);
    size += bytes;
  }
  return chunks;
}

/** Bytes of a payload whose body lies elsewhere. */
const PAYLOAD_HEAD_BYTES = 256;

const SESSION_KEYS = ["gen_ai.conversation.id", "session.id", "caller.interlock.session"];

/** The session that the spans name, else their resource, else the header; ids that a caller may not choose are passed over. */
function sessionOf(spans: readonly KeptSpan[], resource: Span["attributes"], { session }: Sender): string | undefined {
  const sets = [...spans.map(({ span }) => span.attributes), resource];
  const named = sets.flatMap((attributes) => SESSION_KEYS.map((key) => attributes[key]));
  const found = named.find((value): value is string => typeof value === "string" && isSessionId(value));
  return found ?? session ?? undefined;
}

/** Whether an id may stand unmasked as the name of a session. */
function isSessionId(text: string): boolean {
  return isCallerId(text) && telltaleId(text) === undefined;
}

function recordOf(spans: readonly KeptSpan[], batch: Batch): TraceRecord {
  const { traceHex, sender } = batch;
  const own = spans.map(({ span }) => span);
  const top = topOf(own);
  const dropped = spans.reduce((sum, each) => sum + each.dropped, batch.dropped);
  const spanId = sha256Hex(["otel", sender.tenant, traceHex, ...own.map((span) => span.span_id)].join("\n")).slice(
    0,
    16,
  );
  const receipt: Span = {
    span_id: spanId,
    parent_span_id: top?.span_id ?? null,
    name: "otlp.receive",
    kind: "internal",
    start_ms: sender.now,
    end_ms: sender.now,
    status: "ok",
    attributes: {
      ...batch.resource,
      [ATTR.tenant]: sender.tenant,
      [ATTR.actor]: sender.actor,
      [ATTR.keyId]: sender.keyId,
      [ATTR.conversation]: batch.session,
      [ATTR.callerDeclared]: ["spans", "session"],
      [ATTR.receivedSpans]: spans.length,
      [ATTR.receivedDropped]: dropped,
    },
  };
  return {
    v: 1,
    index: indexRow({ spanId, top, own }, batch),
    spans: [receipt, ...own],
    payloads: spans.flatMap((each) => each.payloads),
  };
}

/** The span that the others hang from: one whose parent is not among them, the earliest of those. */
function topOf(spans: readonly Span[]): Span | undefined {
  const ids = new Set(spans.map((span) => span.span_id));
  const tops = spans.filter((span) => !ids.has(span.parent_span_id ?? ""));
  return (tops.length === 0 ? spans : tops).toSorted((left, right) => left.start_ms - right.start_ms)[0];
}

function indexRow(
  { spanId, top, own }: { readonly spanId: string; readonly top: Span | undefined; readonly own: readonly Span[] },
  { traceHex, sender, session, service }: Batch,
): IndexRow {
  const start = Math.floor(Math.min(...own.map((span) => span.start_ms)));
  const end = Math.ceil(Math.max(...own.map((span) => span.end_ms)));
  const isFailed = top?.status === "error";
  return {
    tenant: sender.tenant,
    trace_hex: traceHex,
    span_id: spanId,
    trace_id: `tr_${traceHex}`,
    started_at: start,
    duration_ms: end - start,
    kind: "otel",
    session_id: session,
    task_id: null,
    actor: sender.actor,
    subject: shortenText(service ?? top?.name ?? "spans", MAX_SUBJECT),
    status: isFailed ? "failed" : "succeeded",
    decision: "none",
    error_code: isFailed ? errorOf(top) : null,
    policy_version: "none",
    // What an agent says that it used is its claim, and no spending of the gateway's.
    cost_micro_usd: 0,
    input_tokens: 0,
    output_tokens: 0,
    seq: null,
    call_id: null,
    ...NO_CALLER,
  };
}

function errorOf(top: Span): string | null {
  const type = top.attributes[ATTR.errorType];
  return typeof type === "string" ? shortenText(type, MAX_SUBJECT) : null;
}

/**
 * Records of a trace, without agents' spans that carry the id of a span of the gateway's: a sender who has learnt such
 * an id must not stand in its place.
 */
export function withoutImpostors(records: readonly TraceRecord[]): readonly TraceRecord[] {
  const ours = new Set(
    records.flatMap(({ index, spans }) =>
      spans.filter((span) => index.kind !== "otel" || span.span_id === index.span_id).map((span) => span.span_id),
    ),
  );
  return records.map((record) => {
    if (record.index.kind !== "otel") return record;
    const isOwn = (id: string, at: number): boolean => at === 0 || !ours.has(id);
    return {
      ...record,
      spans: record.spans.filter((span, at) => isOwn(span.span_id, at)),
      payloads: record.payloads.filter((payload) => !ours.has(payload.span_id)),
    };
  });
}
