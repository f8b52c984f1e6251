// Proves the checker of rules: every mistake is told at its place with what was meant, and what it accepts does not fail.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { argumentCheck } from "../../src/core/policy/arguments.ts";
import { compileExpression, parseExpression, type ParsedExpression } from "../../src/core/policy/cel/expression.ts";
import { bindWorld } from "../../src/core/policy/cel/world.ts";
import { checkExpression, distinctPaths, usesSession } from "../../src/core/policy/check/check-expression.ts";

const SCHEMA = {
  type: "object",
  required: ["amount", "count", "country", "items", "lines", "owner"],
  properties: {
    amount: { type: "number" },
    count: { type: "integer" },
    ratio: { anyOf: [{ type: "integer" }, { type: "number" }] },
    country: { enum: ["DE", "FR", "US"] },
    currency: { const: "USD" },
    note: { type: "string" },
    memo: { type: ["string", "null"] },
    flag: { type: "boolean" },
    mixed: { type: ["string", "integer"] },
    items: { type: "array", maxItems: 50, items: { type: "integer" } },
    tags: { type: "array", items: { enum: ["vip", "new"] } },
    lines: { type: "array", maxItems: 20, items: { $ref: "#/$defs/line" } },
    pair: { type: "array", prefixItems: [{ type: "string" }, { type: "integer" }], items: false },
    owner: { allOf: [{ $ref: "#/$defs/person" }, { properties: { vip: { type: "boolean" } } }] },
    labels: { type: "object", additionalProperties: { type: "string" } },
    open: { type: "object", properties: { known: { type: "string" } }, additionalProperties: true },
    shape: {
      oneOf: [
        {
          type: "object",
          required: ["kind", "radius"],
          properties: { kind: { const: "circle" }, radius: { type: "number" } },
        },
        {
          type: "object",
          required: ["kind", "side"],
          properties: { kind: { const: "square" }, side: { type: "number" } },
        },
      ],
    },
    any: {},
  },
  additionalProperties: false,
  $defs: {
    line: {
      type: "object",
      required: ["sku"],
      properties: { sku: { type: "string" }, price: { type: "number" }, gift: { type: ["boolean", "null"] } },
    },
    person: {
      type: "object",
      required: ["email"],
      properties: { email: { type: "string" }, manager: { $ref: "#/$defs/person" } },
    },
  },
};
const TOOLS = ["payments.refund", "payments.capture", "mail.send"];

function parsed(source: string): ParsedExpression {
  const parsing = parseExpression(source);
  if (!parsing.ok) throw new Error(parsing.fault.message);
  return parsing.parsed;
}

function faultsOf(source: string, hasAmount = true): readonly string[] {
  return checkExpression(source, parsed(source).ast, { argsSchema: SCHEMA, hasAmount, toolNames: TOOLS }).map(
    ({ message, position }) => `${position.line}:${position.column} ${message}`,
  );
}

const MISTAKES: readonly (readonly [source: string, ...faults: readonly string[]])[] = [
  // Names.
  ["args.amout > 3.0", '1:1 unknown field "amout" (did you mean "amount"?)'],
  ["has(args.amout)", '1:1 unknown field "amout" (did you mean "amount"?)'],
  ["true &&\n  args.owner.emial == 'a'", '2:3 unknown field "emial" (did you mean "email"?)'],
  ['args["amout"] > 3.0', '1:1 unknown field "amout" (did you mean "amount"?)'],
  ['"amout" in args', '1:1 unknown field "amout" (did you mean "amount"?)'],
  ["arg.amount > 3.0", '1:1 unknown variable "arg" (did you mean "args"?)'],
  ["args.lines.exists(l, l.skuu == 'a')", '1:22 unknown field "skuu" (did you mean "sku"?)'],
  ["call.confirmd", '1:1 unknown field "confirmd" (did you mean "confirmed"?)'],
  ["sise(args.items) > 3", '1:1 unknown function "sise" (did you mean "size"?)'],
  ["args.country.startWith('D')", '1:1 unknown function "startWith" (did you mean "startsWith"?)'],
  ["Timestamp{seconds: 1} == now", '1:1 unknown type "Timestamp"'],
  ["args.x > 1 && args.y > 2", '1:1 unknown field "x"', '1:15 unknown field "y"'],
  // Texts.
  ['args.country == "DEU"', '1:17 "DEU" is none of "DE", "FR", "US" (did you mean "DE"?)'],
  ['"GE" != args.country', '1:1 "GE" is none of "DE", "FR", "US" (did you mean "DE"?)'],
  ['args.country in ["DE", "UK"]', '1:24 "UK" is none of "DE", "FR", "US" (did you mean "US"?)'],
  ['has(args.tags) && "VIP" in args.tags', '1:19 "VIP" is none of "vip", "new"'],
  ['has(args.currency) && args.currency == "EUR"', '1:40 "EUR" is none of "USD"'],
  ['actor.tier == "autonomus"', '1:15 "autonomus" is none of'],
  ['tool.name == "payments.refnd"', '1:14 "payments.refnd" is none of "payments.refund"'],
  ['principal.roles.exists(r, r == "root")', '1:32 "root" is none of'],
  // Absence.
  ['args.note == "x"', "1:1 `args.note` may be absent: test has(args.note) first"],
  ["args.note.size() > 3 && has(args.note)", "1:1 `args.note` may be absent"],
  ['has(args.note) || args.note == "x"', "1:19 `args.note` may be absent"],
  ['has(args.note) ? true : args.note == "x"', "1:25 `args.note` may be absent"],
  ["args.lines.all(l, l.price > 1.0)", "1:19 `l.price` may be absent: test has(l.price) first"],
  ["args.lines.exists(l, has(l.price)) && args.lines.exists(l, l.price > 1.0)", "1:60 `l.price` may be absent"],
  ["has(args.owner.manager.email)", "1:5 `args.owner.manager` may be absent"],
  ["call.constraints.max_amount_minor > 3", "1:1 `call.constraints.max_amount_minor` may be absent"],
  ["call.confidence < 0.5", "1:1 `call.confidence` may be absent"],
  ['call.user_origin == "token"', "1:1 `call.user_origin` may be absent"],
  ['has(call.user_prompt) && call.user_origin == "token"', "1:26 `call.user_origin` may be absent"],
  ['has(call.user) && call.user_origin == "verified"', '1:39 "verified" is none of "declared", "token"'],
  ['call.user_prompt.contains("refund")', "1:1 `call.user_prompt` may be absent"],
  ['session.facts.ticket == "T"', "1:1 `session.facts.ticket` may be absent"],
  ["session.history.exists(h, h.amount_minor > 3)", "1:27 `h.amount_minor` may be absent"],
  ['has(args.labels) && args.labels["a"] == "b"', "1:21 `args.labels.a` may be absent"],
  ['has(args.labels) && args.labels[args.country] == "b"', "1:21 may be absent: test it with has() or `in` first"],
  ["has(args.shape) && args.shape.radius > 1.0", "1:20 `args.shape.radius` may be absent"],
  // Null.
  ['has(args.memo) || args.memo == "x"', "1:19 `args.memo` may be absent"],
  ["args.lines.exists(l, 'gift' in l ? l.gift : l.gift)", "1:45 `l.gift` may be absent"],
  [
    "args.lines.map(l, has(l.gift) ? l.gift : null).exists(g, g)",
    "1:58 may be null here: test it with has() or `!= null` first",
  ],
  // Types.
  ["args.count * 2.0 > 1.0", '1:1 "*" is not defined for int and double'],
  ["args.amount + 1 > 1", '1:1 "+" is not defined for double and int: write the whole number as `2.0`'],
  ["args.amount % 2 == 1", '1:1 "%" is not defined for double and int'],
  ['args.count == "3"', "1:1 int and string are never equal"],
  ['args.count > "3"', '1:1 ">" is not defined for int and string'],
  ["args.country + 3 == 'a'", '1:1 "+" is not defined for string and int'],
  ["args.owner == 3", "1:1 map and int are never equal"],
  ["has(args.mixed) && args.mixed > 3", '1:20 ">" is not defined for int or string and int'],
  ["args.count", "1:1 a rule must be true or false, not int"],
  ["args.country == 'DE' ? 1 : 2", "1:1 a rule must be true or false, not int"],
  ["args.count && true", "1:1 what `&&` joins must be true or false, not int"],
  ["true || args.country", "1:9 what `||` joins must be true or false, not string"],
  ["!args.count", "1:2 what `!` negates must be true or false, not int"],
  ["args.count ? true : false", "1:1 what `?` asks must be true or false, not int"],
  ["-args.country == 'a'", '1:1 "-" is not defined for string'],
  ["args.items.exists(i, i)", "1:22 a condition must be true or false, not int"],
  ["args.count.exists(i, true)", "1:1 expected a list, not int"],
  ["args.country.size > 3", '1:1 string has no member "size"'],
  ["args.country[0] == 'D'", "1:1 string has no items by int"],
  ["args.items['a'] == 1", "1:1 list has no items by string"],
  ["'D' in args.country", '1:1 "in" looks in a list or a map, not in string: use contains()'],
  ["'a' in args.items", "1:1 string and int are never equal"],
  ["true + false == true", '1:1 "+" is not defined for bool and bool'],
  // Calls.
  ["args.country.startsWith(3)", "1:1 expected string.startsWith(string), not string, int"],
  ["args.country.contains('a', 'b')", "1:1 expected string.contains(string)"],
  ["contains(args.country, 'a')", '1:1 "contains" is written as string.contains(string)'],
  ["args.count.size() > 3", "1:1 expected bytes.size() or list.size() or string.size() or map.size(), not int"],
  ["has(args)", "1:1 has() takes a member, such as has(args.amount)"],
  ["args.items.exists(1, true)", "1:1 exists() takes a variable and an expression"],
  ['minor(args.amount, "EURO") > 3', '1:20 "EURO" is no ISO 4217 currency code'],
  [
    "minor(args.country, 3) > 3",
    "1:1 expected minor(double, string) or minor(int, string) or minor(string, string), not string, int",
  ],
  ['session.count_within("payments.refund", "15x") > 3', '1:41 "15x" is no window such as "15m", "24h" or "7d"'],
  ['session.count_within("payments.refund", "day") > 3', '1:41 "day" is no window'],
  [
    'session.sum_within("payments.refnd", "1h") > 3',
    '1:20 "payments.refnd" names no tool of the config (did you mean "payments.refund"?)',
  ],
  ['session.formerly("email.*")', '1:18 "email.*" names no tool of the config'],
  ['session.facts.count_within("*", "1h") > 3', "1:1 count_within() is asked of `session` only"],
  [
    'session.count_distinct_within(tool.name, "a", "1h") > 3',
    "1:31 count_distinct_within() takes its tool and its argument path literally",
  ],
  ['session.count_distinct_within("mail.send", "a b", "1h") > 3', '1:44 "a b" is no path of the arguments'],
  ['now > timestamp("2026-01-05")', '1:17 "2026-01-05" is no RFC 3339 instant'],
  ['now - now > duration("1 day")', '1:22 "1 day" is no duration'],
  // Cost.
  [
    "args.items.all(a, args.items.all(b, args.items.all(c, args.items.all(d, a + b + c + d > 0))))",
    "the expression can take",
  ],
  [
    "has(args.tags) && args.tags.all(a, args.tags.all(b, args.tags.all(c, a == b || b == c)))",
    "the expression can take",
  ],
  ["session.history.all(a, session.history.all(b, a.tool == b.tool))", "the expression can take"],
  [`[${"1,".repeat(199)}1].all(a, [${"1,".repeat(199)}1].all(b, a == b))`, "the expression can take"],
];

const ACCEPTED: readonly string[] = [
  'has(call.user) && call.user_origin == "token"',
  '!has(call.user) || call.user_origin == "declared"',
  'has(call.user_origin) && call.user.startsWith("u_")',
  'has(call.user_prompt) && call.user_prompt.contains("refund")',
  "true",
  "args.amount > 50 && args.country in ['DE', 'FR']",
  "args.amount > 50.5 || args.count >= 2",
  "args.count == 2.0 && args.amount == 2",
  'has(args.note) && args.note == "x" && args.note.size() > 3',
  '!has(args.note) || args.note == "x"',
  'has(args.note) ? args.note == "x" : false',
  '!(has(args.note) && args.note == "x")',
  '"note" in args && args.note == "x"',
  "!(!has(args.note) || !has(args.memo)) && args.note == args.memo",
  "has(args.note) && (has(args.flag) && args.flag || args.note == 'x')",
  "has(args.memo) && args.memo.startsWith('a')",
  "!has(args.memo) ? true : args.memo != 'x'",
  "args.lines.all(l, has(l.price) && l.price > 1.0)",
  "args.lines.all(l, !has(l.price) || args.lines.exists(m, has(m.price) && m.price == l.price))",
  "args.lines.filter(l, has(l.price)).size() > 3",
  "args.lines.map(l, has(l.price), l.price).exists(p, p > 100.0)",
  "args.lines.exists_one(l, has(l.gift) && l.gift)",
  "has(args.owner.manager) && has(args.owner.manager.manager) && args.owner.manager.manager.email == 'a'",
  "has(args.owner.vip) && args.owner.vip",
  "has(args.labels) && args.labels.all(k, k != 'a' || has(args.labels.a))",
  "has(args.labels) && args.labels.all(k, args.labels[k] != 'x')",
  "has(args.labels) && args.country in args.labels && args.labels[args.country] == 'x'",
  "has(args.open) && has(args.open.whatever) && args.open.whatever == 3",
  "has(args.shape) && args.shape.kind == 'circle' && has(args.shape.radius) && args.shape.radius > 1.0",
  "has(args.any) && args.any == 3 && args.any > 2",
  "has(args.mixed) && type(args.mixed) == int && args.mixed > 3",
  "has(args.mixed) && (type(args.mixed) == string ? args.mixed == 'x' : true)",
  "has(args.pair) && args.pair[0] == 'a' && args.pair[1] > 3",
  "{'DE': 1, 'FR': 2, 'US': 3}[args.country] > 1",
  "call.amount_minor > 5000",
  "has(call.constraints.max_amount_minor) && call.amount_minor > call.constraints.max_amount_minor",
  "session.count_within('payments.*', '15m') > 3 && session.formerly('mail.send', duration('1h'))",
  "session.count_within(tool.name, '15m') > 3",
  "session.count_distinct_within('payments.refund', 'args.customer_id', '1h') > 3",
  "session.taint.size() > 0 && 'web' in session.taint",
  "has(session.facts.ticket) && session.facts.ticket == 'T-1'",
  "now - timestamp('2026-01-01T00:00:00Z') > duration('24h') && local.hour >= 22 && local.weekday in [6, 7]",
  "minor(args.amount, 'USD') > 5000 && int(args.amount) > 3 && double(args.count) * 1.5 > 2.0",
  "strings.quote(args.country) != 'a' && args.country.lowerAscii().matches('^[a-z]{2}$')",
  "string(args.count) + args.country == '3DE' && [1, 2] + args.items != []",
  "type(now) == google.protobuf.Timestamp",
];

describe("the checker", () => {
  const cases = MISTAKES.map(([source, ...faults]) => ({ source, faults }));

  it.each(cases)("tells what is wrong with $source", ({ source, faults }) => {
    const told = faultsOf(source);
    expect(told).toHaveLength(faults.length);
    for (const [at, fault] of faults.entries()) expect(told[at]).toContain(fault);
  });

  it("has a table worth the name", () => expect(cases.length).toBeGreaterThanOrEqual(60));

  it.each(ACCEPTED)("accepts %s", (source) => expect(faultsOf(source)).toEqual([]));

  it("knows that only a tool with an amount has one", () => {
    expect(faultsOf("call.amount_minor > 5", false)).toEqual([
      "1:1 the tool declares no amount, so `call.amount_minor` is not there",
    ]);
    expect(faultsOf("has(call.amount_minor) && call.amount_minor > 5", false)).toEqual([]);
  });

  it("tells every mistake, in order, with its text", () => {
    const source = 'args.amout > 3 &&\n  args.country == "GE" ||\n  launch(args.note)';
    expect(
      checkExpression(source, parsed(source).ast, { argsSchema: SCHEMA, hasAmount: false, toolNames: TOOLS }),
    ).toEqual([
      {
        message: 'unknown field "amout" (did you mean "amount"?)',
        position: { line: 1, column: 1 },
        text: "args.amout > 3",
      },
      {
        message: '"GE" is none of "DE", "FR", "US" (did you mean "DE"?)',
        position: { line: 2, column: 19 },
        text: '"GE"',
      },
      { message: 'unknown function "launch"', position: { line: 3, column: 3 }, text: "launch(args.note)" },
      {
        message: "`args.note` may be absent: test has(args.note) first",
        position: { line: 3, column: 10 },
        text: "args.note)",
      },
    ]);
  });

  it("survives schemas that refer to themselves", () => {
    const tree = {
      anyOf: [{ $ref: "#" }, { type: "string" }],
      properties: { left: { $ref: "#" } },
      allOf: [{ $ref: "#" }],
    };
    const laughs = Object.fromEntries(
      Array.from({ length: 40 }, (_, at) => [
        `d${at}`,
        { anyOf: [{ $ref: `#/d${at + 1}` }, { $ref: `#/d${at + 1}` }] },
      ]),
    );
    for (const argsSchema of [
      tree,
      { type: "object", properties: { x: { $ref: "#/d0" } }, ...laughs, d40: { type: "integer" } },
    ]) {
      const source = "has(args.left) && has(args.left.left) || args.x == 1";
      expect(
        checkExpression(source, parsed(source).ast, { argsSchema, hasAmount: false, toolNames: [] }),
      ).toBeDefined();
    }
  });
});

describe("what rules look at", () => {
  it("finds the paths whose distinct values are counted", () =>
    expect(
      distinctPaths(
        parsed(
          'session.count_distinct_within("a.*", "x", "1h") > 3 || session.count_distinct_within("b", "args.y.z", "1h") > 1 || ' +
            'session.count_distinct_within("a.*", "x", "2h") > 9 || session.count_distinct_within(tool.name, "x", "1h") > 1',
        ).ast,
      ),
    ).toEqual([
      { tool: "a.*", path: "x" },
      { tool: "b", path: "args.y.z" },
    ]));

  it.each([
    ["args.x == 1", false],
    ['session.formerly("a")', true],
    ["args.items.exists(session, session == 1)", false],
    ["session.taint.exists(t, t == 'a')", true],
    ["args.session == 1", false],
  ])("%s uses the session: %s", (source, uses) => expect(usesSession(parsed(source).ast)).toBe(uses));
});

/** Expressions over the schema above, right and wrong ones alike. */
const expressions = fc.letrec<{ readonly bool: string; readonly value: string; readonly guard: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(
      "args.amount",
      "args.count",
      "args.ratio",
      "args.country",
      "args.note",
      "args.memo",
      "args.flag",
      "args.mixed",
      "args.items",
      "args.lines",
      "args.tags",
      "args.owner",
      "args.owner.manager",
      "args.owner.manager.email",
      "args.labels",
      "args.open.known",
      "args.shape",
      "args.shape.kind",
      "args.shape.radius",
      "args.pair",
      "args.labels['a']",
      "x",
      "x.price",
      "x.gift",
      "1",
      "2.5",
      "'DE'",
      "'a'",
      "true",
      "null",
      "[]",
      "[1, 2]",
      "now",
      "local.hour",
      "call.confidence",
      "session.taint",
      "actor.tier",
    ),
    fc
      .tuple(tie("value"), fc.constantFrom("+", "-", "*"), tie("value"))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    tie("value").map((value) => `size(${value})`),
    tie("value").map((value) => `string(${value})`),
    fc.tuple(tie("value"), tie("value")).map(([of, key]) => `${of}[${key}]`),
    fc.tuple(tie("bool"), tie("value"), tie("value")).map(([test, left, right]) => `(${test} ? ${left} : ${right})`),
    fc.tuple(tie("value"), tie("bool")).map(([list, test]) => `${list}.filter(x, ${test})`),
    fc.tuple(tie("value"), tie("value")).map(([list, item]) => `${list}.map(x, ${item})`),
  ),
  guard: fc.constantFrom(
    "has(args.note)",
    "has(args.memo)",
    "has(args.flag)",
    "has(args.ratio)",
    "has(args.mixed)",
    "has(args.tags)",
    "has(args.labels)",
    "has(args.owner.manager)",
    "'note' in args",
    "has(args.shape)",
    "has(args.open)",
    "has(args.pair)",
    "args.memo != null",
    "has(x.price)",
    "type(args.mixed) == int",
    "type(args.mixed) == string",
    "has(args.shape.radius)",
    "has(x.gift)",
    "has(args.labels.a)",
    "x != null",
  ),
  bool: fc.oneof(
    { maxDepth: 4 },
    tie("guard"),
    fc
      .tuple(tie("value"), fc.constantFrom("==", "!=", "<", ">=", "in"), tie("value"))
      .map(([left, operator, right]) => `${left} ${operator} ${right}`),
    fc
      .tuple(tie("bool"), fc.constantFrom("&&", "||"), tie("bool"))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    fc.tuple(tie("guard"), tie("bool")).map(([guard, test]) => `(${guard} && ${test})`),
    fc.tuple(tie("guard"), tie("bool")).map(([guard, test]) => `(!(${guard}) || ${test})`),
    tie("bool").map((test) => `!(${test})`),
    fc
      .tuple(tie("value"), fc.constantFrom("exists", "all", "exists_one"), tie("bool"))
      .map(([list, macro, test]) => `${list}.${macro}(x, ${test})`),
    fc
      .tuple(tie("value"), fc.constantFrom("startsWith", "contains"), tie("value"))
      .map(([text, name, part]) => `${text}.${name}(${part})`),
  ),
}));

const person: fc.Arbitrary<JsonObject> = fc.letrec<{ readonly person: JsonObject }>((tie) => ({
  person: fc.record({ email: fc.constantFrom("a", "b") }).chain((base) =>
    fc.oneof(
      { maxDepth: 2 },
      fc.constant<JsonObject>(base),
      tie("person").map((manager): JsonObject => ({ ...base, manager })),
    ),
  ),
})).person;

const calls: fc.Arbitrary<JsonObject> = fc
  .record(
    {
      amount: fc.constantFrom(0, 1, 2.5, 100),
      count: fc.integer({ min: -3, max: 3 }),
      country: fc.constantFrom("DE", "FR", "US"),
      items: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
      lines: fc.array(
        fc.record(
          { sku: fc.constantFrom("a", "b"), price: fc.constantFrom(1, 2.5), gift: fc.constantFrom(true, null) },
          { requiredKeys: ["sku"] },
        ),
        { maxLength: 3 },
      ),
      owner: person,
      ratio: fc.constantFrom(1, 0.5),
      note: fc.constantFrom("", "a", "DE"),
      memo: fc.constantFrom("a", null),
      flag: fc.boolean(),
      mixed: fc.constantFrom<string | number>("a", 2),
      tags: fc.subarray(["vip", "new"]),
      labels: fc.dictionary(fc.constantFrom("a", "b", "DE"), fc.constantFrom("a", "x"), { maxKeys: 3 }),
      open: fc.record({ known: fc.constant("a") }, { requiredKeys: [] }),
      shape: fc.constantFrom<JsonObject>({ kind: "circle", radius: 1.5 }, { kind: "square", side: 2 }),
      pair: fc.constantFrom<readonly (string | number)[]>(["a", 1], ["a"], []),
    },
    { requiredKeys: ["amount", "count", "country", "items", "lines", "owner"] },
  )
  .map((args): JsonObject => ({ ...args }));

describe("what the checker accepts", () => {
  it("never fails for want of a member or an operator", () => {
    const check = argumentCheck(SCHEMA);
    let accepted = 0;
    fc.assert(
      fc.property(expressions.bool, fc.array(calls, { minLength: 4, maxLength: 4 }), (source, worlds) => {
        const parsing = parseExpression(source);
        if (!parsing.ok) return;
        const environment = { argsSchema: SCHEMA, hasAmount: false, toolNames: TOOLS };
        if (checkExpression(source, parsing.parsed.ast, environment).length > 0) return;
        accepted += 1;
        const compiled = compileExpression(parsing.parsed);
        for (const args of worlds) {
          expect(check(args)).toEqual([]);
          const evaluation = compiled.evaluate(worldOf(args));
          if (!evaluation.ok) expect(`${source}: ${evaluation.fault.message}`).toMatch(/: (index|int overflow)/);
        }
      }),
      { numRuns: 1_500 },
    );
    expect(accepted).toBeGreaterThanOrEqual(25);
  });
});

function worldOf(args: JsonObject): ReturnType<typeof bindWorld> {
  const figures = { used: 0 };
  return bindWorld({
    args,
    argsSchema: SCHEMA,
    tool: { name: "payments.refund", effect: "write" },
    call: { confirmed: false, writes_pii: false, constraints: {} },
    actor: { name: "support", tier: "draft_only", scopes: [] },
    principal: { key_id: "k", roles: ["agent"], scopes: [] },
    session: {
      id: "s",
      age_s: 1,
      budget: { usd: figures, tokens: figures, calls: figures, tool_calls: figures, tool_usd: figures },
      counters: { calls: 0, tool_calls: 0, failures: 0, consecutive_failures: 0 },
      taint: ["a"],
      facts: {},
      history: [],
    },
    now: 0,
    local: { hour: 1, minute: 1, weekday: 1, date: "2026-01-05" },
  });
}
