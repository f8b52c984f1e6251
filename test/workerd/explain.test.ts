// Proves what is recorded of decisions that led to no call, and that a session of 200 spans is explained in time.
import { afterEach, describe, expect, it, vi } from "vitest";
import { chat, completion, createTenant, refund, request, upstream, type TestTenant } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

interface Told {
  readonly calls: number;
  readonly spans: number;
  readonly sections: readonly {
    readonly id: string;
    readonly sentences: readonly { readonly text: string; readonly span_ids: readonly string[] }[];
  }[];
}

interface Row {
  readonly kind: string;
  readonly status: string;
  readonly actor: string;
  readonly tool: string | null;
  readonly model: string | null;
  readonly error_code: string | null;
  readonly trace_id: string;
}

async function explained(tenant: TestTenant, session: string): Promise<Told | undefined> {
  const answer = await request(`/v1/sessions/${session}/explain`, tenant.auditor);
  return answer.ok ? await answer.json<Told>() : undefined;
}

function textOf(told: Told | undefined, id: string): string {
  const sentences = told?.sections.find((section) => section.id === id)?.sentences ?? [];
  return sentences.map(({ text }) => text).join("\n");
}

async function listed(tenant: TestTenant, query: string): Promise<readonly Row[]> {
  const answer = await request(`/v1/traces?${query}`, tenant.auditor);
  expect(answer.status).toBe(200);
  return (await answer.json<{ data: readonly Row[] }>()).data;
}

const PATIENCE = { timeout: 15_000, interval: 50 };

function preflight(tenant: TestTenant, session: string, amount: number, more: object = {}): Promise<Response> {
  const dry = "dry_run" in more;
  return request(dry ? "/v1/tool-calls" : "/v1/tool-calls/preflight", tenant.agent, {
    method: "POST",
    headers: { "interlock-session": session },
    body: JSON.stringify({ tool_call: { name: "refund", args: { amount_usd: amount } }, ...more }),
  });
}

describe("a record is there", () => {
  it("of what was only asked about, and it is no call", async () => {
    const { sent } = upstream(() => Response.json({ id: "re_1" }));
    const tenant = await createTenant({}, {}, { actor: { max_amount_usd: 50 } });
    expect((await preflight(tenant, "asking", 60)).status).toBe(200);
    expect((await preflight(tenant, "asking", 5, { dry_run: true })).status).toBe(200);
    const rows = await vi.waitFor(async () => {
      const found = await listed(tenant, "session=asking");
      expect(found).toHaveLength(2);
      return found;
    }, PATIENCE);
    expect(rows.map(({ kind, status, tool, error_code }) => [kind, status, tool, error_code]).toReversed()).toEqual([
      ["preflight", "would_refuse", "refund", "policy_denied"],
      ["preflight", "would_execute", "refund", null],
    ]);
    expect(sent).toHaveLength(0);
    const told = await explained(tenant, "asking");
    expect(told?.calls).toBe(0);
    expect(textOf(told, "around")).toContain("would have been refused, because of rule “actor.max_amount_usd”");
    expect(await listed(tenant, "session=asking&kind=preflight&status=would_execute")).toHaveLength(1);
  });

  it("of a key that asked to act as somebody it may not be, on each surface", async () => {
    const { sent } = upstream(() => completion());
    const tenant = await createTenant({});
    const headers = { "interlock-actor": "admin_bot" };
    const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] });
    expect((await request("/v1/chat/completions", tenant.agent, { method: "POST", headers, body })).status).toBe(403);
    const call = JSON.stringify({ actor: "jane.doe@example.com", tool_call: { name: "refund", args: {} } });
    expect((await request("/v1/tool-calls", tenant.agent, { method: "POST", body: call })).status).toBe(403);
    const rows = await vi.waitFor(async () => {
      const found = await listed(tenant, "status=refused");
      expect(found).toHaveLength(2);
      return found;
    }, PATIENCE);
    expect(rows.map(({ kind, actor, tool, model }) => [kind, actor, tool ?? model]).toReversed()).toEqual([
      ["chat", "admin_bot", "m"],
      ["execute_tool", "(not an id)", "refund"],
    ]);
    expect(new Set(rows.map(({ error_code }) => error_code))).toEqual(new Set(["actor_forbidden"]));
    const first = await request(`/v1/traces/${rows[0]?.trace_id ?? ""}/explain`, tenant.auditor);
    const text = await first.text();
    expect(text).toContain("was refused");
    expect(text).not.toContain("jane.doe@example.com");
    expect(sent).toHaveLength(0);
  });

  it("of the gateway's own pause, once, with the rule and the call that brought it about", async () => {
    upstream(() => Response.json({ id: "re_1" }));
    const tenant = await createTenant({}, {}, { actor: { stop_and_ask: { min_confidence: 0.7 } } });
    const unsure = await request("/v1/tool-calls", tenant.agent, {
      method: "POST",
      headers: { "interlock-session": "unsure" },
      body: JSON.stringify({ confidence: 0.2, tool_call: { name: "refund", args: { amount_usd: 5 } } }),
    });
    expect(await unsure.json()).toMatchObject({ code: "session_paused" });
    await refund(tenant.agent, "unsure", "k2");
    await chat(tenant.agent, "unsure");
    await vi.waitFor(async () => {
      expect(await listed(tenant, "session=unsure")).toHaveLength(4);
    }, PATIENCE);
    expect(await listed(tenant, "session=unsure&kind=session&status=paused")).toHaveLength(1);
    const told = await explained(tenant, "unsure");
    expect(textOf(told, "around")).toMatch(
      /^The gateway recorded the session as “paused” at .*, saying “confidence 0\.2 is below the actor's floor of 0\.7” .*“interlock.session.pause.rule_id” “actor.min_confidence”/,
    );
  });
});

describe("a session of more than 200 spans", () => {
  it("is explained within 300 ms, its Markdown too", async () => {
    upstream((outgoing) => (outgoing.url.includes("chat") ? completion() : Response.json({ id: "re_1", ok: true })));
    const tenant = await createTenant({}, {}, { actor: { max_amount_usd: 50 } });
    const CALLS = 84;
    for (let at = 0; at < CALLS; at += 6)
      await Promise.all(
        Array.from({ length: 6 }, (_, next) =>
          next % 3 === 0
            ? chat(tenant.agent, "long").then((answer) => answer.text())
            : refund(tenant.agent, "long", `k${at + next}`, next === 5 ? 60 : 5).then((answer) => answer.text()),
        ),
      );
    const told = await vi.waitFor(
      async () => {
        const found = await explained(tenant, "long");
        expect(found?.calls).toBe(CALLS);
        return found;
      },
      { timeout: 20_000, interval: 100 },
    );
    expect(told?.spans).toBeGreaterThanOrEqual(200);
    expect(textOf(told, "unknown")).toBe("");
    for (const accept of ["application/json", "text/markdown"]) {
      const times: number[] = [];
      for (let run = 0; run < 9; run += 1) {
        const began = performance.now();
        const answer = await request("/v1/sessions/long/explain", tenant.auditor, { headers: { accept } });
        await answer.text();
        times.push(performance.now() - began);
      }
      const median = times.toSorted((left, right) => left - right)[4] ?? Number.NaN;
      const worst = Math.max(...times);
      console.log(
        `explain ${told?.spans} spans as ${accept}: median ${median.toFixed(1)} ms, worst ${worst.toFixed(1)} ms`,
      );
      expect(median).toBeLessThan(300);
    }
  });
});
