// Proves the watch of canaries inside workerd, on real rows: what is ended, what is not, whose rows count, who is told.
import { afterEach, describe, expect, it, vi } from "vitest";
import { d1Canaries } from "../../src/adapters/d1/canaries.ts";
import { compose } from "../../src/compose.ts";
import type { IndexRow } from "../../src/core/trace/record.ts";
import { watchCanaries, watchCanary } from "../../src/gateway/watch-canary.ts";
import type { Ports, Recorder } from "../../src/gateway/ports.ts";
import { portsAt, recordOf, storeAll } from "./stored-records.ts";
import { bindings, createKey, createTenant, request, testConfig } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const MINUTE_MS = 60_000;
const AGENT = "helper";
const model = (upstream: string): Readonly<Record<string, unknown>> => ({
  provider: "up",
  upstream,
  context: 1_000,
  max_output_tokens: 100,
  price: { input_per_mtok_usd: 1, output_per_mtok_usd: 1 },
});
const RELEASES = {
  r1: { model: "m" },
  r2: { model: "large", tools: ["refund"] },
  r3: { model: "m", tools: ["refund"] },
};
const sectionsWith = (
  agent: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> => ({
  models: { m: model("m"), large: model("large-1") },
  agents: { [AGENT]: { releases: RELEASES, live: "r1", ...agent } },
  ...more,
});
interface Opened {
  readonly id: string;
  readonly operator: string;
  readonly auditor: string;
  move(verb: string, body: unknown): Promise<Response>;
  moved(verb: string, body: unknown): Promise<void>;
  publish(sections: Readonly<Record<string, unknown>>): Promise<void>;
  canary(): Promise<Standing>;
}

interface Standing {
  readonly canary: string | null;
  readonly watches: readonly {
    readonly status: string;
    readonly state: string;
    readonly says: string;
    readonly mixed: number;
    readonly live: { readonly sessions: number };
    readonly canary: { readonly sessions: number };
  }[];
}

async function open(sections: Readonly<Record<string, unknown>>): Promise<Opened> {
  const tenant = await createTenant({}, {}, { sections });
  const operator = await createKey(tenant.id, ["operator"]);
  const move: Opened["move"] = (verb, body) =>
    request(`/v1/agents/${AGENT}/${verb}`, operator, { method: "POST", body: JSON.stringify(body) });
  return {
    id: tenant.id,
    auditor: tenant.auditor,
    operator,
    move,
    moved: async (verb, body) => {
      const answer = await move(verb, body);
      expect(answer.status, await answer.clone().text()).toBe(200);
    },
    publish: async (next) => {
      const answer = await request("/v1/config", "root-key-of-the-tests", {
        method: "PUT",
        body: JSON.stringify(testConfig({}, {}, { sections: next })),
        headers: { "interlock-tenant": tenant.id, "if-match": "*" },
      });
      expect(answer.status, await answer.clone().text()).toBe(200);
    },
    canary: async () => (await request(`/v1/agents/${AGENT}/canary`, tenant.auditor)).json<Standing>(),
  };
}

/** One session of two model calls, some of which fail. */
function session(release: string, at: number, more: Partial<IndexRow> = {}): readonly Partial<IndexRow>[] {
  const one = { session_id: `s-${crypto.randomUUID()}`, release, kind: "chat", duration_ms: 100, seq: 1 } as const;
  return [
    { ...one, started_at: at, cost_micro_usd: 1_000 },
    { ...one, seq: 2, started_at: at + 1_000, cost_micro_usd: 1_000, ...more },
  ];
}

/** So many sessions, of which every so-many-th has an error in its second call. */
function sessions(
  release: string,
  count: number,
  how: { at: number; errorEvery: number },
): readonly Partial<IndexRow>[] {
  return Array.from({ length: count }, (_, at) =>
    session(
      release,
      how.at + at * 20,
      at % how.errorEvery === 0 ? { status: "failed", error_code: "upstream_failed" } : {},
    ),
  ).flat();
}

/** Stores calls through the index's own adapter. */
async function store(ports: Ports, tenant: string, rows: readonly Partial<IndexRow>[]): Promise<void> {
  const records = rows.map((row) => recordOf(tenant, row));
  for (let at = 0; at < records.length; at += 200) await storeAll(ports, tenant, records.slice(at, at + 200));
}

const nobody: Recorder = { write: () => undefined, writeNow: () => Promise.resolve(true) };
const TERMS = {
  metrics: ["errors", "denials", "cost", "latency"],
  alpha: 0.05,
  min_sessions: 50,
  good: ["resolved"],
  margin: 0,
  rollback: true,
} as const;
const terms = { ...TERMS, metrics: [...TERMS.metrics], good: [...TERMS.good] };

/** A tenant whose agent has a canary of half of all sessions, and the ports as of 40 minutes later. */
async function withCanary(watch: Readonly<Record<string, unknown>> = {}): Promise<{
  readonly tenant: Opened;
  readonly ports: Ports;
  readonly began: number;
  readonly clock: { now: number };
}> {
  const tenant = await open(sectionsWith({ watch: { min_sessions: 50, ...watch } }));
  await tenant.moved("canary", { release: "r2", weight: 50 });
  const { history } = await compose({ ...bindings }).ports.releases.read(tenant.id, AGENT);
  const began = history[0]?.at ?? 0;
  const clock = { now: began + 40 * MINUTE_MS };
  return { tenant, began, clock, ports: portsAt(clock) };
}

describe("a canary that is watched", () => {
  it("is ended with its evidence when three sessions in ten fail against one in twenty, and says so in act and history", async () => {
    const { tenant, ports, began } = await withCanary();
    const at = began + 5_000;
    await store(ports, tenant.id, [
      ...sessions("r1", 200, { at, errorEvery: 20 }),
      ...sessions("r2", 200, { at, errorEvery: 3 }),
    ]);
    const acts: unknown[] = [];
    const recorder: Recorder = {
      ...nobody,
      write: (record) => acts.push(record.index.status, record.spans[0]?.attributes),
    };
    const row = await watchCanary(ports, { tenant: tenant.id, agent: AGENT, terms }, recorder);
    expect(row).toMatchObject({ status: "ended", release: "r2", live: "r1", evidence: { state: "worse" } });
    const { pointer, history } = await ports.releases.read(tenant.id, AGENT);
    expect(pointer).toMatchObject({ live: { release: "r1" }, canary: null });
    expect(history[0]).toMatchObject({
      status: "canary_ended",
      by: "gateway",
      reason: expect.stringMatching(/^200 sessions of r2, 200 of r1\. errors moved by .*: it is worse$/) as unknown,
      grounds: { type: "watch", metrics: ["errors"], sessions: 200 },
    });
    expect(acts[0]).toBe("canary_ended");
    expect(acts[1]).toMatchObject({
      "interlock.act.by": "gateway",
      "interlock.release.worse": ["errors"],
      "interlock.release.watched_sessions": 200,
    });
    expect(acts).toHaveLength(2);
    const standing = await tenant.canary();
    expect(standing).toMatchObject({
      canary: null,
      watches: [{ status: "ended", state: "worse", live: { sessions: 200 }, canary: { sessions: 200 } }],
    });
    // Over is over: another run neither looks nor moves.
    const again = await watchCanary(ports, { tenant: tenant.id, agent: AGENT, terms }, nobody);
    expect(again).toMatchObject({ status: "ended" });
    expect((await ports.releases.read(tenant.id, AGENT)).pointer?.generation).toBe(pointer?.generation);
  });

  it("stays when it does as well as what is live", async () => {
    const { tenant, ports, began } = await withCanary();
    const at = began + 5_000;
    await store(ports, tenant.id, [
      ...sessions("r1", 200, { at, errorEvery: 10 }),
      ...sessions("r2", 200, { at, errorEvery: 10 }),
    ]);
    const row = await watchCanary(ports, { tenant: tenant.id, agent: AGENT, terms }, nobody);
    expect(row).toMatchObject({
      status: "watching",
      evidence: { state: "watching", sample_ratio: { is_alarm: false } },
    });
    expect((await ports.releases.read(tenant.id, AGENT)).pointer?.canary?.release).toBe("r2");
  });

  it("is not held to another tenant's rows, to a replay's, to sessions of both releases, at work, or from before it began", async () => {
    const { tenant, ports, began, clock } = await withCanary();
    const stranger = await createTenant({});
    const at = began + 5_000;
    const both = `s-${crypto.randomUUID()}`;
    const failed = { status: "failed", error_code: "upstream_failed" } as const;
    await store(ports, stranger.id, sessions("r2", 200, { at, errorEvery: 1 }));
    await store(ports, tenant.id, [
      ...sessions("r1", 60, { at, errorEvery: 100 }),
      ...sessions("r2", 60, { at, errorEvery: 100 }),
      ...Array.from({ length: 80 }, () => session("r2", at, { ...failed, kind: "replay" })).flatMap((each) =>
        each.slice(1),
      ),
      ...Array.from({ length: 80 }, () => session("r2", clock.now - 5 * MINUTE_MS, failed)).flat(),
      ...Array.from({ length: 80 }, () => session("r2", began - MINUTE_MS, failed)).flat(),
      { release: "r1", session_id: both, started_at: at },
      { release: "r2", session_id: both, started_at: at + 1, ...failed },
    ]);
    const row = await watchCanary(ports, { tenant: tenant.id, agent: AGENT, terms }, nobody);
    expect(row).toMatchObject({
      status: "watching",
      evidence: { live: { sessions: 60, errors: 1 }, canary: { sessions: 60, errors: 1 }, mixed: 1 },
    });
    expect((await ports.canaries.watches(stranger.id, AGENT, 5)).length).toBe(0);
  });

  it("has a session's tool calls that name no release, and sessions that begin with an embedding", async () => {
    const { tenant, ports, began } = await withCanary();
    const at = began + 5_000;
    const id = `s-${crypto.randomUUID()}`;
    await store(ports, tenant.id, [
      { kind: "embeddings", session_id: id, seq: 1, started_at: at, release: null },
      { kind: "chat", session_id: id, seq: 2, started_at: at + 1, release: "r2", cost_micro_usd: 100 },
      {
        kind: "execute_tool",
        session_id: id,
        seq: 3,
        started_at: at + 2,
        release: null,
        status: "denied",
        decision: "deny",
        cost_micro_usd: 0,
      },
    ]);
    const row = await watchCanary(ports, { tenant: tenant.id, agent: AGENT, terms }, nobody);
    expect(row?.evidence.canary).toMatchObject({ sessions: 1, denials: 1, errors: 0, cost: { n: 1 } });
  });

  it("is not ended by a look at releases that somebody moved meanwhile", async () => {
    const { tenant, ports, began } = await withCanary();
    const at = began + 5_000;
    await store(ports, tenant.id, [
      ...sessions("r1", 100, { at, errorEvery: 100 }),
      ...sessions("r2", 100, { at, errorEvery: 2 }),
    ]);
    const figures: Ports["canaries"]["figures"] = async (...asked) => {
      const found = await ports.canaries.figures(...asked);
      await tenant.moved("promote", { release: "r2" });
      return found;
    };
    const racing: Ports = { ...ports, canaries: { ...ports.canaries, figures } };
    const row = await watchCanary(racing, { tenant: tenant.id, agent: AGENT, terms }, nobody);
    expect(row).toMatchObject({ status: "worse" });
    const { pointer, history } = await ports.releases.read(tenant.id, AGENT);
    expect(pointer).toMatchObject({ live: { release: "r2" }, canary: null });
    expect(history.map(({ status }) => status)).toEqual(["promoted", "canary_set", "published"]);
    expect(await watchCanary(ports, { tenant: tenant.id, agent: AGENT, terms }, nobody)).toMatchObject({
      evidence: { state: "worse" },
    });
    expect((await ports.canaries.watches(tenant.id, AGENT, 5)).map(({ status }) => status)).toEqual(["ended"]);
  });

  it("compares the shares of sessions with the weight that they were drawn by, also after it was raised", async () => {
    const { tenant, ports, began, clock } = await withCanary();
    const at = began + 5_000;
    await store(ports, tenant.id, [
      ...sessions("r1", 60, { at, errorEvery: 100 }),
      ...sessions("r2", 60, { at, errorEvery: 100 }),
    ]);
    await tenant.moved("canary", { weight: 10 });
    // As if the weight had been lowered half an hour after the canary began.
    const changed = began + 30 * MINUTE_MS;
    const read: Ports["releases"]["read"] = async (...asked) => {
      const { pointer, history } = await ports.releases.read(...asked);
      const [newest, ...older] = history;
      return { pointer, history: newest === undefined ? [] : [{ ...newest, at: changed }, ...older] };
    };
    const later: Ports = { ...ports, releases: { ...ports.releases, read } };
    await store(ports, tenant.id, [
      ...sessions("r1", 90, { at: changed + 5 * MINUTE_MS, errorEvery: 100 }),
      ...sessions("r2", 10, { at: changed + 5 * MINUTE_MS, errorEvery: 100 }),
    ]);
    clock.now = changed + 40 * MINUTE_MS;
    const look = await watchCanary(later, { tenant: tenant.id, agent: AGENT, terms }, nobody);
    expect(look?.evidence.live.drawn ?? 0).toBe(90);
    expect(look?.evidence.canary).toMatchObject({ drawn: 10, sessions: 70 });
    expect(look?.evidence.sample_ratio?.is_alarm).toBe(false);
    await store(ports, tenant.id, sessions("r2", 90, { at: changed + 6 * MINUTE_MS, errorEvery: 100 }));
    const wrong = await watchCanary(later, { tenant: tenant.id, agent: AGENT, terms }, nobody);
    expect(wrong).toMatchObject({ status: "watching", evidence: { sample_ratio: { is_alarm: true } } });
  });

  it("goes on in another window, at a smaller share of alpha, when one is full", async () => {
    const { tenant, ports, began } = await withCanary();
    const at = began + 5_000;
    const rows = [at, at + 20 * MINUTE_MS].flatMap((each) => [
      ...sessions("r1", 20, { at: each, errorEvery: 100 }),
      ...sessions("r2", 20, { at: each, errorEvery: 100 }),
    ]);
    await store(ports, tenant.id, rows);
    const small: Ports = { ...ports, canaries: d1Canaries(bindings.DB, 100) };
    const first = await watchCanary(small, { tenant: tenant.id, agent: AGENT, terms }, nobody);
    expect(first?.evidence).toMatchObject({ window: 1, calls: 100, from: began, canary: { sessions: 20 } });
    // What the cut left at work counts in the next one.
    expect(first?.evidence.next_from).toBeGreaterThan(at + 19 * MINUTE_MS);
    const second = await watchCanary(ports, { tenant: tenant.id, agent: AGENT, terms }, nobody);
    expect(second?.evidence).toMatchObject({ window: 2, next_from: null, canary: { sessions: 20 } });
    expect(second?.evidence.from).toBe(first?.evidence.next_from);
    const used = [first, second].map((each) => each?.evidence.metrics[0]?.alpha ?? 0);
    expect(used[0]).toBeCloseTo(0.05 / (2 * 4));
    expect(used[1]).toBeCloseTo(0.05 / (6 * 4));
  });

  describe("tells people", () => {
    /** A tenant with an address for alerts, and what is delivered there; some of it is not taken. */
    async function withAlerts(
      watch: Readonly<Record<string, unknown>>,
      isTaken: (attempt: number) => boolean,
    ): Promise<{
      readonly id: string;
      readonly ports: Ports;
      readonly sent: { readonly id: string; readonly body: unknown }[];
    }> {
      const { tenant, ports, began } = await withCanary();
      const trace = { alerts: { webhook: "https://tool.test/alerts", secret: "upstream" } };
      await tenant.publish(sectionsWith({ watch: { min_sessions: 50, ...watch } }, { trace }));
      const at = began + 5_000;
      await store(ports, tenant.id, [
        ...sessions("r1", 100, { at, errorEvery: 100 }),
        ...sessions("r2", 100, { at, errorEvery: 2 }),
      ]);
      const sent: { id: string; body: unknown }[] = [];
      const deliver: Ports["webhooks"]["deliver"] = async ({ id, body }) => {
        sent.push({ id, body });
        return isTaken(sent.length);
      };
      return { id: tenant.id, sent, ports: { ...ports, webhooks: { deliver } } };
    }

    it("once that it was ended, again under the same id where nobody answered", async () => {
      const { id, ports, sent } = await withAlerts({}, (attempt) => attempt > 1);
      const watched = { tenant: id, agent: AGENT, terms };
      await watchCanary(ports, watched, nobody);
      await watchCanary(ports, watched, nobody);
      await watchCanary(ports, watched, nobody);
      expect(sent).toHaveLength(2);
      expect(new Set(sent.map((each) => each.id)).size).toBe(1);
      for (const { body } of sent)
        expect(body).toMatchObject({ type: "canary.ended", data: { agent: AGENT, release: "r2", state: "worse" } });
    });

    it("of one that is worse and may not be ended by itself, and leaves it", async () => {
      const { id, ports, sent } = await withAlerts({ rollback: false }, () => true);
      vi.spyOn(console, "error").mockReturnValue();
      const tenants = { ...ports.tenants, ids: () => Promise.resolve(["nobody-has-this", id]) };
      const active: Ports["configs"]["active"] = (tenant) =>
        tenant === id ? ports.configs.active(tenant) : Promise.reject(new Error("down"));
      const all: Ports = { ...ports, tenants, configs: { ...ports.configs, active } };
      await watchCanaries(all, nobody);
      await watchCanaries(all, nobody);
      expect(sent.map(({ body }) => body)).toMatchObject([{ type: "canary.worse", data: { state: "worse" } }]);
      expect((await ports.releases.read(id, AGENT)).pointer?.canary?.release).toBe("r2");
      expect((await ports.canaries.watches(id, AGENT, 1))[0]?.status).toBe("worse");
    });
  });
});

describe("two releases compared", () => {
  it("have figures and tests of the window, which are said to promise less", async () => {
    const { tenant, ports, began } = await withCanary();
    await store(ports, tenant.id, [
      ...sessions("r1", 120, { at: began - 90 * MINUTE_MS, errorEvery: 100 }),
      ...sessions("r3", 120, { at: began - 60 * MINUTE_MS, errorEvery: 2 }),
    ]);
    const to = new Date(began).toISOString();
    const answer = await request(`/v1/agents/${AGENT}/compare?a=r1&b=r3&to=${to}`, tenant.auditor);
    expect(answer.status, await answer.clone().text()).toBe(200);
    expect(await answer.json()).toMatchObject({
      state: "worse",
      live: { release: "r1", sessions: 120 },
      canary: { release: "r3", sessions: 120 },
      is_always_valid: false,
      is_randomised: false,
      is_cut: false,
      to,
    });
    const before = await request(`/v1/agents/${AGENT}/compare?a=r1&b=r3&from=2020-01-01&to=2020-01-02`, tenant.auditor);
    expect(await before.json()).toMatchObject({ state: "watching", live: { sessions: 0 }, sample_ratio: null });
  });

  it.each([
    ["a=r1&b=r1", 400],
    ["a=r1", 400],
    ["a=r1&b=r9", 404],
    ["a=r1&b=r2&from=yesterday", 400],
    ["a=r1&b=r2&from=2026-01-01&to=2026-03-01", 400],
    ["a=r1&b=r2&since=2026-01-01", 400],
  ])("are refused for %s", async (query, status) => {
    const tenant = await open(sectionsWith({}));
    expect((await request(`/v1/agents/${AGENT}/compare?${query}`, tenant.auditor)).status).toBe(status);
  });
});
