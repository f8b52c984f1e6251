// Proves the objects inside workerd: exact limits under parallel calls, one effect per key, alarms, evictions, and what a call writes.
import { readRecord } from "../../src/core/trace/read-record.ts";
import { recordOf } from "./stored-records.ts";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { NOTHING } from "../../src/core/budget/amounts.ts";
import { decide } from "../../src/core/policy/decision.ts";
import type { SessionLedgerState } from "../../src/core/state/session-messages.ts";
import type { ToolCallRecord, ToolCallRequest } from "../../src/core/state/tool-call-record.ts";
import { allowing } from "../unit/session-machine.ts";
import { bindings, chat, completion, createTenant, refund, request as sendRequest, upstream } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const ledgerOf = (tenant: string, session: string): DurableObjectStub =>
  (bindings.SESSION_LEDGER as unknown as DurableObjectNamespace).getByName(`${tenant}/${session}`);
const callOf = (tenant: string, id: string): DurableObjectStub =>
  (bindings.TOOL_CALL as unknown as DurableObjectNamespace).getByName(`${tenant}/${id}`);
const stateOf = async (tenant: string, session: string): Promise<SessionLedgerState> =>
  (await bindings.SESSION_LEDGER.getByName(`${tenant}/${session}`).read()).state;

describe("a session's limit", () => {
  it("lets exactly 10 of 200 parallel model calls reach the upstream", async () => {
    const tenant = await createTenant({ session: { calls: 10 } });
    const { sent } = upstream(() => completion());
    const answers = await Promise.all(Array.from({ length: 200 }, () => chat(tenant.agent, "s1")));
    expect(sent).toHaveLength(10);
    const statuses = answers.map((answer) => answer.status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(190);
    await Promise.all(answers.map((answer) => answer.text()));
  });

  it("is never passed in dollars, with every call's cost known", async () => {
    const tenant = await createTenant({ session: { usd: "0.002" } });
    upstream(() => completion(300, 10));
    const answers = await Promise.all(Array.from({ length: 60 }, () => chat(tenant.agent, "s1")));
    await Promise.all(answers.map((answer) => answer.text()));
    await vi.waitFor(async () => expect(Object.keys((await stateOf(tenant.id, "s1")).holds)).toHaveLength(0));
    const { session } = await stateOf(tenant.id, "s1");
    expect(session?.used.usd).toBe(answers.filter((answer) => answer.ok).length * 310);
    expect(session?.used.usd).toBeLessThanOrEqual(2_000);
  });
});

describe("a tool call", () => {
  it("has one effect under 200 parallel duplicates", async () => {
    const tenant = await createTenant({});
    const { sent } = upstream(async () => {
      await scheduler.wait(20);
      return Response.json({ id: "re_1" }, { status: 201 });
    });
    const answers = await Promise.all(Array.from({ length: 200 }, (_, at) => refund(tenant.agent, `s${at % 5}`, "k1")));
    expect(sent).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200, 409]));
    const again = (await (await refund(tenant.agent, "other", "k1")).json()) as { replayed: boolean; result: unknown };
    expect(again).toMatchObject({ replayed: true, result: { id: "re_1" } });
  });

  it("sends the tenant's credential and a tenant-scoped idempotency key, never the caller's", async () => {
    const tenant = await createTenant({}, { idempotency: { header: "Idempotency-Key" } });
    const { sent } = upstream(() => Response.json({}, { status: 201 }));
    await refund(tenant.agent, "s1", "my-own-key");
    expect(sent[0]?.headers.get("authorization")).toBe("Bearer sk-upstream-credential");
    expect(sent[0]?.headers.get("idempotency-key")).toMatch(/^[0-9a-f]{64}$/);
    expect([...(sent[0]?.headers ?? [])].flat().join(" ")).not.toContain(tenant.agent);
  });

  it("whose answer is lost is unknown, and is not sent again", async () => {
    const tenant = await createTenant({}, { timeout_ms: 20 });
    const { sent } = upstream(
      (outgoing) =>
        new Promise<Response>((_, reject) =>
          outgoing.signal.addEventListener("abort", () => reject(new Error("timed out"))),
        ),
    );
    const answer = await refund(tenant.agent, "s1", "k1");
    expect(answer.status).toBe(504);
    expect(await answer.json()).toMatchObject({ code: "outcome_unknown", tool_call: { status: "unknown" } });
    expect((await refund(tenant.agent, "s1", "k1")).status).toBe(504);
    expect(sent).toHaveLength(1);
  });

  it("that nobody finished becomes unknown at its deadline and leaves a record", async () => {
    const tenant = await createTenant({});
    const id = `tc_${"1".repeat(32)}`;
    const ref = {
      tenant: tenant.id,
      session: "s1",
      actor: "agent",
      traceHex: "d".repeat(32),
      spanId: "e".repeat(16),
      subject: "refund",
      policyVersion: "v1",
    };
    const request: ToolCallRequest = {
      id,
      tenant: tenant.id,
      ask: {
        actor: "agent",
        tool: "refund",
        args: {},
        constraints: {},
        session: "s1",
        task: null,
        intent: null,
        confidence: null,
        user: null,
        user_origin: "declared" as const,
        user_prompt: null,
        release: null,
        confirmed: false,
        principal: { key_id: "key_1", roles: ["agent"], scopes: [] },
      },
      traceId: `tr_${ref.traceHex}`,
      traceHex: ref.traceHex,
      spanId: ref.spanId,
      definitionDigest: "d",
      effect: "write",
      teaching: { isUntrusted: false, capture: {} },
      fingerprint: "f",
      isKeyDerived: false,
      holdMs: 0,
      settle: "person",
      retentionMs: 86_400_000,
      isInSaga: false,
      compensates: null,
      abandonAfterMs: 5,
    };
    const beginning = {
      request,
      decision: decide(allowing, "v1"),
      draft: { rule_id: "draft", roles: ["operator"], count: 1, expires_in_ms: 1_000 },
      scopes: { session: {}, task: null },
      amounts: { ...NOTHING, tool_calls: 1 },
      ref,
      policy: allowing,
    };
    const object = bindings.TOOL_CALL.getByName(`${tenant.id}/${id}`);
    expect(await object.begin(beginning)).toMatchObject({ call: { type: "execute" } });
    await evictDurableObject(callOf(tenant.id, id));
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(callOf(tenant.id, id));
      expect((await object.read())?.status).toBe("unknown");
    });
    expect(await object.begin(beginning)).toMatchObject({ call: { type: "replay" } });
    await vi.waitFor(
      async () => {
        const page = (await (await sendRequest("/v1/traces?actor=agent", tenant.auditor)).json()) as {
          data: readonly unknown[];
        };
        expect(page.data).toMatchObject([
          { kind: "execute_tool", tool: "refund", status: "unknown", tool_call_id: id },
        ]);
      },
      { timeout: 10_000, interval: 100 },
    );
  });

  it("that 0.1.0 recorded is read, answered again and forgotten like any other", async () => {
    const tenant = await createTenant({});
    const { sent } = upstream(() => Response.json({ id: "re_1" }, { status: 201 }));
    const made = await (await refund(tenant.agent, "s1", "k1")).json<{ id: string }>();
    await runInDurableObject(callOf(tenant.id, made.id), (_instance, state) => {
      const row = state.storage.sql.exec<{ body: string }>("SELECT body FROM state").one();
      const {
        request,
        approval: _,
        owesConclusion,
        owesInbox: __,
        owesNotice: ___,
        deadlineAt,
        ...kept
      } = JSON.parse(row.body) as ToolCallRecord;
      const { ask, teaching: ____, isKeyDerived: _____, abandonAfterMs: ______, ...named } = request;
      const { actor, session, task, intent, tool: toolName, args } = ask;
      const first = { ...named, actor, session, task, intent, toolName, args, deadlineAt };
      const body = JSON.stringify({ ...kept, request: first, owesGiveBack: owesConclusion });
      state.storage.sql.exec("UPDATE state SET body = ?", body);
    });
    await evictDurableObject(callOf(tenant.id, made.id));
    const again = await (await refund(tenant.agent, "s1", "k1")).json();
    expect(again).toMatchObject({ id: made.id, status: "succeeded", replayed: true, result: { id: "re_1" } });
    const read = await sendRequest(`/v1/tool-calls/${made.id}`, tenant.agent);
    expect(await read.json()).toMatchObject({ status: "succeeded", session_id: "s1" });
    expect(sent).toHaveLength(1);
  });

  it("gives the session its charge back when the tool surely refused it", async () => {
    const tenant = await createTenant({ session: { tool_calls: 1 } });
    upstream(() => Response.json({ error: "no" }, { status: 422 }));
    expect((await refund(tenant.agent, "s1", "k1")).status).toBe(502);
    await vi.waitFor(async () => expect((await stateOf(tenant.id, "s1")).session?.used.tool_calls).toBe(0));
    vi.restoreAllMocks();
    upstream(() => Response.json({ id: "re_1" }, { status: 201 }));
    expect((await refund(tenant.agent, "s1", "k2")).status).toBe(200);
  });
});

describe("a ledger that stops", () => {
  it("keeps the exact figures after a quiet write-back, and counts what it set aside otherwise", async () => {
    const tenant = await createTenant({ session: { usd: "1.60", calls: 16 } });
    upstream(() => completion(10, 5));
    await (await chat(tenant.agent, "s1")).text();
    await vi.waitFor(async () => expect((await stateOf(tenant.id, "s1")).session?.used.calls).toBe(1));
    await evictDurableObject(ledgerOf(tenant.id, "s1"));
    const unclean = await stateOf(tenant.id, "s1");
    expect(unclean.uncleanStops).toBe(1);
    // One chunk is a sixteenth of the limit.
    expect(unclean.session?.used.usd).toBeLessThanOrEqual(100_000 + 15);
    await (await chat(tenant.agent, "s1")).text();
    await vi.waitFor(async () => expect(Object.keys((await stateOf(tenant.id, "s1")).holds)).toHaveLength(0));
    await vi.waitFor(
      async () => {
        await runDurableObjectAlarm(ledgerOf(tenant.id, "s1"));
        expect((await stateOf(tenant.id, "s1")).isExact).toBe(true);
      },
      { timeout: 10_000, interval: 250 },
    );
    const before = await stateOf(tenant.id, "s1");
    await evictDurableObject(ledgerOf(tenant.id, "s1"));
    expect(await stateOf(tenant.id, "s1")).toEqual(before);
  });

  it("settles an orphaned hold whole and leaves a record of it", async () => {
    const tenant = await createTenant({ session: { usd: 1 } });
    const admission = {
      holdId: "f".repeat(16),
      scopes: { session: { usd: 1_000_000 }, task: null },
      expiresAt: Date.now() + 5,
      want: {
        fixed: { usd: 100, tokens: 10, calls: 1, tool_calls: 0, tool_usd: 0 },
        unitPico: 0,
        unitTokens: 1,
        minUnits: 1,
        maxUnits: 10,
      },
      ref: {
        tenant: tenant.id,
        session: "s1",
        actor: "agent",
        traceHex: "c".repeat(32),
        spanId: "f".repeat(16),
        subject: "m",
        policyVersion: "v1",
      },
      stop: null,
      stopAndAsk: null,
    };
    await bindings.SESSION_LEDGER.getByName(`${tenant.id}/s1`).admit(admission, []);
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(ledgerOf(tenant.id, "s1"));
      expect((await stateOf(tenant.id, "s1")).expiredHolds).toBe(1);
    });
    expect((await stateOf(tenant.id, "s1")).session?.used.usd).toBe(100);
    await vi.waitFor(
      async () => {
        const page = (await (await sendRequest("/v1/traces?actor=agent", tenant.auditor)).json()) as {
          data: readonly unknown[];
        };
        expect(page.data).toMatchObject([
          { kind: "ledger", status: "unknown", error_code: "hold_expired", cost_usd: "0.0001" },
        ]);
      },
      { timeout: 10_000, interval: 100 },
    );
  });

  it("sends a record too large for the queue without its bodies, and those behind it", async () => {
    const tenant = await createTenant({});
    const sent: string[] = [];
    const queue = vi.spyOn(bindings.TRACES, "send").mockImplementation(async (body) => {
      if (new TextEncoder().encode(String(body)).byteLength > 128_000) throw new Error("message too large");
      sent.push(String(body));
      return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
    });
    const records = [
      recordOf(tenant.id, { seq: null }, "é".repeat(90_000)),
      recordOf(tenant.id, { seq: null }, "small"),
    ];
    await bindings.SESSION_LEDGER.getByName(`${tenant.id}/large`).stash(records);
    await runDurableObjectAlarm(ledgerOf(tenant.id, "large"));
    expect((await bindings.SESSION_LEDGER.getByName(`${tenant.id}/large`).read()).outboxDepth).toBe(0);
    queue.mockRestore();
    const read = sent.flatMap((text) => readRecord(text) ?? []).filter(({ index }) => index.tenant === tenant.id);
    const bodies = new Map(read.map(({ index, payloads }) => [index.trace_hex, payloads[0]]));
    expect(bodies.get(records[0]?.index.trace_hex ?? "")).toMatchObject({
      body: null,
      bytes: 90_000,
      digest: expect.stringMatching(/./),
    });
    expect(bodies.get(records[1]?.index.trace_hex ?? "")).toMatchObject({ body: "small" });
  });

  it("keeps records that the queue refused until it takes them, and stops calls at its bound", async () => {
    const tenant = await createTenant({});
    const refused = vi.spyOn(bindings.TRACES, "send").mockRejectedValue(new Error("queue down"));
    upstream(() => completion());
    await (await chat(tenant.agent, "s1")).text();
    await vi.waitFor(
      async () => expect((await bindings.SESSION_LEDGER.getByName(`${tenant.id}/s1`).read()).outboxDepth).toBe(1),
      { timeout: 5_000 },
    );
    refused.mockRestore();
    await vi.waitFor(
      async () => {
        await runDurableObjectAlarm(ledgerOf(tenant.id, "s1"));
        expect((await bindings.SESSION_LEDGER.getByName(`${tenant.id}/s1`).read()).outboxDepth).toBe(0);
      },
      { timeout: 10_000 },
    );
    await runInDurableObject(ledgerOf(tenant.id, "s1"), (_instance, state) => {
      for (let at = 0; at < 1_000; at += 1)
        state.storage.sql.exec("INSERT INTO outbox (id, body) VALUES (?, ?)", `x${at}`, "{}");
    });
    await evictDurableObject(ledgerOf(tenant.id, "s1"));
    const stopped = await chat(tenant.agent, "s1");
    expect(stopped.status).toBe(503);
    expect(await stopped.json()).toMatchObject({ error: { interlock: { code: "trace_store_down" } } });
  });
});
