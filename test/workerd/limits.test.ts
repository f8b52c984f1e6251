// Proves cross-session limits and rates inside workerd: exact under parallel sessions, given back on failure, told with their reset.
import { evictDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { bindings, createTenant, refund, request, upstream } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const limit = (parts: Readonly<Record<string, unknown>>): Parameters<typeof createTenant>[2] => ({
  sections: { policy: { limits: [{ id: "cap", window: "day", ...parts }] } },
});

interface Problem {
  readonly code: string;
  readonly limit: { readonly id: string; readonly reset_at: string; readonly max: string };
  readonly rate: { readonly reset_at: string };
}

describe("a limit across sessions", () => {
  it("admits exactly its number of 500 parallel calls over 50 sessions", async () => {
    const tenant = await createTenant({}, {}, limit({ count: true, max: 320, per: "actor" }));
    const { sent } = upstream(() => Response.json({ id: "re" }, { status: 201 }));
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, at) => refund(tenant.agent, `s${at % 50}`, `k${at}`)),
    );
    const statuses = answers.map((answer) => answer.status);
    console.log(`       limit of 320: ${sent.length} effects of 500 parallel calls over 50 sessions`);
    expect(sent.length).toBeLessThanOrEqual(320);
    // A chunk is a sixty-fourth of the limit: 5 calls.
    expect(sent.length).toBeGreaterThanOrEqual(315);
    expect(statuses.filter((status) => status === 200)).toHaveLength(sent.length);
    expect(statuses.filter((status) => status === 429)).toHaveLength(500 - sent.length);
  });

  it("adds up an amount exactly, and says when it fits again", async () => {
    const tenant = await createTenant({}, {}, limit({ sum: "amount_usd", max: "100.00", per: "actor" }));
    const { sent } = upstream(() => Response.json({ id: "re" }, { status: 201 }));
    expect((await refund(tenant.agent, "s1", "k1", 60.5)).status).toBe(200);
    expect((await refund(tenant.agent, "s2", "k2", 39.5)).status).toBe(200);
    const refused = await refund(tenant.agent, "s3", "k3", 0.01);
    expect(refused.status).toBe(429);
    const problem = await refused.json<Problem>();
    expect(problem).toMatchObject({ code: "limit_exceeded", limit: { id: "cap", max: "100.00" } });
    expect(Date.parse(problem.limit.reset_at) % 86_400_000).toBe(0);
    expect(sent).toHaveLength(2);
  });

  it("counts each customer for itself, and never shows whose meter it is", async () => {
    const schema = {
      type: "object",
      properties: { amount_usd: { type: "number" }, customer: { type: "string" } },
      required: ["amount_usd", "customer"],
    };
    const tenant = await createTenant(
      {},
      { input_schema: schema },
      limit({ count: true, max: 1, per: "args.customer" }),
    );
    upstream(() => Response.json({ id: "re" }, { status: 201 }));
    const of = (customer: string, key: string): Promise<Response> =>
      request("/v1/tool-calls", tenant.agent, {
        method: "POST",
        headers: { "interlock-session": key, "idempotency-key": key },
        body: JSON.stringify({ tool_call: { name: "refund", args: { amount_usd: 1, customer } } }),
      });
    expect([(await of("customer-of-mine", "1")).status, (await of("another", "2")).status]).toEqual([200, 200]);
    const refused = await of("customer-of-mine", "3");
    expect(refused.status).toBe(429);
    expect(await refused.text()).not.toContain("customer-of-mine");
  });

  it("gives back what surely did not happen, also once the session has gone quiet", async () => {
    const tenant = await createTenant({}, {}, limit({ count: true, max: 1, per: "tenant" }));
    upstream(() => Response.json({ error: "no" }, { status: 400 }));
    expect((await refund(tenant.agent, "s1", "k1")).status).toBe(502);
    upstream(() => Response.json({ id: "re" }, { status: 201 }));
    expect((await refund(tenant.agent, "s2", "k2")).status).toBe(200);
    expect((await refund(tenant.agent, "s3", "k3")).status).toBe(429);
  });

  it("survives the eviction of every object that holds a part of it", async () => {
    const tenant = await createTenant({}, {}, limit({ count: true, max: 128, per: "tenant" }));
    const { sent } = upstream(() => Response.json({ id: "re" }, { status: 201 }));
    for (let at = 0; at < 40; at += 1) {
      await refund(tenant.agent, `s${at % 4}`, `k${at}`);
      if (at % 10 !== 9) continue;
      await evictDurableObject(stub("TENANT_LEDGER", tenant.id));
      await evictDurableObject(stub("SESSION_LEDGER", `${tenant.id}/s${at % 4}`));
    }
    await Promise.all(Array.from({ length: 120 }, (_, at) => refund(tenant.agent, `p${at % 8}`, `p${at}`)));
    expect(sent.length).toBeLessThanOrEqual(128);
    expect(sent.length).toBeGreaterThanOrEqual(126);
  });
});

function stub(binding: "TENANT_LEDGER" | "SESSION_LEDGER", name: string): DurableObjectStub {
  return (bindings[binding] as unknown as DurableObjectNamespace).getByName(name);
}

describe("a rate", () => {
  it("lets a burst through, then tells when the next call fits", async () => {
    const tenant = await createTenant({}, { rate_limit: { requests: 1, per: "1h", burst: 3 } });
    const { sent } = upstream(() => Response.json({ id: "re" }, { status: 201 }));
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => refund(tenant.agent, `s${at}`, `k${at}`)));
    expect(sent).toHaveLength(3);
    const refused = answers.find((answer) => answer.status === 429);
    expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThan(3_500);
    expect(refused?.headers.get("x-should-retry")).toBe("true");
    const problem = await refused?.json<Problem>();
    expect(problem?.code).toBe("rate_limited");
    expect(Date.parse(problem?.rate.reset_at ?? "")).toBeGreaterThan(Date.now() + 3_500_000);
  });
});
