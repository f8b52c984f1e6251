// Proves routing over the built bundle: the official client asks for `auto`, headers and the trace say what was chosen and why.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStage, traceIdOf, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;
let tenant: Tenant;

const routing = {
  default: "fast",
  tiers: [
    { name: "fast", model: "demo-small" },
    { name: "planning", route: "planning" },
  ],
  rules: [
    { id: "refund-risk", when: "request.write_tools > 0", tier: "planning", message: "money may move" },
    { id: "unsure", when: "has(call.confidence) && call.confidence < 0.5", tier: "planning" },
  ],
  complexity: [{ at_least: 0.4, tier: "planning" }],
  tests: [
    {
      name: "talk is fast",
      call: { actor: "support_agent_v4", request: { messages: [{ role: "user", content: "hi" }] } },
      expect: { tier: "fast", model: "demo-small" },
    },
  ],
};

beforeAll(async () => {
  stage = await openStage();
  tenant = await stage.tenant({
    actor: { models: ["auto"] },
    routes: { planning: { candidates: [{ model: "demo-large" }] } },
    sections: { routing },
  });
});
afterAll(() => stage.close());

const HELLO = [{ role: "user" as const, content: "hello" }];
const REFUND = {
  type: "function" as const,
  function: { name: "billing_refund", parameters: { type: "object", properties: {} } },
};

const shown = (headers: Headers): readonly (string | null)[] =>
  ["model", "tier", "route-reason"].map((each) => headers.get(`interlock-${each}`));

describe("model: auto", () => {
  test("takes the fast path by default, and more where a rule asks for it", async () => {
    const client = tenant.openai({ "Interlock-Session": "s1" });
    const fast = await client.chat.completions.create({ model: "auto", messages: HELLO }).withResponse();
    expect(shown(fast.response.headers)).toEqual(["demo-small", "fast", "default"]);
    expect(fast.data.model).toBe("demo-small");
    const risky = await client.chat.completions
      .create({ model: "auto", messages: HELLO, tools: [REFUND] })
      .withResponse();
    expect(shown(risky.response.headers)).toEqual(["demo-large", "planning", "rule:refund-risk"]);
  });

  test("streams, and keeps a task's tier", async () => {
    const client = tenant.openai({ "Interlock-Session": "s2", "Interlock-Task": "t" });
    await client.chat.completions.create({ model: "auto", messages: HELLO, tools: [REFUND] });
    const { data, response } = await client.chat.completions
      .create({ model: "auto", messages: HELLO, stream: true })
      .withResponse();
    expect(shown(response.headers)).toEqual(["demo-large", "planning", "sticky"]);
    let text = "";
    for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toContain("hello");
  });

  test("is told in the trace: rules by id and figures, nothing of the text", async () => {
    const answer = await tenant.chatAnswer({ model: "auto", messages: HELLO, tools: [REFUND] });
    const trace = await tenant.trace(traceIdOf(answer));
    const span = trace.spans.find(({ attributes }) => attributes["interlock.route.reason"] !== undefined);
    expect(span?.attributes).toMatchObject({
      "interlock.route.asked": "auto",
      "interlock.route.tier": "planning",
      "interlock.route.reason": "rule:refund-risk",
      "interlock.route.rules": ["refund-risk"],
      "interlock.route.features": ["request.write_tools=1"],
    });
    expect(trace.calls.map(({ model }) => model)).toEqual(["demo-large"]);
  });

  test("is listed among the models, and refused to an actor that does not list it", async () => {
    const listed: string[] = [];
    for await (const model of tenant.openai().models.list()) listed.push(model.id);
    expect(listed).toEqual(["auto"]);
    const plain = await stage.tenant({
      actor: { models: ["demo-small"] },
      sections: { routing: { ...routing, tiers: routing.tiers.map(({ name }) => ({ name, model: "demo-small" })) } },
    });
    expect((await plain.chatAnswer({ model: "auto", messages: HELLO })).status).toBe(403);
  });
});
