// Proves the one wrapper around the CEL engine: its limits hold, its numbers are exact, and no fault is ever a value.
import { describe, expect, it } from "vitest";
import {
  compileExpression,
  decodeExpression,
  encodeExpression,
  parseExpression,
  valuesSeen,
  type Evaluation,
  type ParsedExpression,
} from "../../src/core/policy/cel/expression.ts";
import { STEP_BUDGET } from "../../src/core/policy/cel/meter.ts";
import { bindWorld, type SessionInput, type World, type WorldInput } from "../../src/core/policy/cel/world.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";

const NOW = Date.UTC(2026, 0, 5, 12);

const FIGURES = { used: 0 };
const SESSION: SessionInput = {
  id: "s1",
  age_s: 60,
  budget: { usd: FIGURES, tokens: FIGURES, calls: FIGURES, tool_calls: FIGURES, tool_usd: FIGURES },
  counters: { calls: 1, tool_calls: 2, failures: 0, consecutive_failures: 0 },
  taint: ["untrusted"],
  facts: { ticket: "T-1" },
  history: [
    {
      tool: "payments.refund",
      at: NOW - 3_600_000,
      status: "succeeded",
      amount: 5_000_000,
      values: { customer_id: "d1" },
    },
    {
      tool: "payments.refund",
      at: NOW - 60_000,
      status: "executing",
      amount: 2_500_001,
      values: { customer_id: "d2" },
    },
    { tool: "mail.send", at: NOW - 30_000, status: "unknown", values: { to: "d3" } },
  ],
};

function worldOf(
  args: JsonObject,
  argsSchema: Readonly<Record<string, unknown>> = {},
  more: Partial<WorldInput> = {},
): World {
  return bindWorld({
    args,
    argsSchema: { type: "object", ...argsSchema },
    tool: { name: "payments.refund", effect: "write" },
    call: { confirmed: false, writes_pii: false, constraints: {} },
    actor: { name: "support", tier: "execute_with_limits", scopes: [] },
    principal: { key_id: "k1", roles: ["agent"], scopes: [] },
    session: SESSION,
    now: NOW,
    local: { hour: 12, minute: 0, weekday: 1, date: "2026-01-05" },
    ...more,
  });
}

function parsed(source: string): ParsedExpression {
  const parsing = parseExpression(source);
  if (!parsing.ok) throw new Error(parsing.fault.message);
  return parsing.parsed;
}

function evaluated(source: string, world: World = worldOf({})): Evaluation {
  return compileExpression(parsed(source)).evaluate(world);
}

const integers = {
  properties: { n: { type: "integer" }, x: { type: "number" }, items: { type: "array", items: { type: "integer" } } },
};

describe("parsing", () => {
  it.each([
    ["args.amount >", 1, 13],
    ["args.amount > 3 &&\n  args.amount ?? 4", 2, 15],
    ["1 +* 2", 1, 3],
  ])("tells where %j is wrong", (source, line, column) =>
    expect(parseExpression(source)).toMatchObject({ ok: false, fault: { position: { line, column } } }),
  );

  it("refuses more than 4,096 characters", () => {
    expect(parseExpression(`"${"a".repeat(4_094)}" == ""`)).toMatchObject({
      ok: false,
      fault: { message: "expected at most 4096 characters" },
    });
    expect(parseExpression(`"${"a".repeat(4_000)}" == ""`)).toMatchObject({ ok: true });
  });

  it.each([
    ["parentheses", `${"(".repeat(1_900)}true${")".repeat(1_900)}`],
    ["negations", `${"!(".repeat(1_300)}true${")".repeat(1_300)}`],
    ["lists", `${"[".repeat(1_900)}1${"]".repeat(1_900)} == 1`],
    ["selects", `args${".a".repeat(2_000)}`],
    ["sums", `1${"+1".repeat(2_000)} == 1`],
  ])("refuses deep nesting of %s", (_, source) => {
    const parsing = parseExpression(source);
    expect(parsing).toMatchObject({ ok: false, fault: { message: "the expression is nested too deeply" } });
  });

  it("takes nesting that can be stored and read again", () => {
    for (const source of [
      `1${"+1".repeat(97)} == 98`,
      `${"[".repeat(97)}1${"]".repeat(97)} != []`,
      `${"{1:".repeat(97)}1${"}".repeat(97)} != {}`,
      `${"[1].all(x, ".repeat(48)}true${")".repeat(48)}`,
    ]) {
      const again = decodeExpression(source, encodeExpression(parsed(source)));
      expect(compileExpression(again).evaluate(worldOf({}))).toEqual({ ok: true, value: true });
    }
  });

  it.each(["args.name.matches('[')", "args.name.matches('(?=x)')", "matches(args.name, '(')"])(
    "refuses the pattern of %s",
    (source) =>
      expect(parseExpression(source)).toMatchObject({
        ok: false,
        fault: { message: expect.stringContaining("no RE2 pattern") },
      }),
  );

  it.each(["args.?name", "args[?'name']", "optional.of(1) == 1"])("refuses the optional values of %s", (source) =>
    expect(parseExpression(source)).toMatchObject({ ok: false }),
  );
});

describe("the budget of steps", () => {
  const items = Array.from({ length: 120 }, (_, at) => at);

  it.each([
    "args.items.all(a, args.items.all(b, args.items.all(c, a + b + c >= 0)))",
    "args.items.all(a, args.items.all(b, args.items.all(c, a + b + c >= 0))) || true",
    "true && (args.items.exists(a, args.items.exists(b, args.items.exists(c, a == -1))) || true)",
    "args.items.map(a, args.items.map(b, args.items.map(c, c))).size() > 0 || true",
    "args.items.filter(a, args.items.exists(b, args.items.exists(c, c == -1))).size() == 0 || true",
  ])("stops %s", (source) =>
    expect(evaluated(source, worldOf({ items }, integers))).toMatchObject({ ok: false, code: "cost_exceeded" }),
  );

  it("counts keys of maps", () => {
    const map = Object.fromEntries(items.map((at) => [`k${at}`, at]));
    expect(evaluated("args.map.all(a, args.map.all(b, a + b != '')) || true", worldOf({ map }))).toMatchObject({
      ok: false,
      code: "cost_exceeded",
    });
  });

  it("counts `in`, and starts anew for each evaluation", () => {
    const world = worldOf({ items }, integers);
    const compiled = compileExpression(parsed("args.items.all(a, a in args.items)"));
    for (let times = 0; times < 3; times += 1) expect(compiled.evaluate(world)).toEqual({ ok: true, value: true });
    const many = Array.from({ length: STEP_BUDGET }, (_, at) => at);
    expect(evaluated("-1 in args.items || true", worldOf({ items: many }, integers))).toEqual({
      ok: true,
      value: true,
    });
    expect(evaluated("-1 in args.items || true", worldOf({ items: [...many, 1] }, integers))).toMatchObject({
      code: "cost_exceeded",
    });
  });

  it("counts what a text was split into", () =>
    expect(
      evaluated("args.text.split('').all(c, c == 'a') || true", worldOf({ text: "a".repeat(20_000) })),
    ).toMatchObject({
      ok: false,
      code: "cost_exceeded",
    }));

  it("keeps filtered lists from costing more than their items", () => {
    const many = Array.from({ length: 4_000 }, (_, at) => at);
    const start = process.cpuUsage().user;
    evaluated("args.items.filter(a, true).filter(a, true).all(a, a >= 0)", worldOf({ items: many }, integers));
    expect((process.cpuUsage().user - start) / 1_000).toBeLessThan(500);
  });
});

describe("regular expressions", () => {
  it("takes linear time where backtracking would take forever", () => {
    const start = process.cpuUsage().user;
    expect(evaluated("args.text.matches('^(a+)+$')", worldOf({ text: `${"a".repeat(5_000)}!` }))).toEqual({
      ok: true,
      value: false,
    });
    expect((process.cpuUsage().user - start) / 1_000).toBeLessThan(500);
  });

  it.each([
    ["args.text.matches('b')", true],
    ["args.text.matches('^b')", false],
    ["args.text.matches('a.c')", true],
    ["args.text.matches('(?i)ABC')", true],
  ])("finds anywhere: %s is %s", (source, value) =>
    expect(evaluated(source, worldOf({ text: "abc" }))).toEqual({ ok: true, value }),
  );

  it("fails on a pattern that only the call brings", () =>
    expect(evaluated("args.text.matches(args.pattern)", worldOf({ text: "a", pattern: "(" }))).toMatchObject({
      code: "evaluation_error",
    }));
});

describe("objects", () => {
  it.each(["args.constructor", "args.__proto__", "args.toString", "args['hasOwnProperty']", "args.x.constructor"])(
    "has no %s",
    (chain) => {
      expect(evaluated(`${chain} == null || true`, worldOf({ x: {} }))).toEqual({ ok: true, value: true });
      expect(evaluated(`${chain} == null`, worldOf({ x: {} }))).toMatchObject({ ok: false, code: "evaluation_error" });
    },
  );

  it.each(["has(args.constructor)", "has(args.__proto__)", "'constructor' in args", "'__proto__' in args"])(
    "%s is false",
    (source) => expect(evaluated(source, worldOf({}))).toEqual({ ok: true, value: false }),
  );

  it.each(["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf"])("knows no variable %s", (name) =>
    expect(evaluated(`${name} == 1`)).toMatchObject({ ok: false, code: "evaluation_error" }),
  );

  it("reads members that are named like those of prototypes", () => {
    const args = JSON.parse('{"__proto__":{"constructor":1},"constructor":2}') as JsonObject;
    expect(evaluated("args.__proto__.constructor == 1 && args.constructor == 2", worldOf(args))).toEqual({
      ok: true,
      value: true,
    });
  });

  it("takes null for absent in has() and `in`", () => {
    const world = worldOf({ x: null });
    expect(evaluated("!has(args.x) && !('x' in args) && args.x == null", world)).toEqual({ ok: true, value: true });
  });
});

describe("numbers", () => {
  it.each([
    ["args.n + 1 == 9007199254740992", { n: 9_007_199_254_740_991 }],
    ["args.n / 2 == 1 && args.n % 2 == 1", { n: 3 }],
    ["args.items.all(i, i % 1 == 0)", { items: [1, 2, 3] }],
    ["args.x + 1.0 == 3.0", { x: 2 }],
    ["args.x > 1 && args.x < 3 && args.x == 2", { x: 2 }],
    ["type(args.n) == int && type(args.x) == double", { n: 1, x: 1 }],
  ])("%s over %j", (source, args) =>
    expect(evaluated(source, worldOf(args, integers))).toEqual({ ok: true, value: true }),
  );

  it("takes 1.0 for the integer it is", () => {
    const args = JSON.parse('{"n":1.0}') as JsonObject;
    expect(evaluated("args.n + 1 == 2", worldOf(args, integers))).toEqual({ ok: true, value: true });
  });

  it("refuses integers that JSON does not carry exactly", () =>
    expect(evaluated("args.n > 0", worldOf({ n: 2 ** 53 }, integers))).toMatchObject({ code: "evaluation_error" }));

  it("finds integers behind references and alternatives", () => {
    const schema = {
      $defs: { count: { type: "integer" } },
      properties: { a: { $ref: "#/$defs/count" }, b: { anyOf: [{ $ref: "#/$defs/count" }, { type: "null" }] } },
      allOf: [{ properties: { c: { enum: [1, 2] } } }],
      anyOf: [{ properties: { d: { type: "integer" } }, additionalProperties: false }, { additionalProperties: false }],
    };
    const world = worldOf({ a: 1, b: 2, c: 2, d: 3 }, schema);
    expect(evaluated("[args.a, args.b, args.c, args.d].all(n, type(n) == int)", world)).toEqual({
      ok: true,
      value: true,
    });
  });

  it.each([
    [`minor(args.x, "USD") == 1999`, { x: 19.99 }],
    [`minor(args.x, "USD") == 30`, { x: 0.3 }],
    [`minor(args.x, "JPY") == 500`, { x: 500 }],
    [`minor(args.x, "KWD") == 1234`, { x: 1.234 }],
    [`minor(args.text, "USD") == -150`, { text: "-1.50" }],
    [`minor(args.n, "USD") == 300`, { n: 3 }],
  ])("%s over %j", (source, args) =>
    expect(evaluated(source, worldOf(args, integers))).toEqual({ ok: true, value: true }),
  );

  it.each([
    [`minor(args.x, "USD") > 0`, { x: 0.1 + 0.2 }],
    [`minor(args.x, "JPY") > 0`, { x: 0.5 }],
    [`minor(args.x, "usd") > 0`, { x: 1 }],
    [`minor(args.text, "USD") > 0`, { text: "1e3" }],
    [`minor(args.x, "USD") > 0`, { x: 1e21 }],
  ])("refuses %s over %j", (source, args) =>
    expect(evaluated(source, worldOf(args, integers))).toMatchObject({ code: "evaluation_error" }),
  );
});

describe("the session's past", () => {
  it.each([
    `session.count_within("payments.refund", "2h") == 2`,
    `session.count_within("payments.*", "10m") == 1`,
    `session.count_within("*", duration("600s")) == 2`,
    `session.sum_within("payments.refund", "2h") == 751`,
    `session.count_distinct_within("payments.refund", "customer_id", "2h") == 2`,
    `session.count_distinct_within("payments.refund", "args.customer_id", "10m") == 1`,
    `session.formerly("payments.refund") && !session.formerly("mail.send")`,
    `!session.formerly("payments.refund", "10m")`,
    `session.history.size() == 3 && session.history[0].amount_minor == 500`,
    `session.history.all(h, now - h.at >= duration("30s"))`,
  ])("%s", (source) => expect(evaluated(source)).toEqual({ ok: true, value: true }));

  it.each([
    `session.count_within("*", "15x") > 0`,
    `session.count_within("*", "day") > 0`,
    `session.facts.count_within("*", "1h") > 0`,
  ])("fails on %s", (source) => expect(evaluated(source)).toMatchObject({ code: "evaluation_error" }));
});

describe("evaluation", () => {
  it.each([
    ["args.amount", "not_boolean"],
    ["args.nope > 3", "evaluation_error"],
    ["args.amount + 1 > 3", "evaluation_error"],
    ["nope == 1", "evaluation_error"],
    ["nope(1) == 1", "evaluation_error"],
  ])("%s is a fault: %s", (source, code) =>
    expect(evaluated(source, worldOf({ amount: 5 }))).toMatchObject({ ok: false, code }),
  );

  it("says where a fault is", () =>
    expect(evaluated("has(args.amount) &&\n  args.nope > 3", worldOf({ amount: 5 }))).toMatchObject({
      fault: { position: { line: 2, column: 3 }, text: "args.nope > 3" },
    }));

  it("tells what it looked at, sizes of lists and objects only", () => {
    const expression = parsed(
      "args.amount > 3 && args.list.exists(i, i == 1) && args.nope == 2 && args['o'].size() > 0",
    );
    expect(valuesSeen(expression, worldOf({ amount: 5, list: [1, 2], o: { a: 1 } }))).toEqual({
      "args.amount": 5,
      "args.list": "list of 2",
      "args.o": "object of 1 members",
    });
  });

  it("survives being stored", () => {
    const source = `args.items.exists(i, i > 2) && args.text.matches("^a") && minor(args.x, "USD") >= 150`;
    const stored = decodeExpression(source, encodeExpression(parsed(source)));
    const world = worldOf({ items: [1, 3], text: "abc", x: 1.5 }, integers);
    expect(compileExpression(stored).evaluate(world)).toEqual({ ok: true, value: true });
    expect(compileExpression(stored).variables).toEqual(new Set(["args"]));
    expect(encodeExpression(stored)).toBe(encodeExpression(parsed(source)));
  });
});
