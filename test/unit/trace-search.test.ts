// Proves what recorded calls are found by: ids in order of time, tokens no other tenant has, terms that stay text.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { costFacetsFrom, facet, facetsOf } from "../../src/core/trace/facets.ts";
import { readTerms } from "../../src/core/trace/full-text.ts";
import { NO_CALLER, type IndexRow, type TraceRecord } from "../../src/core/trace/record.ts";
import { candidateIds, firstIdAt, instantOf } from "../../src/core/trace/row-id.ts";
import { searchableText } from "../../src/core/trace/searchable.ts";

const ROW: IndexRow = {
  tenant: "t",
  trace_hex: "a".repeat(32),
  span_id: "b".repeat(16),
  trace_id: `tr_${"a".repeat(32)}`,
  started_at: 1_790_000_000_000,
  duration_ms: 1,
  kind: "execute_tool",
  session_id: "s",
  task_id: "k",
  actor: "agent",
  subject: "billing.refund",
  status: "denied",
  decision: "deny",
  error_code: null,
  policy_version: "v1",
  cost_micro_usd: 42,
  input_tokens: 0,
  output_tokens: 0,
  seq: null,
  call_id: "tc_1",
  ...NO_CALLER,
  release: "r1",
  rules: ["cap", "night"],
};

const instant = fc.integer({ min: 1_600_000_000_000, max: 3_700_000_000_000 });

describe("the number of a call", () => {
  it("is in order of time, and the same whenever it is computed", () => {
    fc.assert(
      fc.property(instant, instant, fc.string(), (one, other, name) => {
        const [first = 0n] = candidateIds({ ...ROW, span_id: name, started_at: one });
        const [second = 0n] = candidateIds({ ...ROW, span_id: `${name}'`, started_at: other });
        if (one !== other) expect(first < second).toBe(one < other);
        expect(candidateIds({ ...ROW, span_id: name, started_at: one })[0]).toBe(first);
      }),
    );
  });

  it("lies within its millisecond, whichever candidate it takes, and within a signed 64-bit integer", () => {
    fc.assert(
      fc.property(instant, fc.string(), (at, name) => {
        for (const id of candidateIds({ ...ROW, span_id: name, started_at: at })) {
          expect(instantOf(id)).toBe(at);
          expect(id >= firstIdAt(at) && id < firstIdAt(at + 1) && id < 2n ** 63n).toBe(true);
        }
      }),
    );
  });

  it("is clamped where a clock is wrong", () => {
    expect(firstIdAt(0)).toBe(0n);
    expect(firstIdAt(-5)).toBe(0n);
    expect(firstIdAt(Number.MAX_SAFE_INTEGER) < 2n ** 63n).toBe(true);
  });
});

describe("facets", () => {
  it("are one token each, for everything a row can be found by", () => {
    const tokens = facetsOf(ROW).split(" ");
    expect(tokens).toHaveLength(14);
    expect(tokens.every((token) => /^x[0-9a-f]{16}$/.test(token))).toBe(true);
    for (const [name, value] of [
      ["tool", "billing.refund"],
      ["rule", "cap"],
      ["rule", "night"],
      ["release", "r1"],
      ["call", "tc_1"],
    ] as const)
      expect(tokens).toContain(facet("t", name, value));
    expect(tokens).not.toContain(facet("t", "model", "billing.refund"));
  });

  it("of two tenants have nothing in common", () => {
    const other = facetsOf({ ...ROW, tenant: "u" }).split(" ");
    expect(
      facetsOf(ROW)
        .split(" ")
        .filter((token) => other.includes(token)),
    ).toEqual([]);
  });

  it("of a cost hold every row that costs at least as much", () => {
    const cost = fc.integer({ min: 0, max: 2_000_000_000 });
    fc.assert(
      fc.property(cost, cost, (least, actual) => {
        const own = facetsOf({ ...ROW, cost_micro_usd: actual }).split(" ");
        const isFound = costFacetsFrom("t", least).some((token) => own.includes(token));
        if (actual >= least) expect(isFound).toBe(true);
        // Below half of it lies another bucket.
        if (actual < least / 2) expect(isFound).toBe(false);
      }),
    );
  });
});

describe("a full-text query", () => {
  it.each([
    ["refund", ['"refund"']],
    ['order "lost parcel" ref*', ['"order"', '"lost parcel"', '"ref"*']],
    ["a AND b NOT c", ['"a"', '"AND"', '"b"', '"NOT"', '"c"']],
    ["body:secret ^x (y)", ['"body:secret"', '"^x"', '"(y)"']],
  ])("%s", (query, terms) => expect(readTerms(query)).toEqual(terms));

  it.each(["", "   ", '""', "* - +", "a b c d e f g h i j k"])("refuses %j", (query) =>
    expect(readTerms(query)).toBeUndefined(),
  );

  it("is not cut short by a NUL", () => expect(readTerms("a\0b")).toEqual(['"a"', '"b"']));

  it("never holds a quote within a term: whatever is asked for stays text", () => {
    fc.assert(
      fc.property(fc.string(), (query) => {
        for (const term of readTerms(query) ?? []) expect(term).toMatch(/^"[^"]*"\*?$/);
      }),
    );
  });
});

describe("the searchable text", () => {
  const record = (payloads: TraceRecord["payloads"]): TraceRecord => ({ v: 1, index: ROW, spans: [], payloads });
  const body = (name: "request" | "result" | "ask", text: string): TraceRecord["payloads"][number] => ({
    name,
    span_id: ROW.span_id,
    content_type: "application/json",
    body: text,
    digest: "",
    bytes: text.length,
  });

  it("is the words of bodies without their structure, and not what only repeats them", () => {
    const text = searchableText(
      record([body("result", '{"status":{"says":"parcel lost"}}'), body("ask", '{"x":"hidden"}')]),
    );
    expect(text).toBe("billing.refund parcel lost");
  });

  it("has the end of a long request, where the newest message stands", () => {
    const text = searchableText(
      record([body("request", JSON.stringify({ messages: ["old ".repeat(2_000), "newest"] }))]),
    );
    expect(text).toContain("newest");
    expect(text.length).toBeLessThan(2_100);
  });

  it("takes a body that is no JSON as it is, and none where it is not kept", () => {
    expect(searchableText(record([body("result", "{broken")]))).toContain("{broken");
    expect(searchableText(record([{ ...body("result", ""), body: null }]))).toBe("billing.refund ");
  });
});
