// Proves stop-and-ask inside workerd: what pauses a session, what a paused one answers, and what a person makes of it; and preflight beside it.
import { afterEach, describe, expect, it, vi } from "vitest";
import { chat, completion, createKey, createTenant, refund, request, upstream, type MoreConfig } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

interface Shown {
  readonly pause: { readonly kind: string; readonly rule_id: string; readonly reason: string } | null;
  readonly counters: Readonly<Record<string, number>>;
  readonly leases: readonly unknown[];
}

async function open(more: MoreConfig, budgets: unknown = {}, tool: Readonly<Record<string, unknown>> = {}) {
  const tenant = await createTenant(budgets, { repeat: "allow", ...tool }, more);
  const operator = await createKey(tenant.id, ["operator"]);
  const post = (path: string, body?: unknown, key = operator): Promise<Response> =>
    request(path, key, { method: "POST", ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  return {
    ...tenant,
    operator,
    post,
    act: (verb: string, body?: unknown, session = "s1") => post(`/v1/sessions/${session}/${verb}`, body),
    session: async (id = "s1") => (await request(`/v1/sessions/${id}`, operator)).json<Shown>(),
    pay: (amount_usd: number, headers: Readonly<Record<string, string>> = {}, path = "/v1/tool-calls") =>
      request(path, tenant.agent, {
        method: "POST",
        headers: { "interlock-session": "s1", ...headers },
        body: JSON.stringify({ tool_call: { name: "refund", args: { amount_usd } } }),
      }),
  };
}

function works(): { readonly sent: Request[] } {
  return upstream((outgoing) =>
    outgoing.url.startsWith("https://model.test") ? completion() : Response.json({ ok: true }),
  );
}

const stopAndAsk = (settings: Readonly<Record<string, number>>): MoreConfig => ({ actor: { stop_and_ask: settings } });

describe("a session is paused by", () => {
  it("a call less sure than the actor's floor", async () => {
    const tenant = await open(stopAndAsk({ min_confidence: 0.7 }));
    const { sent } = works();
    expect((await tenant.pay(1, { "interlock-confidence": "0.7" })).status).toBe(200);
    const stopped = await tenant.pay(2, { "interlock-confidence": "0.4" });
    expect(stopped.status).toBe(403);
    expect(await stopped.json()).toMatchObject({ code: "session_paused", pause: { rule_id: "actor.min_confidence" } });
    expect(await (await tenant.pay(3)).json()).toMatchObject({ code: "session_paused" });
    expect(await (await chat(tenant.agent, "s1")).text()).toContain("session_paused");
    expect(sent).toHaveLength(1);
  });

  it("a model call less sure than the floor", async () => {
    const tenant = await open(stopAndAsk({ min_confidence: 0.7 }));
    works();
    const unsure = await request("/v1/chat/completions", tenant.agent, {
      method: "POST",
      headers: { "interlock-session": "s1", "interlock-confidence": "0.1" },
      body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }], max_tokens: 10 }),
    });
    expect(await unsure.text()).toContain("session_paused");
    expect((await tenant.session()).pause).toMatchObject({ kind: "paused", rule_id: "actor.min_confidence" });
  });

  it("the third identical call, and resuming counts anew", async () => {
    const tenant = await open(stopAndAsk({ repeated_calls: 3 }));
    const { sent } = works();
    expect([(await tenant.pay(5)).status, (await tenant.pay(5)).status, (await tenant.pay(6)).status]).toEqual([
      200, 200, 200,
    ]);
    expect(await (await tenant.pay(5)).json()).toMatchObject({
      code: "session_paused",
      pause: { rule_id: "actor.repeated_calls" },
    });
    expect(sent).toHaveLength(3);
    expect((await tenant.act("resume", { comment: "it is right" })).status).toBe(200);
    expect([(await tenant.pay(5)).status, (await tenant.pay(5)).status, (await tenant.pay(5)).status]).toEqual([
      200, 200, 403,
    ]);
  });

  it("failures in a row; a success in between starts the row again", async () => {
    const tenant = await open(stopAndAsk({ consecutive_failures: 2 }));
    let status = 400;
    upstream(() => Response.json({}, { status }));
    await tenant.pay(1);
    status = 200;
    await tenant.pay(2);
    status = 400;
    await tenant.pay(3);
    expect((await tenant.session()).pause).toBeNull();
    await tenant.pay(4);
    expect(await tenant.session()).toMatchObject({
      pause: { rule_id: "actor.consecutive_failures" },
      counters: { failures: 3, consecutive_failures: 2 },
    });
    expect(await (await tenant.pay(5)).json()).toMatchObject({ code: "session_paused" });
  });

  it("a budget that is nearly used, once: a person who has seen it is not asked again", async () => {
    const tenant = await open(stopAndAsk({ budget_used: 0.8 }), { session: { tool_usd: 100 } });
    works();
    expect((await tenant.pay(79)).status).toBe(200);
    expect((await tenant.pay(1)).status).toBe(200);
    expect(await (await tenant.pay(2)).json()).toMatchObject({
      code: "session_paused",
      pause: { rule_id: "actor.budget_used" },
    });
    await tenant.act("resume");
    expect((await tenant.pay(3)).status).toBe(200);
    expect((await tenant.pay(4)).status).toBe(200);
  });

  it("a budget that is used, not one that is only held: a hold is a worst case", async () => {
    const tenant = await open(stopAndAsk({ budget_used: 0.5 }), { session: { usd: "0.001" } });
    works();
    // Holds two thirds of it and more, uses 0.000015.
    expect(
      (await chat(tenant.agent, "s1", { max_tokens: 100, messages: [{ role: "user", content: "x".repeat(500) }] }))
        .status,
    ).toBe(200);
    expect((await tenant.session()).pause).toBeNull();
    expect((await chat(tenant.agent, "s1")).status).toBe(200);
  });

  it("a rule's own wish", async () => {
    const rule = {
      id: "odd",
      when: "args.amount_usd > 10.0",
      effect: "deny",
      message: "look at this",
      stop_and_ask: true,
    };
    const tenant = await open({ sections: { policy: { rules: [rule] } } });
    works();
    expect(await (await tenant.pay(11)).json()).toMatchObject({
      code: "session_paused",
      pause: { rule_id: "odd", reason: "look at this" },
    });
    expect(await (await tenant.pay(1)).json()).toMatchObject({ code: "session_paused" });
  });
});

describe("a paused session", () => {
  it("waits for a person: paused, resumed, ended; each act is recorded with its reason", async () => {
    const tenant = await open({});
    works();
    expect((await tenant.act("pause", { reason: "r" })).status).toBe(404);
    await tenant.pay(1);
    expect((await tenant.act("pause")).status).toBe(400);
    const paused = await tenant.act("pause", { reason: "strange refunds" });
    expect(await paused.json()).toMatchObject({
      pause: { kind: "paused", rule_id: "person", reason: "strange refunds" },
    });
    expect(await (await tenant.pay(2)).json()).toMatchObject({ code: "session_paused" });
    expect((await tenant.act("resume")).status).toBe(200);
    expect((await tenant.pay(3)).status).toBe(200);
    expect((await tenant.act("end", { reason: "done with it" })).status).toBe(200);
    expect(await (await tenant.pay(4)).json()).toMatchObject({ code: "session_ended" });
    expect(await (await tenant.act("resume")).json()).toMatchObject({ code: "session_ended" });
    expect(await (await tenant.act("pause", { reason: "r" })).json()).toMatchObject({ code: "session_ended" });
    expect((await tenant.post("/v1/sessions/s1/resume", {}, tenant.agent)).status).toBe(403);
    await vi.waitFor(
      async () => {
        const found = await request("/v1/traces?session=s1", tenant.auditor);
        const { data } = await found.json<{ data: readonly { kind: string; status: string }[] }>();
        const acts = data.filter(({ kind }) => kind === "session").map(({ status }) => status);
        expect(acts.toSorted()).toEqual(["ended", "paused", "resumed"]);
      },
      { timeout: 15_000, interval: 200 },
    );
  });

  it("answers not even what it has answered before: its agent reads the call by its id", async () => {
    const tenant = await open({});
    const { sent } = works();
    const first = await refund(tenant.agent, "s1", "k1");
    const { id } = await first.json<{ id: string }>();
    await tenant.act("pause", { reason: "wait" });
    expect(await (await refund(tenant.agent, "s1", "k1")).json()).toMatchObject({ code: "session_paused" });
    expect(await (await refund(tenant.agent, "s1", "k2")).json()).toMatchObject({ code: "session_paused" });
    expect(await (await request(`/v1/tool-calls/${id}`, tenant.agent)).json()).toMatchObject({ status: "succeeded" });
    await tenant.act("resume", {});
    expect(await (await refund(tenant.agent, "s1", "k1")).json()).toMatchObject({ id, replayed: true });
    expect(sent).toHaveLength(1);
  });

  it("shows its counters", async () => {
    const tenant = await open({});
    works();
    await tenant.pay(1);
    await chat(tenant.agent, "s1");
    await vi.waitFor(async () =>
      expect(await tenant.session()).toMatchObject({
        pause: null,
        counters: { calls: 1, tool_calls: 1, failures: 0, consecutive_failures: 0 },
        taint: [],
        facts: {},
        leases: [],
      }),
    );
  });
});

describe("preflight", () => {
  const PREFLIGHT = "/v1/tool-calls/preflight";

  it("says what a live call would do and the smallest change, and leaves no trace of itself", async () => {
    const rule = {
      id: "finance",
      when: "args.amount_usd > 20.0",
      effect: "require_approval",
      approval: { roles: ["finance"] },
    };
    const tenant = await open({ actor: { max_amount_usd: 50 }, sections: { policy: { rules: [rule] } } });
    const { sent } = works();
    const answer = await tenant.pay(75, {}, PREFLIGHT);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      would: "refuse",
      refusal: { code: "policy_denied" },
      counterfactuals: [
        {
          effect: "allow",
          change: { path: "tool_call.args.amount_usd", at_most: "20.00" },
          message: "allowed up to 20.00",
        },
        { effect: "require_approval", change: { at_most: "50.00" }, message: "needs approval by finance up to 50.00" },
      ],
    });
    expect(await (await tenant.pay(30, {}, PREFLIGHT)).json()).toMatchObject({
      would: "wait_for_approval",
      refusal: null,
    });
    expect(await (await tenant.pay(5, {}, PREFLIGHT)).json()).toMatchObject({ would: "execute", counterfactuals: [] });
    expect(sent).toHaveLength(0);
    expect((await request("/v1/sessions/s1", tenant.operator)).status).toBe(404);
  });

  it("sees the session's rules, its budget, limits across sessions, and a pause", async () => {
    const policy = {
      rules: [
        { id: "twice", when: 'session.count_within("refund", "1h") >= 2 && args.amount_usd > 3.0', effect: "deny" },
      ],
      limits: [{ id: "cap", sum: "amount_usd", max: "100.00", per: "actor", window: "day" }],
    };
    const tenant = await open({ sections: { policy } }, { session: { tool_usd: 90 } });
    works();
    expect((await tenant.pay(40)).status).toBe(200);
    expect(await (await tenant.pay(55, {}, PREFLIGHT)).json()).toMatchObject({
      would: "refuse",
      refusal: { code: "budget_exceeded" },
      budgets: [{ scope: "session", dimension: "tool_usd", remaining: "50.00", needed: "55.00", fits: false }],
      counterfactuals: [{ message: "allowed up to 50.00" }],
    });
    const elsewhere = { "interlock-session": "s2" };
    expect(await (await tenant.pay(61, elsewhere, PREFLIGHT)).json()).toMatchObject({
      would: "refuse",
      refusal: { code: "limit_exceeded", limit: { id: "cap" } },
      limits: [{ limit: "cap", max: "100.00", fits: false }],
    });
    expect((await tenant.pay(1)).status).toBe(200);
    expect(await (await tenant.pay(4, {}, PREFLIGHT)).json()).toMatchObject({
      would: "refuse",
      decision: { effect: "deny" },
      counterfactuals: [{ message: "allowed up to 3.00" }],
    });
    await tenant.act("pause", { reason: "wait" });
    expect(await (await tenant.pay(1, {}, PREFLIGHT)).json()).toMatchObject({
      would: "refuse",
      refusal: { code: "session_paused" },
    });
  });

  it("refuses an unknown tool and bad arguments as a live call would", async () => {
    const tenant = await open({});
    const ask = (name: string, args: unknown): Promise<Response> =>
      tenant.post(PREFLIGHT, { tool_call: { name, args } }, tenant.agent);
    expect(await (await ask("refnd", {})).json()).toMatchObject({ status: 404, code: "unknown_tool" });
    expect(await (await ask("refund", {})).json()).toMatchObject({ status: 400, code: "invalid_arguments" });
  });

  it("tells an agent no figure where the tenant keeps them, nor does a live refusal; a person still sees them", async () => {
    // Figures that no id, digest or instant of an answer can hold by chance.
    const rule = { id: "cap", when: "args.amount_usd > 61.5", effect: "deny", message: "over 61.50" };
    const policy = { explain_to_agents: "effect", rules: [rule] };
    const tenant = await open({
      actor: { max_amount_usd: 63.25, stop_and_ask: { min_confidence: 0.65 } },
      sections: { policy },
    });
    works();
    const asked = [
      await tenant.pay(75, {}, PREFLIGHT),
      await tenant.pay(75),
      await refund(tenant.agent, "s1", "k1", 75),
      await tenant.pay(75, {}, PREFLIGHT),
      await tenant.pay(1, { "interlock-confidence": "0.1" }),
      await tenant.pay(2),
      await request("/v1/sessions/s1", tenant.agent),
    ];
    for (const answer of asked) {
      const text = await answer.text();
      expect(text).not.toMatch(/61\.5|63\.25|\b0\.65|counterfactuals/);
    }
    expect(await (await request("/v1/sessions/s1", tenant.operator)).text()).toContain("0.65");
    const both = await createKey(tenant.id, ["agent", "operator"]);
    const told = await tenant.post(
      PREFLIGHT,
      { session_id: "s9", tool_call: { name: "refund", args: { amount_usd: 75 } } },
      both,
    );
    expect(await told.text()).toContain("allowed up to 61.50");
  });
});
