// Decides whether a line of NDJSON is a trace record of ours.
import * as z from "zod/mini";
import { RECORD_KINDS, type TraceRecord } from "./record.ts";

const attribute = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);

const Span = z.object({
  span_id: z.string(),
  parent_span_id: z.nullable(z.string()),
  name: z.string(),
  kind: z.enum(["internal", "server", "client", "producer", "consumer"]),
  start_ms: z.number(),
  end_ms: z.number(),
  status: z.enum(["ok", "error", "unset"]),
  attributes: z.record(z.string(), attribute),
});

const Index = z.object({
  tenant: z.string().check(z.minLength(1)),
  trace_hex: z.string().check(z.regex(/^[0-9a-f]{32}$/)),
  span_id: z.string().check(z.regex(/^[0-9a-f]{16}$/)),
  trace_id: z.string(),
  started_at: z.int(),
  duration_ms: z.int(),
  kind: z.enum(RECORD_KINDS),
  session_id: z.string(),
  task_id: z.nullable(z.string()),
  actor: z.string(),
  subject: z.string(),
  status: z.string(),
  decision: z.string(),
  error_code: z.nullable(z.string()),
  policy_version: z.string(),
  cost_micro_usd: z.number(),
  input_tokens: z.number(),
  output_tokens: z.number(),
  seq: z.nullable(z.number()),
  call_id: z.nullable(z.string()),
  // NOTE: segments written before these columns existed are still read.
  release: z._default(z.nullable(z.string()), null),
  user: z._default(z.nullable(z.string()), null),
  rules: z._default(z.array(z.string()), []),
  upstream: z._default(z.nullable(z.string()), null),
  attempts: z._default(z.nullable(z.int()), null),
  masked: z._default(z.int(), 0),
});

const Payload = z.object({
  name: z.enum(["request", "response", "arguments", "result", "ask"]),
  span_id: z.string(),
  content_type: z.string(),
  body: z.nullable(z.string()),
  digest: z.string(),
  bytes: z.number(),
  omitted: z.optional(z.string()),
});

const Line = z.object({ v: z.literal(1), index: Index, spans: z.array(Span), payloads: z.array(Payload) });

/** The record on a line, or `undefined` when the line is not one. */
export function readRecord(line: string): TraceRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const parsed = Line.safeParse(value);
  if (!parsed.success) return undefined;
  const { index, spans, payloads } = parsed.data;
  return {
    v: 1,
    index,
    spans,
    payloads: payloads.map(({ omitted, ...rest }) => (omitted === undefined ? rest : { ...rest, omitted })),
  };
}
