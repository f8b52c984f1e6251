// Reads what metrics show: the daily counts of the month and the switches of each tenant.
import { dayAt } from "../core/drift/week.ts";
import { metricFamilies, type TenantCounts } from "../core/metrics/families.ts";
import type { MetricFamily } from "../core/metrics/open-metrics.ts";
import { isSet } from "../core/policy/switches.ts";
import type { Ports } from "./ports.ts";

/** Tenants that one answer shows. */
const MOST_TENANTS = 100;

/** A tenant's coverage, from wherever it is measured; `null` where there is nothing to say. */
export type CoverageOf = (tenant: string) => Promise<number | null>;

/**
 * Every family of these tenants, the first hundred of them. Counters begin with the UTC month: a scraper takes their
 * return to zero for the restart it is.
 */
export async function readMetrics(
  ports: Pick<Ports, "system" | "rollups" | "switches">,
  tenants: readonly string[],
  coverageOf: CoverageOf = () => Promise.resolve(null),
): Promise<readonly MetricFamily[]> {
  const shown = tenants.toSorted().slice(0, MOST_TENANTS);
  const counts = await Promise.all(shown.map((tenant) => countsOf(ports, tenant, coverageOf)));
  return metricFamilies(counts, tenants.length - shown.length);
}

async function countsOf(
  ports: Pick<Ports, "system" | "rollups" | "switches">,
  tenant: string,
  coverageOf: CoverageOf,
): Promise<TenantCounts> {
  const now = ports.system.now();
  const today = new Date(now);
  const firstDay = dayAt(Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), 1));
  const [rows, switches, coverage] = await Promise.all([
    ports.rollups.between(tenant, firstDay, dayAt(now) + 1),
    ports.switches.list(tenant),
    coverageOf(tenant),
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
