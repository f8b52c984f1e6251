// Proves decisions: default deny, all reasons kept, the strictest wins, and nothing a caller declares widens anything.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ActiveConfig } from "../../src/core/config/published.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import type { ToolCallAsk } from "../../src/core/policy/ask.ts";
import { narrow, type Constraints } from "../../src/core/policy/constraints.ts";
import { decide, EFFECTS, type Decision, type Reason } from "../../src/core/policy/decision.ts";
import { decideAtEdge, evaluateModelCall, type ModelCallFacts } from "../../src/core/policy/evaluate.ts";
import { classifyHttp, type HttpAnswer } from "../../src/core/policy/tool-outcome.ts";
import { published } from "./policy-fixture.ts";

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the fixture is incomplete");
  return value;
}

const INPUT = {
  type: "object",
  properties: { amount_usd: { type: "number" }, note: { type: "object", properties: { text: { type: "string" } } } },
};
const document = {
  egress: { allow: ["x.test"] },
  tools: {
    "billing.refund": {
      kind: "http",
      method: "POST",
      url: "https://x.test/r",
      effect: "write",
      amount: { field: "amount_usd", currency: "USD" },
      scopes: ["billing:write"],
      pii: { writes: ["note.text"] },
      input_schema: INPUT,
    },
    "crm.note": { kind: "http", method: "POST", url: "https://x.test/n", effect: "write", input_schema: INPUT },
  },
  actors: { agent: { scopes: ["billing:write"], allowed_tools: ["billing.*"], max_amount_usd: 50 } },
};
const config = published(document);

interface Asked {
  readonly actor?: string;
  readonly tool?: string;
  readonly scopes?: readonly string[];
  readonly constraints?: Constraints;
  readonly args?: JsonObject;
}

/** Decides at the edge; nothing here looks at a session. */
function decided(asked: Asked = {}, active: ActiveConfig = config): Decision {
  const ask: ToolCallAsk = {
    actor: asked.actor ?? "agent",
    principal: { key_id: "key_t", roles: ["agent"], scopes: asked.scopes ?? ["billing:write"] },
    tool: asked.tool ?? "billing.refund",
    args: asked.args ?? { amount_usd: 42 },
    constraints: asked.constraints ?? {},
    session: "s",
    task: null,
    intent: null,
    confidence: null,
    user: null,
    user_origin: "declared",
    user_prompt: null,
    release: null,
    confirmed: false,
  };
  const facts = active.facts(must(active.tool(ask.tool)), ask, { switches: [], now: 0 });
  return decide(decideAtEdge(facts), active.policyVersion);
}

describe("a tool call's decision", () => {
  it.each([
    { what: "within every limit", more: {}, effect: "allow", rules: ["actor.allowed_tools"] },
    {
      what: "an actor that is not configured",
      more: { actor: "stranger" },
      effect: "deny",
      rules: ["actor.known", "scopes"],
    },
    {
      what: "a tool the actor does not list",
      more: { tool: "crm.note" },
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
    const decision = decided(more as Asked);
    expect({ effect: decision.effect, rules: decision.reasons.map((reason) => reason.rule_id) }).toEqual({
      effect,
      rules,
    });
  });

  it("never reads a prototype", () => {
    const properties = { constructor: { type: "object", properties: { length: { type: "number" } } } };
    const amount = { field: "constructor.length", currency: "USD" };
    const tool = { ...document.tools["billing.refund"], amount, pii: { writes: [] } };
    const tools = { "billing.refund": { ...tool, input_schema: { type: "object", properties } } };
    const decision = decided({ args: {} }, published({ ...document, tools }));
    expect(decision.effect).toBe("deny");
  });

  it("is a denial when nothing speaks", () =>
    expect(decide({ reasons: [], standby: null }, "v1")).toMatchObject({
      effect: "deny",
      reasons: [{ rule_id: "default" }],
    }));
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
          const under = (declared: Constraints): number => strictness(decided({ constraints: declared, args }).effect);
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
        expect(strictness(decide({ reasons: [...reasons, more], standby: null }, "v").effect)).toBe(
          Math.max(strictness(decide({ reasons, standby: null }, "v").effect), strictness(more.effect)),
        );
      }),
    );
  });
});

function modelFacts(modelName: string): ModelCallFacts {
  return {
    policyVersion: "v1",
    actorName: "agent",
    actor: { models: ["small"] },
    modelName,
    confidence: null,
    release: null,
    session: "s",
    switches: [],
    terms: config.terms,
    now: 0,
  };
}

describe("a model call's decision", () => {
  it.each([
    ["small", "allow"],
    ["large", "deny"],
  ])("is for %s: %s", (modelName, effect) => expect(evaluateModelCall(modelFacts(modelName)).effect).toBe(effect));

  it("is a denial with the halt's reason while a switch covers it", () => {
    const halt = { id: "s", kind: "halt", scope: {}, reason: "x", set_by: "k", set_at: 0, expires_at: null } as const;
    const decision = evaluateModelCall({ ...modelFacts("small"), switches: [halt] });
    expect(decision.effect).toBe("deny");
    expect(decision.reasons.map((reason) => reason.rule_id)).toEqual(["actor.models", "switch.halt"]);
  });
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
