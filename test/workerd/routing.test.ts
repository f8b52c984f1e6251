// Proves routed calls with real objects: a task keeps its tier over isolates, in the one hop that admits, and the hold is the chosen tier's.
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { compose } from "../../src/compose.ts";
import type { ObjectNamespace } from "../../src/adapters/durable/rpc.ts";
import type { Env } from "../../src/env.ts";
import { bindings, completion, createTenant, refund, request, upstream, type TestTenant } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const model = {
  provider: "up",
  context: 1_000,
  max_output_tokens: 100,
  price: { input_per_mtok_usd: 1, output_per_mtok_usd: 1 },
};
const routing = {
  default: "fast",
  tiers: [
    { name: "fast", model: "small" },
    { name: "planning", model: "large" },
  ],
  rules: [
    { id: "refunds", when: "request.write_tools > 0", tier: "planning" },
    { id: "failed", when: "session.failures >= 1", tier: "planning" },
  ],
  degrade: [{ budget_used: 0.5, tier: "fast" }],
};
const dear = { input_per_mtok_usd: 100, output_per_mtok_usd: 100 };

function routedTenant(budgets: unknown = {}, actor: Readonly<Record<string, unknown>> = {}): Promise<TestTenant> {
  const models = { m: model, small: model, large: { ...model, price: dear } };
  return createTenant(budgets, {}, { actor, sections: { models, routing } });
}

const TOOLS = [{ type: "function", function: { name: "refund" } }];

interface Said {
  readonly status: number;
  readonly model: string | null;
  readonly tier: string | null;
  readonly reason: string | null;
}

async function said(answer: Promise<Response> | Response): Promise<Said> {
  const { status, headers } = await answer;
  const [name, tier, reason] = ["model", "tier", "route-reason"].map((each) => headers.get(`interlock-${each}`));
  return { status, model: name ?? null, tier: tier ?? null, reason: reason ?? null };
}

const bodyOf = (more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ model: "auto", messages: [{ role: "user", content: "hi" }], max_tokens: 10, ...more });

function auto(
  key: string,
  { session, task }: { readonly session: string; readonly task?: string },
  more: Readonly<Record<string, unknown>> = {},
): Promise<Said> {
  const headers = { "interlock-session": session, ...(task === undefined ? {} : { "interlock-task": task }) };
  return said(request("/v1/chat/completions", key, { method: "POST", headers, body: bodyOf(more) }));
}

describe("a routed call", () => {
  it("takes the fast path, and more where a rule asks for it, and keeps that within its task", async () => {
    const tenant = await routedTenant();
    const asked: string[] = [];
    upstream(async (sent) => {
      asked.push((await sent.json<{ model: string }>()).model);
      return completion();
    });
    const session = "s1";
    expect(await auto(tenant.agent, { session, task: "a" })).toEqual({
      status: 200,
      model: "small",
      tier: "fast",
      reason: "default",
    });
    expect(await auto(tenant.agent, { session, task: "a" }, { tools: TOOLS })).toMatchObject({
      model: "large",
      tier: "planning",
      reason: "rule:refunds",
    });
    expect(await auto(tenant.agent, { session, task: "a" })).toMatchObject({
      model: "large",
      tier: "planning",
      reason: "sticky",
    });
    expect(await auto(tenant.agent, { session, task: "b" })).toMatchObject({ model: "small", reason: "default" });
    expect(await auto(tenant.agent, { session })).toMatchObject({ model: "small", reason: "default" });
    expect(asked).toEqual(["small", "large", "large", "small", "small"]);
  });

  it("knows its task in another isolate, and costs one hop before the upstream", async () => {
    const tenant = await routedTenant();
    upstream(() => completion());
    await auto(tenant.agent, { session: "s", task: "t" }, { tools: TOOLS });
    const log: string[] = [];
    const ledgers = bindings.SESSION_LEDGER as unknown as ObjectNamespace<object>;
    const noting: ObjectNamespace<object> = {
      getByName: (id) =>
        new Proxy(ledgers.getByName(id), {
          get:
            (target, method) =>
            (...args: unknown[]) => {
              log.push(String(method));
              return (target as Record<PropertyKey, (...all: unknown[]) => unknown>)[method]?.(...args);
            },
        }),
    };
    const env = { ...bindings, SESSION_LEDGER: noting } as unknown as Env;
    const runtime = compose(env);
    const waiting: Promise<unknown>[] = [];
    const context = {
      waitUntil: (work: Promise<unknown>) => void waiting.push(work),
      passThroughOnException: () => undefined,
      props: {},
    };
    const headers = { authorization: `Bearer ${tenant.agent}`, "interlock-session": "s", "interlock-task": "t" };
    const answer = await createApp(() => runtime).request(
      "https://gateway.test/v1/chat/completions",
      { method: "POST", headers, body: bodyOf() },
      env,
      context,
    );
    expect(await said(answer)).toMatchObject({ model: "large", reason: "sticky" });
    await answer.text();
    await Promise.all(waiting);
    expect(log).toEqual(["admit", "settle"]);
  });

  it("is escalated by what failed before", async () => {
    const tenant = await routedTenant();
    upstream(({ url }) => (url.startsWith("https://tool.test") ? new Response("no", { status: 422 }) : completion()));
    expect(await auto(tenant.agent, { session: "s" })).toMatchObject({ reason: "default" });
    expect((await refund(tenant.agent, "s", "k1")).ok).toBe(false);
    expect(await auto(tenant.agent, { session: "s" })).toMatchObject({ model: "large", reason: "rule:failed" });
  });

  it("holds and costs what its tier does, and goes down once the budget is half used", async () => {
    const tenant = await routedTenant({ session: { usd: 0.1 } });
    upstream(() => completion(500, 10));
    expect(await auto(tenant.agent, { session: "s" }, { tools: TOOLS })).toMatchObject({ model: "large" });
    expect(await auto(tenant.agent, { session: "s" }, { tools: TOOLS })).toMatchObject({
      status: 200,
      model: "small",
      tier: "fast",
      reason: "degraded",
    });
  });

  it("stays within its actor's tiers, and is refused where the actor does not list auto", async () => {
    upstream(() => completion());
    const confined = await routedTenant({}, { model_tiers: ["fast"] });
    expect(await auto(confined.agent, { session: "s" }, { tools: TOOLS })).toMatchObject({
      model: "small",
      reason: "capped",
    });
    const unlisted = await routedTenant({}, { models: ["small"] });
    expect(await auto(unlisted.agent, { session: "s" })).toMatchObject({ status: 403 });
  });

  it("is unknown without routing, and never an embedding", async () => {
    upstream(() => completion());
    const plain = await createTenant({});
    expect(await auto(plain.agent, { session: "s" })).toMatchObject({ status: 404 });
  });
});

interface Explained {
  readonly tier: string;
  readonly models: readonly string[];
  readonly reason: string;
  readonly rules: readonly { readonly id: string; readonly matched: boolean; readonly values: object }[];
  readonly features: Readonly<Record<string, unknown>>;
  readonly session: object;
  readonly changes: readonly { readonly when: string; readonly tier: string; readonly reason: string }[];
}

async function explain(key: string, body: object): Promise<Explained> {
  const answer = await request("/v1/routes/explain", key, { method: "POST", body: JSON.stringify(body) });
  expect(answer.status).toBe(200);
  return answer.json<Explained>();
}

describe("an explanation", () => {
  it("tells what a live call would do, what each rule saw, and what would change it", async () => {
    const tenant = await routedTenant();
    const told = await explain(tenant.agent, {
      model: "auto",
      request: { messages: [{ role: "user", content: "hi" }] },
    });
    expect(told).toMatchObject({
      tier: "fast",
      models: ["small"],
      reason: "default",
      features: { turns: 1, write_tools: 0 },
    });
    expect(told.rules).toEqual([
      { id: "refunds", tier: "planning", matched: false, values: { "request.write_tools": 0 } },
      { id: "failed", tier: "planning", matched: false, values: { "session.failures": 0 } },
    ]);
    expect(told.changes.map(({ when, tier, reason }) => [when, tier, reason])).toEqual([
      ["failures >= 1", "planning", "rule:failed"],
      ["the task had planning", "planning", "sticky"],
    ]);
    const risky = await explain(tenant.agent, { model: "auto", features: { write_tools: 1 } });
    expect(risky.changes.map(({ when, tier }) => [when, tier])).toEqual([["budget_used >= 0.5", "fast"]]);
  });

  it("knows what a session has seen, and changes nothing of it", async () => {
    const tenant = await routedTenant();
    upstream(() => completion());
    await auto(tenant.agent, { session: "s", task: "t" }, { tools: TOOLS });
    const question = { model: "auto", session_id: "s", task_id: "t" };
    for (let at = 0; at < 2; at += 1)
      expect(await explain(tenant.agent, question)).toMatchObject({
        tier: "planning",
        reason: "sticky",
        session: { tier: "planning", failures: 0 },
      });
    expect(await explain(tenant.agent, { ...question, session: { tier: "fast" } })).toMatchObject({ tier: "fast" });
    expect(await explain(tenant.agent, { model: "auto", session_id: "never", task_id: "t" })).toMatchObject({
      reason: "default",
    });
  });

  it("tells of models by name, and refuses what is neither", async () => {
    const tenant = await routedTenant();
    expect(await explain(tenant.agent, { model: "large" })).toMatchObject({ models: ["large"], reason: "explicit" });
    const unknown = await request("/v1/routes/explain", tenant.agent, {
      method: "POST",
      body: JSON.stringify({ model: "larg" }),
    });
    expect(unknown.status).toBe(404);
    const wrong = await request("/v1/routes/explain", tenant.agent, {
      method: "POST",
      body: JSON.stringify({ model: "auto", feature: {} }),
    });
    expect([wrong.status, (await wrong.json<{ detail: string }>()).detail]).toEqual([
      400,
      expect.stringContaining("feature: unknown field"),
    ]);
  });
});
