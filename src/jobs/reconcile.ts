// Runs on a cron: makes every tenant's edge copy of its config agree with its ledger, and clears inbox, list of calls and raw records of what is over.
import { APPROVAL_RETENTION_MS } from "../core/state/tool-call-work.ts";
import type { Ports } from "../gateway/ports.ts";
import { purgeRaw } from "./purge-raw.ts";

/** Looks after every tenant; one that cannot be looked after is reported and does not stop the others. */
export async function reconcile(
  ports: Pick<Ports, "tenants" | "inbox" | "callList" | "raw" | "system">,
): Promise<void> {
  for (const tenant of await ports.tenants.ids()) {
    try {
      const wasRepaired = await ports.tenants.repairMirror(tenant);
      if (wasRepaired) console.warn(JSON.stringify({ event: "config_mirror_repaired", tenant }));
      const now = ports.system.now();
      await ports.inbox.forget(tenant, { requestedBefore: now - APPROVAL_RETENTION_MS, now });
      await ports.callList.forget(tenant, now - APPROVAL_RETENTION_MS);
      await purgeRaw(ports, tenant);
    } catch (error) {
      console.error(
        JSON.stringify({ event: "reconcile_failed", tenant, reason: error instanceof Error ? error.name : "unknown" }),
      );
    }
  }
}
