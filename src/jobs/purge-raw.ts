// Deletes records that were kept unmasked once their time is over, in batches.
import type { Ports } from "../gateway/ports.ts";

/** Objects deleted in one run for one tenant: what is left over goes with the next. */
export const PURGED_AT_ONCE = 1_000;

/** Deletes a tenant's raw records of days that are over; answers how many, at most `PURGED_AT_ONCE`. */
export function purgeRaw(ports: Pick<Ports, "raw" | "system">, tenant: string): Promise<number> {
  return ports.raw.purge(tenant, ports.system.now(), PURGED_AT_ONCE);
}
