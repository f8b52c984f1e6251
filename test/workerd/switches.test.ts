// Proves kill switches inside workerd: what each kind does to whom, for how long, to running streams, and while KV is down.
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { compose } from "../../src/compose.ts";
import { asRoot, bindings, chat, completion, createKey, createTenant, refund, request, upstream } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const ROOT = "root-key-of-the-tests";
/** A switch bites within this. */
const BOUND_MS = 2_000;
const LOOKUP = {
  lookup: {
    kind: "http",
    method: "GET",
    url: "https://tool.test/lookup",
    effect: "read",
    input_schema: { type: "object", properties: {} },
  },
};

interface SwitchShown {
  readonly id: string;
  readonly status: string;
  readonly cleared_by: string | null;
}

/** A tenant, and its switches as its operator sets them. */
async function open(): Promise<{
  readonly id: string;
  readonly agent: string;
  readonly operator: string;
  readonly auditor: string;
  set(order: Readonly<Record<string, unknown>>): Promise<Response>;
  stop(kind: string, scope?: Readonly<Record<string, string>>): Promise<SwitchShown>;
}> {
  const tenant = await createTenant({}, {}, { tools: LOOKUP });
  const operator = await createKey(tenant.id, ["operator"]);
  const set = (order: Readonly<Record<string, unknown>>): Promise<Response> =>
    request("/v1/switches", operator, { method: "POST", body: JSON.stringify(order) });
  return {
    ...tenant,
    operator,
    set,
    stop: async (kind, scope = {}) => {
      const answer = await set({ kind, scope, reason: "it misbehaves" });
      expect(answer.status).toBe(201);
      return answer.json<SwitchShown>();
    },
  };
}

function lookup(key: string, session: string): Promise<Response> {
  return request("/v1/tool-calls", key, {
    method: "POST",
    headers: { "interlock-session": session },
    body: JSON.stringify({ tool_call: { name: "lookup", args: {} } }),
  });
}

/** Answers tools and the model alike. */
function everything(): { readonly sent: Request[] } {
  return upstream((outgoing) =>
    outgoing.url.startsWith("https://model.test") ? completion() : Response.json({ ok: true }),
  );
}

describe("halt", () => {
  it("stops model calls, reads and writes of the whole tenant, with the reason; clearing lets them go on", async () => {
    const tenant = await open();
    const { sent } = everything();
    const { id } = await tenant.stop("halt");
    for (const answer of [
      await chat(tenant.agent, "s1"),
      await lookup(tenant.agent, "s1"),
      await refund(tenant.agent, "s1", "k1"),
    ]) {
      expect(answer.status).toBe(403);
      expect(await answer.text()).toMatch(/"code":"halted".*it misbehaves|it misbehaves.*"code":"halted"/s);
    }
    expect(sent).toHaveLength(0);
    const cleared = await request(`/v1/switches/${id}?reason=all%20well`, tenant.operator, { method: "DELETE" });
    expect(await cleared.json()).toMatchObject({ status: "cleared", clear_reason: "all well" });
    expect((await refund(tenant.agent, "s1", "k1")).status).toBe(200);
    expect((await chat(tenant.agent, "s1")).status).toBe(200);
  });

  it.each([
    ["actor", { actor: "agent" }, [403, 403, 403]],
    ["tool", { tool: "refund" }, [200, 200, 403]],
    ["session", { session: "s1" }, [403, 403, 403]],
    ["another session", { session: "s2" }, [200, 200, 200]],
    ["a tool in another session", { tool: "refund", session: "s2" }, [200, 200, 200]],
    ["release", { release: "r7" }, [200, 200, 200]],
  ])("scoped to %s stops what it names and nothing else", async (_, scope, statuses) => {
    const tenant = await open();
    everything();
    await tenant.stop("halt", scope);
    const answers = [
      await chat(tenant.agent, "s1"),
      await lookup(tenant.agent, "s1"),
      await refund(tenant.agent, "s1", "k1"),
    ];
    expect(answers.map((answer) => answer.status)).toEqual(statuses);
  });

  it("scoped to a release stops calls that declare it", async () => {
    const tenant = await open();
    everything();
    await tenant.stop("halt", { release: "r7" });
    const of = (release: string): Promise<Response> =>
      request("/v1/tool-calls", tenant.agent, {
        method: "POST",
        headers: { "interlock-session": "s1", "interlock-release": release },
        body: JSON.stringify({ tool_call: { name: "lookup", args: {} } }),
      });
    expect((await of("r7")).status).toBe(403);
    expect((await of("r8")).status).toBe(200);
  });

  it("cuts a running stream with an error event of its own code within two seconds", async () => {
    const tenant = await open();
    const frame = `data: ${JSON.stringify({ id: "c", model: "m", choices: [{ index: 0, delta: { content: "tok" }, finish_reason: null }] })}\n\n`;
    let isEnded = false;
    upstream((outgoing) => {
      const endless = new ReadableStream({
        type: "bytes",
        async pull(controller) {
          await scheduler.wait(20);
          isEnded ||= outgoing.signal.aborted;
          if (isEnded) controller.close();
          else controller.enqueue(new TextEncoder().encode(frame));
        },
        cancel() {
          isEnded = true;
        },
      });
      return new Response(endless, { headers: { "content-type": "text/event-stream" } });
    });
    const running = await chat(tenant.agent, "s1", { stream: true });
    expect(running.status).toBe(200);
    const whole = running.text();
    await scheduler.wait(100);
    const askedAt = Date.now();
    await tenant.stop("halt");
    const text = await whole;
    const tookMs = Date.now() - askedAt;
    console.log(`       halt to the end of a running stream: ${tookMs} ms`);
    expect(tookMs).toBeLessThan(BOUND_MS);
    expect(text.trimEnd().split("\n").at(-1)).toContain('"code":"halted"');
    expect(text).not.toContain("[DONE]");
    await vi.waitFor(() => expect(isEnded).toBe(true));
    await vi.waitFor(async () => {
      const { state } = await bindings.SESSION_LEDGER.getByName(`${tenant.id}/s1`).read();
      expect(Object.keys(state.holds)).toHaveLength(0);
    });
  });
});

describe("disable_writes", () => {
  it("turns writes into drafts while reads and model calls go on", async () => {
    const tenant = await open();
    const { sent } = everything();
    await tenant.stop("disable_writes");
    const drafted = await refund(tenant.agent, "s1", "k1");
    expect(drafted.status).toBe(200);
    expect(await drafted.json()).toMatchObject({ status: "drafted", attempts: 0 });
    expect((await lookup(tenant.agent, "s1")).status).toBe(200);
    expect((await chat(tenant.agent, "s1")).status).toBe(200);
    expect(sent.map((each) => new URL(each.url).pathname)).toEqual(["/lookup", "/v1/chat/completions"]);
  });
});

describe("force_approvals", () => {
  it("makes every write wait for people, in its scope alone", async () => {
    const tenant = await open();
    const { sent } = everything();
    await tenant.stop("force_approvals", { session: "s1" });
    const waiting = await refund(tenant.agent, "s1", "k1");
    expect(waiting.status).toBe(202);
    expect(await waiting.json()).toMatchObject({ status: "pending_approval", approval: { status: "pending" } });
    expect((await lookup(tenant.agent, "s1")).status).toBe(200);
    expect((await refund(tenant.agent, "s2", "k2")).status).toBe(200);
    expect(sent.map((each) => new URL(each.url).pathname)).toEqual(["/lookup", "/refunds"]);
  });
});

describe("a switch", () => {
  it("is over at its expiry, and is listed as expired only when all are asked for", async () => {
    const tenant = await open();
    everything();
    const expires_at = new Date(Date.now() + 1_200).toISOString();
    expect((await tenant.set({ kind: "halt", reason: "for a moment", expires_at })).status).toBe(201);
    expect((await refund(tenant.agent, "s1", "k1")).status).toBe(403);
    await vi.waitFor(async () => expect((await refund(tenant.agent, "s1", "k1")).status).toBe(200), {
      timeout: 5_000,
      interval: 200,
    });
    const listed = async (query: string): Promise<readonly SwitchShown[]> =>
      (await (await request(`/v1/switches${query}`, tenant.auditor)).json<{ data: readonly SwitchShown[] }>()).data;
    expect(await listed("")).toEqual([]);
    expect(await listed("?all=true")).toMatchObject([{ status: "expired" }]);
  });

  it.each([
    ["no reason", { kind: "halt" }, "reason"],
    ["a blank reason", { kind: "halt", reason: "  " }, "reason"],
    ["another kind", { kind: "pause", reason: "r" }, "kind"],
    ["an unknown field", { kind: "halt", reason: "r", until: "later" }, "until"],
    ["an unknown scope", { kind: "halt", reason: "r", scope: { team: "x" } }, "scope.team"],
    ["an expiry in the past", { kind: "halt", reason: "r", expires_at: "2020-01-01T00:00:00Z" }, "expires_at"],
    ["an expiry that is no time", { kind: "halt", reason: "r", expires_at: "soon" }, "expires_at"],
    ["a tool that is not configured", { kind: "halt", reason: "r", scope: { tool: "refnd" } }, "scope.tool"],
    ["an actor that is not configured", { kind: "halt", reason: "r", scope: { actor: "agnt" } }, "scope.actor"],
  ])("with %s is refused by the field's name", async (_, order, path) => {
    const tenant = await open();
    const answer = await tenant.set(order);
    expect(answer.status).toBe(400);
    const problem = await answer.json<{ errors: readonly { path: string; message: string }[] }>();
    expect(problem.errors[0]?.path).toBe(path);
    if (path.startsWith("scope.") && path !== "scope.team")
      expect(problem.errors[0]?.message).toMatch(/did you mean "(refund|agent)"/);
  });

  it("is for operators: an agent neither reads nor sets one, the root key names its tenant", async () => {
    const tenant = await open();
    const order = { method: "POST", body: JSON.stringify({ kind: "halt", reason: "r" }) };
    expect((await request("/v1/switches", tenant.agent, order)).status).toBe(403);
    expect((await request("/v1/switches", tenant.agent)).status).toBe(403);
    expect((await request("/v1/switches", tenant.auditor, order)).status).toBe(403);
    expect((await asRoot(tenant.id, "/v1/switches", "POST", { kind: "halt", reason: "r" })).status).toBe(201);
    expect((await chat(tenant.agent, "s1")).status).toBe(403);
    const unknown = await request("/v1/switches/sw_none", tenant.operator, { method: "DELETE" });
    expect(await unknown.json()).toMatchObject({ code: "not_found" });
  });

  it("leaves a record of who set and cleared it, and why", async () => {
    const tenant = await open();
    const { id } = await tenant.stop("halt", { session: "s9" });
    await request(`/v1/switches/${id}`, tenant.operator, {
      method: "DELETE",
      body: JSON.stringify({ reason: "over" }),
    });
    await vi.waitFor(
      async () => {
        const found = await request("/v1/traces?session=s9", tenant.auditor);
        const { data } = await found.json<{ data: readonly { kind: string; status: string; trace_id: string }[] }>();
        expect(data.map(({ kind, status }) => `${kind} ${status}`)).toEqual(["switch cleared", "switch set"]);
        const trace = await (await request(`/v1/traces/${data[0]?.trace_id ?? ""}`, tenant.auditor)).text();
        for (const told of ["it misbehaves", "over", id]) expect(trace).toContain(told);
      },
      { timeout: 15_000, interval: 200 },
    );
  });
});

describe("while KV is down", () => {
  it("a switch is set, bites, and is cleared", async () => {
    const tenant = await open();
    everything();
    let isDown = false;
    const failing = new Proxy(bindings.CONFIG, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return (...args: unknown[]): unknown =>
          isDown ? Promise.reject(new Error("KV is down")) : Reflect.apply(member, target, args);
      },
    });
    const runtime = compose({ ...bindings, CONFIG: failing });
    const app = createApp(() => runtime);
    const send = async (path: string, key: string, method: string, body?: unknown): Promise<Response> => {
      const headers = { authorization: `Bearer ${key}`, "interlock-tenant": tenant.id, "interlock-session": "s1" };
      const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
      const context = { waitUntil: () => undefined, passThroughOnException: () => undefined, props: {} };
      return app.request(`https://gateway.test${path}`, init, { ...bindings, CONFIG: failing }, context);
    };
    const call = (): Promise<Response> =>
      send("/v1/tool-calls", tenant.agent, "POST", { tool_call: { name: "lookup", args: {} } });
    expect((await call()).status).toBe(200);
    isDown = true;
    expect((await call()).status).toBe(200);
    const askedAt = Date.now();
    const order = { kind: "halt", scope: { tool: "lookup" }, reason: "now" };
    const set = await send("/v1/switches", ROOT, "POST", order);
    expect(set.status).toBe(201);
    expect(await (await call()).json()).toMatchObject({ code: "halted" });
    expect(Date.now() - askedAt).toBeLessThan(BOUND_MS);
    const { id } = await set.json<SwitchShown>();
    expect((await send(`/v1/switches/${id}`, ROOT, "DELETE")).status).toBe(200);
    expect((await call()).status).toBe(200);
  });
});
