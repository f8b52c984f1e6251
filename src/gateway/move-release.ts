// Sequences a change of which release is live: moved where pointers are owned, then told in the trace store.
import type { Outcome } from "../core/errors.ts";
import type { ReleaseOrder } from "../core/state/tenant-releases.ts";
import { releaseAct } from "../core/trace/release-act.ts";
import type { Ports, Recorder } from "./ports.ts";
import type { ReleaseMove } from "./ports/releases.ts";
import { recordAct, toldNow } from "./record-act.ts";

/**
 * Promotes a release, sets or ends a canary, or rolls back: durable before it answers, told once, and everywhere within
 * two seconds.
 */
export async function moveRelease(
  ports: Ports,
  tenant: string,
  order: ReleaseOrder,
  recorder: Recorder,
): Promise<Outcome<ReleaseMove>> {
  const told = toldNow(ports);
  const moved = await ports.releases.move(tenant, order, told);
  if (moved.ok && moved.value.change !== null)
    recordAct(ports, recorder, releaseAct(tenant, moved.value.change, order.reason), told);
  return moved;
}
