// Proves that every admitted call is accounted for when queue, consumer, D1, R2 and objects fail: stored once, or named as missing.
import { afterEach, describe, expect, it, vi } from "vitest";
import { MAX_OUTBOX } from "../../src/core/state/session-books.ts";
import type { TraceRecord } from "../../src/core/trace/record.ts";
import { FaultyStore, stop, untilSent, untilStated, type Faults } from "./faulty-store.ts";
import {
  asRoot,
  bindings,
  chat,
  completion,
  createKey,
  createTenant,
  refund,
  request,
  upstream,
  type TestTenant,
} from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

interface Figures {
  readonly admitted: number;
  readonly stored: number;
  readonly missing: number;
  readonly coverage: number | null;
}
interface Coverage {
  readonly total: Figures;
  readonly data: readonly {
    readonly missing_calls: readonly {
      readonly session_id: string;
      readonly seq: number;
      readonly span_id: string;
      readonly tool_call_id: string | null;
    }[];
    readonly uncertain: readonly { readonly from_seq: number; readonly to_seq: number; readonly recorded: number }[];
  }[];
}

interface Lost {
  readonly session_id: string;
  readonly seq: number;
  readonly span_id: string;
  readonly call_id: string | null;
  readonly kind: string;
  readonly trace_id: string;
  readonly status: string;
  readonly subject: string;
  readonly attempts: number | null;
}

async function coverageOf(tenant: TestTenant): Promise<Coverage> {
  // A call may be admitted in the hour after the one it was made in.
  const answer = await request(`/v1/coverage?from=${Date.now() - 3_600_000}&to=${Date.now() + 1}`, tenant.auditor);
  expect(answer.status).toBe(200);
  return answer.json();
}

/** Rows of the tenant in the index, and how many different calls they tell of. */
async function rowsOf(tenant: string): Promise<{ readonly rows: number; readonly calls: number }> {
  const found = await bindings.DB.prepare(
    "SELECT count(*) AS rows, count(DISTINCT session_id || '/' || seq) AS calls FROM calls WHERE tenant = ? AND kind IN ('chat', 'execute_tool')",
  )
    .bind(tenant)
    .first<{ rows: number; calls: number }>();
  return found ?? { rows: 0, calls: 0 };
}

function answers(): void {
  upstream((sent) =>
    sent.url.startsWith("https://model.test") ? completion() : Response.json({ id: "re_1" }, { status: 201 }),
  );
}

/** Fails the first so many times. */
function times(count: number): () => boolean {
  let left = count;
  return () => (left -= 1) >= 0;
}

/** A model call and a tool call in one session, until both are recorded and stated. */
async function callTwice(tenant: TestTenant, store: FaultyStore): Promise<void> {
  expect((await chat(tenant.agent, "s1")).status).toBe(200);
  expect((await refund(tenant.agent, "s1", "k1")).status).toBe(200);
  await untilSent({ tenant: tenant.id, sessions: ["s1"] }, () => store.taken.size >= 2);
}

/** Delivers until nothing waits; as often as a queue would, which dead letters bound. */
async function settle(store: FaultyStore): Promise<void> {
  while ((await store.deliver()) > 0 || (await store.deliverDead()) > 0);
}

describe("coverage", () => {
  it("is all calls, with no more than they, when nothing fails", async () => {
    const tenant = await createTenant({});
    const store = new FaultyStore();
    answers();
    await callTwice(tenant, store);
    const before = await coverageOf(tenant);
    expect(before.total).toMatchObject({ admitted: 0, stored: 0, coverage: null });
    await settle(store);
    const { total, data } = await coverageOf(tenant);
    expect(total).toEqual({ admitted: 2, stored: 2, missing: 0, coverage: 1, settled: false });
    expect(data.flatMap((hour) => [...hour.missing_calls, ...hour.uncertain])).toEqual([]);
  });

  it.each<{ what: string; faults: () => Faults }>([
    { what: "the queue refuses", faults: () => ({ send: times(3) }) },
    { what: "the queue's answer is lost", faults: () => ({ sendUnanswered: times(3) }) },
    { what: "messages arrive twice", faults: () => ({ twice: () => true }) },
    { what: "R2 answers 5xx", faults: () => ({ bucket: times(4) }) },
    { what: "the consumer stops after R2 and before D1, or D1 is overloaded", faults: () => ({ database: times(4) }) },
    { what: "D1's answer is lost", faults: () => ({ databaseUnanswered: times(3) }) },
    { what: "the consumer stops after D1 and before it acknowledges", faults: () => ({ killed: times(3) }) },
    { what: "the store is down until messages are dead letters", faults: () => ({ database: times(15) }) },
  ])("returns to 100 % with nothing doubled when $what", async ({ faults }) => {
    const tenant = await createTenant({});
    const store = new FaultyStore();
    store.faults = faults();
    answers();
    await callTwice(tenant, store);
    await settle(store);
    while ((await redrive(tenant)) > 0) await settle(store);
    expect((await coverageOf(tenant)).total).toMatchObject({ admitted: 2, stored: 2, missing: 0, coverage: 1 });
    expect(await rowsOf(tenant.id)).toEqual({ rows: 2, calls: 2 });
    expect(Object.values(store.counts).every((count) => count > 0)).toBe(true);
  });

  it("names the very call whose record is lost, by its id", async () => {
    const tenant = await createTenant({});
    const store = new FaultyStore();
    answers();
    await callTwice(tenant, store);
    const at = store.waiting.findIndex((each) => each.body.includes('"kind":"execute_tool","session_id"'));
    const [lost] = store.waiting.splice(at, 1);
    const records = (lost?.body ?? "").split("\n").map((line) => (JSON.parse(line) as { index: Lost }).index);
    await settle(store);
    const { total, data } = await coverageOf(tenant);
    expect(total).toMatchObject({ admitted: 2, stored: 2 - records.length, missing: records.length });
    const missing = data.flatMap((hour) => hour.missing_calls);
    expect(missing.map((each) => [each.session_id, each.seq, each.tool_call_id, each.span_id])).toEqual(
      records.map((each) => [each.session_id, each.seq, each.call_id, each.span_id]),
    );
    expect(missing.at(-1)?.tool_call_id).toMatch(/^tc_[0-9a-f]{32}$/);
    // The call's own object knows what became of it, and tells it again; nothing is settled yet, so only if asked to.
    const operator = await createKey(tenant.id, ["operator"]);
    const retell = async (body: unknown): Promise<unknown> =>
      (await request("/v1/coverage/retell", operator, { method: "POST", body: JSON.stringify(body) })).json();
    expect(await retell({})).toEqual({ retold: 0, untold: 0, has_more: false });
    expect(await retell({ unsettled: true })).toMatchObject({ retold: 1 });
    const isTold = (): boolean => store.waiting.some(({ body }) => body.includes("interlock.record.retold"));
    await vi.waitFor(() => expect(isTold()).toBe(true));
    await settle(store);
    const after = await coverageOf(tenant);
    expect(after.data.flatMap((hour) => hour.missing_calls).filter((each) => each.tool_call_id !== null)).toEqual([]);
    const original = records.find((each) => each.kind === "execute_tool");
    const found = await request(`/v1/traces?session=s1&kind=execute_tool`, tenant.auditor);
    const { data: listed } = await found.json<{ data: readonly Record<string, unknown>[] }>();
    for (const name of ["span_id", "trace_id", "seq", "status", "subject", "attempts"] as const)
      expect([name, listed[0]?.[name === "subject" ? "tool" : name]]).toEqual([name, original?.[name]]);
  });

  it("refuses a span that is empty, unreadable or longer than two days", async () => {
    const tenant = await createTenant({});
    for (const query of ["from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:01Z", "from=5&to=5", "from=soon", "since=1"]) {
      const answer = await request(`/v1/coverage?${query}`, tenant.auditor);
      expect([query, answer.status]).toEqual([query, 400]);
    }
  });

  it("of another tenant is not shown", async () => {
    const [tenant, other] = [await createTenant({}), await createTenant({})];
    const store = new FaultyStore();
    answers();
    await callTwice(tenant, store);
    await settle(store);
    expect((await coverageOf(other)).total).toMatchObject({ admitted: 0, stored: 0 });
  });
});

async function redrive(tenant: TestTenant): Promise<number> {
  const answer = await asRoot(tenant.id, "/v1/dead-letters/redrive", "POST", {});
  return (await answer.json<{ sent: number }>()).sent;
}

interface Letters {
  readonly data: readonly {
    readonly id: string;
    readonly tenant: string | null;
    readonly reason: string;
    readonly lines: number;
  }[];
}

describe("dead letters", () => {
  it("are parked while the store is down, listed for their tenant, and sent again once", async () => {
    const tenant = await createTenant({});
    const other = await createTenant({});
    const store = new FaultyStore();
    answers();
    await callTwice(tenant, store);
    store.faults = { database: () => true };
    await settle(store);
    expect(await rowsOf(tenant.id)).toEqual({ rows: 0, calls: 0 });
    const listed = await (await request("/v1/dead-letters", tenant.auditor)).json<Letters>();
    expect(listed.data.length).toBeGreaterThan(0);
    expect(listed.data.every((each) => each.tenant === tenant.id && each.reason === "store_failed")).toBe(true);
    const others = await (await request("/v1/dead-letters", other.auditor)).json<Letters>();
    expect(others.data.filter((each) => each.tenant !== other.id)).toEqual([]);
    expect((await request("/v1/dead-letters/redrive", tenant.auditor, { method: "POST" })).status).toBe(403);
    // The queue is away as well: nothing goes, and nothing is forgotten.
    store.faults = { send: () => true };
    const operator = await createKey(tenant.id, ["operator"]);
    expect((await request("/v1/dead-letters/redrive", operator, { method: "POST" })).status).toBe(500);
    store.faults = {};
    const sent = await request("/v1/dead-letters/redrive", operator, { method: "POST" });
    expect(await sent.json()).toEqual({ sent: listed.data.length, has_more: false });
    await settle(store);
    expect((await coverageOf(tenant)).total).toMatchObject({ admitted: 2, stored: 2, coverage: 1 });
    expect(await rowsOf(tenant.id)).toEqual({ rows: 2, calls: 2 });
    expect(await redrive(tenant)).toBe(0);
  });

  it("come again while they can be neither stored nor parked", async () => {
    const tenant = await createTenant({});
    const store = new FaultyStore();
    answers();
    await callTwice(tenant, store);
    store.faults = { bucket: () => true };
    while ((await store.deliver()) > 0);
    // A statement needs no R2 and is stored; the records come again, whole.
    const records = store.dead.filter((each) => !each.body.includes('"admissions"')).length;
    expect(records).toBeGreaterThan(0);
    expect(await store.deliverDead()).toBe(records);
    expect(await store.deliverDead()).toBe(records);
    store.faults = {};
    await settle(store);
    expect((await coverageOf(tenant)).total).toMatchObject({ admitted: 2, stored: 2, coverage: 1 });
  });

  it("are lines that are nothing of ours, with the reason, while the rest of their message is stored", async () => {
    const tenant = await createTenant({});
    const store = new FaultyStore();
    answers();
    await callTwice(tenant, store);
    const newer = JSON.stringify({ v: 2, index: { tenant: tenant.id } });
    const [first] = store.waiting;
    store.waiting[0] = { body: `${newer}\n${first?.body ?? ""}\nnonsense`, timestamp: new Date(), attempts: 0 };
    await settle(store);
    expect((await coverageOf(tenant)).total).toMatchObject({ admitted: 2, stored: 2, coverage: 1 });
    const listed = await (await request("/v1/dead-letters", tenant.auditor)).json<Letters>();
    expect(listed.data).toMatchObject([{ tenant: tenant.id, reason: "not_a_record", lines: 1 }]);
    const all = await (await request("/v1/dead-letters?limit=200", "root-key-of-the-tests")).json<Letters>();
    expect(all.data.filter((each) => each.tenant === null).length).toBeGreaterThan(0);
  });
});

describe("back-pressure", () => {
  it("stops model calls and tool writes of a session before anything is sent, says why, and ends once the queue takes records", async () => {
    const tenant = await createTenant({});
    const store = new FaultyStore();
    answers();
    await callTwice(tenant, store);
    const line = store.waiting.flatMap((each) => each.body.split("\n")).find((each) => each.includes('"kind":"chat"'));
    const record = JSON.parse(line ?? "") as TraceRecord;
    store.faults = { send: () => true };
    const ledger = bindings.SESSION_LEDGER.getByName(`${tenant.id}/s1`);
    const spanOf = (at: number): string => at.toString(16).padStart(16, "0");
    await ledger.stash(
      Array.from({ length: MAX_OUTBOX }, (_, at) => ({ ...record, index: { ...record.index, span_id: spanOf(at) } })),
    );
    const { sent } = upstream(() => completion());
    const stopped = [await chat(tenant.agent, "s1"), await refund(tenant.agent, "s1", "k2")];
    for (const answer of stopped) {
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "5"]);
      expect(await answer.text()).toMatch(
        /trace_store_down.*too many records wait to be stored|too many records wait to be stored.*trace_store_down/s,
      );
    }
    expect(sent).toHaveLength(0);
    // Another session goes on: the bound is each session's own.
    expect((await chat(tenant.agent, "s2")).status).toBe(200);
    store.faults = {};
    await untilStated(tenant.id, "s1");
    answers();
    expect((await refund(tenant.agent, "s1", "k2")).status).toBe(200);
    expect((await chat(tenant.agent, "s1")).status).toBe(200);
  });
});

/** A small generator with a seed (mulberry32): every run injects the same faults. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe("a mix of all faults", () => {
  it("over 600 calls loses nothing and doubles nothing", { timeout: 180_000 }, async () => {
    const tenant = await createTenant({});
    const store = new FaultyStore();
    const random = seeded(20_261_125);
    let isDown = false;
    const often = (part: number) => (): boolean => random() < part;
    store.faults = {
      send: often(0.15),
      sendUnanswered: often(0.05),
      twice: often(0.1),
      bucket: often(0.2),
      database: () => isDown || random() < 0.3,
      databaseUnanswered: often(0.1),
      killed: often(0.2),
    };
    answers();
    const sessions = Array.from({ length: 12 }, (_, at) => `s${at}`);
    let made = 0;
    let stops = 0;
    for (let round = 0; round < 50; round += 1) {
      const calls = sessions.map((session) => {
        made += 1;
        return random() < 0.6 ? chat(tenant.agent, session) : refund(tenant.agent, session, `k${made}`);
      });
      for (const answer of await Promise.all(calls)) {
        expect(answer.status).toBe(200);
        await answer.text();
      }
      if (random() < 0.5) {
        const session = sessions[Math.floor(random() * sessions.length)] ?? "s0";
        await stop(tenant.id, session);
        stops += 1;
      }
      isDown = round >= 20 && round < 35;
      for (let times = 0; times < 3; times += 1) await store.deliver();
      await store.deliverDead();
    }
    const down = { waiting: store.waiting.length, dead: store.dead.length };
    await untilSent({ tenant: tenant.id, sessions }, () => store.taken.size >= made);
    const faulty = { ...store.counts };
    for (let at = 0; at < 300 && store.waiting.length + store.dead.length > 0; at += 1) {
      await store.deliver();
      await store.deliverDead();
    }
    const early = await coverageOf(tenant);
    store.faults = {};
    await settle(store);
    const redriven = await redrive(tenant);
    await settle(store);
    const { total, data } = await coverageOf(tenant);
    const uncertain = data.flatMap((hour) => hour.uncertain);
    const recorded = uncertain.reduce((sum, each) => sum + each.recorded, 0);
    console.log(
      `${made} calls in ${sessions.length} sessions, ${stops} stops of objects, faults ${JSON.stringify(faulty)}, at the end of the load ${JSON.stringify(down)}; coverage ${early.total.stored}/${early.total.admitted} with the faults on, ${redriven} letters re-driven, then ${total.stored}/${total.admitted} = ${total.coverage}, and ${recorded} calls recorded among ${uncertain.length} ranges of numbers that stops left untold`,
    );
    expect(total).toMatchObject({ missing: 0, coverage: 1 });
    expect(total.admitted + recorded).toBe(made);
    expect(await rowsOf(tenant.id)).toEqual({ rows: made, calls: made });
  });
});
