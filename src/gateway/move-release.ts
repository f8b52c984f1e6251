// Sequences a change of which release is live: what is known of it is looked up, it is moved where pointers are owned, then told in the trace store.
import type { Outcome } from "../core/errors.ts";
import { neededSuites, type EvidenceRun } from "../core/release/evidence.ts";
import { resolveEntry } from "../core/release/release.ts";
import type { ReleaseOrder } from "../core/state/tenant-releases.ts";
import { releaseAct } from "../core/trace/release-act.ts";
import type { Ports, Recorder } from "./ports.ts";
import type { ReleaseMove } from "./ports/releases.ts";
import { recordAct, toldNow } from "./record-act.ts";

/**
 * Promotes a release, sets or ends a canary, or rolls back: durable before it answers, told once, and everywhere within
 * two seconds. Runs of suites are only looked up here: whoever owns the pointers judges them, on what the release resolves
 * to when it is moved.
 */
export async function moveRelease(
  ports: Ports,
  tenant: string,
  order: Omit<ReleaseOrder, "evidence">,
  recorder: Recorder,
): Promise<Outcome<ReleaseMove>> {
  const evidence = await evidenceFor(ports, tenant, order);
  const told = toldNow(ports);
  const moved = await ports.releases.move(tenant, { ...order, evidence }, told);
  if (moved.ok && moved.value.change !== null)
    recordAct(ports, recorder, releaseAct(tenant, moved.value.change, order.reason), told);
  return moved;
}

/** The runs that speak for or against what an order puts in use; none where it puts nothing in use or nothing is asked for. */
async function evidenceFor(
  ports: Pick<Ports, "configs" | "releases" | "evidence">,
  tenant: string,
  { agent, type, release, weight }: Omit<ReleaseOrder, "evidence">,
): Promise<readonly EvidenceRun[]> {
  if (type === "rollback" || (type === "canary" && weight === 0)) return [];
  const config = await ports.configs.current(tenant);
  const suites = config === undefined ? [] : neededSuites(config.document, agent);
  if (config === undefined || suites.length === 0) return [];
  const named = release ?? (await ports.releases.read(tenant, agent)).pointer?.canary?.release;
  const resolved = named === undefined ? undefined : resolveEntry(config, agent, named);
  if (resolved === undefined) return [];
  const { id, digest } = resolved;
  const [latest, others] = await Promise.all([
    ports.evidence.latest(tenant, { agent, digests: [digest], suites }),
    ports.evidence.ofRelease(tenant, { agent, release: id, suites }),
  ]);
  return [...latest, ...others];
}
