// Runs on a cron: carries on the erasures that have work to do.
import { advanceErasure } from "../gateway/erasing/advance-erasure.ts";
import type { ErasurePorts } from "../gateway/erasing/forget-objects.ts";

/** Erasures that one run carries on, and steps of each. */
const ERASURES = 10;
const STEPS = 60;

/** Carries erasures on; one that fails is reported and does not stop the others: its step is taken again by the next run. */
export async function runErasures(ports: ErasurePorts): Promise<void> {
  for (const erasure of await ports.erasures.due(ports.system.now(), ERASURES)) {
    try {
      await advanceErasure(ports, erasure, STEPS);
    } catch (error) {
      const reason = error instanceof Error ? error.name : "unknown";
      console.error(JSON.stringify({ event: "erasure_failed", tenant: erasure.tenant, id: erasure.id, reason }));
    }
  }
}
