// Counts what a call costs: object hops before and after the upstream, durable rows in objects, rows in D1.
import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { d1TraceIndex } from "../../src/adapters/d1/trace-index.ts";
import { oneShard } from "../../src/adapters/d1/trace-shards.ts";
import { compose } from "../../src/compose.ts";
import type { TraceRecord } from "../../src/core/trace/record.ts";
import type { Env } from "../../src/env.ts";
import type { ObjectNamespace } from "../../src/adapters/durable/rpc.ts";
import { createApp } from "../../src/app.ts";
import { untilStated } from "./faulty-store.ts";
import { D1_ROWS, OBJECT_ROWS } from "../../bench/call-cost.ts";
import { callRow } from "../call-row.ts";
import { bindings, completion, createTenant, upstream } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

/** A namespace whose every remote method call is noted: each is one hop. */
function noting<Remote extends object>(
  name: string,
  namespace: ObjectNamespace<Remote>,
  log: string[],
): ObjectNamespace<Remote> {
  return {
    getByName: (id) =>
      new Proxy(namespace.getByName(id), {
        // A stub's methods must be called on the stub itself: their own members would be taken for remote ones.
        get:
          (target, method) =>
          (...args: unknown[]) => {
            log.push(`${name}.${String(method)}`);
            return (target as Record<PropertyKey, (...all: unknown[]) => unknown>)[method]?.(...args);
          },
      }),
  };
}

type Call = (path: string, key: string, body: unknown, headers?: Readonly<Record<string, string>>) => Promise<Response>;

/** The app over bindings whose hops are noted, with its deferred work awaited. */
function watchedApp(log: string[]): Call {
  const env = {
    ...bindings,
    SESSION_LEDGER: noting("session", bindings.SESSION_LEDGER, log),
    TOOL_CALL: noting("tool-call", bindings.TOOL_CALL, log),
    TENANT_LEDGER: noting("tenant", bindings.TENANT_LEDGER, log),
    MCP_SESSION: noting("mcp-session", bindings.MCP_SESSION, log),
  } as unknown as Env;
  const runtime = compose(env);
  const app = createApp(() => runtime);
  return async (path, key, body, headers = {}) => {
    const waiting: Promise<unknown>[] = [];
    const context = {
      waitUntil: (work: Promise<unknown>) => void waiting.push(work),
      passThroughOnException: () => undefined,
      props: {},
    };
    const init = {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, ...headers },
      body: JSON.stringify(body),
    };
    const answer = await app.request(`https://gateway.test${path}`, init, env, context);
    const text = await answer.text();
    await Promise.all(waiting);
    return new Response(text, answer);
  };
}

/** Rows an object has written since it was looked at, by the store's own statements. */
async function rowsIn(stub: DurableObjectStub, table: string): Promise<number> {
  return runInDurableObject(
    stub,
    (_instance, state) => state.storage.sql.exec<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).one().n,
  );
}

/** Rows that an object has written since it was started. */
async function written(stub: DurableObjectStub): Promise<number> {
  return runInDurableObject(
    stub,
    (_instance, state) => state.storage.sql.exec<{ n: number }>("SELECT total_changes() AS n").one().n,
  );
}

describe("a model call", () => {
  it("takes one object hop before the upstream and one after, and shares durable writes with its neighbours", async () => {
    const tenant = await createTenant({ session: { usd: 100 } });
    const log: string[] = [];
    upstream(() => {
      log.push("upstream");
      return completion();
    });
    const call = watchedApp(log);
    const body = { model: "m", messages: [{ role: "user", content: "hi" }], max_tokens: 10 };
    // An isolate that knows no controls asks their owner first; then at most twice a second.
    await call("/v1/chat/completions", tenant.agent, body, { "interlock-session": "s0" });
    expect(log).toEqual(["tenant.controls", "session.admit", "upstream", "session.settle"]);
    log.length = 0;
    expect((await call("/v1/chat/completions", tenant.agent, body, { "interlock-session": "s1" })).status).toBe(200);
    expect(log).toEqual(["session.admit", "upstream", "session.settle"]);
    const stub = (bindings.SESSION_LEDGER as unknown as DurableObjectNamespace).getByName(`${tenant.id}/s1`);
    const changes = (): Promise<number> =>
      runInDurableObject(
        stub,
        (_instance, state) => state.storage.sql.exec<{ n: number }>("SELECT total_changes() AS n").one().n,
      );
    const before = await changes();
    expect(before).toBeGreaterThan(0);
    for (let at = 0; at < 10; at += 1)
      await call("/v1/chat/completions", tenant.agent, body, { "interlock-session": "s1" });
    expect((await changes()) - before).toBe(0);
    expect(await rowsIn(stub, "rows")).toBe(0);
    // Once the session is quiet: the write-back and the alarm that made it, three rows whatever the number of calls; and
    // two more that state all of them, into the outbox and out of it.
    await untilStated(tenant.id, "s1");
    expect((await changes()) - before).toBe(5);
  });
});

describe("a tool call", () => {
  it("takes two object hops before the effect and one after", async () => {
    const tenant = await createTenant({});
    const log: string[] = [];
    upstream(() => {
      log.push("upstream");
      return Response.json({ id: "re_1" }, { status: 201 });
    });
    const call = watchedApp(log);
    const body = { tool_call: { name: "refund", args: { amount_usd: 1 } } };
    await call("/v1/tool-calls", tenant.agent, body, { "interlock-session": "s0", "idempotency-key": "k0" });
    expect(log).toEqual(["tenant.controls", "tool-call.begin", "upstream", "tool-call.finish"]);
    log.length = 0;
    const answer = await call("/v1/tool-calls", tenant.agent, body, {
      "interlock-session": "s1",
      "idempotency-key": "k",
    });
    expect(answer.status).toBe(200);
    // `begin` asks the session's ledger itself: the second hop, from object to object.
    expect(log).toEqual(["tool-call.begin", "upstream", "tool-call.finish"]);
    const { id } = (await answer.json()) as { id: string };
    const ledger = (bindings.SESSION_LEDGER as unknown as DurableObjectNamespace).getByName(`${tenant.id}/s1`);
    const object = (bindings.TOOL_CALL as unknown as DurableObjectNamespace).getByName(`${tenant.id}/${id}`);
    expect([
      await rowsIn(ledger, "state"),
      await rowsIn(ledger, "rows"),
      await rowsIn(object, "state"),
      await rowsIn(object, "rows"),
    ]).toEqual([1, 1, 1, 0]);
    expect([await written(object), await written(ledger)]).toEqual([OBJECT_ROWS.call, OBJECT_ROWS.chargeOfCall]);
  });
});

describe("a denied tool call", () => {
  it("takes one hop, and one row that remembers it", async () => {
    const rule = { id: "no.refunds", tools: ["refund"], effect: "deny", message: "not today" };
    const tenant = await createTenant({}, {}, { sections: { policy: { rules: [rule] } } });
    const log: string[] = [];
    const call = watchedApp(log);
    const once = async (key: string): Promise<Response> =>
      call(
        "/v1/tool-calls",
        tenant.agent,
        { tool_call: { name: "refund", args: { amount_usd: 1 } } },
        {
          "interlock-session": "s0",
          "idempotency-key": key,
        },
      );
    await once("k0");
    log.length = 0;
    const answer = await once("k1");
    expect(answer.status).toBe(403);
    // `begin` asks the session's ledger itself.
    expect(log).toEqual(["tool-call.begin"]);
    const { tool_call: denied } = (await answer.json()) as { tool_call: { id: string } };
    const object = (bindings.TOOL_CALL as unknown as DurableObjectNamespace).getByName(`${tenant.id}/${denied.id}`);
    const ledger = (bindings.SESSION_LEDGER as unknown as DurableObjectNamespace).getByName(`${tenant.id}/s0`);
    expect([await written(object), await written(ledger)]).toEqual([OBJECT_ROWS.deniedCall, 0]);
  });
});

describe("a tool call under a breaker", () => {
  const breaker = { consecutive_failures: 50 };

  it("takes no further hop before its effect; a failure takes one beside its outcome, successes one in twenty", async () => {
    const tenant = await createTenant({}, { breaker });
    const log: string[] = [];
    const answers = { status: 201 };
    upstream(() => {
      log.push("upstream");
      return Response.json({ id: "re_1" }, { status: answers.status });
    });
    const call = watchedApp(log);
    const once = async (n: number): Promise<readonly string[]> => {
      log.length = 0;
      const body = { tool_call: { name: "refund", args: { amount_usd: 1 } } };
      await call("/v1/tool-calls", tenant.agent, body, { "interlock-session": `s${n}`, "idempotency-key": `k${n}` });
      return log.filter((hop) => hop !== "tenant.controls");
    };
    const plain = ["tool-call.begin", "upstream", "tool-call.finish"];
    for (let n = 1; n <= 19; n += 1) expect(await once(n)).toEqual(plain);
    expect(await once(20)).toEqual(["tool-call.begin", "upstream", "tenant.report", "tool-call.finish"]);
    expect(await once(21)).toEqual(plain);
    answers.status = 500;
    expect(await once(22)).toEqual(["tool-call.begin", "upstream", "tenant.report", "tool-call.finish"]);
  });
});

describe("a record", () => {
  const recordOf = (at: number): TraceRecord => {
    const index = callRow({ tenant: "rows", started_at: 1_790_000_000_000 + at, seq: at });
    return { v: 1, index, spans: [], payloads: [] };
  };

  /** The database, with the rows that its batches are billed for. */
  function billing(): { readonly database: D1Database; written: number } {
    const bill = {
      written: 0,
      database: new Proxy(bindings.DB, {
        get: (target, member) =>
          member === "batch"
            ? async (statements: D1PreparedStatement[]) => {
                const results = await target.batch(statements);
                bill.written += results.reduce((sum, { meta }) => sum + meta.rows_written, 0);
                return results;
              }
            : (target[member as keyof D1Database] as (...all: unknown[]) => unknown).bind(target),
      }),
    };
    return bill;
  }

  it("costs two billed rows in D1: its own and that of its words; delivered again, none", async () => {
    const bill = billing();
    const index = d1TraceIndex(oneShard(bill.database));
    const stored = Array.from({ length: 100 }, (_, line) => ({ record: recordOf(line), segment: "x", line }));
    await index.insert("rows", stored);
    expect(bill.written).toBe(100 * D1_ROWS.record);
    await index.insert("rows", stored);
    expect(bill.written).toBe(100 * D1_ROWS.record);
  });

  it("of a tool call costs four more: its line in the list of calls, that line's key and two indexes", async () => {
    const bill = billing();
    const stored = Array.from({ length: 100 }, (_, line) => {
      const record = recordOf(1_000 + line);
      const index = { ...record.index, kind: "execute_tool" as const, call_id: `tc_${line}` };
      return { record: { ...record, index }, segment: "x", line };
    });
    await d1TraceIndex(oneShard(bill.database)).insert("rows", stored);
    expect(bill.written).toBe(100 * (D1_ROWS.record + D1_ROWS.listedCall));
  });

  it("is found by one full-text match and its number, without sorting", async () => {
    const plan = await bindings.DB.prepare(
      `EXPLAIN QUERY PLAN SELECT calls.actor FROM calls_text INNER JOIN calls ON calls.id = calls_text.rowid
       WHERE calls_text MATCH 'facets : (x1)' AND calls_text.rowid < 9 ORDER BY calls_text.rowid DESC LIMIT 50`,
    ).all<{ detail: string }>();
    const details = plan.results.map((each) => each.detail).join("; ");
    expect(details).toMatch(/SCAN calls_text VIRTUAL TABLE INDEX .*; SEARCH calls USING INTEGER PRIMARY KEY/);
    expect(details).not.toMatch(/TEMP B-TREE/);
  });
});

describe("a tool call over MCP", () => {
  const reach = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  const started = async (): Promise<{
    readonly id: string;
    readonly key: string;
    readonly call: Call;
    readonly log: string[];
  }> => {
    const tenant = await createTenant({});
    const log: string[] = [];
    upstream(() => {
      log.push("upstream");
      return Response.json({ id: "re_1" }, { status: 201 });
    });
    return { id: tenant.id, key: tenant.agent, call: watchedApp(log), log };
  };
  const callOf = (id: number, meta: Readonly<Record<string, unknown>> = {}): unknown => {
    const params = { name: "refund", arguments: { amount_usd: id }, _meta: meta };
    return { jsonrpc: "2.0", id, method: "tools/call", params };
  };

  it("costs a client of the stateless revision no hop more than over the API", async () => {
    const { key, call, log } = await started();
    const headers = {
      ...reach,
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "refund",
    };
    const meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: "a-test", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    await call("/mcp", key, callOf(1, meta), headers);
    log.length = 0;
    const answer = await call("/mcp", key, callOf(2, meta), headers);
    expect(await answer.json()).toMatchObject({ result: { structuredContent: { id: "re_1" } } });
    expect(log).toEqual(["tool-call.begin", "upstream", "tool-call.finish"]);
  });

  it("costs a session three hops more, and three rows: the stream, what it said, and that it is over", async () => {
    const { id, key, call, log } = await started();
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "a-test", version: "1" } };
    const opened = await call("/mcp", key, { jsonrpc: "2.0", id: 0, method: "initialize", params }, reach);
    const session = opened.headers.get("mcp-session-id") ?? "";
    const headers = { ...reach, "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" };
    const list = await call("/mcp", key, { jsonrpc: "2.0", id: 1, method: "tools/list" }, headers);
    expect(await list.json()).toMatchObject({
      result: { tools: expect.arrayContaining([expect.objectContaining({ name: "refund" })]) },
    });
    log.length = 0;
    const answer = await call("/mcp", key, callOf(2), headers);
    expect(await answer.text()).toContain("re_1");
    expect(log.toSorted()).toEqual([
      "mcp-session.append",
      "mcp-session.enter",
      "mcp-session.inbound",
      "tool-call.begin",
      "tool-call.finish",
      "upstream",
    ]);
    const stub = (bindings.MCP_SESSION as unknown as DurableObjectNamespace).getByName(`${id}/${session}`);
    const before = await written(stub);
    await call("/mcp", key, callOf(3), headers);
    expect((await written(stub)) - before).toBe(3);
  });
});
