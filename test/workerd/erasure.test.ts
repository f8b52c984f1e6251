// Proves that an erasure leaves nothing of its subject, everything of others, and goes on after a stop.
import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { offloadPayloads } from "../../src/adapters/r2/payloads.ts";
import { NOT_BEGUN, NOTHING_ERASED, SECOND_PASS_MS, type Erasure } from "../../src/core/trace/erasure.ts";
import { advanceErasure } from "../../src/gateway/erasing/advance-erasure.ts";
import type { Ports } from "../../src/gateway/ports.ts";
import { reindexTraces, RETRY_WINDOW_MS } from "../../src/gateway/reindex-traces.ts";
import { everythingStored, portsAt, recordOf, storeAll, type TestClock } from "./stored-records.ts";
import { bindings, createTenant, refund, request, upstream } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const START = Date.UTC(2026, 8, 21, 12);

async function asked(ports: Ports, tenant: string, what: Pick<Erasure, "scope" | "subject">): Promise<Erasure> {
  const erasure: Erasure = {
    tenant,
    id: `er_${ports.system.randomHex(16)}`,
    ...what,
    reason: null,
    status: "requested",
    requestedAt: ports.system.now(),
    requestedBy: "key_test",
    finishedAt: null,
    progress: NOT_BEGUN,
    receipt: NOTHING_ERASED,
  };
  await ports.erasures.create(erasure);
  return erasure;
}

/** Carries an erasure through both passes; answers it as it is stored. */
async function carriedOut(ports: Ports, clock: TestClock, begun: Erasure): Promise<Erasure> {
  const first = await advanceErasure(ports, begun, 10_000);
  expect([first.status, first.progress.pass]).toEqual(["waiting", 2]);
  clock.now += SECOND_PASS_MS - 1;
  expect((await advanceErasure(ports, first, 1)).status).toBe("waiting");
  clock.now += 1;
  await advanceErasure(ports, first, 10_000);
  const stored = await ports.erasures.get(begun.tenant, begun.id);
  if (stored === undefined) throw new Error("no erasure");
  return stored;
}

const textsOf = async (ports: Ports, tenant: string, query = {}): Promise<readonly string[]> => {
  const page = await ports.index.list(tenant, { limit: 200, ...query });
  const read = await Promise.all(page.rows.map((row) => ports.segments.read(tenant, row.segment, [row.line])));
  return read.flat().flatMap(({ payloads }) => payloads.map(({ body }) => body ?? "lost"));
};

describe("an end user", () => {
  it("is erased from a segment, its copies, bodies, letters and words; whoever shares session and segment stays whole", async () => {
    const { id: tenant } = await createTenant({});
    const clock = { now: START };
    const ports = portsAt(clock);
    const ada = { user: "adaUserName", started_at: START - 5_000 };
    const bob = { user: "bobUserName", started_at: START - 5_000 };
    const adas = recordOf(tenant, ada, "adaSecretWord lives here");
    const bobs = recordOf(tenant, bob, "bobs own words");
    const whole = "adaLargeBody".repeat(20_000);
    const large = await offloadPayloads(bindings.BLOBS, recordOf(tenant, ada, whole));
    const bobsLarge = await offloadPayloads(bindings.BLOBS, recordOf(tenant, bob, "bobLargeBody".repeat(20_000)));
    const span = recordOf(
      tenant,
      { kind: "otel", trace_hex: adas.index.trace_hex, started_at: START - 4_000 },
      "adaSpanWord",
    );
    const shared = recordOf(tenant, { ...ada, trace_hex: bobs.index.trace_hex }, "adaInBobsTrace");
    await storeAll(ports, tenant, [adas, bobs, large, bobsLarge, span, shared]);
    // Delivered again with another neighbour: the copy has no row.
    await ports.segments.put(tenant, [JSON.stringify(adas), JSON.stringify(bobs)]);
    const letter = [adas, bobs].map((record) => JSON.stringify(record)).join("\n");
    await ports.deadLetters.park({ tenant, text: letter, reason: "store_failed", sentAt: START });
    expect(await everythingStored()).toContain("adaSecretWord");
    const done = await carriedOut(ports, clock, await asked(ports, tenant, { scope: "user", subject: "adaUserName" }));
    expect(done.status).toBe("done");
    expect(done.receipt).toEqual({
      counts: { index_rows: 4, segment_lines: 5, payloads: 1, dead_letters: 1 },
      left: [],
    });
    const stored = await everythingStored();
    for (const word of [
      "adaSecretWord",
      "adasecretword",
      "adaLargeBody",
      "adaUserName",
      "adaSpanWord",
      "adaspanword",
      "adaInBobsTrace",
    ])
      expect([word, stored.includes(word)]).toEqual([word, false]);
    // That a call was decided stays in the audit chain, by its ids.
    expect((await everythingStored(false)).includes(adas.index.trace_hex)).toBe(false);
    expect((await textsOf(ports, tenant)).toSorted()).toEqual(["bobLargeBody".repeat(20_000), "bobs own words"]);
    expect(stored.split("bobs own words")).toHaveLength(4);
    expect(done.subject).toMatch(/^digest:[0-9a-f]{32}$/);
  });

  it("who came in late is found by the second pass, and a redelivered batch does not bring lines back", async () => {
    const { id: tenant } = await createTenant({});
    const clock = { now: START };
    const ports = portsAt(clock);
    const records = [
      recordOf(tenant, { user: "u1", started_at: START - 1 }, "lateU1"),
      recordOf(tenant, { user: "u2", started_at: START - 1 }),
    ];
    await storeAll(ports, tenant, records);
    const erasure = await asked(ports, tenant, { scope: "user", subject: "u1" });
    const first = await advanceErasure(ports, erasure, 10_000);
    await storeAll(ports, tenant, records);
    await storeAll(ports, tenant, [recordOf(tenant, { user: "u1", started_at: START - 1 }, "laterU1")]);
    const after = recordOf(tenant, { user: "u1", started_at: START }, "begun after it was asked");
    await storeAll(ports, tenant, [after]);
    clock.now += SECOND_PASS_MS;
    await advanceErasure(ports, first, 10_000);
    expect((await textsOf(ports, tenant)).toSorted()).toEqual(["begun after it was asked", "nothing"]);
    expect(await everythingStored()).not.toMatch(/laterU1|lateU1|lateru1/);
  });
});

describe("a session", () => {
  it("is erased with its ledger, calls, outcomes and statements, which still count", async () => {
    const tenant = await createTenant({ session: { usd: 100 } }, { effect: "read" });
    upstream(() => Response.json({ id: "re_1" }, { status: 201 }));
    const answer = await refund(tenant.agent, "gone", "k1");
    expect(answer.status).toBe(200);
    const { id: call } = (await answer.json()) as { id: string };
    const now = Date.now();
    const clock = { now: now + 60_000 };
    const ports = portsAt(clock);
    await storeAll(ports, tenant.id, [recordOf(tenant.id, { session_id: "stays", started_at: now })]);
    const ledger = (bindings.SESSION_LEDGER as unknown as DurableObjectNamespace).getByName(`${tenant.id}/gone`);
    const statements = async (): Promise<readonly { session_id: string; calls: string; hour: number }[]> =>
      (
        await bindings.DB.prepare("SELECT session_id, calls, hour FROM admissions WHERE tenant = ?1")
          .bind(tenant.id)
          .all<{ session_id: string; calls: string; hour: number }>()
      ).results;
    await vi.waitUntil(
      async () => {
        await runInDurableObject(ledger, (instance) => (instance as unknown as { alarm(): Promise<void> }).alarm());
        return (await statements()).length === 1;
      },
      { timeout: 15_000, interval: 500 },
    );
    const found = await vi.waitUntil(
      async () => (await ports.index.list(tenant.id, { session: "gone", limit: 2 })).rows[0],
      { timeout: 15_000, interval: 200 },
    );
    const hour = (await statements())[0]?.hour ?? 0;
    await bindings.DB.prepare(
      "INSERT INTO outcomes VALUES (?1, ?2, 'o', 'complaint', '{}', '{}', NULL, NULL, ?3, ?3, 'key', 'd')",
    )
      .bind(tenant.id, found.trace_hex, now)
      .run();
    const done = await carriedOut(ports, clock, await asked(ports, tenant.id, { scope: "session", subject: "gone" }));
    expect(done.receipt.left).toEqual([]);
    expect(done.receipt.counts).toMatchObject({
      index_rows: 1,
      segment_lines: 1,
      outcomes: 1,
      tool_calls: 1,
      sessions: 1,
    });
    expect(await ports.toolCalls.read(tenant.id, call)).toBeUndefined();
    expect((await ports.sessions.read(tenant.id, "gone")).state.seq).toBe(0);
    const facts = await ports.admissions.hour(tenant.id, hour);
    expect([facts.admitted, facts.missingCount]).toEqual([1, 0]);
    const [left] = await statements();
    expect([left?.session_id, left?.calls]).toEqual([expect.stringMatching(/^erased_/), '[{"seq":1,"erased":true}]']);
    expect((await textsOf(ports, tenant.id)).length).toBe(1);
  });

  it("whose write had its effect keeps that call for as long as its key answers repeats; the second pass waits for it", async () => {
    const tenant = await createTenant({ session: { usd: 100 } });
    upstream(() => Response.json({ id: "re_1" }, { status: 201 }));
    const answer = await refund(tenant.agent, "fresh", "k1");
    const { id: call } = (await answer.json()) as { id: string };
    const clock = { now: Date.now() + 60_000 };
    const ports = portsAt(clock);
    await vi.waitUntil(
      async () => (await ports.index.list(tenant.id, { session: "fresh", limit: 1 })).rows.length === 1,
      {
        timeout: 15_000,
        interval: 200,
      },
    );
    const begun = await asked(ports, tenant.id, { scope: "session", subject: "fresh" });
    const first = await advanceErasure(ports, begun, 10_000);
    const why = "its key still answers repeats, so that they have no second effect";
    expect(first.receipt.left).toContainEqual({ kind: "tool_call", id: call, why, until: first.progress.not_before });
    expect(first.progress.not_before).toBeGreaterThan(clock.now + 23 * 3_600_000);
    expect(await (await refund(tenant.agent, "fresh", "k1")).json()).toMatchObject({ id: call, replayed: true });
    clock.now = first.progress.not_before;
    const forgotten = vi.fn((_tenant: string, id: string) => Promise.resolve({ type: "forgotten" as const, id }));
    const later = { ...ports, toolCalls: { ...ports.toolCalls, forget: forgotten } };
    const done = await advanceErasure(later, first, 10_000);
    expect(forgotten).toHaveBeenCalledWith(tenant.id, call);
    expect(done.receipt.left.filter(({ kind }) => kind === "tool_call")).toEqual([]);
    expect(done.receipt.counts.tool_calls).toBe(1);
  });

  it("whose call has an unknown outcome keeps that call and its ledger, and the receipt says why", async () => {
    const tenant = await createTenant({ session: { usd: 100 } });
    upstream(() => new Response("half", { status: 504 }));
    const answer = await refund(tenant.agent, "open", "k1");
    const body = (await answer.json()) as { id?: string; tool_call_id?: string };
    const [{ id: call }] = (
      await bindings.DB.prepare("SELECT id FROM tool_calls WHERE tenant = ?1").bind(tenant.id).all<{ id: string }>()
    ).results as [{ id: string }];
    expect([answer.status, typeof body]).toEqual([504, "object"]);
    const clock = { now: Date.now() + 60_000 };
    const ports = portsAt(clock);
    const done = await carriedOut(ports, clock, await asked(ports, tenant.id, { scope: "session", subject: "open" }));
    expect(done.receipt.left).toEqual(
      expect.arrayContaining([
        { kind: "tool_call", id: call, why: "its outcome is unknown: it may have had an effect" },
        { kind: "session", id: "open", why: expect.stringMatching(/unknown|outbox|state which/) },
      ]),
    );
    expect((await ports.toolCalls.read(tenant.id, call))?.status).toBe("unknown");
  });
});

describe("a tenant", () => {
  it("is erased in steps that each may be stopped: what a stop interrupts is done by the next", async () => {
    const { id: tenant } = await createTenant({});
    const { id: other } = await createTenant({});
    const clock = { now: START };
    const ports = portsAt(clock);
    for (let batch = 0; batch < 6; batch += 1)
      await storeAll(
        ports,
        tenant,
        Array.from({ length: 100 }, (_, at) =>
          recordOf(
            tenant,
            { session_id: `s${at % 3}`, started_at: START - 100_000 + batch * 1_000 + at },
            `tenantWord${batch}x${at}`,
          ),
        ),
      );
    await storeAll(ports, other, [recordOf(other, { started_at: START - 1 }, "of another tenant")]);
    let uses = 0;
    const fails =
      <A extends unknown[], R>(use: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        uses += 1;
        // Every third use is stopped, before it or after it was done.
        if (uses % 6 === 2) throw new Error("stopped");
        const result = await use(...args);
        if (uses % 6 === 5) throw new Error("stopped");
        return result;
      };
    const faulty: Ports = {
      ...ports,
      keeping: {
        ...ports.keeping,
        erase: fails((...args: Parameters<typeof ports.keeping.erase>) => ports.keeping.erase(...args)),
        rowsOf: fails((...args: Parameters<typeof ports.keeping.rowsOf>) => ports.keeping.rowsOf(...args)),
      },
      segments: {
        ...ports.segments,
        blank: fails((...args: Parameters<typeof ports.segments.blank>) => ports.segments.blank(...args)),
      },
      erasures: {
        ...ports.erasures,
        save: fails((...args: Parameters<typeof ports.erasures.save>) => ports.erasures.save(...args)),
      },
    };
    const { id } = await asked(ports, tenant, { scope: "tenant", subject: null });
    let stops = 0;
    for (let run = 0; run < 500; run += 1) {
      const [erasure] = (await ports.erasures.due(clock.now, 50)).filter((each) => each.id === id);
      if (erasure === undefined) {
        if ((await ports.erasures.get(tenant, id))?.status === "done") break;
        clock.now += SECOND_PASS_MS;
        continue;
      }
      await advanceErasure(faulty, erasure, 4).catch(() => {
        stops += 1;
      });
    }
    expect(stops).toBeGreaterThan(5);
    expect((await ports.erasures.get(tenant, id))?.status).toBe("done");
    expect(await everythingStored()).not.toMatch(/tenantWord|tenantword/);
    expect(await textsOf(ports, tenant)).toEqual([]);
    expect(await textsOf(ports, other)).toEqual(["of another tenant"]);
    expect((await bindings.BLOBS.list({ prefix: `segments/${tenant}/2026-09-2` })).objects).toEqual([]);
  });
});

describe("a step", () => {
  it("makes no more requests than an invocation has, however many days of unmasked records there are", async () => {
    const { id: tenant } = await createTenant({});
    const clock = { now: START };
    const ports = portsAt(clock);
    const records = Array.from({ length: 40 }, () => recordOf(tenant, { started_at: START - 1_000 }, "rawWord"));
    for (const at of [0, 20]) await storeAll(ports, tenant, records.slice(at, at + 20));
    await ports.segments.put(
      tenant,
      records.map((record) => JSON.stringify(record)),
    );
    const days = Array.from({ length: 31 }, (_, at) => new Date(START + at * 86_400_000).toISOString().slice(0, 10));
    for (const [at, record] of records.entries()) await ports.raw.put(record, START + (at % 31) * 86_400_000);
    expect((await ports.raw.days(tenant)).toSorted()).toEqual(days);
    let requests = 0;
    const perStep: number[] = [];
    const counting: Ports = {
      ...ports,
      raw: {
        ...ports.raw,
        remove: (of, trace, on) => {
          requests += on.length + 1;
          return ports.raw.remove(of, trace, on);
        },
      },
      erasures: {
        ...ports.erasures,
        save: (was, next) => {
          perStep.push(requests);
          requests = 0;
          return ports.erasures.save(was, next);
        },
      },
    };
    const done = await carriedOut(counting, clock, await asked(ports, tenant, { scope: "tenant", subject: null }));
    expect(done.receipt.counts).toMatchObject({ index_rows: 40, raw_records: 40, segment_lines: 80 });
    expect(Math.max(...perStep)).toBeLessThanOrEqual(400);
    expect(await ports.raw.days(tenant)).toEqual([]);
  });
});

describe("the index", () => {
  it("is written anew from the segments, erased lines left out, twice the same", async () => {
    // A tenant that nobody made: the queue brings no record of its making along.
    const tenant = `rebuilt-${crypto.randomUUID().slice(0, 8)}`;
    const clock = { now: START };
    const ports = portsAt(clock);
    for (let day = 0; day < 3; day += 1) {
      clock.now = START + day * 86_400_000;
      for (let at = 0; at < 12; at += 1)
        await storeAll(ports, tenant, [
          recordOf(tenant, { started_at: clock.now, user: `u${at}` }, `rebuilt${day}x${at}`),
        ]);
    }
    const before = await ports.index.list(tenant, { limit: 200 });
    await bindings.DB.batch([
      bindings.DB.prepare("DELETE FROM calls_text WHERE rowid IN (SELECT id FROM calls WHERE tenant = ?1)").bind(
        tenant,
      ),
      bindings.DB.prepare("DELETE FROM calls WHERE tenant = ?1").bind(tenant),
    ]);
    const reindexed = async (): Promise<{ readonly records: number; readonly skipped: number }> => {
      let cursor: string | null = null;
      let [records, skipped] = [0, 0];
      do {
        const done = await reindexTraces(ports, tenant, { from: "2026-01-01", to: "2026-12-31", cursor });
        if (!done.ok) throw new Error(done.code);
        records += done.value.records;
        skipped += done.value.skipped;
        cursor = done.value.cursor;
      } while (cursor !== null);
      return { records, skipped };
    };
    // What the queue may still be about to store is left to it.
    clock.now = Date.now() + RETRY_WINDOW_MS - 60_000;
    expect(await reindexed()).toEqual({ records: 0, skipped: 36 });
    clock.now = Date.now() + RETRY_WINDOW_MS + 60_000;
    await ports.deadLetters.park({ tenant, text: "{}", reason: "store_failed", sentAt: START });
    await expect(reindexed()).rejects.toThrow("precondition_failed");
    await ports.deadLetters.drop(tenant, () => true);
    for (let times = 0; times < 2; times += 1) {
      expect(await reindexed()).toEqual({ records: 36, skipped: 0 });
      expect(await ports.index.list(tenant, { limit: 200 })).toEqual(before);
    }
    expect(await textsOf(ports, tenant, { terms: ['"rebuilt1x7"'] })).toEqual(["rebuilt1x7"]);
  });
});

describe("the routes", () => {
  it("take an erasure, list it and show its receipt; what does not fit its scope is refused", async () => {
    const { id: tenant } = await createTenant({});
    const root = (path: string, body?: unknown): Promise<Response> =>
      request(path, "root-key-of-the-tests", {
        headers: { "interlock-tenant": tenant },
        ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      });
    const wrong = await root("/v1/erasures", { scope: "user", session: "s" });
    expect(wrong.status).toBe(400);
    expect((await wrong.json<{ errors: { path: string }[] }>()).errors.map(({ path }) => path)).toEqual([
      "session",
      "user",
    ]);
    const taken = await root("/v1/erasures", { scope: "user", user: "ada", reason: "asked on the phone" });
    expect(taken.status).toBe(202);
    const { id } = (await taken.json()) as { id: string };
    const receipt = await (await root(`/v1/erasures/${id}`)).json();
    expect(receipt).toMatchObject({ id, scope: "user", status: "requested", counts: {}, left: [] });
    expect(await (await root("/v1/erasures")).json()).toEqual({ data: [receipt] });
    expect((await root("/v1/erasures/er_none")).status).toBe(404);
  });
});
