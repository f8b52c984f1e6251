// Proves traceparent against the W3C working group's own cases: what is continued, what is restarted, what is sent on.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readTraceparent, writeTraceparent } from "../../src/core/trace/trace-context.ts";

interface Expectation {
  readonly valid_traceparent?: boolean;
  readonly trace_id_eq?: string;
  readonly trace_id_ne?: string;
  readonly parent_id_ne?: string;
  readonly flag_bit_set?: number;
}

interface Case {
  readonly name: string;
  readonly requests: readonly {
    readonly headers: readonly (readonly [string, string])[];
    readonly expect: readonly Expectation[];
  }[];
}

const FRESH = { traceHex: "f".repeat(32), spanId: "e".repeat(16) };

const corpus = JSON.parse(readFileSync(new URL("../corpus/trace-context.json", import.meta.url), "utf8")) as {
  readonly tests: readonly Case[];
};

/** The traceparent that goes on for these headers: in the caller's trace, or in a fresh one. */
function sentOn(headers: readonly (readonly [string, string])[]): string {
  // Equal names are joined by a comma, as an HTTP server hands them on.
  const received = new Headers();
  for (const [name, value] of headers) received.append(name, value);
  const parent = readTraceparent(received.get("traceparent"));
  return writeTraceparent(
    parent?.traceHex ?? FRESH.traceHex,
    FRESH.spanId,
    parent ?? { isSampled: true, isRandom: false },
  );
}

describe.each(corpus.tests.map((each) => [each.name, each] as const))("%s", (_, { requests }) => {
  test.each(requests.map((request) => [JSON.stringify(request.headers), request] as const))("%s", (__, request) => {
    const [version, traceHex, spanId, flags] = sentOn(request.headers).split("-");
    for (const wanted of request.expect) {
      if (wanted.valid_traceparent === true) {
        expect(version).toBe("00");
        expect(traceHex).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
        expect(spanId).toMatch(/^(?!0{16})[0-9a-f]{16}$/);
        expect(flags).toMatch(/^[0-9a-f]{2}$/);
      }
      if (wanted.trace_id_eq !== undefined) expect(traceHex).toBe(wanted.trace_id_eq);
      if (wanted.trace_id_ne !== undefined) expect(traceHex).not.toBe(wanted.trace_id_ne);
      if (wanted.parent_id_ne !== undefined) expect(spanId).not.toBe(wanted.parent_id_ne);
      if (wanted.flag_bit_set !== undefined) {
        expect(Number.parseInt(flags ?? "", 16) & wanted.flag_bit_set).toBe(wanted.flag_bit_set);
      }
    }
  });
});

test("the corpus is there", () => {
  expect(corpus.tests.length).toBeGreaterThanOrEqual(20);
  expect(corpus.tests.flatMap((each) => each.requests).length).toBeGreaterThanOrEqual(30);
});
