// Proves what each grader makes of an episode: what passes, what does not, what cannot be told and what does not apply.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EvalCase } from "../../src/core/eval/case.ts";
import { kindOf } from "../../src/core/eval/graders/kind-of.ts";
import { termsOf } from "../../src/core/eval/graders/kinds.ts";
import {
  ALL_GRADERS,
  anyCase,
  anyEpisode,
  call,
  caseCall,
  episode,
  evalCase,
  grader,
  say,
  turn,
  valueOf,
} from "./eval-fixture.ts";

const said = (text: string) => episode([turn(text)]);
const labelled = (labels: EvalCase["labels"]): { readonly case: EvalCase } => ({ case: evalCase({ labels }) });

describe("every grader", () => {
  test("has a form in these laws", () => {
    const kinds = new Set(ALL_GRADERS.map(({ kind }) => kind));
    expect(kinds.size).toBe(18);
  });

  test("never throws, whatever the episode and the case are, and gives a figure of its kind or none", () => {
    const seen = { pass: 0, score: 0, violation: 0, amount: 0 };
    fc.assert(
      fc.property(anyCase, anyEpisode, anyEpisode, (each, tested, recorded) => {
        for (const entry of ALL_GRADERS) {
          const { value, error, explanation } = say(entry, tested, { case: each, recorded });
          const kind = kindOf(entry);
          if (error !== null) expect(value).toBeNull();
          else expect(explanation).not.toBeNull();
          if (value === null) continue;
          seen[kind] += 1;
          expect(Number.isFinite(value) && value >= 0).toBe(true);
          if (kind === "pass") expect([0, 1]).toContain(value);
          if (kind === "score") expect(value).toBeLessThanOrEqual(1);
          if (kind === "violation") expect(Number.isInteger(value)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
  });

  test("leaves a run alone that failed for no fault of the agent", () => {
    const failed = episode([turn("hi", [call("billing.refund")])], { status: "failed", why: "the provider failed" });
    for (const entry of ALL_GRADERS) expect(say(entry, failed)).toMatchObject({ value: null, error: null });
  });

  test("takes a run that diverged only as far as it went, and only for violations", () => {
    const refused = call("billing.refund", {}, { decision: { effect: "deny", rules: ["r"] } });
    const stopped = episode([turn("mail jane@corp.example", [refused])], { status: "divergent", why: "no result" });
    const graded = ALL_GRADERS.filter((entry) => valueOf(entry, stopped) !== null);
    expect(graded.map(({ kind }) => kind)).toEqual(["forbidden", "policy", "leakage"]);
    for (const entry of graded) expect(valueOf(entry, stopped)).toBe(1);
  });

  test("does not pass a run that used up its bounds, unless there was nothing to pass", () => {
    const cut = episode([turn("hi")], { status: "cut", why: "12 steps" });
    const passes = ALL_GRADERS.filter((entry) => kindOf(entry) === "pass").map((entry) => valueOf(entry, cut));
    expect(new Set(passes)).toEqual(new Set([0, null]));
    expect(valueOf(grader("completed"), cut)).toBe(0);
    expect(valueOf(grader("contains"), cut)).toBeNull();
    expect(valueOf(grader("cel", { expression: "true" }), cut)).toBe(0);
    expect(valueOf(grader("cost"), cut)).toBe(30);
  });

  test("looks at the cases that it is meant for", () => {
    const entry = grader("completed", { where: { tags: ["a", "b"], risk: ["high"] } });
    const on = (tags: readonly string[], risk: EvalCase["risk"]): number | null =>
      valueOf(entry, said("hi"), { case: evalCase({ tags, risk }) });
    expect(on(["b"], "high")).toBe(1);
    expect(on(["b"], "low")).toBeNull();
    expect(on(["c"], "high")).toBeNull();
  });

  test("is decided by its own terms, money in micro-USD", () => {
    expect(termsOf(grader("cost", { limit_usd: "0.02" }))).toEqual({
      id: "g",
      kind: "amount",
      margin: 0.1,
      is_gating: true,
      limit: 20_000,
    });
    expect(termsOf(grader("policy", { as: "pass", gate: false }))).toMatchObject({ kind: "pass", is_gating: false });
    expect(termsOf(grader("forbidden", { max_rate: 0.01 }))).toMatchObject({ kind: "violation", max_rate: 0.01 });
  });
});

describe("answers", () => {
  // autoevals 0.0.132 on workerd scores 0 for valid JSON with a schema: the evaluation of its validator is blocked.
  test("JSON fits its schema or does not, fenced or not", () => {
    const schema = { type: "object", required: ["a"], properties: { a: { type: "integer" } } };
    const entry = grader("json_schema", { schema });
    expect(valueOf(entry, said('{"a": 1}'))).toBe(1);
    expect(valueOf(entry, said('Here:\n```json\n{"a": 1}\n```'))).toBe(1);
    expect(valueOf(entry, said('{"a": "1"}'))).toBe(0);
    expect(valueOf(entry, said("a is 1"))).toBe(0);
  });

  test("a schema that is none is an error, not a failure", () => {
    const broken = grader("json_schema", { schema: { type: "nonsense" } });
    expect(say(broken, said("{}"))).toMatchObject({ value: null, error: expect.stringContaining("no JSON Schema") });
    const elsewhere = grader("json_schema", { schema: { $ref: "https://elsewhere.example/schema" } });
    expect(say(elsewhere, said("{}")).error).not.toBeNull();
  });

  test("arguments are held against a schema, of one tool or of all; none at all are an empty object", () => {
    const entry = (more: object) => grader("json_schema", { schema: { required: ["id"] }, target: "args", ...more });
    const two = episode([turn("", [call("crm.read", { id: 1 }), call("billing.refund", "")])]);
    expect(valueOf(entry({}), two)).toBe(0);
    expect(valueOf(entry({ tool: "crm.read" }), two)).toBe(1);
    expect(valueOf(entry({ tool: "crm_read" }), two)).toBe(1);
    expect(valueOf(entry({ tool: "other" }), two)).toBeNull();
    expect(valueOf(grader("json_schema", { schema: { type: "object" }, target: "args" }), two)).toBe(1);
  });

  test("a text is the one given, else the case's reference, else its JSON answer in any order", () => {
    expect(valueOf(grader("exact", { value: "Yes" }), said(" Yes\n"))).toBe(1);
    expect(valueOf(grader("exact", { value: "Yes" }), said("yes"))).toBe(0);
    expect(valueOf(grader("exact", { value: "Yes", ignore_case: true }), said("yes"))).toBe(1);
    expect(valueOf(grader("exact"), said("done"), labelled({ reference: "done" }))).toBe(1);
    expect(valueOf(grader("exact"), said("done"))).toBeNull();
    const json = labelled({ json: { a: 1, b: { c: "x" } } });
    expect(valueOf(grader("exact"), said('{"b":{"c":"x"},"a":1}'), json)).toBe(1);
    expect(valueOf(grader("exact"), said('{"b":{"c":"y"},"a":1}'), json)).toBe(0);
    expect(valueOf(grader("exact", { path: "b.c" }), said('{"b":{"c":"x"}}'), json)).toBe(1);
    expect(valueOf(grader("exact", { path: "b.c" }), said("no JSON"), json)).toBe(0);
    expect(valueOf(grader("exact", { path: "b.0", value: "7" }), said('{"b":[7]}'))).toBe(1);
  });

  test("all texts have to be said, whatever their case unless it counts", () => {
    const entry = grader("contains");
    expect(valueOf(entry, said("Refund of 42 EUR is DONE"), labelled({ contains: ["42", "done"] }))).toBe(1);
    expect(say(entry, said("Done"), labelled({ contains: ["42", "done"] }))).toMatchObject({
      value: 0,
      explanation: 'it does not say "42"',
    });
    expect(valueOf(grader("contains", { values: ["done"], ignore_case: false }), said("DONE"))).toBe(0);
    expect(valueOf(grader("contains", { values: ["x"], path: "a" }), said('{"a":"xy"}'))).toBe(1);
    expect(valueOf(grader("contains", { values: ["x"], path: "a" }), said('{"b":"xy"}'))).toBe(0);
  });

  test("a pattern is found in the last answer, one that is forbidden in any", () => {
    const first = episode([turn("internal only"), turn("all done")]);
    expect(valueOf(grader("regex", { pattern: "done$" }), first)).toBe(1);
    expect(valueOf(grader("regex", { pattern: "internal" }), first)).toBe(0);
    expect(valueOf(grader("regex", { pattern: "INTERNAL", forbid: true }), first)).toBe(1);
    expect(valueOf(grader("regex", { pattern: "INTERNAL", forbid: true, ignore_case: true }), first)).toBe(0);
  });

  test("a pattern that would take a backtracking engine for ever is done at once", () => {
    const began = performance.now();
    expect(valueOf(grader("regex", { pattern: "^(a+)+$" }), said(`${"a".repeat(50_000)}!`))).toBe(0);
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test.each([
    ["42", 42, 1],
    ["The total is $1,234.50.", 1234.5, 1],
    ["It is -3 degrees", -3, 1],
    ["customer cus_99 pays 12", 12, 1],
    ["order-5", 5, 1],
    ["1e3", 1000, 1],
    ["none", 0, 0],
    ["41", 42, 0],
  ])("of %j the number is %d: %d", (text, expected, value) => {
    expect(valueOf(grader("numeric", { expected }), said(text))).toBe(value);
  });

  test("a number may be off by so much, or by such a share", () => {
    const near = (given: string, more: object): number | null =>
      valueOf(grader("numeric", { expected: 10, ...more }), said(given));
    expect([near("11", {}), near("11", { abs: 1 }), near("11", { rel: 0.1 }), near("11", { rel: 0.09 })]).toEqual([
      0, 1, 1, 0,
    ]);
    expect(near("11", { abs: 1, rel: 0.01 })).toBe(1);
    const labels = labelled({ json: { order: { total: 9 } } });
    expect(valueOf(grader("numeric", { path: "order.total" }), said('{"order":{"total":9}}'), labels)).toBe(1);
    expect(valueOf(grader("numeric", { path: "order.total" }), said('{"order":{"total":"9"}}'), labels)).toBe(0);
    expect(valueOf(grader("numeric", { path: "order.total" }), said("9"))).toBeNull();
  });

  test("labels of the last answer say nothing of an earlier recorded call on its own", () => {
    const each = evalCase({
      labels: { reference: "done", contains: ["done"], json: 1 },
      calls: ["looking", "done"].map((text) => caseCall({}, [{ type: "text", text }])),
    });
    const of = (text: string, at: number) => episode([turn(text)], { call: at });
    for (const kind of ["exact", "contains"] as const) {
      expect(valueOf(grader(kind), of("looking", 0), { case: each })).toBeNull();
      expect(valueOf(grader(kind), of("done", 1), { case: each })).toBe(1);
    }
    expect(valueOf(grader("json_schema", { schema: {} }), of("looking", 0), { case: each })).toBeNull();
    expect(valueOf(grader("regex", { pattern: "x" }), of("looking", 0), { case: each })).toBeNull();
    expect(valueOf(grader("regex", { pattern: "look", forbid: true }), of("looking", 0), { case: each })).toBe(0);
  });
});

describe("expressions", () => {
  const two = episode([
    turn("", [call("crm.read", { id: "c" }), call("billing.refund", { amount: 42 }, { decision: null })]),
    turn("refunded"),
  ]);
  const cel = (expression: string, as = "pass"): ReturnType<typeof say> =>
    say(grader("cel", { expression, as }), two, {
      case: evalCase({ labels: { outcome: "refunded" }, tags: ["vip"] }),
    });

  test.each([
    ['episode.final == case.labels.outcome && "vip" in case.tags', "pass", 1],
    ['episode.calls.exists(c, c.tool == "billing.refund" && c.args.amount > 40.0)', "pass", 1],
    ["episode.calls[0].effect == 'allow' && episode.calls[1].effect == 'none'", "pass", 1],
    ["episode.turns.size() == episode.model_calls && episode.turns[0].calls == 2", "pass", 1],
    ["episode.refusal == null && recorded.final == 'hi'", "pass", 1],
    ["double(episode.tool_calls) / 4.0", "score", 0.5],
    ["episode.tool_calls + 1", "amount", 3],
    ["episode.tokens", "amount", 30],
    ["episode.cost_micro_usd / 2", "amount", 30],
    ["episode.duration_ms > 100", "violation", 1],
    ["size(episode.calls)", "violation", 2],
  ])("%s as %s is %d", (expression, as, value) => {
    expect(cel(expression, as)).toMatchObject({ value, error: null });
  });

  test.each([
    ["episode.tool_calls", "pass", "true or false"],
    ["1.5", "score", "from 0 to 1"],
    ["0.5", "violation", "how many"],
    ["true", "amount", "0 or more"],
    ["-1", "amount", "0 or more"],
    ["episode.final", "score", "from 0 to 1"],
    ["1.0 / 0.0", "amount", "0 or more"],
    ["case.labels.reference == 'x'", "pass", "field not found"],
  ])("%s as %s cannot be told: %s", (expression, as, message) => {
    expect(cel(expression, as)).toMatchObject({ value: null, error: expect.stringContaining(message) });
  });

  const list = `[${Array.from({ length: 200 }, () => 1).join(",")}]`;

  test.each([
    [`${list}.all(a, ${list}.all(b, ${list}.all(c, ${list}.all(d, a + b + c + d > 0)))) || true`, "steps"],
    [`[${list}].all(l, l.all(a, l.all(b, l.all(c, l.all(d, a > 0)))))`, "steps"],
    [`size([0].map(x, ${list}.map(a, ${list}.map(b, ${list}.map(c, c))))) > 0`, "steps"],
    [`episode.calls.all(c, episode.calls.all(d, ${list}.all(a, ${list}.all(b, true))))`, "steps"],
    [
      `[${list}].all(a, [a+a].all(b, [b+b].all(c, [c+c].all(d, [d+d].all(e, [e+e].all(f, [f+f].all(g, size(g) > 0)))))))`,
      "items",
    ],
  ])("one that walks or grows too far is an error, whatever it would have come to (%#)", (expression, message) => {
    const began = performance.now();
    expect(cel(expression)).toMatchObject({ value: null, error: expect.stringContaining(message) });
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test("walks within the budget stay walks", () => {
    expect(cel(`${list}.all(a, [1, 2, 3].exists(b, a + b == 3))`)).toMatchObject({ value: 1 });
    expect(cel(`{"a": 1, "b": 2}.all(k, k in ["a", "b"])`)).toMatchObject({ value: 1 });
    expect(cel(`episode.calls.map(c, c.tool).filter(t, t.startsWith("crm."))[0] == "crm.read"`)).toMatchObject({
      value: 1,
    });
  });

  test("a long result is cut rather than that nothing can be told", () => {
    const long = episode([turn("x", [call("crm.read", {}, { result: "r".repeat(200_000) })])]);
    expect(say(grader("cel", { expression: "size(episode.calls[0].result)", as: "amount" }), long)).toMatchObject({
      value: 65_536,
    });
    const said64k = episode([turn("x".repeat(70_000))]);
    expect(say(grader("cel", { expression: "true" }), said64k).error).toContain("a text of more than");
  });
});

describe("amounts", () => {
  test("are those of all turns together", () => {
    const two = episode([turn("a"), turn("b", [], { input_tokens: 7, output_tokens: 1, cost_micro_usd: 5 })]);
    expect(valueOf(grader("cost"), two)).toBe(35);
    expect(valueOf(grader("latency"), two)).toBe(400);
    expect(valueOf(grader("steps"), two)).toBe(2);
    expect(["input", "output", "total"].map((of) => valueOf(grader("tokens", { of }), two))).toEqual([17, 6, 23]);
  });
});
