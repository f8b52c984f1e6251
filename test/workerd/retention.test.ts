// Proves that records go when their time is over, and not a millisecond or a day before.
import { afterEach, describe, expect, it, vi } from "vitest";
import { offloadPayloads } from "../../src/adapters/r2/payloads.ts";
import type { ActiveConfig } from "../../src/core/config/published.ts";
import type { Ports } from "../../src/gateway/ports.ts";
import { retain, retainTenant, turnOf } from "../../src/jobs/retention.ts";
import { portsAt, recordOf, storeAll, type TestClock } from "./stored-records.ts";
import { bindings } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const DAY_MS = 86_400_000;
/** Midnight, UTC. */
const START = Date.UTC(2026, 8, 21);

/** A tenant of which nothing else is recorded, and ports by whose config its records live so many days. */
function living(days: Readonly<Record<string, number>>, clock: TestClock): Ports {
  const ports = portsAt(clock);
  const active = (tenant: string): Promise<ActiveConfig> => {
    const document = { trace: { retention: { days: days[tenant] } } };
    return Promise.resolve({ published: { document } } as unknown as ActiveConfig);
  };
  return { ...ports, configs: { ...ports.configs, active } };
}

const newTenant = (): string => `kept-${crypto.randomUUID().slice(0, 8)}`;

async function keysUnder(prefix: string): Promise<readonly string[]> {
  return (await bindings.BLOBS.list({ prefix })).objects.map(({ key }) => key);
}

describe("records whose time is over", () => {
  it("go with their words, at the millisecond; their segments and bodies once the whole day is over", async () => {
    const tenant = newTenant();
    const clock = { now: START + DAY_MS - 1 };
    const ports = living({ [tenant]: 10 }, clock);
    const early = recordOf(tenant, { started_at: START }, "earlyword");
    const late = await offloadPayloads(
      bindings.BLOBS,
      recordOf(tenant, { started_at: START + DAY_MS - 1 }, "lateword"),
    );
    await storeAll(ports, tenant, [early, late]);
    const listed = async (): Promise<readonly string[]> =>
      (await ports.index.list(tenant, { limit: 10 })).rows.map((row) => row.span_id);
    clock.now = START + 10 * DAY_MS;
    expect(await retainTenant(ports, tenant)).toEqual({ calls: 0, admissions: 0, outcomes: 0, rollups: 0, objects: 0 });
    clock.now += 1;
    expect(await retainTenant(ports, tenant)).toMatchObject({ calls: 1, objects: 0 });
    expect(await listed()).toEqual([late.index.span_id]);
    expect((await ports.index.list(tenant, { limit: 10, terms: ['"earlyword"'] })).rows).toEqual([]);
    clock.now = START + 11 * DAY_MS - 1;
    expect(await retainTenant(ports, tenant)).toMatchObject({ calls: 0, objects: 0 });
    expect(await keysUnder(`segments/${tenant}/2026-09-2`)).toHaveLength(1);
    expect(await keysUnder(`payloads/${tenant}/`)).toHaveLength(1);
    clock.now += 1;
    expect(await retainTenant(ports, tenant)).toMatchObject({ calls: 1, objects: 2 });
    expect([
      await listed(),
      await keysUnder(`segments/${tenant}/2026-09-2`),
      await keysUnder(`payloads/${tenant}/`),
    ]).toEqual([[], [], []]);
  });

  it("take statements and outcomes with them; another tenant's stay", async () => {
    const [tenant, other] = [newTenant(), newTenant()];
    const clock = { now: START };
    const ports = living({ [tenant]: 10, [other]: 100 }, clock);
    for (const each of [tenant, other]) {
      await ports.admissions.insert([
        { tenant: each, session: "s", hour: START, from_seq: 1, to_seq: 1, is_uncertain: false, calls: [] },
      ]);
      await bindings.DB.prepare(
        "INSERT INTO outcomes VALUES (?1, ?2, 'o', 'resolved', '{}', '{}', NULL, NULL, ?3, ?3, 'key', 'd')",
      )
        .bind(each, "0".repeat(32), START)
        .run();
      await storeAll(ports, each, [recordOf(each, { started_at: START })]);
    }
    clock.now = START + 50 * DAY_MS;
    expect(await retainTenant(ports, tenant)).toEqual({ calls: 1, admissions: 1, outcomes: 1, rollups: 0, objects: 1 });
    expect(await retainTenant(ports, other)).toEqual({ calls: 0, admissions: 0, outcomes: 0, rollups: 0, objects: 0 });
  });

  it("are 10,000 in statements of 500 rows at most, and the next run goes on where one was stopped", async () => {
    const tenant = newTenant();
    const clock = { now: START };
    const ports = living({ [tenant]: 10 }, clock);
    for (let batch = 0; batch < 10; batch += 1)
      await storeAll(
        ports,
        tenant,
        Array.from({ length: 1_000 }, (_, at) => recordOf(tenant, { started_at: START + batch * 1_000 + at })),
      );
    clock.now = START + 20 * DAY_MS;
    const sizes: number[] = [];
    let isKilled = true;
    const counting = {
      ...ports,
      keeping: {
        ...ports.keeping,
        removeBefore: async (...args: Parameters<typeof ports.keeping.removeBefore>) => {
          if (isKilled && sizes.length === 7) throw new Error("killed between two batches");
          const removed = await ports.keeping.removeBefore(...args);
          sizes.push(removed);
          return removed;
        },
      },
    };
    await expect(retainTenant(counting, tenant)).rejects.toThrow("killed");
    expect(await keysUnder(`segments/${tenant}/2026-09-2`)).toHaveLength(10);
    isKilled = false;
    expect(await retainTenant(counting, tenant)).toMatchObject({ calls: 6_500, objects: 10 });
    expect(Math.max(...sizes)).toBe(500);
    const left = await bindings.DB.prepare("SELECT count(*) AS n FROM calls WHERE tenant = ?1").bind(tenant).first("n");
    expect(left).toBe(0);
  });

  it("are seen to once an hour, and one tenant's error does not stop another's turn", async () => {
    const clock = { now: 0 };
    const ports = portsAt(clock);
    const seen: string[] = [];
    const tenants = ["broken", ...Array.from({ length: 50 }, (_, at) => `t-${at}`)];
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const watched = {
      ...ports,
      tenants: { ...ports.tenants, ids: () => Promise.resolve(tenants) },
      configs: {
        ...ports.configs,
        active: (tenant: string) => {
          seen.push(tenant);
          return tenant === "broken" ? Promise.reject(new Error("down")) : Promise.resolve(undefined);
        },
      },
    };
    for (let run = 0; run < 12; run += 1) {
      clock.now = Date.UTC(2020, 0, 1) + run * 300_000;
      await retain(watched);
    }
    expect(seen.toSorted()).toEqual(tenants.toSorted());
    expect(tenants.every((tenant) => turnOf(tenant) < 12)).toBe(true);
  });
});
