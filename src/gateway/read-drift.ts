// Reads what drifted in a week: its daily counts and those of the week before, under the terms of the tenant's config.
import { compareWeeks, type DriftReport, type DriftTerms } from "../core/drift/compare.ts";
import { weekBefore, type Week } from "../core/drift/week.ts";
import type { Ports } from "./ports.ts";

/** The terms of a tenant without a config. */
const DEFAULT_TERMS: DriftTerms = { psi: 0.25, ks: 0.2, rate: 0.05, min_calls: 100 };

/** Everything that can be compared in a week, what drifted first. */
export async function readDrift(
  ports: Pick<Ports, "configs" | "rollups">,
  tenant: string,
  week: Week,
): Promise<DriftReport> {
  const before = weekBefore(week);
  const [config, rows] = await Promise.all([
    ports.configs.active(tenant),
    ports.rollups.between(tenant, before.firstDay, week.firstDay + 7),
  ]);
  return compareWeeks({ tenant, week, before, rows }, config?.published.document.trace.drift ?? DEFAULT_TERMS);
}
