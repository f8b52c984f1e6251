// Builds records for tests of explanations: one call each, as the gateway records it, minute after minute.
import { noFacts, type ExplainFacts, type Explanation } from "../../src/core/trace/explain/explanation.ts";
import { explain } from "../../src/core/trace/explain/explain.ts";
import {
  NO_CALLER,
  type Attributes,
  type IndexRow,
  type Payload,
  type TraceRecord,
} from "../../src/core/trace/record.ts";

/** When every story begins. */
export const NOON = Date.parse("2026-01-05T12:00:00Z");

/** What a record says besides the defaults. */
export interface RecordOptions {
  readonly index?: Partial<IndexRow>;
  readonly attributes?: Attributes;
  readonly reasons?: readonly object[];
  readonly bodies?: Readonly<Partial<Record<Payload["name"], unknown>>>;
  readonly omitted?: Readonly<Partial<Record<Payload["name"], string>>>;
  readonly attempts?: readonly Attributes[];
}

let count = 0;

/** One record; each has a span id of its own and begins a minute after the one before. */
export function record(options: RecordOptions = {}): TraceRecord {
  count += 1;
  const id = count.toString(16).padStart(16, "c");
  const index: IndexRow = {
    tenant: "t",
    trace_hex: "a".repeat(32),
    span_id: id,
    trace_id: `tr_${"a".repeat(32)}`,
    started_at: NOON + count * 60_000,
    duration_ms: 40,
    kind: "execute_tool",
    session_id: "s1",
    task_id: null,
    actor: "agent",
    subject: "pay",
    status: "succeeded",
    decision: "allow",
    error_code: null,
    policy_version: "v1-abc",
    cost_micro_usd: 0,
    input_tokens: 0,
    output_tokens: 0,
    seq: null,
    call_id: `tc_${count}`,
    ...NO_CALLER,
    ...options.index,
  };
  return { v: 1, index, spans: spansOf(index, options), payloads: payloadsOf(index, options) };
}

function spansOf(index: IndexRow, { attributes, reasons, attempts = [] }: RecordOptions): TraceRecord["spans"] {
  const shared = {
    kind: "internal",
    start_ms: index.started_at,
    end_ms: index.started_at + index.duration_ms,
  } as const;
  const below = (name: string, at: number, more: Attributes): TraceRecord["spans"][number] => ({
    ...shared,
    span_id: `d${index.span_id.slice(3)}${(at + 16).toString(16)}`,
    parent_span_id: index.span_id,
    name,
    status: "ok",
    attributes: more,
  });
  const decided =
    reasons === undefined
      ? []
      : [
          below("policy.evaluate", 0, {
            "interlock.decision.effect": index.decision,
            "interlock.decision.reasons": reasons.map((each) => JSON.stringify(each)),
          }),
        ];
  return [
    {
      ...shared,
      span_id: index.span_id,
      parent_span_id: null,
      name: `${index.kind} ${index.subject}`,
      status: "ok",
      attributes: { "interlock.key.id": "key_agent", ...attributes },
    },
    ...decided,
    ...attempts.map((each, at) => below("attempt pay", at + 1, { "interlock.attempt.number": at + 1, ...each })),
  ];
}

function payloadsOf(index: IndexRow, { bodies = {}, omitted = {} }: RecordOptions): TraceRecord["payloads"] {
  const shared = { span_id: index.span_id, content_type: "application/json" };
  const kept = Object.entries(bodies).map(([name, value]) => ({
    ...shared,
    name: name as Payload["name"],
    body: typeof value === "string" ? value : JSON.stringify(value),
    digest: "",
    bytes: 10,
  }));
  const lost = Object.entries(omitted).map(([name, why]) => ({
    ...shared,
    name: name as Payload["name"],
    body: null,
    digest: "5d41",
    bytes: 600_000,
    omitted: why,
  }));
  return [...kept, ...lost];
}

/** The records, explained as a trace unless said otherwise. */
export function explained(records: readonly TraceRecord[], more: Partial<ExplainFacts> = {}): Explanation {
  return explain(records, { ...noFacts({ type: "trace", id: `tr_${"a".repeat(32)}` }), ...more });
}

/** The sentences of one section. */
export function told(explanation: Explanation, id: string): readonly string[] {
  return explanation.sections.find((section) => section.id === id)?.sentences.map(({ text }) => text) ?? [];
}
