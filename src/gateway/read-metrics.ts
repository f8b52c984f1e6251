// Reads what metrics show: the daily counts of the month and the switches of each tenant.
import { dayAt } from "../core/drift/week.ts";
import { metricFamilies, type TenantCounts } from "../core/metrics/families.ts";
import type { MetricFamily } from "../core/metrics/open-metrics.ts";
import { isSet } from "../core/policy/switches.ts";
import { HOUR_MS, hourOf } from "../core/trace/admissions.ts";
import { SETTLED_AFTER_MS } from "../core/trace/coverage.ts";
import type { Ports } from "./ports.ts";
import { readCoverage } from "./read-coverage.ts";

type MetricPorts = Pick<Ports, "system" | "rollups" | "switches" | "admissions">;

/** Tenants that one answer shows. */
const MOST_TENANTS = 100;
/** Tenants that are read at the same time: each takes three requests, and a runtime has few connections. */
const AT_ONCE = 4;

/**
 * Every family of these tenants, the first hundred of them. Counters begin with the UTC month: a scraper takes their
 * return to zero for the restart it is.
 */
export async function readMetrics(ports: MetricPorts, tenants: readonly string[]): Promise<readonly MetricFamily[]> {
  const shown = tenants.toSorted().slice(0, MOST_TENANTS);
  const counts: TenantCounts[] = [];
  for (let at = 0; at < shown.length; at += AT_ONCE) {
    const some = shown.slice(at, at + AT_ONCE);
    counts.push(...(await Promise.all(some.map((tenant) => countsOf(ports, tenant)))));
  }
  return metricFamilies(counts, tenants.length - shown.length);
}

async function countsOf(ports: MetricPorts, tenant: string): Promise<TenantCounts> {
  const now = ports.system.now();
  const today = new Date(now);
  const firstDay = dayAt(Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), 1));
  const [rows, switches, coverage] = await Promise.all([
    ports.rollups.between(tenant, firstDay, dayAt(now) + 1),
    ports.switches.list(tenant),
    coverageOf(ports, tenant, now),
  ]);
  const kinds = Map.groupBy(
    switches.filter((each) => each.cleared_at === null && isSet(each, now)),
    ({ kind }) => kind,
  );
  return {
    tenant,
    rows,
    switches: Object.fromEntries([...kinds].map(([kind, each]) => [kind, each.length])),
    coverage,
  };
}

/** Of the last hour whose records have had the time to arrive; `null` where nothing was admitted in it. */
async function coverageOf(ports: MetricPorts, tenant: string, now: number): Promise<number | null> {
  const to = hourOf(now - SETTLED_AFTER_MS);
  const [hour] = await readCoverage(ports, tenant, { from: to - HOUR_MS, to });
  return hour?.coverage ?? null;
}
