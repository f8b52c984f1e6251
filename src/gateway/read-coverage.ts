// Reads how completely a span of hours is recorded, one hour after the other.
import { HOUR_MS, hourOf } from "../core/trace/admissions.ts";
import { coverageOf, type HourCoverage } from "../core/trace/coverage.ts";
import type { Ports } from "./ports.ts";

/** The coverage of every hour that has a part in the span, oldest first. */
export async function readCoverage(
  { admissions, system }: Pick<Ports, "admissions" | "system">,
  tenant: string,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<readonly HourCoverage[]> {
  const hours: HourCoverage[] = [];
  for (let hour = hourOf(from); hour < to; hour += HOUR_MS)
    hours.push(coverageOf(await admissions.hour(tenant, hour), system.now()));
  return hours;
}
