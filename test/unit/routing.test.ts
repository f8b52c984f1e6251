// Proves the routing policy: the fast path by default, rules that only raise, what each dialect shows, and what publishing refuses.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkConfig } from "../../src/core/config/check.ts";
import { ConfigDocument } from "../../src/core/config/document.ts";
import { unpublished, type ActiveConfig } from "../../src/core/config/published.ts";
import type { RoutingEntry } from "../../src/core/config/routing-document.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { complexityOf } from "../../src/core/routing/complexity.ts";
import { featuresOf, withFeatures } from "../../src/core/routing/features.ts";
import type { RequestFeatures } from "../../src/core/routing/figures.ts";
import { viewOf } from "../../src/core/routing/request-view.ts";
import { routeCall, type RoutedRequest } from "../../src/core/routing/routed-call.ts";
import { outcomeIn, type RoutedOutcome } from "../../src/core/routing/routing-tests.ts";

const around = { priceBook: null, secrets: null, services: null, allowPrivateEgress: true };
const price = { input_per_mtok_usd: 1, output_per_mtok_usd: 1 };
const model = { provider: "p", price };

function documentWith(routing: object | undefined, more: object = {}): object {
  return {
    providers: { p: { kind: "openai-compatible", base_url: "http://localhost/v1" } },
    models: { nano: model, small: model, large: model },
    routes: { steady: { candidates: [{ model: "large" }, { model: "small" }] } },
    egress: { allow: ["localhost"] },
    tools: {
      "billing.refund": {
        kind: "http",
        method: "POST",
        url: "http://localhost/refund",
        effect: "irreversible",
        amount: { field: "amount_usd", currency: "USD" },
        input_schema: { type: "object", properties: { amount_usd: { type: "number" } } },
      },
      "crm.read": {
        kind: "http",
        method: "GET",
        url: "http://localhost/crm",
        effect: "read",
        input_schema: { type: "object" },
      },
    },
    actors: { a: { models: ["auto"] }, confined: { models: ["*"], model_tiers: ["nano", "fast"] } },
    ...(routing === undefined ? {} : { routing }),
    ...more,
  };
}

const routing = {
  default: "fast",
  tiers: [
    { name: "nano", model: "nano" },
    { name: "fast", model: "small" },
    { name: "planning", route: "steady" },
  ],
  rules: [
    { id: "refunds", when: "request.irreversible_tools > 0", tier: "planning", may_degrade: false },
    { id: "unsure", when: "has(call.confidence) && call.confidence < 0.5", tier: "planning" },
    { id: "failing", when: "session.failures >= 2", tier: "planning" },
    { id: "tainted", when: "session.tainted && request.write_tools > 0", tier: "planning" },
  ],
  complexity: [{ at_least: 0.4, tier: "planning" }],
  degrade: [{ budget_used: 0.8, tier: "nano" }],
};

function configOf(document: object): ActiveConfig {
  const checked = checkConfig(document, around);
  if (!checked.ok) throw new Error(checked.mistakes.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  return unpublished(checked.document, checked.rules);
}

const config = configOf(documentWith(routing));

function mistakesIn(document: object): readonly string[] {
  const checked = checkConfig(document, around);
  return checked.ok ? [] : checked.mistakes.map(({ path, message }) => `${path}: ${message}`);
}

interface Asked {
  readonly request?: Partial<RoutedRequest>;
  readonly caller?: Partial<RoutedRequest["caller"]>;
  readonly session?: Parameters<typeof outcomeIn>[2];
  readonly config?: ActiveConfig;
}

function outcome({ request = {}, caller = {}, session = {}, config: under = config }: Asked = {}): RoutedOutcome {
  const routed = routeCall(under, {
    caller: { actor: "a", intent: null, confidence: null, isConfirmed: false, task: "t", ...caller },
    body: { messages: [{ role: "user", content: "hello" }] },
    now: 0,
    ...request,
  });
  if (routed === undefined) throw new Error("not routed");
  return outcomeIn(under, routed, session);
}

const offers = (names: readonly string[]): JsonObject => ({
  messages: [{ role: "user", content: "hello" }],
  tools: names.map((name) => ({ type: "function", function: { name } })),
});

describe("the tier of a call", () => {
  test("is the default where nothing asks for more", () => {
    expect(outcome()).toMatchObject({ tier: "fast", reason: "default", model: "small" });
  });

  test("is what the highest matching rule calls for", () => {
    const risky = outcome({ request: { body: offers(["billing_refund"]) } });
    expect(risky).toMatchObject({ tier: "planning", reason: "rule:refunds", model: "large" });
    expect(outcome({ caller: { confidence: 0.3 } }).reason).toBe("rule:unsure");
    expect(outcome({ caller: { confidence: 0.9 } }).reason).toBe("default");
  });

  test("follows the built-in score", () => {
    const features = { has_code: true, has_maths: true, has_structure: true };
    expect(outcome({ request: { features } })).toMatchObject({ tier: "planning", reason: "complexity" });
  });

  test("rises with failures and taint where rules say so", () => {
    const tiers = [0, 1, 2, 3, 50].map((failures) => outcome({ session: { failures } }).tier);
    expect(tiers).toEqual(["fast", "fast", "planning", "planning", "planning"]);
    const writing = { request: { features: { write_tools: 1 } } };
    expect(outcome({ ...writing, session: { tainted: true } }).reason).toBe("rule:tainted");
    expect(outcome({ ...writing, session: { tainted: false } }).reason).toBe("default");
  });

  test("stays within the actor's tiers, whatever a rule calls for", () => {
    const capped = outcome({ request: { body: offers(["billing.refund"]) }, caller: { actor: "confined" } });
    expect(capped).toMatchObject({ tier: "fast", reason: "capped" });
    expect(capped.word.words.filter(({ matched }) => matched).map(({ id }) => id)).toEqual(["refunds"]);
  });

  test("never goes down within a task, but where the budget says so", () => {
    expect(outcome({ session: { tier: "planning" } })).toMatchObject({ tier: "planning", reason: "sticky" });
    expect(outcome({ session: { tier: "planning", budget_used: 0.8 } })).toMatchObject({
      tier: "nano",
      reason: "degraded",
    });
    expect(outcome({ session: { budget_used: 0.79 } }).tier).toBe("fast");
  });

  test("does not fall below a rule that may not degrade", () => {
    const risky = outcome({ request: { body: offers(["billing.refund"]) }, session: { budget_used: 1 } });
    expect(risky).toMatchObject({ tier: "planning", reason: "rule:refunds" });
  });

  test("counts a rule that cannot be evaluated as matching, and says so", () => {
    const faulty = { id: "faulty", when: "10 / request.turns > 20", tier: "planning" };
    const broken = configOf(documentWith({ ...routing, rules: [faulty] }));
    const found = outcome({ config: broken, request: { body: {} } });
    expect(found).toMatchObject({ tier: "planning", reason: "rule:faulty" });
    expect(found.word.words[0]?.error).toContain("line 1, column");
  });
});

const figures: fc.Arbitrary<Partial<RequestFeatures>> = fc.record(
  {
    input_tokens: fc.nat(100_000),
    turns: fc.nat(60),
    tools: fc.nat(40),
    write_tools: fc.nat(5),
    irreversible_tools: fc.nat(2),
    media: fc.nat(3),
    has_code: fc.boolean(),
    has_maths: fc.boolean(),
    has_structure: fc.boolean(),
    reasoning: fc.boolean(),
    questions: fc.nat(9),
    steps: fc.nat(9),
  },
  { requiredKeys: [] },
);
const TIERS = ["nano", "fast", "planning"];

describe("whatever is asked", () => {
  const session = fc.record({ failures: fc.nat(12), tainted: fc.boolean() });

  test("one more writing tool never lowers the tier", () => {
    fc.assert(
      fc.property(figures, session, (features, seen) => {
        const more = {
          ...features,
          tools: (features.tools ?? 0) + 1,
          write_tools: (features.write_tools ?? 0) + 1,
          irreversible_tools: (features.irreversible_tools ?? 0) + 1,
        };
        const [before, after] = [features, more].map((each) =>
          outcome({ request: { body: undefined, features: each }, session: seen }),
        );
        expect(TIERS.indexOf(after?.tier ?? "")).toBeGreaterThanOrEqual(TIERS.indexOf(before?.tier ?? ""));
      }),
    );
  });

  test("the score is between 0 and 1, and nothing more makes it less", () => {
    fc.assert(
      fc.property(
        figures,
        fc.constantFrom("input_tokens", "turns", "tools", "questions", "steps"),
        (features, which) => {
          const known = withFeatures(undefined, features);
          const more = complexityOf({ ...known, [which]: known[which] + 1 });
          expect(known.complexity).toBeGreaterThanOrEqual(0);
          expect(more.score).toBeGreaterThanOrEqual(known.complexity);
          expect(complexityOf({ ...known, has_code: true, reasoning: true }).score).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  test("a plain question in any script is on the fast path", () => {
    for (const text of [
      "Where is my order?",
      "Wo ist meine Bestellung?",
      "我的订单在哪里？",
      "أين طلبي؟",
      "Где мой заказ?",
      "मेरा ऑर्डर कहाँ है?",
    ])
      expect(outcome({ request: { body: { messages: [{ role: "user", content: text }] } } }).reason).toBe("default");
  });
});

const tools = ConfigDocument.parse(documentWith(undefined)).tools;
const read = (body: JsonObject): RequestFeatures => featuresOf(viewOf(body), tools);

describe("the figures of a request", () => {
  const expected = {
    turns: 3,
    tools: 2,
    irreversible_tools: 1,
    tool_results: 1,
    max_amount_minor: 4_200,
    media: 1,
    has_structure: true,
  };
  const args = { amount_usd: 42 };
  const bodies: Readonly<Record<string, JsonObject>> = {
    chat: {
      messages: [
        { role: "system", content: "Be kind." },
        {
          role: "user",
          content: [
            { type: "text", text: "Refund it" },
            { type: "image_url", image_url: { url: "x" } },
          ],
        },
        {
          role: "assistant",
          tool_calls: [{ id: "1", function: { name: "billing_refund", arguments: JSON.stringify(args) } }],
        },
        { role: "tool", tool_call_id: "1", content: "done" },
        { role: "user", content: "Thanks?" },
      ],
      tools: ["billing_refund", "crm_read"].map((name) => ({ type: "function", function: { name } })),
      response_format: { type: "json_schema" },
    },
    responses: {
      instructions: "Be kind.",
      input: [
        {
          role: "user",
          content: [
            { type: "input_text", text: "Refund it" },
            { type: "input_image", image_url: "x" },
          ],
        },
        { type: "function_call", call_id: "1", name: "billing_refund", arguments: JSON.stringify(args) },
        { type: "function_call_output", call_id: "1", output: "done" },
        { role: "user", content: "Thanks?" },
      ],
      tools: ["billing_refund", "crm_read"].map((name) => ({ type: "function", name })),
      text: { format: { type: "json_schema" } },
    },
    messages: {
      system: [{ type: "text", text: "Be kind." }],
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "Refund it" },
            { type: "image", source: {} },
          ],
        },
        { role: "assistant", content: [{ type: "tool_use", id: "1", name: "billing_refund", input: args }] },
        {
          role: "user",
          content: [
            { type: "tool_result", tool_use_id: "1", content: "done" },
            { type: "text", text: "Thanks?" },
          ],
        },
      ],
      tools: ["billing_refund", "crm_read"].map((name) => ({ name, input_schema: {} })),
      output_config: { format: { type: "json_schema" } },
    },
    generate: {
      systemInstruction: { parts: [{ text: "Be kind." }] },
      contents: [
        { role: "user", parts: [{ text: "Refund it" }, { inlineData: { mimeType: "image/png", data: "" } }] },
        { role: "model", parts: [{ functionCall: { name: "billing.refund", args } }] },
        { role: "user", parts: [{ functionResponse: { name: "billing.refund", response: {} } }, { text: "Thanks?" }] },
      ],
      tools: [{ functionDeclarations: [{ name: "billing.refund" }, { name: "crm.read" }] }],
      generationConfig: { responseSchema: {} },
    },
  };

  test.each(Object.entries(bodies))("of %s are the same", (_, body) => {
    expect(read(body)).toMatchObject({ ...expected, questions: 1 });
  });

  test("tell code, maths, tables and wishes from prose", () => {
    const of = (text: string): RequestFeatures => read({ messages: [{ role: "user", content: text }] });
    expect(of("Please review:\n```ts\nconst a = 1\n```")).toMatchObject({ has_code: true });
    expect(of("int f(int a) {\n  return a;\n}\n")).toMatchObject({ has_code: true });
    expect(of("Solve x^2 + 3x = 7 for x")).toMatchObject({ has_maths: true });
    expect(of("∫ f(t) dt over the interval")).toMatchObject({ has_maths: true });
    expect(of("| a | b |\n|---|---|\n| 1 | 2 |")).toMatchObject({ has_structure: true });
    expect(of("1. open it\n2. close it\n- tell me")).toMatchObject({ steps: 3 });
    expect(of("My order 4711 of 2026-01-05 is late; call me on +49 30 1234-567.")).toMatchObject({
      has_code: false,
      has_maths: false,
      has_structure: false,
    });
    expect(read({ messages: [], reasoning_effort: "high" }).reasoning).toBe(true);
    expect(read({ messages: [], thinking: { type: "enabled", budget_tokens: 1_024 } }).reasoning).toBe(true);
    expect(read({ messages: [], reasoning: { effort: "low" } }).reasoning).toBe(false);
  });

  test("are read of anything at all", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("messages", "input", "contents", "tools", "system", "text"), fc.jsonValue()),
        (body) => {
          expect(read(body as JsonObject).input_tokens).toBeGreaterThanOrEqual(0);
        },
      ),
    );
  });

  test("count tokens about as providers do, in any script", () => {
    expect(read({ input: "word ".repeat(400) }).input_tokens).toBe(500);
    expect(read({ input: "字".repeat(10_000) }).input_tokens).toBe(10_000);
  });
});

describe("publishing", () => {
  test("refuses what leads nowhere, all at once, with the likely name", () => {
    const wrong = {
      default: "fats",
      tiers: [
        { name: "fast", model: "smal" },
        { name: "planning", route: "stedy", model: "large" },
      ],
      rules: [
        { id: "r", when: "request.write_tool > 0", tier: "planing" },
        { id: "r", when: "call.confidence < 0.5", tier: "planning" },
        { id: "s", when: "request.turns", tier: "planning" },
      ],
      degrade: [{ budget_used: 0.5, tier: "slow" }],
      tests: [{ name: "t", call: { actor: "b" }, expect: { tier: "fast", rules: ["q"] } }],
    };
    expect(mistakesIn(documentWith(wrong))).toEqual([
      'routing.tiers.0.model: no such model: "smal" (did you mean "small"?)',
      "routing.tiers.1: expected either `route` or `model`",
      'routing.rules.1.id: "r" is the name of entry 0 already',
      'routing.default: no such tier: "fats" (did you mean "fast"?)',
      'routing.rules.0.tier: no such tier: "planing" (did you mean "planning"?)',
      'routing.degrade.0.tier: no such tier: "slow"',
      'routing.tests.0.call.actor: no such actor: "b"',
      'routing.tests.0.expect.rules.0: no such rule: "q"',
      'routing.rules.0.when: rule "r", line 1, column 1: unknown field "write_tool" (did you mean "write_tools"?): `request.write_tool > 0`',
      'routing.rules.1.when: rule "r", line 1, column 1: `call.confidence` may be absent: test has(call.confidence) first: `call.confidence < 0.5`',
      'routing.rules.2.when: rule "s", line 1, column 1: a rule must be true or false, not int: `request.turns`',
      'actors.confined.model_tiers.0: no such tier of `routing`: "nano"',
    ]);
  });

  test("refuses models that are called like what routing stands for, and `auto` without routing", () => {
    expect(
      mistakesIn(documentWith(routing, { models: { auto: model, nano: model, small: model, large: model } })),
    ).toEqual(['models.auto: expected another name: "auto" stands for what routing chooses']);
    expect(mistakesIn(documentWith(undefined, { actors: { a: { models: ["auto"] } } }))).toEqual([
      'actors.a.models.0: "auto" is not in the config',
    ]);
  });

  test("runs the policy's own tests", () => {
    const cases: RoutingEntry["tests"] = [
      {
        name: "talk is fast",
        call: { actor: "a", request: { messages: [{ role: "user", content: "hi" }] } },
        expect: { tier: "fast", model: "small", reason: "default" },
      },
      {
        name: "refunds plan",
        call: { actor: "a", features: { irreversible_tools: 1 } },
        expect: { tier: "planning", rules: ["refunds"] },
      },
      {
        name: "a task keeps its tier",
        call: { actor: "a" },
        session: { tier: "planning" },
        expect: { tier: "planning", reason: "sticky" },
      },
    ];
    expect(mistakesIn(documentWith({ ...routing, tests: cases }))).toEqual([]);
    const wrong = cases.map((each) => ({ ...each, expect: { tier: "nano", model: "nano", rules: ["failing"] } }));
    expect(mistakesIn(documentWith({ ...routing, tests: wrong }))).toEqual([
      'routing.tests.0: test "talk is fast": expected tier nano, is fast (default); expected model nano, is small (tier fast, default); rule "failing" does not match; what matched: no rule',
      'routing.tests.1: test "refunds plan": expected tier nano, is planning (rule:refunds); expected model nano, is large (tier planning, rule:refunds); rule "failing" does not match; what matched: refunds (planning)',
      'routing.tests.2: test "a task keeps its tier": expected tier nano, is planning (sticky); expected model nano, is large (tier planning, sticky); rule "failing" does not match; what matched: no rule',
    ]);
  });
});
