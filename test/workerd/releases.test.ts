// Proves releases inside workerd: whom they answer, how soon a change is everywhere, what publishing may not change, what is recorded.
import { evictDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { compose } from "../../src/compose.ts";
import {
  asRoot,
  bindings,
  chat,
  completion,
  createKey,
  createTenant,
  request,
  testConfig,
  upstream,
} from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

/** A change is everywhere within this. */
const BOUND_MS = 2_000;
const model = (upstreamName: string): Readonly<Record<string, unknown>> => ({
  provider: "up",
  upstream: upstreamName,
  context: 1_000,
  max_output_tokens: 100,
  price: { input_per_mtok_usd: 1, output_per_mtok_usd: 1 },
});
const note = {
  kind: "http",
  method: "POST",
  url: "https://tool.test/notes",
  effect: "write",
  repeat: "allow",
  input_schema: { type: "object", properties: {} },
};
const SECTIONS = {
  models: { small: model("small-1"), large: model("large-1"), m: model("m") },
  prompts: { support: { versions: { "1": { system: "You are kind." } } } },
  agents: {
    helper: {
      releases: {
        r1: { model: "small", tools: ["refund"] },
        r2: { model: "large" },
        r3: { model: "m" },
      },
      live: "r1",
    },
  },
};

interface Moved {
  readonly generation: number;
  readonly live: { readonly release: string; readonly digest: string };
  readonly canary: { readonly release: string; readonly weight: number } | null;
  readonly status: string;
}

interface Opened {
  readonly id: string;
  readonly agent: string;
  readonly auditor: string;
  readonly operator: string;
  ask(session?: string, more?: Readonly<Record<string, unknown>>): Promise<Response>;
  move(verb: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  moved(verb: string, body: unknown): Promise<Moved>;
}

async function open(sections: Readonly<Record<string, unknown>> = SECTIONS): Promise<Opened> {
  const tenant = await createTenant({}, {}, { tools: { note }, sections });
  const operator = await createKey(tenant.id, ["operator"]);
  const move: Opened["move"] = (verb, body, headers = {}) =>
    request(`/v1/agents/helper/${verb}`, operator, { method: "POST", body: JSON.stringify(body), headers });
  return {
    ...tenant,
    operator,
    move,
    ask: (session = "s1", more = {}) => chat(tenant.agent, session, { model: "helper", ...more }),
    moved: async (verb, body) => {
      const answer = await move(verb, body);
      expect(answer.status, await answer.clone().text()).toBe(200);
      return answer.json<Moved>();
    },
  };
}

function publish(tenant: Opened, sections: Readonly<Record<string, unknown>>, path = "/v1/config"): Promise<Response> {
  const document = testConfig({}, {}, { tools: { note }, sections });
  const method = path === "/v1/config" ? "PUT" : "POST";
  return request(path, "root-key-of-the-tests", {
    method,
    body: JSON.stringify(document),
    headers: { "interlock-tenant": tenant.id, "if-match": "*" },
  });
}

describe("an agent's name", () => {
  it("is answered by the live release, which the answer and every span name", async () => {
    const tenant = await open();
    let asked: unknown;
    upstream(async (outgoing) => {
      asked = await outgoing.json();
      return completion();
    });
    const answer = await tenant.ask();
    expect(answer.status).toBe(200);
    expect(answer.headers.get("interlock-release")).toBe("r1");
    expect(answer.headers.get("interlock-model")).toBe("small");
    expect(asked).toMatchObject({ model: "small-1" });
    await vi.waitFor(
      async () => {
        const found = await request("/v1/traces?release=r1", tenant.auditor);
        const { data } = await found.json<{ data: readonly { trace_id: string; release: string }[] }>();
        expect(data).toMatchObject([{ release: "r1" }]);
        const trace = await request(`/v1/traces/${data[0]?.trace_id ?? ""}`, tenant.auditor);
        const { spans } = await trace.json<{ spans: readonly { attributes: Readonly<Record<string, unknown>> }[] }>();
        expect(spans.length).toBeGreaterThan(1);
        for (const { attributes } of spans) expect(attributes["interlock.release"]).toBe("r1");
        expect(spans[0]?.attributes).toMatchObject({
          "interlock.release.agent": "helper",
          "interlock.release.chosen": "live",
          "interlock.release.digest": expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
        });
        expect(spans[0]?.attributes["interlock.caller_declared"] ?? []).not.toContain("release");
      },
      { timeout: 15_000, interval: 200 },
    );
  });

  it("needs an actor that lists it", async () => {
    const tenant = await createTenant({}, {}, { actor: { models: ["small"] }, sections: SECTIONS });
    upstream(() => completion());
    expect((await chat(tenant.agent, "s1", { model: "helper" })).status).toBe(403);
    expect((await chat(tenant.agent, "s1", { model: "small" })).status).toBe(200);
  });

  it("is listed as a model", async () => {
    const tenant = await open();
    const listed = await (await request("/v1/models", tenant.agent)).json<{ data: readonly { id: string }[] }>();
    expect(listed.data.map(({ id }) => id)).toContain("helper");
  });

  it("may be narrowed by the caller to live or canary, and to any release by who may move them", async () => {
    const tenant = await open();
    upstream(() => completion());
    await tenant.moved("canary", { release: "r2", weight: 1 });
    const both = await createKey(tenant.id, ["agent", "operator"]);
    const named = async (key: string, release: string): Promise<string> => {
      const answer = await request("/v1/chat/completions", key, {
        method: "POST",
        headers: { "interlock-session": crypto.randomUUID(), "interlock-release": release },
        body: JSON.stringify({ model: "helper", messages: [{ role: "user", content: "hi" }], max_tokens: 10 }),
      });
      return `${answer.status} ${answer.headers.get("interlock-model") ?? ""}`.trim();
    };
    expect(await named(tenant.agent, "r1")).toBe("200 small");
    expect(await named(tenant.agent, "r2")).toBe("200 large");
    expect(await named(tenant.agent, "r3")).toBe("403");
    expect(await named(both, "r3")).toBe("200 m");
    expect(await named(both, "r9")).toBe("404");
  });

  it("offers the model only the release's tools", async () => {
    const tenant = await open();
    const { sent } = upstream(() => completion());
    const tool = (name: string): unknown => ({ type: "function", function: { name, parameters: { type: "object" } } });
    const refused = await tenant.ask("s1", { tools: [tool("refund"), tool("note")] });
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain('release \\"r1\\" does not have tool \\"note\\"');
    expect(sent).toHaveLength(0);
    expect((await tenant.ask("s1", { tools: [tool("refund")] })).status).toBe(200);
  });

  it("is stopped by a switch on its release, which no caller has to declare", async () => {
    const tenant = await open();
    upstream(() => completion());
    const order = { kind: "halt", scope: { release: "r1" }, reason: "it misbehaves" };
    await asRoot(tenant.id, "/v1/switches", "POST", order);
    expect(await (await tenant.ask()).text()).toContain('"code":"halted"');
    await tenant.moved("promote", { release: "r2" });
    expect((await tenant.ask()).status).toBe(200);
  });
});

describe("a tool call that names a release", () => {
  it("may call that release's tools, and no other", async () => {
    const tenant = await open();
    upstream(() => Response.json({ ok: true }));
    const call = (release: string): Promise<Response> =>
      request("/v1/tool-calls", tenant.agent, {
        method: "POST",
        headers: { "interlock-session": "s1", "interlock-release": release },
        body: JSON.stringify({ tool_call: { name: "note", args: {} } }),
      });
    const refused = await call("r1");
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain("release.tools");
    expect((await call("r2")).status).toBe(200);
  });
});

describe("moving releases", () => {
  it("is everywhere within two seconds, also where the old one was just used", async () => {
    const tenant = await open();
    upstream(() => completion());
    const others = { ...bindings };
    const runtime = compose(others);
    const elsewhere = createApp(() => runtime);
    const context = { waitUntil: () => undefined, passThroughOnException: () => undefined, props: {} };
    const ask = async (): Promise<string | null> => {
      const answer = await elsewhere.request(
        "https://gateway.test/v1/chat/completions",
        {
          method: "POST",
          headers: { authorization: `Bearer ${tenant.agent}`, "interlock-session": "s1" },
          body: JSON.stringify({ model: "helper", messages: [{ role: "user", content: "hi" }], max_tokens: 10 }),
        },
        others,
        context,
      );
      await answer.text();
      return answer.headers.get("interlock-release");
    };
    expect(await ask()).toBe("r1");
    const movedAt = Date.now();
    await tenant.moved("promote", { release: "r2" });
    expect((await tenant.ask()).headers.get("interlock-release")).toBe("r2");
    await vi.waitFor(async () => expect(await ask()).toBe("r2"), { timeout: BOUND_MS, interval: 50 });
    const tookMs = Date.now() - movedAt;
    console.log(`       promote to another isolate's next call: ${tookMs} ms`);
    expect(tookMs).toBeLessThan(BOUND_MS);
    await tenant.moved("rollback", {});
    await vi.waitFor(async () => expect(await ask()).toBe("r1"), { timeout: BOUND_MS, interval: 50 });
  });

  it("sends whole sessions to a canary, keeps them there, and takes them back at once", async () => {
    const tenant = await open();
    upstream(() => completion());
    await tenant.moved("canary", { release: "r2", weight: 50 });
    const releaseOf = async (session: string): Promise<string | null> =>
      (await tenant.ask(session)).headers.get("interlock-release");
    const sessions = Array.from({ length: 16 }, (_, at) => `session-${at}`);
    const first = await Promise.all(sessions.map(releaseOf));
    expect(new Set(first)).toEqual(new Set(["r1", "r2"]));
    expect(await Promise.all(sessions.map(releaseOf))).toEqual(first);
    await tenant.moved("canary", { weight: 90 });
    const wider = await Promise.all(sessions.map(releaseOf));
    expect(wider.filter((release, at) => first[at] === "r2" && release !== "r2")).toEqual([]);
    expect(await tenant.moved("rollback", { reason: "worse" })).toMatchObject({ status: "canary_ended", canary: null });
    expect(new Set(await Promise.all(sessions.map(releaseOf)))).toEqual(new Set(["r1"]));
  });

  it("compares and sets, answers what it may not do, and changes nothing then", async () => {
    const tenant = await open();
    const listed = await request("/v1/agents/helper/releases", tenant.operator);
    const etag = listed.headers.get("etag") ?? "";
    expect((await tenant.move("promote", { release: "r2" }, { "if-match": etag })).status).toBe(200);
    const stale = await tenant.move("promote", { release: "r3" }, { "if-match": etag });
    expect(stale.status).toBe(412);
    const answers: readonly (readonly [string, unknown, number, string])[] = [
      ["promote", { release: "r9" }, 404, "unknown_release"],
      ["canary", { release: "r2", weight: 5 }, 409, "release_not_moved"],
      ["canary", { weight: 5 }, 409, "release_not_moved"],
      ["canary", { release: "r3", weight: 101 }, 400, "invalid_request"],
      ["canary", { release: "r3", weight: 0.2 }, 400, "invalid_request"],
      ["promote", {}, 400, "invalid_request"],
      ["promote", { release: "r1", because: "x" }, 400, "invalid_request"],
    ];
    for (const [verb, body, status, code] of answers) {
      const answer = await tenant.move(verb, body);
      expect([answer.status, (await answer.json<{ code: string }>()).code]).toEqual([status, code]);
    }
    expect((await request("/v1/agents/nobody/releases", tenant.operator)).status).toBe(404);
    expect((await request("/v1/agents/constructor/releases", tenant.operator)).status).toBe(404);
    const again = await tenant.moved("promote", { release: "r2" });
    expect(again).toMatchObject({ generation: 2, status: "unchanged" });
    expect(await tenant.moved("rollback", {})).toMatchObject({ live: { release: "r1" }, status: "rolled_back" });
    expect((await tenant.move("rollback", {})).status).toBe(409);
  });

  it("survives the loss of the object's memory, with its history", async () => {
    const tenant = await open();
    upstream(() => completion());
    await tenant.moved("promote", { release: "r2", reason: "better answers" });
    await tenant.moved("canary", { release: "r3", weight: 10 });
    const { TENANT_LEDGER } = bindings as unknown as { TENANT_LEDGER: DurableObjectNamespace };
    await evictDurableObject(TENANT_LEDGER.get(TENANT_LEDGER.idFromName(tenant.id)));
    const listing = await (await request("/v1/agents/helper/releases", tenant.auditor)).json();
    expect(listing).toMatchObject({
      agent: "helper",
      generation: 3,
      live: { release: "r2", drifted: false },
      canary: { release: "r3", weight: 10, drifted: false },
      data: [
        { release: "r1", status: "earlier", model: "small", tools: ["refund"] },
        { release: "r2", status: "live" },
        { release: "r3", status: "canary" },
      ],
      differs: [{ path: "models.large" }, { path: "models.m" }],
      history: [
        { generation: 3, status: "canary_set" },
        { generation: 2, status: "promoted", reason: "better answers", previous: { release: "r1" } },
        { generation: 1, status: "published", previous: null },
      ],
    });
  });

  it("stands in the audit chain once, with the digest that was promoted, and no word of its reason", async () => {
    const tenant = await open();
    const { live } = await tenant.moved("promote", { release: "r2", reason: "asked for by jane@example.com" });
    const acts = async (): Promise<readonly { readonly event: { readonly what: unknown; readonly on: unknown } }[]> => {
      const found = await request("/v1/audit?kind=release", tenant.auditor);
      return (await found.json<{ data: readonly { event: { what: unknown; on: unknown } }[] }>()).data;
    };
    await vi.waitFor(async () => expect(await acts()).toHaveLength(1), { timeout: 15_000, interval: 200 });
    // The ledger's own telling of it comes two seconds later.
    await scheduler.wait(3_000);
    const [act, ...more] = await acts();
    expect(more).toEqual([]);
    expect(act?.event).toMatchObject({
      who: expect.stringMatching(/^key_/) as unknown,
      on: { subject: "helper" },
      what: { status: "promoted", agent: "helper", live: "r2", digest: live.digest, previous: "r1", generation: 2 },
    });
    expect(JSON.stringify(act)).not.toContain("asked for");
    const found = await request("/v1/traces?kind=release", tenant.auditor);
    const text = await found.text();
    expect(text).toContain('"release":"r2"');
    const { data } = JSON.parse(text) as { data: readonly { trace_id: string }[] };
    const trace = await (await request(`/v1/traces/${data[0]?.trace_id ?? ""}`, tenant.auditor)).text();
    expect(trace).not.toContain("jane@example.com");
  });
});

describe("a publication", () => {
  const agentsWith = (releases: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => ({
    ...SECTIONS,
    agents: { helper: { releases, live: "r2" } },
  });
  const { r1: _first, ...others } = SECTIONS.agents.helper.releases;

  it.each([
    [
      "a published prompt's text",
      { ...SECTIONS, prompts: { support: { versions: { "1": { system: "You are rude." } } } } },
      "prompts.support.versions.1",
    ],
    ["what is live", agentsWith(others), "agents.helper.releases.r1"],
    [
      "a published release",
      agentsWith({ ...SECTIONS.agents.helper.releases, r3: { model: "small" } }),
      "agents.helper.releases.r3",
    ],
  ])("does not change %s, whether checked or published", async (_, sections, path) => {
    const tenant = await open();
    for (const at of ["/v1/config/check", "/v1/config"]) {
      const answer = await publish(tenant, sections, at);
      expect(answer.status).toBe(422);
      expect(await answer.json()).toMatchObject({ code: "invalid_config", errors: [{ path }] });
    }
  });

  it("adds versions and releases, removes those that are not in use, and leaves what is live alone", async () => {
    const tenant = await open();
    upstream(() => completion());
    await tenant.moved("promote", { release: "r2" });
    const sections = agentsWith({ ...others, r4: { model: "small", prompt: "support@2" } });
    const versions = { ...SECTIONS.prompts.support.versions, "2": { system: "You are kinder." } };
    const answer = await publish(tenant, { ...sections, prompts: { support: { versions } } });
    expect(answer.status, await answer.clone().text()).toBe(200);
    expect((await tenant.ask()).headers.get("interlock-release")).toBe("r2");
    const listing = await (await request("/v1/agents/helper/releases", tenant.auditor)).json();
    expect(listing).toMatchObject({ generation: 2, data: [{ release: "r2" }, { release: "r3" }, { release: "r4" }] });
  });

  it("shows where what is live resolves to something else than when it was promoted", async () => {
    const tenant = await open();
    const models = { ...SECTIONS.models, small: model("small-2") };
    expect((await publish(tenant, { ...SECTIONS, models })).status).toBe(200);
    const listing = await (await request("/v1/agents/helper/releases", tenant.auditor)).json();
    expect(listing).toMatchObject({ live: { release: "r1", drifted: true } });
    expect(await tenant.moved("promote", { release: "r1" })).toMatchObject({ status: "promoted", generation: 2 });
  });
});
