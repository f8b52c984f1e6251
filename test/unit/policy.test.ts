// Proves decisions: default deny, all reasons kept, the strictest wins, and nothing a caller declares widens anything.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigDocument } from "../../src/core/config/document.ts";
import { narrow, type Constraints } from "../../src/core/policy/constraints.ts";
import { decide, EFFECTS, type Reason } from "../../src/core/policy/decision.ts";
import { evaluateModelCall, evaluateToolCall, type ToolCallFacts } from "../../src/core/policy/evaluate.ts";
import { classifyHttp, type HttpAnswer } from "../../src/core/policy/tool-outcome.ts";

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the fixture is incomplete");
  return value;
}

const document = ConfigDocument.parse({
  tools: {
    "billing.refund": {
      kind: "http",
      method: "POST",
      url: "https://x.test/r",
      effect: "write",
      amount: { field: "amount_usd", currency: "USD" },
      scopes: ["billing:write"],
      pii: { writes: ["note.text"] },
      input_schema: { type: "object" },
    },
  },
  actors: { agent: { scopes: ["billing:write"], allowed_tools: ["billing.*"], models: ["small"], max_amount_usd: 50 } },
});
const tool = must(document.tools["billing.refund"]);
const actor = must(document.actors["agent"]);
const facts = (more: Partial<ToolCallFacts> = {}): ToolCallFacts => ({
  policyVersion: "v1",
  actorName: "agent",
  actor,
  toolName: "billing.refund",
  tool,
  scopes: ["billing:write"],
  constraints: {},
  args: { amount_usd: 42 },
  ...more,
});

describe("a tool call's decision", () => {
  it.each([
    { what: "within every limit", more: {}, effect: "allow", rules: ["actor.allowed_tools"] },
    { what: "an actor that is not configured", more: { actor: undefined }, effect: "deny", rules: ["actor.known"] },
    {
      what: "a tool the actor does not list",
      more: { toolName: "crm.note" },
      effect: "deny",
      rules: ["actor.allowed_tools"],
    },
    { what: "a missing scope", more: { scopes: [] }, effect: "deny", rules: ["actor.allowed_tools", "scopes"] },
    {
      what: "an amount over the actor's cap",
      more: { args: { amount_usd: 50.01 } },
      effect: "deny",
      rules: ["actor.allowed_tools", "actor.max_amount_usd"],
    },
    {
      what: "an amount at the cap",
      more: { args: { amount_usd: 50 } },
      effect: "allow",
      rules: ["actor.allowed_tools"],
    },
    {
      what: "an amount with too many digits",
      more: { args: { amount_usd: 0.0000001 } },
      effect: "deny",
      rules: ["actor.allowed_tools", "tool.amount"],
    },
    {
      what: "a negative amount",
      more: { args: { amount_usd: -1 } },
      effect: "deny",
      rules: ["actor.allowed_tools", "tool.amount"],
    },
    {
      what: "the caller's own lower cap",
      more: { constraints: { max_amount_usd: 40 } },
      effect: "deny",
      rules: ["actor.allowed_tools", "envelope.max_amount_usd"],
    },
    {
      what: "the caller's own list of tools",
      more: { constraints: { allowed_tools: ["crm.note"] } },
      effect: "deny",
      rules: ["actor.allowed_tools", "envelope.allowed_tools"],
    },
    {
      what: "the caller's wish for a person",
      more: { constraints: { requires_human_approval_over_usd: 41.99 } },
      effect: "require_approval",
      rules: ["actor.allowed_tools", "envelope.requires_human_approval_over_usd"],
    },
    {
      what: "personal data the caller forbids",
      more: { constraints: { pii_write_allowed: false }, args: { amount_usd: 1, note: { text: "hi" } } },
      effect: "deny",
      rules: ["actor.allowed_tools", "envelope.pii_write_allowed"],
    },
    {
      what: "two reasons to deny: both are kept",
      more: { scopes: [], constraints: { max_amount_usd: 1 } },
      effect: "deny",
      rules: ["actor.allowed_tools", "scopes", "envelope.max_amount_usd"],
    },
  ])("is $effect for $what", ({ more, effect, rules }) => {
    const decision = evaluateToolCall(facts(more as Partial<ToolCallFacts>));
    expect({ effect: decision.effect, rules: decision.reasons.map((reason) => reason.rule_id) }).toEqual({
      effect,
      rules,
    });
  });

  it("never reads a prototype", () => {
    const decision = evaluateToolCall(
      facts({ tool: { ...tool, amount: { field: "constructor.length", currency: "USD" } }, args: {} }),
    );
    expect(decision.effect).toBe("deny");
  });

  it("is a denial when nothing speaks", () =>
    expect(decide([], "v1")).toMatchObject({ effect: "deny", reasons: [{ rule_id: "default" }] }));
});

const constraints: fc.Arbitrary<Constraints> = fc.record(
  {
    max_amount_usd: fc.integer({ min: 0, max: 100 }),
    requires_human_approval_over_usd: fc.integer({ min: 0, max: 100 }),
    pii_write_allowed: fc.boolean(),
    allowed_tools: fc.subarray(["billing.refund", "billing.*", "crm.note", "*"]),
  },
  { requiredKeys: [] },
);
const strictness = (effect: (typeof EFFECTS)[number]): number => EFFECTS.indexOf(effect);

describe("narrowing", () => {
  it("never makes a decision milder, whatever a caller declares, twice over and in any order", () => {
    fc.assert(
      fc.property(
        constraints,
        constraints,
        fc.integer({ min: 0, max: 100 }),
        fc.boolean(),
        (left, right, amount, hasText) => {
          const args = hasText ? { amount_usd: amount, note: { text: "x" } } : { amount_usd: amount };
          const under = (declared: Constraints): number =>
            strictness(evaluateToolCall(facts({ constraints: declared, args })).effect);
          const both = under(narrow(left, right));
          expect(both).toBeGreaterThanOrEqual(under({}));
          expect(both).toBeGreaterThanOrEqual(Math.max(under(left), under(right)));
          expect(both).toBe(under(narrow(right, left)));
        },
      ),
    );
  });

  it("keeps the strictest effect when reasons are added", () => {
    const reason: fc.Arbitrary<Reason> = fc
      .constantFrom(...EFFECTS)
      .map((effect) => ({ rule_id: "r", effect, message: "" }));
    fc.assert(
      fc.property(fc.array(reason, { minLength: 1 }), reason, (reasons, more) => {
        expect(strictness(decide([...reasons, more], "v").effect)).toBe(
          Math.max(strictness(decide(reasons, "v").effect), strictness(more.effect)),
        );
      }),
    );
  });
});

describe("a model call's decision", () => {
  it.each([
    ["small", "allow"],
    ["large", "deny"],
  ])("is for %s: %s", (modelName, effect) =>
    expect(evaluateModelCall({ policyVersion: "v1", actorName: "agent", actor, modelName }).effect).toBe(effect),
  );
});

describe("what an HTTP answer says about an effect", () => {
  const answers: Readonly<Record<string, HttpAnswer>> = {
    "201": { type: "answered", status: 201, body: {} },
    "302": { type: "answered", status: 302, body: null },
    "422": { type: "answered", status: 422, body: null },
    "429": { type: "answered", status: 429, body: null },
    "500": { type: "answered", status: 500, body: null },
    cut: { type: "cut", status: 201 },
    timed_out: { type: "timed_out" },
    lost: { type: "lost" },
    blocked: { type: "blocked", reason: "no" },
  };
  it.each([
    ["201", "succeeded", "succeeded"],
    ["302", "failed", "failed"],
    ["422", "failed", "failed"],
    ["429", "failed", "failed"],
    ["500", "failed", "unknown"],
    ["cut", "failed", "unknown"],
    ["timed_out", "failed", "unknown"],
    ["lost", "failed", "unknown"],
    ["blocked", "failed", "failed"],
  ])("%s: a read has %s, a write %s", (name, read, write) => {
    const answer = must(answers[name]);
    expect([
      classifyHttp("read", answer).status,
      classifyHttp("write", answer).status,
      classifyHttp("irreversible", answer).status,
    ]).toEqual([read, write, write]);
  });
});
