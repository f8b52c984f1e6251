// Proves breakers, degraded mode, slots, deadlines and callers that leave, over the built bundle and two isolates.
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonRecord } from "./document.ts";
import { startFaultyUpstream, type FaultyUpstream } from "./faulty-upstream.ts";
import { at, openStage, traceIdOf, until, type Answer, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;
let faulty: FaultyUpstream;

beforeAll(async () => {
  stage = await openStage({}, true);
  faulty = await startFaultyUpstream();
});
afterAll(async () => {
  await stage.close();
  await faulty.stop();
});

/** A tool at `/<path>` of the faulty upstream. */
function tool(path: string, more: JsonRecord = {}): JsonRecord {
  const isRead = (more["effect"] ?? "read") === "read";
  return {
    kind: "http",
    method: isRead ? "GET" : "POST",
    url: `${faulty.origin}/${path}`,
    effect: "read",
    repeat: "allow",
    input_schema: { type: "object" },
    timeout_ms: 5_000,
    ...more,
  };
}

function tenantWith(tools: JsonRecord): Promise<Tenant> {
  return stage.tenant({
    tools,
    hosts: [new URL(faulty.origin).host],
    actor: { allowed_tools: ["*"] },
    session: { tool_calls: 1_000 },
  });
}

const says = (answer: Answer): readonly unknown[] => [
  answer.status,
  answer.status === 200 ? answer.json["status"] : answer.json["code"],
];
const breaker = { consecutive_failures: 3, cooldown_ms: 1_500, probes: 1 };

describe("a breaker", () => {
  test("opens after failures, refuses reads, lets other tools go on, and closes after a probe", async () => {
    const tenant = await tenantWith({
      "a.flaky": tool("b1/status_500/3", { breaker }),
      "a.other": tool("b1o/none/0", { breaker }),
    });
    for (let n = 0; n < 3; n += 1) expect(says(await tenant.tool("a.flaky", {}))).toEqual([502, "tool_failed"]);
    const refused = await tenant.tool("a.flaky", {});
    expect(says(refused), refused.text).toEqual([503, "tool_unavailable"]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(refused.headers.get("x-should-retry")).toBe("true");
    expect(faulty.seen("b1").requests).toBe(3);
    // A 500 says nothing about the host.
    expect(says(await tenant.tool("a.other", {}))).toEqual([200, "succeeded"]);
    const traced = await tenant.tracedCall(traceIdOf(refused));
    expect([traced.call.error_code, traced.attributes["interlock.breaker.state"]]).toEqual([
      "tool_unavailable",
      "open",
    ]);
    await new Promise((resolve) => setTimeout(resolve, 1_600));
    const probe = await tenant.tool("a.flaky", {});
    expect(says(probe), probe.text).toEqual([200, "succeeded"]);
    expect((await tenant.tracedCall(traceIdOf(probe))).attributes["interlock.breaker.state"]).toBe("half_open");
    await until("the breaker to be closed", async () => {
      const next = await tenant.tool("a.flaky", {});
      return (await tenant.tracedCall(traceIdOf(next))).attributes["interlock.breaker.state"] === "closed" || undefined;
    });
  });

  test("is the tenant's, not the isolate's: another isolate knows within a second", async () => {
    const tenant = await tenantWith({
      "a.down": tool("b2/status_500/99", { breaker: { ...breaker, cooldown_ms: 60_000 } }),
    });
    for (let n = 0; n < 3; n += 1) await tenant.tool("a.down", {});
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const elsewhere = await fetch(`${stage.gateway.secondUrl}/v1/tool-calls`, {
      method: "POST",
      headers: { authorization: `Bearer ${tenant.agent}` },
      body: JSON.stringify({ tool_call: { name: "a.down", args: {} } }),
    });
    expect(elsewhere.status).toBe(503);
    expect(faulty.seen("b2").requests).toBe(3);
  });

  test("of a host opens for every tool there, when the host itself does not answer", async () => {
    const tenant = await tenantWith({
      "a.gone": tool("b3/status_503/99", { breaker: { ...breaker, cooldown_ms: 60_000 } }),
      "a.neighbour": tool("b3n/none/0", { breaker }),
      "a.careless": tool("b3c/none/0"),
    });
    for (let n = 0; n < 3; n += 1) await tenant.tool("a.gone", {});
    expect(says(await tenant.tool("a.neighbour", {}))).toEqual([503, "tool_unavailable"]);
    expect(says(await tenant.tool("a.careless", {}))).toEqual([200, "succeeded"]);
  });

  test("makes drafts of writes, or refuses them, as the tool says; a stored answer is still told", async () => {
    const lasting = { ...breaker, cooldown_ms: 60_000 };
    const tenant = await tenantWith({
      "a.draft": tool("b4/none/0", { effect: "write", breaker: lasting }),
      "a.refuse": tool("b5/none/0", { effect: "write", breaker: lasting, degraded: "refuse" }),
      "a.break": tool("b6/status_503/99", { breaker: lasting }),
    });
    const headers = { "Idempotency-Key": "first" };
    expect(says(await tenant.tool("a.refuse", {}, {}, { headers }))).toEqual([200, "succeeded"]);
    for (let n = 0; n < 3; n += 1) await tenant.tool("a.break", {});
    const draft = await tenant.tool("a.draft", {});
    expect(says(draft), draft.text).toEqual([200, "drafted"]);
    const reasons = at(draft.json, "decision.reasons") as readonly { rule_id: string; effect: string }[];
    expect(reasons).toContainEqual(expect.objectContaining({ rule_id: "breaker.open", effect: "draft" }));
    expect(says(await tenant.tool("a.refuse", {}))).toEqual([503, "tool_unavailable"]);
    const replayed = await tenant.tool("a.refuse", {}, {}, { headers });
    expect([...says(replayed), replayed.json["replayed"]]).toEqual([200, "succeeded", true]);
    const id = String(at(draft.json, "approval.id"));
    const { key } = await stage.key(tenant.id, ["approver"], { scopes: ["*"], actors: ["*"] });
    const approved = await stage.send("POST", `/v1/approvals/${id}/approve`, {}, { key });
    expect(says(approved), approved.text).toEqual([503, "tool_unavailable"]);
    expect([faulty.seen("b4").requests, faulty.seen("b5").requests]).toEqual([0, 1]);
  });

  test("keeps writes as drafts while another call finds out whether the tool is back", async () => {
    const tenant = await tenantWith({
      "a.write": tool("b7/status_500/3?ms=700", { effect: "write", breaker: { ...breaker, cooldown_ms: 300 } }),
    });
    for (let n = 0; n < 3; n += 1) await tenant.tool("a.write", {}, { session_id: `s${n}` });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const all = await Promise.all([1, 2, 3].map((n) => tenant.tool("a.write", {}, { session_id: `p${n}` })));
    expect(all.map((each) => String(each.json["status"])).toSorted((a, b) => a.localeCompare(b))).toEqual([
      "drafted",
      "drafted",
      "succeeded",
    ]);
    expect(faulty.seen("b7").effects).toBe(1);
  });

  test("is not opened by callers who wait too short a time, nor by refusals of the tool", async () => {
    const tenant = await tenantWith({
      "a.slow": tool("b8/none/0?ms=400", { breaker }),
      "a.picky": tool("b9/none/0", { effect: "write", breaker, url: `${faulty.origin}/b9/redirect/99` }),
    });
    for (let n = 0; n < 4; n += 1)
      expect(says(await tenant.tool("a.slow", {}, { deadline_ms: 100 }))).toEqual([504, "tool_timeout"]);
    for (let n = 0; n < 4; n += 1) expect(says(await tenant.tool("a.picky", {}))).toEqual([502, "tool_failed"]);
    expect(says(await tenant.tool("a.slow", {}))).toEqual([200, "succeeded"]);
  });

  test("opens on slow calls, where the tool says what is slow", async () => {
    const slow = { ...breaker, slow_call_ms: 100, min_calls: 20, cooldown_ms: 60_000 };
    const tenant = await tenantWith({ "a.slow": tool("b10/none/0?ms=150", { breaker: slow }) });
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, n) => tenant.tool("a.slow", {}, { session_id: `s${n}` })),
    );
    expect(all.map((each) => each.status)).toEqual(Array.from({ length: 20 }, () => 200));
    await until("the breaker to open", async () => (await tenant.tool("a.slow", {})).status === 503 || undefined);
  });

  test("stops the repeats of a call once it is open", async () => {
    const retry = { max_attempts: 10, backoff_ms: 1 };
    const tenant = await tenantWith({ "a.down": tool("b11/status_500/99", { breaker, retry }) });
    const answer = await tenant.tool("a.down", {});
    expect(says(answer)).toEqual([502, "tool_failed"]);
    expect([at(answer.json, "tool_call.attempts"), faulty.seen("b11").requests]).toEqual([3, 3]);
  });
});

describe("concurrency", () => {
  test("of 50 parallel calls over 50 sessions, 5 run and 45 are told to come back", async () => {
    const tenant = await tenantWith({ "a.few": tool("c1/none/0?ms=1500", { concurrency: 5 }) });
    await tenant.tool("a.few", { warm: 1 });
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, n) => tenant.tool("a.few", {}, { session_id: `s${n}` })),
    );
    const refused = all.filter((each) => each.status === 429);
    expect(all.filter((each) => each.status === 200)).toHaveLength(5);
    expect(refused).toHaveLength(45);
    expect([refused[0]?.status, refused[0]?.json["code"]]).toEqual([429, "concurrency_limited"]);
    expect(refused[0]?.headers.get("retry-after")).toBe("1");
    expect(at(refused[0]?.json, "concurrency")).toEqual({ tool: "a.few", max: 5 });
    expect(faulty.seen("c1").most).toBe(5);
    // Slots are free again with the answers, and a refusal was not charged.
    expect(says(await tenant.tool("a.few", {}, { session_id: "s49" }))).toEqual([200, "succeeded"]);
    expect((await tenant.session("s49")).toolCallsUsed).toBeLessThanOrEqual(2);
  });

  test("a slot is free again after a failure and after an unknown outcome", async () => {
    const tenant = await tenantWith({
      "a.one": tool("c2/status_500/1", { concurrency: 1, effect: "write" }),
      "a.two": tool("c3/redirect/1", { concurrency: 1, effect: "write" }),
    });
    for (const [name, first] of [
      ["a.one", 504],
      ["a.two", 502],
    ] as const) {
      expect((await tenant.tool(name, {})).status).toBe(first);
      expect((await tenant.tool(name, {})).status).toBe(200);
    }
  });
});

describe("a deadline", () => {
  test("bounds all attempts together, and the caller's own is shorter", async () => {
    const retry = { max_attempts: 10, backoff_ms: 50, max_backoff_ms: 100 };
    const tenant = await tenantWith({
      "a.hang": tool("d1/hang/99", { timeout_ms: 300, deadline_ms: 1_000, retry }),
    });
    const took = async (more: JsonRecord): Promise<readonly [Answer, number]> => {
      const began = Date.now();
      return [await tenant.tool("a.hang", {}, more), Date.now() - began];
    };
    const [own, ownMs] = await took({});
    expect(says(own)).toEqual([504, "tool_timeout"]);
    expect(ownMs).toBeGreaterThanOrEqual(700);
    expect(ownMs).toBeLessThan(2_000);
    expect(Number(at(own.json, "tool_call.attempts"))).toBeGreaterThanOrEqual(3);
    const [, callersMs] = await took({ deadline_ms: 350 });
    expect(callersMs).toBeLessThan(900);
    const [longer, longerMs] = await took({ deadline_ms: 60_000 });
    expect([longer.status, longerMs < 2_000]).toEqual([504, true]);
  });

  test.each([0, -1, 1.5, 600_001, "1000", null])("of %j is refused by name", async (deadline_ms) => {
    const tenant = await tenantWith({ "a.any": tool("d2/none/0") });
    const answer = await tenant.tool("a.any", {}, { deadline_ms });
    expect(says(answer)).toEqual([400, "invalid_request"]);
    expect(answer.json["errors"]).toMatchObject([{ path: "deadline_ms" }]);
  });

  test("does not tell calls apart: the same key with another deadline is the same call", async () => {
    const tenant = await tenantWith({ "a.any": tool("d3/none/0", { effect: "write" }) });
    const headers = { "Idempotency-Key": "k" };
    await tenant.tool("a.any", {}, { deadline_ms: 1_000, session_id: "s" }, { headers });
    const again = await tenant.tool("a.any", {}, { deadline_ms: 2_000, session_id: "s" }, { headers });
    expect([...says(again), again.json["replayed"]]).toEqual([200, "succeeded", true]);
  });
});

describe("a caller that leaves", () => {
  test("does not cancel a write in flight, nor its repeats", async () => {
    const retry = { max_attempts: 3, backoff_ms: 10 };
    const tenant = await tenantWith({
      "a.write": tool("l1/status_503/1?ms=600", {
        effect: "write",
        idempotency: { header: "Idempotency-Key" },
        retry,
      }),
    });
    const leaving = httpRequest(`${stage.gateway.url}/v1/tool-calls`, {
      method: "POST",
      headers: { authorization: `Bearer ${tenant.agent}`, "idempotency-key": "left" },
    });
    leaving.on("error", () => undefined);
    leaving.end(JSON.stringify({ session_id: "s", tool_call: { name: "a.write", args: {} } }));
    await until("the tool to be called", async () => faulty.seen("l1").requests > 0 || undefined);
    leaving.destroy();
    await until("the effect", async () => faulty.seen("l1").effects === 1 || undefined);
    const replay = await until("the answer", async () => {
      const answer = await tenant.tool("a.write", {}, { session_id: "s" }, { headers: { "Idempotency-Key": "left" } });
      return answer.status === 200 ? answer : undefined;
    });
    expect(replay.json).toMatchObject({ status: "succeeded", replayed: true, attempts: 2 });
    expect(faulty.seen("l1")).toMatchObject({ requests: 2, effects: 1 });
  });
});
