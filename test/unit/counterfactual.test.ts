// Proves counterfactuals: the smallest change is read off caps, limits and rules, tried, and told only when it passes.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigDocument } from "../../src/core/config/document.ts";
import { ActiveConfig } from "../../src/core/config/published.ts";
import { encodeExpression, parseExpression } from "../../src/core/policy/cel/expression.ts";
import type { SessionInput } from "../../src/core/policy/cel/world.ts";
import type { ToolCallAsk } from "../../src/core/policy/ask.ts";
import { counterfactuals, type Counterfactual } from "../../src/core/policy/analysis/counterfactual.ts";
import { decideWhole } from "../../src/core/policy/evaluate.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";

const none = { used: 0 };
const session: SessionInput = {
  id: "s1",
  age_s: 0,
  budget: { usd: none, tokens: none, calls: none, tool_calls: none, tool_usd: none },
  counters: { calls: 0, tool_calls: 0, failures: 0, consecutive_failures: 0 },
  taint: [],
  facts: {},
  history: [],
};

interface Rule {
  readonly id: string;
  readonly when?: string;
  readonly effect: "allow" | "require_approval" | "deny";
  readonly approval?: unknown;
}

interface Setting {
  readonly rules?: readonly Rule[];
  readonly actor?: object;
  readonly args?: JsonObject;
  readonly scopes?: readonly string[];
  readonly constraints?: ToolCallAsk["constraints"];
  readonly ceilings?: readonly number[];
}

function configOf({ rules = [], actor = {} }: Setting): ActiveConfig {
  const document = ConfigDocument.parse({
    tools: {
      refund: {
        kind: "http",
        method: "POST",
        url: "https://x.test/r",
        effect: "write",
        amount: { field: "amount_usd", currency: "USD" },
        scopes: ["billing:write"],
        input_schema: {
          type: "object",
          properties: {
            amount_usd: { type: "number", minimum: 1 },
            days: { type: "integer" },
            order: { type: "object", properties: { total: { type: "number" } } },
          },
        },
      },
    },
    actors: { agent: { scopes: ["billing:write"], allowed_tools: ["*"], ...actor } },
    policy: { rules },
  });
  const trees = rules.flatMap(({ id, when }) => {
    const parsed = when === undefined ? undefined : parseExpression(when);
    if (parsed?.ok !== true) return [];
    const uses_session = /\bsession\b/.test(when ?? "");
    return [[id, { tree: encodeExpression(parsed.parsed), uses_session, counts: [] }] as const];
  });
  const rest = { tenant: "t", version: 1, digest: "d".repeat(64), published_at: 0, published_by: "k", prices: {} };
  return new ActiveConfig({ ...rest, document, rules: Object.fromEntries(trees) });
}

function factsOf(setting: Setting): {
  facts: ReturnType<ActiveConfig["facts"]>;
  check: (args: JsonObject) => readonly { path: string; message: string }[];
} {
  const config = configOf(setting);
  const tool = config.tool("refund");
  if (tool === undefined) throw new Error("the fixture is incomplete");
  const ask: ToolCallAsk = {
    actor: "agent",
    principal: { key_id: "k1", roles: ["agent"], scopes: setting.scopes ?? ["billing:write"] },
    tool: "refund",
    args: setting.args ?? { amount_usd: 75 },
    constraints: setting.constraints ?? {},
    session: "s1",
    task: null,
    intent: null,
    confidence: null,
    user: null,
    user_origin: "declared",
    user_prompt: null,
    release: null,
    confirmed: false,
  };
  return { facts: config.facts(tool, ask, { switches: [], now: 1_800_000_000_000 }), check: tool.check };
}

function changesOf(setting: Setting): readonly Counterfactual[] {
  const { facts, check } = factsOf(setting);
  return counterfactuals(facts, session, { check, ceilings: setting.ceilings ?? [] });
}

const path = "tool_call.args.amount_usd";

describe("an amount", () => {
  it("over the actor's cap is allowed up to the cap", () => {
    expect(changesOf({ actor: { max_amount_usd: 50 } })).toEqual([
      { effect: "allow", change: { path, at_most: "50.00" }, message: "allowed up to 50.00" },
    ]);
  });

  it("over a cap and a lower approval threshold: approval up to one, allowed up to the other", () => {
    const actor = { max_amount_usd: 60, requires_human_approval_over_usd: 20 };
    expect(changesOf({ actor })).toEqual([
      { effect: "allow", change: { path, at_most: "20.00" }, message: "allowed up to 20.00" },
      {
        effect: "require_approval",
        change: { path, at_most: "60.00" },
        approval: [{ roles: ["approver", "operator"], count: 1 }],
        message: "needs approval by approver or operator up to 60.00",
      },
    ]);
  });

  it("that needs approval as it is says whose, and up to where it would not", () => {
    const rules = [
      {
        id: "big",
        when: "args.amount_usd > 70.0",
        effect: "require_approval",
        approval: { roles: ["finance"], count: 2 },
      },
    ] as const;
    expect(changesOf({ rules })).toEqual([
      {
        effect: "require_approval",
        change: null,
        approval: [{ roles: ["finance"], count: 2 }],
        message: "needs approval by 2 of finance",
      },
      { effect: "allow", change: { path, at_most: "70.00" }, message: "allowed up to 70.00" },
    ]);
  });

  it.each([
    ["args.amount_usd >= 70.0", "69.99"],
    ["args.amount_usd > 70.0", "70.00"],
    ["70.0 < args.amount_usd", "70.00"],
    ['minor(args.amount_usd, "USD") > 4999', "49.99"],
    ["call.amount_minor >= 5000", "49.99"],
    ["session.counters.calls < 9 && args.amount_usd > 40.0", "40.00"],
    ["!(args.amount_usd <= 33.3)", "33.30"],
  ])("denied by `%s` is allowed up to %s", (when, at_most) => {
    const [first, ...others] = changesOf({ rules: [{ id: "r", when, effect: "deny" }] });
    expect(first).toMatchObject({ effect: "allow", change: { path, at_most } });
    expect(others).toEqual([]);
  });

  it("over the envelope's own cap, and over what a limit has left", () => {
    expect(changesOf({ constraints: { max_amount_usd: "12.50" } })[0]?.change).toEqual({ path, at_most: "12.50" });
    const { facts, check } = factsOf({ actor: { max_amount_usd: 50 } });
    expect(counterfactuals(facts, session, { check, ceilings: [49_990_000] })[0]?.change).toEqual({
      path,
      at_most: "50.00",
    });
  });

  it("that the schema refuses is not told", () => {
    const rules = [{ id: "r", when: 'minor(args.amount_usd, "USD") > 50', effect: "deny" }] as const;
    expect(changesOf({ rules })).toEqual([]);
  });

  it("below a floor is allowed from the floor on", () => {
    const rules = [{ id: "small", when: "args.amount_usd < 100.0", effect: "deny" }] as const;
    expect(changesOf({ rules })[0]).toMatchObject({
      change: { path, at_least: "100.00" },
      message: "allowed from 100.00",
    });
  });

  it("with a gap below is told as the value that passes, not as a range", () => {
    const rules = [
      { id: "big", when: "args.amount_usd > 50.0", effect: "deny" },
      { id: "small", when: "args.amount_usd < 50.0", effect: "deny" },
    ] as const;
    expect(changesOf({ rules })[0]).toMatchObject({ change: { path, exactly: "50.00" }, message: "allowed at 50.00" });
  });
});

describe("another argument", () => {
  it("is told by its name, whole numbers in steps of one, nested ones too", () => {
    const rules = [{ id: "late", when: "args.days >= 30", effect: "deny" }] as const;
    expect(changesOf({ rules, args: { amount_usd: 5, days: 45 } })).toEqual([
      {
        effect: "allow",
        change: { path: "tool_call.args.days", at_most: "29" },
        message: 'allowed with "days" up to 29',
      },
    ]);
    const nested = [{ id: "order", when: "args.order.total > 99.5", effect: "deny" }] as const;
    expect(changesOf({ rules: nested, args: { amount_usd: 5, order: { total: 120.25 } } })[0]?.change).toEqual({
      path: "tool_call.args.order.total",
      at_most: "99.50",
    });
  });

  it("that alone would not help is not told", () => {
    const rules = [
      { id: "late", when: "args.days >= 30", effect: "deny" },
      { id: "never", effect: "deny" },
    ] as const;
    expect(changesOf({ rules, args: { amount_usd: 5, days: 45 } })).toEqual([]);
  });
});

it("a missing scope is named, where having it would be enough", () => {
  expect(changesOf({ scopes: [], args: { amount_usd: 5 } })).toEqual([
    {
      effect: "allow",
      change: { path: "scopes", add: ["billing:write"] },
      message: 'allowed once key and actor both have scope "billing:write"',
    },
  ]);
  expect(changesOf({ scopes: [], actor: { max_amount_usd: 5 } })).toEqual([]);
});

it("a call that is allowed needs no change", () => {
  expect(changesOf({ args: { amount_usd: 5 } })).toEqual([]);
});

it("whatever is told passes when it is done", () => {
  const rule = fc.record({
    effect: fc.constantFrom("allow" as const, "require_approval" as const, "deny" as const),
    when: fc
      .tuple(fc.constantFrom("<", "<=", ">", ">=", "==", "!="), fc.integer({ min: 0, max: 20_000 }))
      .map(([operator, cents]) => `args.amount_usd ${operator} ${(cents / 100).toFixed(2)}`),
  });
  let told = 0;
  fc.assert(
    fc.property(
      fc.array(rule, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 100, max: 20_000 }),
      (rules, cents) => {
        const setting: Setting = {
          rules: rules.map((each, at) => ({ id: `r${at}`, ...each })),
          args: { amount_usd: cents / 100 },
        };
        for (const { effect, change } of changesOf(setting)) {
          if (change === null || !("at_most" in change || "at_least" in change || "exactly" in change)) continue;
          const value = Number(
            "at_most" in change ? change.at_most : "at_least" in change ? change.at_least : change.exactly,
          );
          told += 1;
          expect(decideWhole(factsOf({ ...setting, args: { amount_usd: value } }).facts, session).effect).toBe(effect);
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(told).toBeGreaterThan(25);
});
