// Proves the analysis of rules: what it calls impossible never holds, what it calls pointless never matters, and its probes sit at the edges.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { probesOf, withValue } from "../../src/core/policy/analysis/boundaries.ts";
import { shadowedRules, type RuleToCompare } from "../../src/core/policy/analysis/shadowed.ts";
import { isUnsatisfiable } from "../../src/core/policy/analysis/unsatisfiable.ts";
import { compileExpression, parseExpression, type ParsedExpression } from "../../src/core/policy/cel/expression.ts";
import { bindWorld } from "../../src/core/policy/cel/world.ts";

function parsed(source: string): ParsedExpression {
  const parsing = parseExpression(source);
  if (!parsing.ok) throw new Error(`${source}: ${parsing.fault.message}`);
  return parsing.parsed;
}

const SCHEMA = { type: "object", properties: { n: { type: "integer" } } };

function isTrue(source: string, args: JsonObject): boolean {
  const world = bindWorld({
    args,
    argsSchema: SCHEMA,
    tool: { name: "t", effect: "write" },
    call: { confirmed: false, writes_pii: false, constraints: {} },
    actor: { name: "a", tier: "draft_only", scopes: [] },
    principal: { key_id: "k", roles: [], scopes: [] },
    now: 0,
    local: { hour: 1, minute: 1, weekday: 1, date: "2026-01-05" },
  });
  const evaluation = compileExpression(parsed(source)).evaluate(world);
  return evaluation.ok && evaluation.value;
}

describe("conditions that never hold", () => {
  it.each([
    ["false", undefined],
    ["args.x > 5 && args.x < 3", "`args.x`"],
    ["args.x > 5 && args.y == 1 && args.x <= 5", "`args.x`"],
    ["5 < args.x && !(args.x > 4)", "`args.x`"],
    ["args.x >= 3 && args.x <= 3 && args.x != 3", "`args.x`"],
    ['args.x == "a" && args.x == "b"', "`args.x`"],
    ['args.x in ["a", "b"] && args.x == "c"', "`args.x`"],
    ['args.x in ["a", "b"] && args.x != "a" && !(args.x in ["b"])', "`args.x`"],
    ['args.x == "a" && args["x"] > 3', "`args.x`"],
    ["has(args.x) && !has(args.x)", "`args.x`"],
    ["has(args.x) && args.x == null", "`args.x`"],
    ["!has(args.x) && args.x > 3", "`args.x`"],
    ["args.flag && !args.flag", "`args.flag`"],
    ["args.flag == false && args.flag", "`args.flag`"],
    ["args.name.startsWith('a') && !args.name.startsWith('a')", "one of the values"],
    ["size(args.list) > 3 && size(args.list) < 4", "one of the values"],
    ["call.amount_minor > 3 && call.amount_minor < 4", "`call.amount_minor`"],
    ["local.hour >= 24", "`local.hour`"],
    ["local.weekday in [0, 8]", "`local.weekday`"],
    ["(args.x > 5 || args.x < 1) && args.x in [2, 3]", undefined],
    ["args.x > 5 ? args.x < 3 : args.x > 6", "`args.x`"],
    ["!(args.x > 1 || args.x < 2)", "`args.x`"],
    ["args.x > 5 ? args.y < 3 && args.y > 4 : args.x > 6", undefined],
    ["args.l.exists(i, i > 3) && !args.l.exists(i, i > 3)", "one of the values"],
  ])("%s", (source, value) =>
    expect(isUnsatisfiable(parsed(source).ast)).toEqual({
      unsatisfiable: true,
      ...(value === undefined ? {} : { why: `nothing is left for ${value}` }),
    }),
  );

  it.each([
    "true",
    "args.x > 3 && args.x < 4",
    "args.x >= 3 && args.x <= 3",
    'args.x == "a" || args.x == "b"',
    "args.x > 5 && args.y < 3",
    "args.x != 1 && args.x != 2",
    "!has(args.x) && args.x == null",
    "!has(args.x) && args.y > 3",
    "args.x / args.y > 3.0 || !(args.x / args.y > 3.0) && !(args.x / args.y <= 3.0)",
    "!(args.a / args.b > 3.0) && !(args.a / args.b <= 3.0)",
    "args.l.exists(i, i > 3) && args.l.exists(i, i < 3)",
    "local.hour >= 22 && local.hour <= 23",
    "args.l.exists(i, i.x == 'a') && args.l.exists(i, i.x == 'b')",
  ])("may hold: %s", (source) => expect(isUnsatisfiable(parsed(source).ast)).toEqual({ unsatisfiable: false }));
});

const paths = fc.constantFrom("args.n", "args.x", "args.s");
const constants = fc.constantFrom("1", "2", "3", "2.5", "'a'", "'b'", "null", "true");
const conditions = fc.letrec<{ readonly condition: string }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.tuple(paths, fc.constantFrom("==", "!=", "<", "<=", ">", ">="), constants).map((parts) => parts.join(" ")),
    fc.tuple(constants, fc.constantFrom("==", "<", ">="), paths).map((parts) => parts.join(" ")),
    fc.tuple(paths, fc.array(constants, { maxLength: 3 })).map(([path, items]) => `${path} in [${items.join(", ")}]`),
    paths.map((path) => `has(${path})`),
    fc.constantFrom("args.b", "true", "false"),
    fc.tuple(tie("condition"), fc.constantFrom("&&", "||"), tie("condition")).map((parts) => `(${parts.join(" ")})`),
    tie("condition").map((inner) => `!(${inner})`),
    fc
      .tuple(tie("condition"), tie("condition"), tie("condition"))
      .map(([test, then, otherwise]) => `(${test} ? ${then} : ${otherwise})`),
  ),
})).condition;

const calls: fc.Arbitrary<JsonObject> = fc
  .record(
    {
      n: fc.integer({ min: 0, max: 4 }),
      x: fc.constantFrom<number | string | null | boolean>(0, 1, 1.5, 2, 2.5, 2.75, 3, 4, "a", null, true),
      s: fc.constantFrom<string | null>("a", "b", "c", null),
      b: fc.boolean(),
    },
    { requiredKeys: [] },
  )
  .map((args): JsonObject => ({ ...args }));

describe("the analysis is sound", () => {
  it("calls nothing impossible that holds for some call", () => {
    let impossible = 0;
    fc.assert(
      fc.property(conditions, fc.array(calls, { minLength: 6, maxLength: 6 }), (source, worlds) => {
        if (!isUnsatisfiable(parsed(source).ast).unsatisfiable) return;
        impossible += 1;
        for (const args of worlds) expect(isTrue(source, args)).toBe(false);
      }),
      { numRuns: 1_000 },
    );
    expect(impossible).toBeGreaterThanOrEqual(15);
  });

  it("calls no rule pointless that matches where its shadow does not", () => {
    let shadowed = 0;
    fc.assert(
      fc.property(conditions, conditions, fc.array(calls, { minLength: 8, maxLength: 8 }), (one, other, worlds) => {
        const rules = [ruleOf("one", "deny", one), ruleOf("other", "deny", other)];
        for (const { id } of shadowedRules(rules)) {
          shadowed += 1;
          const [hidden, by] = id === "one" ? [one, other] : [other, one];
          for (const args of worlds) if (isTrue(hidden, args)) expect(isTrue(by, args)).toBe(true);
        }
      }),
      { numRuns: 1_200 },
    );
    expect(shadowed).toBeGreaterThanOrEqual(6);
  });
});

function ruleOf(
  id: string,
  effect: RuleToCompare["effect"],
  when?: string,
  more: Partial<RuleToCompare> = {},
): RuleToCompare {
  return { id, effect, ...(when === undefined ? {} : { when, ast: parsed(when).ast }), ...more };
}

describe("rules that never matter", () => {
  const pairs: readonly (readonly [string, RuleToCompare, RuleToCompare])[] = [
    [
      "a lower threshold that is stricter",
      ruleOf("b", "require_approval", "args.x > 100"),
      ruleOf("a", "deny", "args.x > 50"),
    ],
    [
      "the same condition",
      ruleOf("b", "allow", "args.l.exists(i, i == 1)"),
      ruleOf("a", "deny", "args.l.exists(i, i == 1)"),
    ],
    ["no condition at all", ruleOf("b", "require_approval", "args.x > 100"), ruleOf("a", "require_approval")],
    ["a denial of everything", ruleOf("b", "allow"), ruleOf("a", "deny")],
    ["fewer texts", ruleOf("b", "deny", "args.s == 'a'"), ruleOf("a", "deny", "args.s in ['a', 'b']")],
    ["more conditions", ruleOf("b", "deny", "args.x > 1 && args.s == 'a'"), ruleOf("a", "deny", "args.s == 'a'")],
    [
      "one of the alternatives",
      ruleOf("b", "deny", "args.s == 'a'"),
      ruleOf("a", "deny", "args.s == 'a' || args.x > 1"),
    ],
    ["presence that a comparison implies", ruleOf("b", "deny", "args.x > 1"), ruleOf("a", "deny", "has(args.x)")],
    ["what a text is not", ruleOf("b", "deny", "args.x > 5"), ruleOf("a", "deny", "args.x != 3")],
    [
      "a wider pattern",
      ruleOf("b", "deny", "args.x > 1", { tools: ["pay.a", "pay.b.*"] }),
      ruleOf("a", "deny", undefined, { tools: ["pay.*"] }),
    ],
  ];

  it.each(pairs)("sees %s", (_, narrow, wide) => {
    const message = expect.stringContaining('rule "b" never matters: rule "a"');
    expect(shadowedRules([narrow, wide])).toEqual([{ id: "b", message }]);
    expect(shadowedRules([wide, narrow])).toEqual([{ id: "b", message }]);
  });

  it.each<readonly [string, RuleToCompare, RuleToCompare]>([
    ["a weaker effect", ruleOf("b", "deny", "args.x > 100"), ruleOf("a", "require_approval", "args.x > 50")],
    [
      "an approval beside an allowance",
      ruleOf("b", "allow", "args.x > 100"),
      ruleOf("a", "require_approval", "args.x > 50"),
    ],
    [
      "other terms",
      ruleOf("b", "require_approval", undefined, { approval: { count: 2 } }),
      ruleOf("a", "require_approval"),
    ],
    ["a stop", ruleOf("b", "deny", "args.x > 100", { stop_and_ask: true }), ruleOf("a", "deny", "args.x > 50")],
    [
      "fewer tools",
      ruleOf("b", "deny", "args.x > 1", { tools: ["pay.*"] }),
      ruleOf("a", "deny", undefined, { tools: ["pay.a"] }),
    ],
    ["every tool", ruleOf("b", "deny", "args.x > 1"), ruleOf("a", "deny", undefined, { tools: ["pay.a"] })],
    ["another value", ruleOf("b", "deny", "args.x > 100"), ruleOf("a", "deny", "args.n > 50")],
    ["overlap", ruleOf("b", "deny", "args.x > 3 && args.x < 9"), ruleOf("a", "deny", "args.x > 5")],
    [
      "a membership that only reads the value",
      ruleOf("b", "deny", "!has(args.x)"),
      ruleOf("a", "deny", "!(args.x in [])"),
    ],
    ["what cannot be read", ruleOf("b", "deny", "args.x > 3"), { id: "a", effect: "deny", when: "args.x >" }],
  ])("leaves alone: %s", (_, narrow, wide) => expect(shadowedRules([narrow, wide])).toEqual([]));

  it("names the later of two that say the same, and no rule by one that is pointless itself", () =>
    expect(
      shadowedRules([
        ruleOf("a", "deny", "args.x > 1"),
        ruleOf("b", "deny", "args.x>1"),
        ruleOf("c", "deny", "1 < args.x"),
      ]),
    ).toEqual([
      { id: "b", message: 'rule "b" never matters: rule "a" denies whenever it matches' },
      { id: "c", message: 'rule "c" never matters: rule "a" denies whenever it matches' },
    ]));

  it("is quick over many rules", () => {
    const rules = Array.from({ length: 1_000 }, (_, at) =>
      ruleOf(`r${at}`, "deny", `args.x${at} > ${at} && args.s in ['a', 'b${at}']`),
    );
    const start = process.cpuUsage().user;
    expect(shadowedRules(rules)).toEqual([]);
    expect((process.cpuUsage().user - start) / 1_000).toBeLessThan(1_500);
  });
});

describe("probes", () => {
  it.each<readonly [string, readonly (readonly [string, readonly unknown[]])[]]>([
    ["args.x > 50", [["args.x", [49, 50, 51]]]],
    ["50 <= args.x", [["args.x", [49, 50, 51]]]],
    ["args.x > 50.5", [["args.x", [50.49, 50.5, 50.51]]]],
    ['minor(args.x, "USD") >= 5000', [["args.x", [49.99, 50, 50.01]]]],
    ['minor(args.x, "JPY") >= 5000', [["args.x", [4999, 5000, 5001]]]],
    ["call.amount_minor > 5000", [["call.amount_minor", [4999, 5000, 5001]]]],
    ["args.s == 'a'", [["args.s", ["a", "a~"]]]],
    ["args.s.startsWith('a')", [["args.s", ["a", "a~"]]]],
    ["args.s in ['a', 'bb']", [["args.s", ["a", "bb", "bb~"]]]],
    ["args.n in [1, 7]", [["args.n", [1, 7, 8]]]],
    ["'a' in args.tags", [["args.tags", [["a"], ["a~"]]]]],
    [
      "args.b && !args.c",
      [
        ["args.b", [true, false]],
        ["args.c", [true, false]],
      ],
    ],
    ["args.b == true", [["args.b", [true, false]]]],
    [
      "has(args.x) && args.x > 1 || args.y.z < 2",
      [
        ["args.x", [0, 1, 2]],
        ["args.y.z", [1, 2, 3]],
      ],
    ],
    [
      "args.lines.exists(l, l.price > 5 && l.sku == 'a')",
      [
        ["args.lines.0.price", [4, 5, 6]],
        ["args.lines.0.sku", ["a", "a~"]],
      ],
    ],
    ["args.x == args.y && size(args.l) > 3", []],
  ])("%s", (source, expected) => {
    const probes = probesOf(parsed(source).ast).map(({ chain, value }) => [chain.join("."), value]);
    expect(probes).toEqual(expected.flatMap(([chain, values]) => values.map((value) => [chain, value])));
  });

  it("puts a value where a chain leads, and leaves the arguments as they are", () => {
    const args = Object.freeze({ a: Object.freeze({ b: 1, c: 2 }), l: Object.freeze([Object.freeze({ x: 1 }), 2]) });
    expect(withValue(args, ["args", "a", "b"], 5)).toEqual({ a: { b: 5, c: 2 }, l: [{ x: 1 }, 2] });
    expect(withValue(args, ["args", "l", "0", "x"], 5)).toEqual({ a: { b: 1, c: 2 }, l: [{ x: 5 }, 2] });
    expect(withValue(args, ["args", "new", "0", "deep"], "v")).toEqual({ ...args, new: [{ deep: "v" }] });
    expect(withValue(args, ["args", "a", "b", "c"], 5)).toEqual({ a: { b: { c: 5 }, c: 2 }, l: [{ x: 1 }, 2] });
    expect(Object.keys(withValue({}, ["args", "__proto__", "polluted"], 1))).toEqual(["__proto__"]);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });
});
