// Proves the life of a config inside workerd: refused whole, compared, replayed over what was recorded, published, rolled back.
import { afterEach, describe, expect, it, vi } from "vitest";
import { asRoot, createKey, createTenant, refund, request, testConfig, upstream, type TestTenant } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const rule = (when: string, effect: string): unknown => ({ id: "refund.large", tools: ["refund"], when, effect });
const withRules = (...rules: readonly unknown[]): unknown => testConfig({}, {}, { sections: { policy: { rules } } });

async function send(
  tenant: TestTenant,
  key: string,
  path: string,
  body: unknown,
): Promise<{ status: number; json: Record<string, unknown> }> {
  const answer = await request(path, key, { method: "POST", body: JSON.stringify(body) });
  return { status: answer.status, json: await answer.json<Record<string, unknown>>() };
}

/** A tenant that has made refunds of these dollars, all of them recorded. */
async function withRefunds(...amounts: readonly number[]): Promise<TestTenant & { readonly operator: string }> {
  const tenant = await createTenant({});
  upstream(() => Response.json({ id: "re" }, { status: 201 }));
  for (const amount of amounts) await refund(tenant.agent, "s1", `k${amount}`, amount);
  await vi.waitFor(
    async () => {
      const { data } = await (
        await request("/v1/traces?actor=agent", tenant.auditor)
      ).json<{ data: readonly unknown[] }>();
      expect(data).toHaveLength(amounts.length);
    },
    { timeout: 15_000, interval: 200 },
  );
  return { ...tenant, operator: await createKey(tenant.id, ["operator"]) };
}

describe("a candidate", () => {
  it("is refused with every mistake, each with rule, line, column and text", async () => {
    const tenant = await createTenant({});
    const operator = await createKey(tenant.id, ["operator"]);
    const bad = withRules(rule("args.amout_usd > 5.0", "deny"), {
      id: "second",
      tools: ["refnd"],
      when: "1 +",
      effect: "deny",
    });
    const { status, json } = await send(tenant, operator, "/v1/config/check", bad);
    expect(status).toBe(422);
    const text = JSON.stringify(json["errors"]);
    expect(text).toContain('rule \\"refund.large\\", line 1, column');
    expect(text).toContain("amount_usd");
    expect(text).toContain("policy.rules.1.when");
    expect(text).toContain("policy.rules.1.tools.0");
  });

  it("is refused by a test of its own that fails, and says what spoke", async () => {
    const tenant = await createTenant({});
    const operator = await createKey(tenant.id, ["operator"]);
    const call = { actor: "agent", tool: "refund", args: { amount_usd: 6 } };
    const policy = {
      rules: [rule("args.amount_usd > 5.0", "deny")],
      tests: [{ name: "six is fine", call, expect: { effect: "allow" } }],
    };
    const { status, json } = await send(
      tenant,
      operator,
      "/v1/config/check",
      testConfig({}, {}, { sections: { policy } }),
    );
    expect(status).toBe(422);
    expect(JSON.stringify(json["errors"])).toMatch(/policy\.tests\.0.*six is fine.*deny.*refund\.large/);
  });

  it("shows what it would have decided on what was recorded, and touches no tool", async () => {
    const tenant = await withRefunds(5, 20, 60);
    const { sent } = upstream(() => Response.json({}, { status: 500 }));
    const candidate = withRules(rule("args.amount_usd > 10.0", "require_approval"));
    const { status, json } = await send(tenant, tenant.operator, "/v1/config/replay", { config: candidate });
    expect(status, JSON.stringify(json)).toBe(200);
    expect(JSON.stringify(json)).toContain("require_approval");
    expect(json).toMatchObject({ changed: 2 });
    const allowed = await send(tenant, tenant.operator, "/v1/config/replay", { config: withRules() });
    expect(allowed.json).toMatchObject({ changed: 0 });
    const typo = await send(tenant, tenant.operator, "/v1/config/replay", { config: candidate, actor: "agnet" });
    expect(typo).toMatchObject({ status: 400, json: { code: "invalid_request" } });
    expect(JSON.stringify(typo.json)).toContain("did you mean");
    expect(sent).toHaveLength(0);
  });

  it("is compared with what is active: what changes, whether it widens, and at which values", async () => {
    const tenant = await createTenant({});
    const operator = await createKey(tenant.id, ["operator"]);
    const { json } = await send(
      tenant,
      operator,
      "/v1/config/check",
      withRules(rule("args.amount_usd > 10.0", "deny")),
    );
    expect(json["diff"]).toMatchObject([{ group: "rules", kind: "added", narrows: true, widens: false }]);
    expect(JSON.stringify(json["boundaries"])).toContain('"after":"deny"');
  });
});

describe("a published version", () => {
  it("takes effect at once, and is taken back as the next one", async () => {
    const tenant = await createTenant({});
    const { sent } = upstream(() => Response.json({ id: "re" }, { status: 201 }));
    const put = await request("/v1/config", "root-key-of-the-tests", {
      method: "PUT",
      headers: { "interlock-tenant": tenant.id, "if-match": '"1"' },
      body: JSON.stringify(withRules(rule("args.amount_usd > 10.0", "deny"))),
    });
    expect(put.status).toBe(200);
    expect((await refund(tenant.agent, "s1", "k1", 20)).status).toBe(403);
    const rolled = await request("/v1/config/rollback", "root-key-of-the-tests", {
      method: "POST",
      headers: { "interlock-tenant": tenant.id, "if-match": '"2"' },
      body: JSON.stringify({ version: 1, reason: "too strict" }),
    });
    expect(await rolled.json()).toMatchObject({ version: 3, rolled_back_to: 1 });
    expect((await refund(tenant.agent, "s1", "k1", 20)).status).toBe(200);
    expect(sent).toHaveLength(1);
    const operator = await createKey(tenant.id, ["operator"]);
    const versions = await (await request("/v1/config/versions", operator)).json<{ data: readonly unknown[] }>();
    expect(versions.data).toMatchObject([{ version: 1 }, { version: 2 }, { version: 3, rolled_back_to: 1 }]);
    const diff = await (await request("/v1/config/diff?from=1&to=2", operator)).json<{ diff: readonly unknown[] }>();
    expect(diff.diff).toHaveLength(1);
    await expect(asRoot(tenant.id, "/v1/config/rollback", "POST", { version: 9 })).rejects.toThrow(/428|404/);
  });
});
