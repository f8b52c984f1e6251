// Proves traceparent and tracestate against the W3C working group's own cases: what is continued, what is restarted, what is sent on.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readTraceContext, writeTraceparent } from "../../src/core/trace/trace-context.ts";

interface Expectation {
  readonly valid_traceparent?: boolean;
  readonly trace_id_eq?: string;
  readonly trace_id_ne?: string;
  readonly parent_id_ne?: string;
  readonly flag_bit_set?: number;
  readonly state_has?: string;
  readonly state_lacks?: string;
  readonly state_eq?: readonly [string, string];
  readonly state_contains?: string;
  readonly state_order?: string;
  readonly state_len?: number;
  readonly same_state_length_as_request?: number;
}

/** Every word in which the corpus expects something: one that this test does not know would be passed over. */
const KNOWN = [
  "valid_traceparent",
  "trace_id_eq",
  "trace_id_ne",
  "parent_id_ne",
  "flag_bit_set",
  "state_has",
  "state_lacks",
  "state_eq",
  "state_contains",
  "state_order",
  "state_len",
  "same_state_length_as_request",
];

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

/** What goes on for these headers: in the caller's trace, or in a fresh one. */
function sentOn(headers: readonly (readonly [string, string])[]): {
  readonly traceparent: string;
  readonly tracestate: string | undefined;
} {
  // Equal names are joined by a comma, as an HTTP server hands them on.
  const received = new Headers();
  for (const [name, value] of headers) received.append(name, value);
  const parent = readTraceContext(received.get("traceparent"), received.get("tracestate"));
  const flags = parent ?? { isSampled: true, isRandom: false };
  const traceparent = writeTraceparent(parent?.traceHex ?? FRESH.traceHex, FRESH.spanId, flags);
  return { traceparent, tracestate: parent?.state };
}

/** Whether the tracestate that goes on is as the working group expects it. */
function expectState(wanted: Expectation, tracestate: string | undefined): void {
  const members = (tracestate ?? "").split(",").filter((member) => member !== "");
  const state = new Map(members.map((member) => [member.split("=")[0] ?? "", member.slice(member.indexOf("=") + 1)]));
  if (wanted.state_has !== undefined) expect([...state.keys()]).toContain(wanted.state_has);
  if (wanted.state_lacks !== undefined) expect([...state.keys()]).not.toContain(wanted.state_lacks);
  if (wanted.state_eq !== undefined) expect(state.get(wanted.state_eq[0])).toBe(wanted.state_eq[1]);
  if (wanted.state_contains !== undefined) expect(tracestate).toContain(wanted.state_contains);
  if (wanted.state_len !== undefined) expect(members).toHaveLength(wanted.state_len);
  // Without a traceparent there is nothing to go on: as many members as a request that has no tracestate at all.
  if (wanted.same_state_length_as_request !== undefined) expect(members).toHaveLength(0);
}

/** The three that call back several times are recorded without requests; what they ask for is tested below. */
const recorded = corpus.tests.filter(({ requests }) => requests.length > 0);

describe.each(recorded.map((each) => [each.name, each] as const))("%s", (_, { requests }) => {
  test.each(requests.map((request) => [JSON.stringify(request.headers), request] as const))("%s", (__, request) => {
    const { traceparent, tracestate } = sentOn(request.headers);
    const [version, traceHex, spanId, flags] = traceparent.split("-");
    const order = request.expect.flatMap(({ state_order }) => (state_order === undefined ? [] : [state_order]));
    const places = order.map((member) => (tracestate ?? "").split(",").indexOf(member));
    expect(places).toEqual(places.toSorted((left, right) => left - right));
    expect(places).not.toContain(-1);
    for (const wanted of request.expect) {
      expect(KNOWN).toEqual(expect.arrayContaining(Object.keys(wanted)));
      expectState(wanted, tracestate);
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

test("each request that goes on has a span of its own, in the caller's trace", () => {
  const caller = "00-12345678901234567890123456789012-1234567890123456-01";
  const context = readTraceContext(caller, "a=1");
  if (context === undefined) throw new Error("the traceparent is valid");
  const spans = ["1".repeat(16), "2".repeat(16)];
  expect(spans.map((span) => writeTraceparent(context.traceHex, span, context))).toEqual(
    spans.map((span) => `00-12345678901234567890123456789012-${span}-01`),
  );
  expect(readTraceContext("00-ff", "a=1")).toBeUndefined();
});

test("the corpus is there", () => {
  expect(corpus.tests.length).toBeGreaterThanOrEqual(41);
  expect(recorded.length).toBe(38);
  expect(corpus.tests.flatMap((each) => each.requests).length).toBeGreaterThanOrEqual(80);
});
