// Proves inside workerd what breakers and slots cost in hops and rows, and that both outlive the objects that hold them.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { bindings, createTenant, refund, upstream, type TestTenant } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const breaker = { consecutive_failures: 3, cooldown_ms: 60_000 };
const ok = (): Response => Response.json({ id: "re" }, { status: 201 });

function ledgerOf({ id }: TestTenant): DurableObjectStub {
  return (bindings.TENANT_LEDGER as unknown as DurableObjectNamespace).getByName(id);
}

/** Rows that the tenant's ledger has written or deleted since it started. */
function changes(tenant: TestTenant): Promise<number> {
  return runInDurableObject(
    ledgerOf(tenant),
    (_instance, state) => state.storage.sql.exec<{ n: number }>("SELECT total_changes() AS n").one().n,
  );
}

/** Ids of the ledger's rows that begin so. */
function rowsUnder(tenant: TestTenant, prefix: string): Promise<readonly string[]> {
  return runInDurableObject(ledgerOf(tenant), (_instance, state) =>
    state.storage.sql
      .exec<{ id: string }>("SELECT id FROM rows WHERE id LIKE ? || '%'", prefix)
      .toArray()
      .map(({ id }) => id),
  );
}

const codeOf = async (answer: Response): Promise<string> => {
  const { code = "", status = "" } = await answer.json<{ code?: string; status?: string }>();
  return `${code}${status}`;
};

describe("a breaker", () => {
  it("writes a row when it opens and none before, and is still open after its ledger was evicted", async () => {
    const tenant = await createTenant({}, { breaker, effect: "read", method: "GET" });
    upstream(ok);
    for (let at = 0; at < 45; at += 1) await refund(tenant.agent, `s${at}`, `k${at}`);
    const before = await changes(tenant);
    upstream(() => new Response("{}", { status: 500 }));
    for (let at = 0; at < 2; at += 1) await refund(tenant.agent, "t", `t${at}`);
    expect((await changes(tenant)) - before).toBe(0);
    await refund(tenant.agent, "t", "t3");
    // The tool's own breaker, since a 500 says nothing about its host; and the alarm that tidies up, by and by.
    expect(await rowsUnder(tenant, "breaker/")).toEqual(["breaker/tool:refund"]);
    expect((await changes(tenant)) - before).toBeLessThanOrEqual(2);
    await evictDurableObject(ledgerOf(tenant));
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const { sent } = upstream(ok);
    expect(await codeOf(await refund(tenant.agent, "u", "u"))).toBe("tool_unavailable503");
    expect(sent).toHaveLength(0);
  });

  it("opens on failures of many isolates' callers together, and refuses without asking the session", async () => {
    const tenant = await createTenant({}, { breaker, degraded: "refuse" });
    upstream(() => new Response("{}", { status: 503 }));
    await Promise.all([1, 2, 3].map((at) => refund(tenant.agent, `s${at}`, `k${at}`)));
    expect(await codeOf(await refund(tenant.agent, "fresh", "k"))).toBe("tool_unavailable503");
    const session = (bindings.SESSION_LEDGER as unknown as DurableObjectNamespace).getByName(`${tenant.id}/fresh`);
    const tables = await runInDurableObject(
      session,
      (_instance, state) => state.storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM sqlite_master").one().n,
    );
    expect(tables).toBe(0);
  });
});

describe("slots", () => {
  it("cost a row when taken and one when given back, and none is lost with the ledger", async () => {
    const tenant = await createTenant({}, { concurrency: 2 });
    upstream(ok);
    await refund(tenant.agent, "warm", "warm");
    const before = await changes(tenant);
    await refund(tenant.agent, "s", "k");
    expect((await changes(tenant)) - before).toBe(2);
    const { sent } = upstream(async () => {
      await scheduler.wait(1_500);
      return ok();
    });
    const running = [1, 2].map((at) => refund(tenant.agent, `r${at}`, `r${at}`));
    for (let at = 0; at < 100 && sent.length < 2; at += 1) await scheduler.wait(10);
    await evictDurableObject(ledgerOf(tenant));
    expect(await codeOf(await refund(tenant.agent, "r3", "r3"))).toBe("concurrency_limited429");
    await Promise.all(running);
    upstream(ok);
    expect(await codeOf(await refund(tenant.agent, "r3", "r3"))).toBe("succeeded");
  });
});
