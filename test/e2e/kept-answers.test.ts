// Proves the exact cache over the built bundle: what is given again, to whom, for how much, and what is never.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ACTOR, documentOf, PRICE, type JsonRecord } from "./document.ts";
import { at, openStage, traceIdOf, until, type Answer, type Stage, type Tenant } from "./harness.ts";
import { startScriptedProvider, type ScriptedProvider } from "./scripted-provider.ts";

let stage: Stage;
let scripted: ScriptedProvider;

beforeAll(async () => {
  stage = await openStage();
  scripted = await startScriptedProvider();
});
afterAll(async () => {
  await stage.close();
  await scripted.stop();
});

let cases = 0;

async function keeping(
  ttlS: number,
  ...steps: readonly string[]
): Promise<{ readonly tenant: Tenant; readonly name: string; readonly document: JsonRecord }> {
  cases += 1;
  const name = `kept${cases}`;
  const document = {
    providers: { p: { kind: "openai-compatible", base_url: scripted.base(name, ...steps) } },
    models: { m: { provider: "p", max_output_tokens: 100, context: 1_000, price: PRICE } },
    routes: { r: { candidates: [{ model: "m" }], cache: { ttl_s: ttlS } } },
    actor: { models: ["*"] },
    hosts: [scripted.host],
  };
  return { tenant: await stage.tenant(document), name, document };
}

const body = (more: JsonRecord = {}): JsonRecord => ({
  model: "r",
  messages: [{ role: "user", content: "hi" }],
  ...more,
});
const cacheOf = ({ headers }: Answer): string | null => headers.get("interlock-cache");

/** Asks until the answer comes from what is kept: keeping goes on after the answer. */
function hit(tenant: Tenant, asked: JsonRecord, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return until("a kept answer", async () => {
    const answer = await tenant.chatAnswer(asked, { headers });
    return cacheOf(answer) === "hit" ? answer : undefined;
  });
}

describe("a route that keeps answers", () => {
  test.each([
    ["whole", {}],
    ["streamed", { stream: true }],
    ["streamed with usage", { stream: true, stream_options: { include_usage: true } }],
  ])("gives the same request the same bytes again, %s, for nothing, and says so", async (_, more) => {
    const { tenant, name } = await keeping(600, "ok");
    const first = await tenant.chatAnswer(body(more));
    expect([first.status, cacheOf(first)]).toEqual([200, "miss"]);
    const again = await hit(tenant, body(more), { "Interlock-Session": `s-${name}` });
    expect(again.text).toBe(first.text);
    expect(Number(again.headers.get("age"))).toBeLessThan(60);
    expect(again.headers.get("interlock-model")).toBe("m");
    const { call, attributes } = await tenant.tracedCall(traceIdOf(again));
    expect([call.status, Number(call.cost_usd), attributes["interlock.cost.basis"]]).toEqual(["succeeded", 0, "none"]);
    expect(attributes["interlock.cache.age_s"]).toBeTypeOf("number");
    const session = await tenant.settled(`s-${name}`);
    expect(session.used).toBe(0);
    expect(session.callsUsed).toBeGreaterThan(0);
  });

  test("asks the provider for another body, another key, without cache, and after another config", async () => {
    const { tenant, name, document } = await keeping(600, "ok");
    await tenant.chatAnswer(body());
    await hit(tenant, body());
    const asked = scripted.requests(name).length;
    const other = await stage.key(tenant.id, ["agent"], { scopes: ["*"], actors: [ACTOR] });
    const misses = [
      await tenant.chatAnswer(body({ temperature: 0 })),
      await stage.send("POST", "/v1/chat/completions", body(), { key: other.key }),
      await tenant.chatAnswer(body(), { headers: { "cache-control": "no-store" } }),
    ];
    expect(misses.map(cacheOf)).toEqual(["miss", "miss", null]);
    expect(scripted.requests(name)).toHaveLength(asked + 3);
    const root = { key: stage.gateway.secrets.rootKey, headers: { "interlock-tenant": tenant.id, "if-match": '"1"' } };
    const next = documentOf(stage.gateway.upstreamUrl, { ...document, session: { usd: 3 } });
    expect((await stage.send("PUT", "/v1/config", next, root)).status).toBe(200);
    await until("the other config to be used", async () => {
      const answer = await tenant.chatAnswer(body());
      return cacheOf(answer) === "miss" || undefined;
    });
  });

  test("keeps no failure, and nothing past its time", async () => {
    const { tenant, name } = await keeping(1, "500", "ok");
    expect((await tenant.chatAnswer(body())).status).toBe(500);
    const answered = await tenant.chatAnswer(body());
    expect([answered.status, cacheOf(answered)]).toEqual([200, "miss"]);
    await hit(tenant, body());
    await until(
      "the kept answer to be over",
      async () => cacheOf(await tenant.chatAnswer(body())) === "miss" || undefined,
    );
    expect(scripted.requests(name).length).toBeGreaterThanOrEqual(3);
  });

  test("is decided on like every call: what the policy forbids is not given", async () => {
    const { tenant } = await keeping(600, "ok");
    await tenant.chatAnswer(body());
    await hit(tenant, body());
    const set = await stage.asRoot(tenant.id, "POST", "/v1/switches", {
      kind: "halt",
      scope: { actor: ACTOR },
      reason: "test",
    });
    const halted = await until("the switch to bite", async () => {
      const answer = await tenant.chatAnswer(body());
      return answer.status === 403 ? answer : undefined;
    });
    expect(at(halted.json, "error.code")).toBe("halted");
    expect(set.status).toBeLessThan(300);
  });
});
