// Runs on a cron: deletes records whose time is over, tenant by tenant and in batches; rows go before the objects they point to.
import { dayOf } from "../core/units/utc-day.ts";
import type { Ports } from "../gateway/ports.ts";
import type { AgeingRows } from "../gateway/ports/trace-keeping.ts";

/** What retention needs. */
export type RetentionPorts = Pick<Ports, "tenants" | "configs" | "keeping" | "segments" | "responseStates" | "system">;

/** Batches of at most 500 rows that one run deletes of one kind and tenant: 50,000 rows. */
const BATCHES = 100;
/** Objects that one run deletes of one tenant. */
const OBJECTS = 1_000;
/** Responses to go on from that one run deletes of one tenant: each is a request to R2. */
const RESPONSES = 400;
const DAY_MS = 86_400_000;
/** Retention of a tenant that has published no config. */
const DEFAULT_DAYS = 190;
/** Daily counts are kept so long, and never shorter than records. */
const ROLLUP_DAYS = 400;
const RUN_MS = 5 * 60_000;
/** Each tenant has its turn once an hour. */
const TURNS = 12;

/** Deletes what is over of every tenant whose turn it is; one that fails is reported and does not stop the others. */
export async function retain(ports: RetentionPorts): Promise<void> {
  const turn = Math.floor(ports.system.now() / RUN_MS) % TURNS;
  for (const tenant of await ports.tenants.ids()) {
    if (turnOf(tenant) === turn) await retainReported(ports, tenant);
  }
}

async function retainReported(ports: RetentionPorts, tenant: string): Promise<void> {
  try {
    await retainTenant(ports, tenant);
    await ports.responseStates.purge(tenant, ports.system.now(), RESPONSES);
  } catch (error) {
    const reason = error instanceof Error ? error.name : "unknown";
    console.error(JSON.stringify({ event: "retention_failed", tenant, reason }));
  }
}

/** The run of the hour in which a tenant has its turn. */
export function turnOf(tenant: string): number {
  return Array.from(tenant).reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 65_521, 0) % TURNS;
}

/** What one run deleted of one tenant. */
export type Retained = Readonly<Record<AgeingRows, number>> & { readonly objects: number };

/**
 * Deletes what is over of one tenant. What is left beyond a run's bounds goes with the next: the oldest rows are always
 * the first, so that no place has to be kept. Objects of a day go once no row of it is left.
 */
export async function retainTenant(ports: RetentionPorts, tenant: string): Promise<Retained> {
  const days = (await ports.configs.active(tenant))?.published.document.trace.retention.days ?? DEFAULT_DAYS;
  const now = ports.system.now();
  const before = now - days * DAY_MS;
  const calls = await removeRows(ports, tenant, { rows: "calls", before });
  const admissions = await removeRows(ports, tenant, { rows: "admissions", before });
  const outcomes = await removeRows(ports, tenant, { rows: "outcomes", before });
  const rollups = await removeRows(ports, tenant, {
    rows: "rollups",
    before: Math.min(before, now - ROLLUP_DAYS * DAY_MS),
  });
  const isWhole = calls.isWhole;
  // A day is over once its last millisecond is: the day of `before` itself is not.
  const objects = isWhole ? await ports.segments.removeBefore(tenant, dayOf(before), OBJECTS) : 0;
  return {
    calls: calls.removed,
    admissions: admissions.removed,
    outcomes: outcomes.removed,
    rollups: rollups.removed,
    objects,
  };
}

async function removeRows(
  { keeping }: RetentionPorts,
  tenant: string,
  { rows, before }: { readonly rows: AgeingRows; readonly before: number },
): Promise<{ readonly removed: number; readonly isWhole: boolean }> {
  let removed = 0;
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const more = await keeping.removeBefore(tenant, rows, before);
    removed += more;
    if (more === 0) return { removed, isWhole: true };
  }
  return { removed, isWhole: false };
}
