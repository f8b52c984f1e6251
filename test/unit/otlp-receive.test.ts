// Proves what becomes of received spans: bounded for a message, marked as the sender's word, the same for the same request.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readRecord } from "../../src/core/trace/read-record.ts";
import type { OtlpAttribute, OtlpExport, OtlpSpan } from "../../src/core/trace/otlp-model.ts";
import { receiveSpans, withoutImpostors } from "../../src/core/trace/otlp-receive.ts";
import { shortenJson, shortenStructure, shortenText } from "../../src/core/trace/shorten.ts";
import { anyExport } from "../otlp/arbitraries.ts";

const NOW = 1_780_000_000_000;
const SENDER = { tenant: "acme", actor: "agent", keyId: "key_1", session: null, now: NOW };
const TRACE = "0af7651916cd43dd8448eb211c80319c";

function span(more: Partial<OtlpSpan> = {}): OtlpSpan {
  return {
    traceId: TRACE,
    spanId: "b7ad6b7169203331",
    traceState: "",
    parentSpanId: "",
    name: "plan",
    kind: 1,
    startTimeUnixNano: BigInt(NOW - 10) * 1_000_000n,
    endTimeUnixNano: BigInt(NOW) * 1_000_000n,
    attributes: [],
    droppedAttributesCount: 0,
    events: [],
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: { message: "", code: 0 },
    flags: 0,
    ...more,
  };
}

function sent(spans: readonly OtlpSpan[], resource: readonly OtlpAttribute[] = []): OtlpExport {
  const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
  return {
    resourceSpans: [
      {
        resource: { attributes: resource, droppedAttributesCount: 0 },
        scopeSpans: [{ scope, spans, schemaUrl: "" }],
        schemaUrl: "",
      },
    ],
  };
}

/** Any export, with spans that could be: of now, of one trace. */
const plausible = anyExport.map((value): OtlpExport => ({
  resourceSpans: value.resourceSpans.map((resourceSpans) => ({
    ...resourceSpans,
    scopeSpans: resourceSpans.scopeSpans.map((scopeSpans) => ({
      ...scopeSpans,
      spans: scopeSpans.spans.map((each, at) => ({
        ...each,
        traceId: TRACE,
        spanId: (at + 1).toString(16).padStart(16, "0"),
        startTimeUnixNano: BigInt(NOW) * 1_000_000n - (each.startTimeUnixNano % 1_000_000_000n),
        endTimeUnixNano: BigInt(NOW) * 1_000_000n,
      })),
    })),
  })),
}));

describe("whatever is sent", () => {
  test("every record can be read back, holds no claim to our names, and is the same for the same request", () => {
    fc.assert(
      fc.property(plausible, (value) => {
        const { records } = receiveSpans(value, SENDER);
        expect(receiveSpans(value, SENDER).records).toEqual(records);
        for (const record of records) {
          expect(readRecord(JSON.stringify(record))).toEqual(JSON.parse(JSON.stringify(record)));
          expect(record.index).toMatchObject({ tenant: "acme", actor: "agent", kind: "otel", cost_micro_usd: 0 });
          const [receipt, ...spans] = record.spans;
          expect(receipt?.span_id).toBe(record.index.span_id);
          for (const each of spans) {
            const ours = Object.keys(each.attributes).filter((key) => /^interlock(\.|$)/.test(key));
            expect(ours).toEqual(["interlock.caller_declared"]);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test("a record fits into a queue message, its payloads apart", () => {
    const text = fc.string({ minLength: 0, maxLength: 20_000, unit: fc.constantFrom("a", "é", "漢", '"', "\u0001") });
    const attributes = fc.array(fc.record({ key: fc.string({ maxLength: 300 }), value: text }), { maxLength: 12 });
    fc.assert(
      fc.property(fc.array(attributes, { minLength: 1, maxLength: 6 }), attributes, (sets, resource) => {
        const spans = sets.map((each, at) =>
          span({ spanId: (at + 1).toString(16).padStart(16, "0"), attributes: each }),
        );
        const { records } = receiveSpans(sent(spans, resource), SENDER);
        for (const record of records) {
          const heads = record.payloads.map((payload) => ({ ...payload, body: null }));
          expect(Buffer.byteLength(JSON.stringify({ ...record, payloads: heads }))).toBeLessThan(100_000);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("the session", () => {
  const attribute = (key: string, value: string): OtlpAttribute => ({ key, value });
  test.each([
    ["a conversation", [attribute("gen_ai.conversation.id", "c-1")], [], "h-1", "c-1"],
    ["a session of the resource", [], [attribute("session.id", "r-1")], "h-1", "r-1"],
    ["our own name for it", [attribute("interlock.session", "o-1")], [], "h-1", "o-1"],
    ["the header", [attribute("session.id", "not an id!")], [], "h-1", "h-1"],
    ["the trace", [], [], null, `tr_${TRACE}`],
  ] as const)("is named by %s", (_, attributes, resource, session, expected) => {
    const { records } = receiveSpans(sent([span({ attributes })], resource), { ...SENDER, session });
    expect(records.map((record) => record.index.session_id)).toEqual([expected]);
  });
});

describe("impostors", () => {
  test("a span with the id of one of ours is not shown, nor its content; others are", () => {
    const { records } = receiveSpans(
      sent([
        span({ spanId: "00000000000000aa", attributes: [{ key: "gen_ai.input.messages", value: "[]" }] }),
        span({ spanId: "00000000000000bb" }),
      ]),
      SENDER,
    );
    const [received] = records;
    if (received === undefined) throw new Error("nothing was received");
    const own = { span_id: "00000000000000aa", parent_span_id: null, name: "chat m", kind: "client" as const };
    const ours = {
      ...received,
      index: { ...received.index, kind: "chat" as const, span_id: own.span_id },
      spans: [{ ...own, start_ms: NOW, end_ms: NOW, status: "ok" as const, attributes: {} }],
      payloads: [],
    };
    const shown = withoutImpostors([received, ours]);
    const names = shown.flatMap((record) => record.spans.map((each) => `${each.span_id} ${each.name}`));
    expect(names).toEqual([
      `${received.index.span_id} otlp.receive`,
      "00000000000000bb plan",
      "00000000000000aa chat m",
    ]);
    expect(shown.flatMap((record) => record.payloads)).toEqual([]);
  });
});

describe("shortening", () => {
  test("keeps the bound, well-formed text, and valid JSON", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), fc.integer({ min: 32, max: 200 }), (text, max) => {
        const short = shortenText(text, max);
        expect(short.length).toBeLessThanOrEqual(Math.max(max, 0));
        expect(short.isWellFormed()).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 128, max: 2_000 }), (value, max) => {
        const short = shortenJson(value, max);
        expect(() => JSON.parse(short) as unknown).not.toThrow();
        expect(short.length).toBeLessThanOrEqual(max * 2);
      }),
    );
  });

  test("says how much is missing", () => {
    expect(shortenStructure(JSON.stringify(Array.from({ length: 100 }, () => "word")), 200)).toMatch(/"…\[\+\d+\]"\]$/);
    expect(shortenStructure("x".repeat(100), 50)).toMatch(/^x+…\[\+\d+\]$/);
    expect(shortenStructure(`[${"x".repeat(100)}`, 50)).toMatch(/^\[x+…\[\+\d+\]$/);
  });
});
