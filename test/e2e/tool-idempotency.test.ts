// Proves that one idempotency key has at most one effect, and that an unknown outcome is never retried or guessed.
import { request } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ACTOR, type JsonRecord } from "./document.ts";
import { at, openStage, traceIdOf, until, type Answer, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(() => stage.reset());

const REFUND = { customer_id: "cus_123", amount_usd: 42 };

function keyed(tenant: Tenant, key: string, name: string, args: JsonRecord, more: JsonRecord = {}): Promise<Answer> {
  return tenant.tool(name, args, more, { headers: { "Idempotency-Key": key } });
}

describe("the same key", () => {
  test("and body gets the first answer again, from another session too, and acts once", async () => {
    const tenant = await stage.tenant();
    const first = await keyed(tenant, "k", "billing.refund", REFUND, { session_id: "a" });
    const again = await keyed(
      tenant,
      "k",
      "billing.refund",
      { amount_usd: 42, customer_id: "cus_123" },
      { session_id: "b" },
    );
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(first.json["replayed"]).toBe(false);
    expect(again.json).toEqual({ ...first.json, replayed: true });
    expect((await stage.effects()).refunds).toBe(1);
    expect((await tenant.session("a")).toolCallsUsed).toBe(1);
  });

  test.each([
    ["another amount", { ...REFUND, amount_usd: 41 }, {}],
    ["another intent", REFUND, { intent: "other" }],
    ["other constraints", REFUND, { constraints: { max_amount_usd: 50 } }],
  ])("with %s is 422 and acts no more", async (_, args, more) => {
    const tenant = await stage.tenant();
    expect((await keyed(tenant, "k", "billing.refund", REFUND)).status).toBe(200);
    const other = await keyed(tenant, "k", "billing.refund", args, more);
    expect([other.status, other.json["code"]]).toEqual([422, "idempotency_key_reused"]);
    expect(other.headers.get("x-should-retry")).toBe("false");
    expect((await stage.effects()).refunds).toBe(1);
  });

  test("with another tool is 422", async () => {
    const tenant = await stage.tenant();
    await keyed(tenant, "k", "billing.refund", REFUND);
    expect((await keyed(tenant, "k", "billing.refund_slow", REFUND)).status).toBe(422);
  });

  test("while the first runs is 409 with Retry-After, and the first answer afterwards", async () => {
    const tenant = await stage.tenant();
    await stage.arm("/billing/refunds", "slow:1500");
    const first = keyed(tenant, "k", "billing.refund", REFUND);
    await until("the first effect", async () => (await stage.effects()).refunds === 1 || undefined);
    const during = await keyed(tenant, "k", "billing.refund", REFUND);
    expect([during.status, during.json["code"]]).toEqual([409, "call_in_flight"]);
    expect(during.headers.get("retry-after")).toBe("1");
    expect(during.headers.get("x-should-retry")).toBe("true");
    expect((await first).json).toMatchObject({ status: "succeeded", replayed: false });
    expect((await keyed(tenant, "k", "billing.refund", REFUND)).json["replayed"]).toBe(true);
    expect((await stage.effects()).refunds).toBe(1);
  });

  test("200 times in parallel has exactly one effect; every answer is the first one's or 409", async () => {
    const tenant = await stage.tenant();
    await stage.arm("/billing/refunds", "slow:300");
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, each) =>
        keyed(tenant, "k", "billing.refund", REFUND, { session_id: `s${each % 4}` }),
      ),
    );
    const done = answers.filter((answer) => answer.status === 200);
    const waiting = answers.filter((answer) => answer.status === 409);
    expect(done.length + waiting.length, `statuses ${[...new Set(answers.map((each) => each.status))].join()}`).toBe(
      200,
    );
    expect(done.filter((answer) => answer.json["replayed"] === false)).toHaveLength(1);
    expect(new Set(done.map((answer) => at(answer.json, "result.id"))).size).toBe(1);
    expect(new Set(done.map((answer) => answer.json["id"])).size).toBe(1);
    expect((await stage.effects()).refunds).toBe(1);
    const sessions = await Promise.all(
      ["s0", "s1", "s2", "s3"].map(async (id) => {
        const { status, json } = await tenant.get(`/v1/sessions/${id}`);
        return status === 200 ? Number(at(json, "budget.tool_calls.used")) : 0;
      }),
    );
    expect(sessions.reduce((sum, used) => sum + used, 0)).toBe(1);
  });

  test("of two actors names two calls", async () => {
    const tenant = await stage.tenant({ actor: {} });
    const { key } = await stage.key(tenant.id, ["agent"], { scopes: ["*"], actors: ["*"] });
    const call = (actor: string, session_id: string): Promise<Answer> =>
      tenant.tool(
        "crm.get_customer",
        { customer_id: "cus_123" },
        { actor, session_id },
        { key, headers: { "Idempotency-Key": "k" } },
      );
    const [one, two] = [await call(ACTOR, "a"), await call("intern", "b")];
    expect([one.json["replayed"], two.json["replayed"]]).toEqual([false, false]);
    expect(one.json["id"]).not.toBe(two.json["id"]);
  });
});

describe("the header", () => {
  test("reads a quoted string and a bare token as the same key", async () => {
    const tenant = await stage.tenant();
    await keyed(tenant, "abc-1", "billing.refund", REFUND);
    expect((await keyed(tenant, '"abc-1"', "billing.refund", REFUND)).json["replayed"]).toBe(true);
    await keyed(tenant, '"with \\"quotes\\" and spaces"', "billing.refund", { ...REFUND, amount_usd: 1 });
    expect((await stage.effects()).refunds).toBe(2);
  });

  test.each(['""', '"open', '"a"b', '"bad \\escape"', "two words", "x".repeat(256), `"${"x".repeat(256)}"`, '"k";p=1'])(
    "refuses %s",
    async (header) => {
      const tenant = await stage.tenant();
      const answer = await keyed(tenant, header, "billing.refund", REFUND);
      expect([answer.status, answer.json["code"]]).toEqual([400, "idempotency_key_invalid"]);
      expect(answer.json["errors"]).toMatchObject([{ path: "Idempotency-Key" }]);
      expect((await stage.effects()).refunds).toBe(0);
    },
  );
});

describe("without a key", () => {
  test("a write runs once per session and task, and again in another of either", async () => {
    const tenant = await stage.tenant();
    const call = (session_id: string, task_id: string): Promise<Answer> =>
      tenant.tool("billing.refund", REFUND, { session_id, task_id });
    expect((await call("a", "t")).json["replayed"]).toBe(false);
    expect((await call("a", "t")).json["replayed"]).toBe(true);
    expect((await call("a", "u")).json["replayed"]).toBe(false);
    expect((await call("b", "t")).json["replayed"]).toBe(false);
    expect((await stage.effects()).refunds).toBe(3);
  });

  test("a read runs every time", async () => {
    const tenant = await stage.tenant();
    const call = (): Promise<Answer> =>
      tenant.tool("crm.get_customer", { customer_id: "cus_123" }, { session_id: "a", task_id: "t" });
    const [one, two] = [await call(), await call()];
    expect([one.json["replayed"], two.json["replayed"]]).toEqual([false, false]);
    expect(one.json["id"]).not.toBe(two.json["id"]);
    expect((await tenant.session("a")).toolCallsUsed).toBe(2);
  });

  test("a write that says `repeat: allow` runs every time", async () => {
    const tenant = await stage.tenant();
    const call = (): Promise<Answer> => tenant.tool("billing.echo", {}, { session_id: "a" });
    expect([(await call()).json["replayed"], (await call()).json["replayed"]]).toEqual([false, false]);
  });
});

describe("an outcome", () => {
  test("a 4xx is failed, 502, with the tool's own words, and the same under a repeat", async () => {
    const tenant = await stage.tenant();
    const args = { customer_id: "cus_nobody", amount_usd: 5 };
    const answer = await keyed(tenant, "k", "billing.refund", args);
    expect([answer.status, answer.json["code"], answer.headers.get("x-should-retry")]).toEqual([
      502,
      "tool_failed",
      "false",
    ]);
    expect(answer.json["tool_call"]).toMatchObject({
      status: "failed",
      error: { code: "tool_failed", upstream_status: 422, upstream_body: { error: { code: "invalid_customer" } } },
    });
    const again = await keyed(tenant, "k", "billing.refund", args);
    expect([again.status, again.json["replayed"]]).toEqual([502, true]);
    expect((await tenant.get(`/v1/tool-calls/${String(answer.json["id"])}`)).json["status"]).toBe("failed");
  });

  test.each([
    ["a 500", "billing.refund_500", 0],
    ["a timeout after the effect", "billing.refund_hang", 1],
    ["an answer that breaks off", "billing.refund_reset", 1],
  ])("%s on a write is unknown: 504, told on GET, the same stored answer on a retry", async (_, tool, refunds) => {
    const tenant = await stage.tenant();
    const answer = await keyed(tenant, "k", tool, REFUND);
    expect([answer.status, answer.json["code"]]).toEqual([504, "outcome_unknown"]);
    expect(answer.headers.get("x-should-retry")).toBe("false");
    const read = await tenant.get(`/v1/tool-calls/${String(answer.json["id"])}`);
    expect(read.json).toMatchObject({ status: "unknown", error: { code: "outcome_unknown" }, attempts: 1 });
    const again = await keyed(tenant, "k", tool, REFUND);
    expect([again.status, again.json["code"], again.json["replayed"]]).toEqual([504, "outcome_unknown", true]);
    expect((await stage.effects()).refunds).toBe(refunds);
    expect((await tenant.trace(traceIdOf(answer))).calls[0]).toMatchObject({
      status: "unknown",
      error_code: "outcome_unknown",
    });
  });

  test("a timeout or a 500 on a read is failed", async () => {
    const tenant = await stage.tenant();
    const slow = await tenant.tool("crm.get_customer_hang", { customer_id: "cus_123" });
    expect([slow.status, slow.json["code"], at(slow.json, "tool_call.status")]).toEqual([
      504,
      "tool_timeout",
      "failed",
    ]);
    const broken = await tenant.tool("crm.get_customer_500", { customer_id: "cus_123" });
    expect([broken.status, broken.json["code"]]).toEqual([502, "tool_failed"]);
    expect(at(broken.json, "tool_call.error.upstream_status")).toBe(500);
  });

  test.each([
    ["garbage", 200, "<<< not json >>>"],
    ["huge", 200, { omitted: "the answer is larger than 512 KiB" }],
  ])("an answer that is %s is kept as what it is", async (fault, status, result) => {
    const tenant = await stage.tenant();
    await stage.arm("/billing/refunds", fault);
    const answer = await tenant.tool("billing.refund", REFUND);
    expect([answer.status, answer.json["result"]]).toEqual([status, result]);
  });

  test("a redirect is not followed and is no success", async () => {
    const tenant = await stage.tenant();
    await stage.arm("/billing/refunds", "redirect-private");
    const answer = await tenant.tool("billing.refund", REFUND);
    expect([answer.status, answer.json["code"], at(answer.json, "tool_call.error.upstream_status")]).toEqual([
      502,
      "tool_failed",
      302,
    ]);
  });

  test("an answer that echoes the tool's credential never shows it: not live, not again, not on GET, not in the trace", async () => {
    const tenant = await stage.tenant();
    const token = stage.gateway.secrets.billingToken;
    const answer = await keyed(tenant, "k", "billing.echo", {});
    expect(answer.status).toBe(200);
    expect(at(answer.json, "result.authorization")).toBe("Bearer [scrubbed:credential]");
    const again = await keyed(tenant, "k", "billing.echo", {});
    const read = await tenant.get(`/v1/tool-calls/${String(answer.json["id"])}`);
    const trace = await tenant.trace(traceIdOf(answer));
    expect(trace.payloads.map((payload) => payload.name)).toContain("result");
    for (const text of [answer.text, again.text, read.text, JSON.stringify(trace)]) expect(text).not.toContain(token);
  });

  test("a caller that disconnects does not cancel the write", async () => {
    const tenant = await stage.tenant();
    const { hostname, port } = new URL(stage.gateway.url);
    const body = JSON.stringify({ tool_call: { name: "billing.refund_slow", args: REFUND } });
    const leaving = request({
      hostname,
      port,
      method: "POST",
      path: "/v1/tool-calls",
      headers: {
        authorization: `Bearer ${tenant.agent}`,
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        "idempotency-key": "left",
      },
    });
    leaving.on("error", () => undefined);
    leaving.end(body);
    await until("the effect", async () => (await stage.effects()).refunds === 1 || undefined);
    leaving.destroy();
    const answer = await until("the stored answer", async () => {
      const again = await keyed(tenant, "left", "billing.refund_slow", REFUND);
      return again.status === 409 ? undefined : again;
    });
    expect(answer.json).toMatchObject({ status: "succeeded", replayed: true });
    expect((await stage.effects()).refunds).toBe(1);
  });
});
