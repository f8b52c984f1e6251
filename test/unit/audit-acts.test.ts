// Proves which acts a record tells of, that no free text of it reaches the chain, and that any record at all can be told.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { auditActsOf, recordDigest } from "../../src/core/audit/acts-of-record.ts";
import { chained, NO_ENTRIES } from "../../src/core/audit/chain.ts";
import { AuditEventShape } from "../../src/core/audit/event.ts";
import { sha256Hex } from "../../src/core/json/digest.ts";
import { ACT_ATTR, actRecord, unfinishedAct, type Act } from "../../src/core/trace/act.ts";
import { ATTR } from "../../src/core/trace/attributes.ts";
import {
  NO_CALLER,
  RECORD_KINDS,
  type Attributes,
  type IndexRow,
  type RecordKind,
  type TraceRecord,
} from "../../src/core/trace/record.ts";

const SPAN = "b7ad6b7169203331";

function recordOf(kind: RecordKind, attributes: Attributes = {}, more: Partial<IndexRow> = {}): TraceRecord {
  const index: IndexRow = {
    tenant: "acme",
    trace_hex: "0".repeat(31).concat("1"),
    span_id: SPAN,
    trace_id: "tr_1",
    started_at: 1_800_000_000_000,
    duration_ms: 5,
    kind,
    session_id: "s1",
    task_id: null,
    actor: "clerk",
    subject: "billing.refund",
    status: "succeeded",
    decision: "allow",
    error_code: null,
    policy_version: "v1-abc",
    cost_micro_usd: 12,
    input_tokens: 0,
    output_tokens: 0,
    seq: 1,
    call_id: "tc_1",
    ...NO_CALLER,
    ...more,
  };
  const root = {
    span_id: SPAN,
    parent_span_id: null,
    name: "execute_tool",
    kind: "internal",
    start_ms: 0,
    end_ms: 0,
    status: "ok",
    attributes: { [ATTR.keyId]: "key_agent", ...attributes },
  } as const;
  const body = { name: "arguments", span_id: SPAN, content_type: "application/json", bytes: 4 } as const;
  return { v: 1, index, spans: [root], payloads: [{ ...body, body: '"jane"', digest: "" }] };
}

describe("what a record tells", () => {
  it("is one act for each kind that is one, and none for what nobody did", () => {
    const kinds = RECORD_KINDS.map((kind) => [kind, auditActsOf(recordOf(kind)).map((act) => act.kind)]);
    expect(Object.fromEntries(kinds)).toEqual({
      chat: ["decision"],
      embeddings: ["decision"],
      count_tokens: ["decision"],
      execute_tool: ["decision"],
      preflight: [],
      approval: ["approval"],
      switch: ["switch"],
      release: ["release"],
      session: ["session"],
      ledger: [],
      config: ["config"],
      key: ["key"],
      secret: ["secret"],
      outcome: ["outcome"],
      alert: [],
      replay: [],
      eval: ["eval"],
      reveal: ["reveal"],
      erasure: ["erasure"],
      otel: [],
    });
  });

  it("is a person's resolution where one settled the call, and a decision again when it is repeated", () => {
    const attributes = { [ATTR.resolutionKey]: "key_op", [ATTR.resolutionBy]: "person" };
    expect(auditActsOf(recordOf("execute_tool", attributes))[0]).toMatchObject({ kind: "resolution", who: "key_op" });
    const again = auditActsOf(recordOf("execute_tool", attributes, { status: "replayed" }))[0];
    expect(again).toMatchObject({ kind: "decision", who: "key_agent" });
  });

  it("names who did it: the caller's key, the approver, or the gateway", () => {
    expect(auditActsOf(recordOf("approval", { [ATTR.approvalBy]: "link:ann" }))[0]?.who).toBe("link:ann");
    expect(auditActsOf(recordOf("approval"))[0]?.who).toBe("gateway");
    expect(auditActsOf(recordOf("chat"))[0]?.who).toBe("key_agent");
  });

  it("holds ids and figures, and no free text: that stands in the record, whose digest it has", () => {
    const reasons = [JSON.stringify({ rule_id: "over-50", effect: "deny", message: "jane asked" })];
    const record = recordOf("execute_tool", {
      [ATTR.decisionReasons]: reasons,
      [ATTR.refusal]: "jane may not",
      [ATTR.intent]: "help jane",
      [ATTR.endUser]: "jane",
      [ATTR.release]: "r7",
    });
    const [told] = auditActsOf(record);
    expect(told?.what).toMatchObject({ rules: ["over-50"], release: "r7", effect: "allow", policy: "v1-abc" });
    expect(JSON.stringify(told)).not.toContain("jane");
    expect(told?.record).toBe(recordDigest(record));
  });

  it("of an act is what stands under its kind's own name, the key that did it left out", () => {
    const act: Act = {
      tenant: "acme",
      kind: "key",
      traceHex: "f".repeat(32),
      session: null,
      actor: null,
      subject: "key_new",
      status: "created",
      by: "key_admin",
      reason: "for jane",
      attributes: { [ACT_ATTR.keyId]: "key_new", [ACT_ATTR.keyRoles]: ["agent"], [ACT_ATTR.keyActors]: [] },
    };
    const record = actRecord(act, { spanId: SPAN, now: 7 });
    const [told] = auditActsOf(record);
    expect(told).toMatchObject({ who: "key_admin", what: { status: "created", subject: "key_new", roles: ["agent"] } });
    expect(JSON.stringify(told)).not.toContain("jane");
    expect(auditActsOf(unfinishedAct(record))[0]?.what).toMatchObject({ status: "unknown", error: "outcome_unknown" });
  });
});

describe("a record's digest", () => {
  const record = recordOf("execute_tool");

  it("changes with every part of it", () => {
    const others: readonly TraceRecord[] = [
      { ...record, index: { ...record.index, cost_micro_usd: 13 } },
      { ...record, spans: [] },
      { ...record, payloads: record.payloads.map((each) => ({ ...each, body: '"joan"' })) },
    ];
    expect(new Set([record, ...others].map(recordDigest)).size).toBe(4);
  });

  it("stays when a body is kept elsewhere under its digest", () => {
    const payloads = record.payloads.map((each) => ({ ...each, body: null, digest: sha256Hex(each.body ?? "") }));
    expect(recordDigest({ ...record, payloads })).toBe(recordDigest(record));
  });
});

it("any record at all can be chained: lone surrogates, long texts, odd names", { timeout: 60_000 }, () => {
  const text = fc.string({ unit: "binary", maxLength: 400 });
  const value = fc.oneof(text, fc.double(), fc.boolean(), fc.array(text, { maxLength: 3 }));
  fc.assert(
    fc.property(
      fc.constantFrom(...RECORD_KINDS),
      fc.dictionary(fc.oneof(text, fc.constantFrom(ATTR.decisionReasons, ACT_ATTR.by, "interlock.key.\ud800")), value),
      text,
      (kind, attributes, subject) => {
        const odd = recordOf(kind, attributes, { subject: `${subject}\ud800`, session_id: subject });
        const acts = auditActsOf(odd);
        for (const { event } of chained(NO_ENTRIES, acts)) {
          expect(AuditEventShape.safeParse(JSON.parse(JSON.stringify(event))).success).toBe(true);
          expect(event.what["status"]).toBeDefined();
        }
        expect(auditActsOf(odd)).toEqual(acts);
      },
    ),
    { numRuns: 500 },
  );
});
