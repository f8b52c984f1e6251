// Proves that the engine means what another one means: generated rules, decided by both, on the language they share.
import { Environment } from "@marcbachmann/cel-js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json, JsonObject } from "../../src/core/json/canonical.ts";
import { compileExpression, parseExpression } from "../../src/core/policy/cel/expression.ts";
import { bindWorld } from "../../src/core/policy/cel/world.ts";

/**
 * Where the two engines are known to differ, and how the generator keeps away from it:
 * - `has()` and `in` of a member that is null: false here, true there. No member is null.
 * - Values whose kinds are known to differ compared (`1 == "1"`, `size(x) == 2.0`): decided here, refused there when it
 *   is parsed. Kinds are mixed only where one side is a member, of whose kind that engine knows nothing.
 * - Branches of `?:` of different kinds: allowed here, refused there. Both branches have one kind.
 * - A double beside an int above 2^53: exact here, lossy there. Numbers are small.
 * - `-(-x)` and `!(!x)`: the parser drops both signs here, so that `-(-"1")` is a text; there it is a fault. Only members
 *   are negated.
 * - What is no condition under `!`, `&&`, `||`, `?:` is a fault in both, but told when it is parsed there; the same to us.
 */
const SCHEMA = {
  type: "object",
  properties: {
    i: { type: "integer" },
    j: { type: "integer" },
    d: { type: "number" },
    s: { type: "string" },
    t: { type: "string" },
    b: { type: "boolean" },
    l: { type: "array", items: { type: "integer" } },
    m: { type: "array", items: { type: "string" } },
    o: { type: "object", properties: { i: { type: "integer" }, s: { type: "string" } } },
  },
};

const between = (
  left: fc.Arbitrary<string>,
  operators: readonly string[],
  right: fc.Arbitrary<string>,
): fc.Arbitrary<string> => fc.tuple(left, fc.constantFrom(...operators), right).map((parts) => `(${parts.join(" ")})`);
const choice = (test: fc.Arbitrary<string>, value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(test, value, value).map(([asked, then, otherwise]) => `(${asked} ? ${then} : ${otherwise})`);
/** An expression inside a macro looks at the item where it looked at the argument of that name. */
const onItem = (source: string, name: string): string =>
  source.replaceAll(new RegExp(`(?<!has\\()args\\.${name}\\b`, "g"), name);
const ORDER = ["<", "<=", ">", ">="];
const EQUAL = ["==", "!="];
const INTS = ["args.i", "args.j", "args.o.i"];
const TEXTS = ["args.s", "args.t", "args.o.s"];

const rules = fc.letrec<{
  readonly bool: string;
  readonly int: string;
  readonly double: string;
  readonly text: string;
  readonly ints: string;
  readonly texts: string;
}>((tie) => ({
  int: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom(...INTS, "0", "1", "2", "7", "-3"),
    between(tie("int"), ["+", "-", "*", "/", "%"], tie("int")),
    fc.oneof(tie("text"), tie("ints"), tie("texts")).map((value) => `size(${value})`),
    choice(tie("bool"), tie("int")),
    tie("ints").map((list) => `${list}[0]`),
    fc.constantFrom(...INTS).map((path) => `-${path}`),
    tie("double").map((value) => `int(${value})`),
  ),
  double: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom("args.d", "0.5", "2.0", "-1.25"),
    between(tie("double"), ["+", "-", "*"], tie("double")),
    tie("int").map((value) => `double(${value})`),
    choice(tie("bool"), tie("double")),
  ),
  text: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom(...TEXTS, '""', '"a"', '"ab"', '"ü"'),
    between(tie("text"), ["+"], tie("text")),
    tie("int").map((value) => `string(${value})`),
    choice(tie("bool"), tie("text")),
  ),
  ints: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom("args.l", "[1, 2, 3]"),
    fc.tuple(tie("ints"), tie("bool")).map(([list, test]) => `${list}.filter(i, ${onItem(test, "i")})`),
    fc.tuple(tie("ints"), tie("int")).map(([list, item]) => `${list}.map(i, ${onItem(item, "i")})`),
    between(tie("ints"), ["+"], tie("ints")),
  ),
  texts: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom("args.m", '["a", "ab"]'),
    fc.tuple(tie("texts"), tie("bool")).map(([list, test]) => `${list}.filter(s, ${onItem(test, "s")})`),
  ),
  bool: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom("args.b", "true", "false"),
    fc.constantFrom("i", "d", "s", "b", "l", "o", "o.i", "nope").map((path) => `has(args.${path})`),
    between(tie("int"), [...ORDER, ...EQUAL], tie("int")),
    between(tie("double"), [...ORDER, ...EQUAL], tie("double")),
    between(fc.constantFrom("args.j", "args.o.i"), [...ORDER, ...EQUAL], tie("double")),
    between(tie("text"), [...ORDER, ...EQUAL], tie("text")),
    between(tie("ints"), EQUAL, tie("ints")),
    between(fc.constantFrom("args.j", "args.o.i"), EQUAL, fc.constantFrom(...TEXTS, "args.b", "args.l")),
    between(tie("int"), ["in"], tie("ints")),
    between(tie("text"), ["in"], tie("texts")),
    fc
      .tuple(tie("text"), fc.constantFrom("startsWith", "endsWith", "contains"), tie("text"))
      .map(([of, name, part]) => `${of}.${name}(${part})`),
    fc
      .tuple(tie("ints"), fc.constantFrom("exists", "all", "exists_one"), tie("bool"))
      .map(([list, name, test]) => `${list}.${name}(i, ${onItem(test, "i")})`),
    between(tie("bool"), ["&&", "||"], tie("bool")),
    tie("bool").map((test) => `!${test}`),
    choice(tie("bool"), tie("bool")),
  ),
})).bool;

/** Arguments, some of them missing and some of a kind that the schema does not have: faults must agree too. */
const calls: fc.Arbitrary<JsonObject> = fc
  .record(
    {
      i: fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: -3, max: 8 }) },
        { weight: 1, arbitrary: fc.constant("1") },
      ),
      j: fc.integer({ min: -3, max: 8 }),
      d: fc.constantFrom(-1.25, 0, 0.5, 1, 2, 7.5),
      s: fc.constantFrom("", "a", "ab", "b", "üa"),
      t: fc.oneof({ weight: 9, arbitrary: fc.constantFrom("a", "ab") }, { weight: 1, arbitrary: fc.constant(3) }),
      b: fc.boolean(),
      l: fc.array(fc.integer({ min: -3, max: 8 }), { maxLength: 3 }),
      m: fc.array(fc.constantFrom("a", "ab", "b"), { maxLength: 3 }),
      o: fc.record({ i: fc.integer({ min: 0, max: 3 }), s: fc.constantFrom("a", "b") }, { requiredKeys: [] }),
    },
    { requiredKeys: ["j", "l", "m"] },
  )
  .map((args): JsonObject => ({ ...args }));

const other = new Environment({ unlistedVariablesAreDyn: true });

type Outcome = boolean | "fault";

function ours(source: string, args: JsonObject): Outcome {
  const parsing = parseExpression(source);
  if (!parsing.ok) return "fault";
  const world = bindWorld({
    args,
    argsSchema: SCHEMA,
    tool: {},
    call: {},
    actor: {},
    principal: {},
    now: 0,
    local: { hour: 1, minute: 1, weekday: 1, date: "2026-01-05" },
  });
  const evaluation = compileExpression(parsing.parsed).evaluate(world);
  return evaluation.ok ? evaluation.value : "fault";
}

function theirs(source: string, args: JsonObject): Outcome {
  try {
    const value: unknown = other.evaluate(source, { args: exact(args) });
    return typeof value === "boolean" ? value : "fault";
  } catch {
    return "fault";
  }
}

/** Whole numbers as BigInt, which is how that engine knows an int; `d` is the one double. */
function exact(value: Json, key?: string): unknown {
  if (typeof value === "number") return key === "d" ? value : BigInt(value);
  if (Array.isArray(value)) return value.map((each: Json) => exact(each));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, exact(member, name)]));
}

describe("two engines", () => {
  it("decide alike", () => {
    const seen = { true: 0, false: 0, fault: 0 };
    fc.assert(
      fc.property(rules, calls, (source, args) => {
        const outcome = ours(source, args);
        seen[String(outcome) as keyof typeof seen] += 1;
        expect(`${source} ${JSON.stringify(args)} ${String(outcome)}`).toBe(
          `${source} ${JSON.stringify(args)} ${String(theirs(source, args))}`,
        );
      }),
      { numRuns: 2_100 },
    );
    console.log(`two engines: ${seen.true} true, ${seen.false} false, ${seen.fault} faults`);
    expect(Math.min(seen.true, seen.false, seen.fault)).toBeGreaterThanOrEqual(50);
  }, 20_000);
});
