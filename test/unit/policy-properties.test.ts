// Proves what must hold of every policy: a denial never opens, order never matters, faults never allow, callers only narrow, drafters only draft.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Constraints } from "../../src/core/policy/constraints.ts";
import { EFFECTS, type Decision } from "../../src/core/policy/decision.ts";
import { decideTest } from "../../src/core/policy/policy-tests.ts";
import { unchecked } from "./policy-fixture.ts";

const RUNS = { numRuns: 100 };

/** Conditions that hold, that do not, and that cannot be evaluated, over the one tool of these tests. */
const SOUND = [
  "true",
  "false",
  "args.n > 10",
  "args.n <= 10",
  'args.text.contains("a")',
  "args.list.exists(i, i > 5)",
  'session.count_within("t.*", "1h") >= 2',
  'session.formerly("t.write")',
  "call.confirmed",
  "local.hour == 12",
] as const;
const FAULTY = [
  "args.nope > 3",
  "args.nope > 3 || true",
  "args.n * 9223372036854775807 * 3 > 0 || args.n / 0 == 1",
  "args.n / 0 == 1",
  "args.list[99] == 1",
  "args.big.all(i, args.big.all(j, i + j >= 0))",
  "args.big.all(i, args.big.all(j, i + j >= 0)) || true",
  "args.text",
  "args.n",
  "int(args.text) == 3",
  "frobnicate(args.n)",
  "args.text.matches(args.bad)",
  'session.count_within("t.write", "whenever") > 0',
] as const;

interface Rule {
  readonly id: string;
  readonly when?: string;
  readonly effect: "allow" | "require_approval" | "deny";
}

const effect = fc.constantFrom("allow", "require_approval", "deny");
const rulesOver = (conditions: readonly string[]): fc.Arbitrary<readonly Rule[]> =>
  fc
    .array(fc.record({ when: fc.constantFrom(...conditions), effect }), { maxLength: 6 })
    .map((rules) => rules.map((rule, at) => ({ id: `r${at}`, ...rule })));
const anyRules = rulesOver([...SOUND, ...FAULTY]);
const tier = fc.constantFrom("draft_only", "execute_with_limits", "execute_with_approvals", "autonomous");
const constraints: fc.Arbitrary<Constraints> = fc.record(
  {
    max_amount_usd: fc.integer({ min: 0, max: 30 }),
    requires_human_approval_over_usd: fc.integer({ min: 0, max: 30 }),
    pii_write_allowed: fc.boolean(),
    allowed_tools: fc.subarray(["t.write", "t.*", "other", "*"]),
  },
  { requiredKeys: [] },
);
const situation = fc.record({
  tier,
  n: fc.integer({ min: 0, max: 20 }),
  text: fc.constantFrom("a", "b", "jo@example.org"),
  list: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 4 }),
  intent: fc.constantFrom("flow", "other"),
  earlier: fc.integer({ min: 0, max: 3 }),
  confirmed: fc.boolean(),
});
type Situation = typeof situation extends fc.Arbitrary<infer T> ? T : never;

const schema = {
  type: "object",
  properties: {
    n: { type: "integer" },
    text: { type: "string" },
    bad: { type: "string" },
    list: { type: "array", items: { type: "integer" } },
    big: { type: "array", items: { type: "integer" } },
  },
};
const BIG = Array.from({ length: 105 }, (_, at) => at);

function decide(rules: readonly Rule[], { tier: actorTier, ...at }: Situation, declared?: Constraints): Decision {
  const tool = { kind: "http", method: "POST", url: "https://x.test/", input_schema: schema };
  const config = unchecked({
    tools: {
      "t.write": { ...tool, effect: "write", amount: { field: "n", currency: "USD" } },
      "t.read": { ...tool, effect: "read" },
    },
    actors: {
      a: { tier: actorTier, allowed_tools: ["t.*"], ...(actorTier === "autonomous" ? { flows: ["flow"] } : {}) },
    },
    policy: { rules },
  });
  const { n, text, list, intent, earlier, confirmed } = at;
  const outcome = decideTest(config, {
    call: {
      actor: "a",
      tool: "t.write",
      args: { n, text, bad: "[", list, big: BIG },
      intent,
      confirmed,
      ...(declared === undefined ? {} : { constraints: declared }),
    },
    session: { history: Array.from({ length: earlier }, () => ({ tool: "t.write", ago: "5m", args: { n: 1 } })) },
  });
  if ("invalid" in outcome) throw new Error(JSON.stringify(outcome.invalid));
  return outcome.decision;
}

const strictness = ({ effect: each }: Decision): number => EFFECTS.indexOf(each);
const told = ({ reasons }: Decision): readonly string[] =>
  reasons.map((reason) => `${reason.rule_id} ${reason.effect}`).toSorted();

describe("every policy", () => {
  it("never allows more for a rule that denies or asks, wherever it stands", () => {
    fc.assert(
      fc.property(
        anyRules,
        situation,
        fc.constantFrom(...SOUND, ...FAULTY),
        fc.constantFrom("deny", "require_approval"),
        fc.nat(6),
        (rules, at, when, added, place) => {
          const more = rules.toSpliced(place, 0, { id: "added", when, effect: added });
          expect(strictness(decide(more, at))).toBeGreaterThanOrEqual(strictness(decide(rules, at)));
        },
      ),
      RUNS,
    );
  });

  it("gives the same effect and the same reasons in whatever order its rules stand", () => {
    fc.assert(
      fc.property(
        anyRules.chain((rules) =>
          fc.tuple(fc.constant(rules), fc.shuffledSubarray([...rules], { minLength: rules.length })),
        ),
        situation,
        ([rules, shuffled], at) => {
          const [left, right] = [decide(rules, at), decide(shuffled, at)];
          expect(right.effect).toBe(left.effect);
          expect(told(right)).toEqual(told(left));
        },
      ),
      RUNS,
    );
  });

  it("never allows a call on which a rule cannot be evaluated, and says so", () => {
    fc.assert(
      fc.property(anyRules, situation, fc.constantFrom(...FAULTY), effect, (rules, at, when, of) => {
        const decision = decide([...rules, { id: "faulty", when, effect: of }], at);
        const reason = decision.reasons.find((each) => each.rule_id === "faulty");
        // CEL lets a true disjunct absorb an error: such a rule has a value, and speaks as it is written.
        if (reason?.error === undefined) {
          expect(when).toBe("args.nope > 3 || true");
          return;
        }
        expect(reason.effect).toBe(of === "allow" ? "deny" : of);
        expect(decision.effect).not.toBe("allow");
      }),
      RUNS,
    );
  });

  it("is only narrowed by constraints of a caller", () => {
    fc.assert(
      fc.property(anyRules, situation, constraints, (rules, at, declared) => {
        expect(strictness(decide(rules, at, declared))).toBeGreaterThanOrEqual(strictness(decide(rules, at)));
      }),
      RUNS,
    );
  });

  it("never lets an actor that drafts execute a write", () => {
    fc.assert(
      fc.property(anyRules, situation, constraints, (rules, at, declared) => {
        expect(decide(rules, { ...at, tier: "draft_only" }, declared).effect).not.toBe("allow");
      }),
      RUNS,
    );
  });

  it("looked at all four effects, and at faults of every kind", () => {
    const at: Situation = {
      tier: "execute_with_limits",
      n: 11,
      text: "a",
      list: [],
      intent: "other",
      earlier: 2,
      confirmed: true,
    };
    const faults = FAULTY.map((when) => decide([{ id: "r", when, effect: "deny" }], at).reasons.at(-1));
    expect(faults.filter((reason) => reason?.error === true)).toHaveLength(FAULTY.length - 1);
    const effects = [
      decide([], at),
      decide([], { ...at, tier: "draft_only" }),
      decide([{ id: "r", effect: "require_approval" }], at),
      decide([{ id: "r", effect: "deny" }], at),
    ].map((decision) => decision.effect);
    expect(effects).toEqual(EFFECTS);
  });
});
