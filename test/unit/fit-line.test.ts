// Proves that every line leaves in lines small enough, whole where it has room, and that no statement loses a call.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readStatement, statementLine } from "../../src/core/trace/admissions.ts";
import { linesThatFit } from "../../src/core/trace/fit-line.ts";
import { readRecord } from "../../src/core/trace/read-record.ts";
import type { TraceRecord } from "../../src/core/trace/record.ts";
import { callRow } from "../call-row.ts";

const sizeOf = (line: string): number => new TextEncoder().encode(line).byteLength;
const MAX = 4_000;

function record(bodies: readonly string[], note = ""): TraceRecord {
  const index = callRow();
  const { span_id: id } = index;
  const span = { span_id: id, parent_span_id: null, name: "chat m", kind: "client", status: "ok" } as const;
  return {
    v: 1,
    index,
    spans: Array.from({ length: note === "" ? 1 : 20 }, (_, at) => ({
      ...span,
      span_id: at === 0 ? id : at.toString(16).padStart(16, "0"),
      start_ms: 1,
      end_ms: 2,
      attributes: { note },
    })),
    payloads: bodies.map((body) => ({
      name: "request",
      span_id: id,
      content_type: "text/plain",
      body,
      digest: "",
      bytes: body.length,
    })),
  };
}

describe("a line", () => {
  it("of a record loses its largest bodies first, and is a record still", () => {
    const texts = fc.array(fc.string({ unit: "grapheme", maxLength: 3_000, size: "max" }), { maxLength: 4 });
    fc.assert(
      fc.property(texts, (bodies) => {
        const whole = record(bodies);
        const line = JSON.stringify(whole);
        const lines = linesThatFit(line, MAX);
        expect(lines.length).toBe(1);
        expect(sizeOf(lines[0] ?? "")).toBeLessThanOrEqual(MAX);
        if (sizeOf(line) <= MAX) expect(lines).toEqual([line]);
        expect(readRecord(lines[0] ?? "")?.index).toEqual(whole.index);
      }),
      { numRuns: 50 },
    );
    const small = readRecord(linesThatFit(JSON.stringify(record(["kept", "x".repeat(9_000)])), MAX)[0] ?? "");
    expect(small?.payloads.map(({ body, omitted }) => [body, omitted])).toEqual([
      ["kept", undefined],
      [null, "too large for the queue"],
    ]);
  });

  it("of a record with too much beside bodies keeps its own span", () => {
    const [line = ""] = linesThatFit(JSON.stringify(record(["x".repeat(9_000)], "n".repeat(5_000))), MAX);
    const read = readRecord(line);
    expect(sizeOf(line)).toBeLessThanOrEqual(MAX);
    expect(read?.spans.map(({ span_id: id }) => id)).toEqual([read?.index.span_id]);
  });

  it("of a statement becomes several, which name every call once and share no number", () => {
    const calls = Array.from({ length: 100 }, (_, at) => ({
      seq: at + 7,
      kind: "chat" as const,
      span_id: "b".repeat(16),
      trace_hex: "a".repeat(32),
      call_id: null,
      at: 1,
    }));
    const whole = { tenant: "t", session: "s", hour: 0, from_seq: 5, to_seq: 110, is_uncertain: false, calls };
    const lines = linesThatFit(statementLine(whole), MAX);
    const read = lines.flatMap((line) => readStatement(line) ?? []);
    expect(lines.every((line) => sizeOf(line) <= MAX)).toBe(true);
    expect(read.flatMap((each) => each.calls)).toEqual(calls);
    expect([read[0]?.from_seq, read.at(-1)?.to_seq]).toEqual([5, 110]);
    for (const [at, { from_seq: from }] of read.entries())
      if (at > 0) expect(from).toBe((read[at - 1]?.to_seq ?? 0) + 1);
  });

  it("that is neither is cut, so that it leaves and is parked", () => {
    expect(linesThatFit("é".repeat(9_000), MAX)).toEqual(["é".repeat(1_333)]);
  });
});
