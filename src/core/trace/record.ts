// Decides what one recorded call looks like on its way to the trace store: its spans, its payloads, and its index row.
/** Values an attribute may hold. */
export type AttributeValue = string | number | boolean | readonly string[];

/** Attributes of a span; `undefined` members are left out. */
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

/** OpenTelemetry span kinds; the last two come from agents only. */
export type SpanKind = "internal" | "server" | "client" | "producer" | "consumer";

/** One span. Times are epoch milliseconds; ids are lower-case hex. */
export interface Span {
  readonly span_id: string;
  readonly parent_span_id: string | null;
  readonly name: string;
  readonly kind: SpanKind;
  readonly start_ms: number;
  readonly end_ms: number;
  readonly status: "ok" | "error" | "unset";
  readonly attributes: Attributes;
}

/** A body that was seen or sent, as text. `omitted` says why it is not kept. */
export interface Payload {
  readonly name: "request" | "response" | "arguments" | "result" | "ask";
  readonly span_id: string;
  readonly content_type: string;
  readonly body: string | null;
  readonly digest: string;
  readonly bytes: number;
  readonly omitted?: string;
}

/** What a record tells of: a governed call (`replay`: a model call made to test a release, not for any caller), one that was only asked about, what a ledger or a person did, or spans received from an agent. */
export const RECORD_KINDS = [
  "chat",
  "embeddings",
  "count_tokens",
  "replay",
  "execute_tool",
  "preflight",
  "approval",
  "switch",
  "release",
  "session",
  "ledger",
  "config",
  "key",
  "secret",
  "outcome",
  "alert",
  "eval",
  "reveal",
  "erasure",
  "otel",
] as const;

/** One kind of record. */
export type RecordKind = (typeof RECORD_KINDS)[number];

/** Whether records of a kind are of calls of a model. */
export function isModelKind(kind: string): kind is "chat" | "embeddings" | "count_tokens" | "replay" {
  return kind === "chat" || kind === "embeddings" || kind === "count_tokens" || kind === "replay";
}

/** The few columns by which a call is found. */
export interface IndexRow {
  readonly tenant: string;
  readonly trace_hex: string;
  readonly span_id: string;
  readonly trace_id: string;
  readonly started_at: number;
  readonly duration_ms: number;
  readonly kind: RecordKind;
  readonly session_id: string;
  readonly task_id: string | null;
  readonly actor: string;
  readonly subject: string;
  readonly status: string;
  readonly decision: string;
  readonly error_code: string | null;
  readonly policy_version: string;
  readonly cost_micro_usd: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly seq: number | null;
  readonly call_id: string | null;
  /** The release that the gateway chose, or that the caller named; of a release's own record, the one that is live by it. */
  readonly release: string | null;
  /** The end user on whose behalf the caller acts, as the masker left it. */
  readonly user: string | null;
  /** Ids of the rules that denied the call or asked for approval. */
  readonly rules: readonly string[];
  /** Who answered: a provider's name, a tool's host. */
  readonly upstream: string | null;
  /** Attempts at the upstream; `null` where none was made. */
  readonly attempts: number | null;
  /** Personal data and secrets that were masked in the record. */
  readonly masked: number;
}

/** The columns of a record that no call of a caller stands behind. */
export const NO_CALLER = {
  release: null,
  user: null,
  rules: [],
  upstream: null,
  attempts: null,
  masked: 0,
} as const satisfies Partial<IndexRow>;

/** One call, whole: what travels over the queue and stands as one line of a segment. */
export interface TraceRecord {
  readonly v: 1;
  readonly index: IndexRow;
  readonly spans: readonly Span[];
  readonly payloads: readonly Payload[];
}

/** The root span's id names the record within its trace. */
export function recordKey(record: TraceRecord): string {
  return `${record.index.tenant}/${record.index.trace_hex}/${record.index.span_id}`;
}
