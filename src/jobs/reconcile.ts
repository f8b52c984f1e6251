// Runs on a cron: makes every tenant's edge copy of its config agree with the tenant's ledger.
import type { Ports } from "../gateway/ports.ts";

/** Checks every tenant; one that cannot be checked is reported and does not stop the others. */
export async function reconcile(ports: Pick<Ports, "tenants">): Promise<void> {
  for (const tenant of await ports.tenants.ids()) {
    try {
      const wasRepaired = await ports.tenants.repairMirror(tenant);
      if (wasRepaired) console.warn(JSON.stringify({ event: "config_mirror_repaired", tenant }));
    } catch (error) {
      console.error(
        JSON.stringify({ event: "reconcile_failed", tenant, reason: error instanceof Error ? error.name : "unknown" }),
      );
    }
  }
}
