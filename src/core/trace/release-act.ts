// Decides the record of a change of which release of an agent is live or its canary.
import type { ReleaseChange } from "../state/tenant-releases.ts";
import { ACT_ATTR, actTrace, type Act } from "./act.ts";
import { ATTR } from "./attributes.ts";

/** The act of moving an agent's releases. All acts on one agent are one trace. */
export function releaseAct(tenant: string, change: ReleaseChange, reason: string | null): Act {
  const { agent, generation, status, live, canary, previous, by } = change;
  return {
    tenant,
    kind: "release",
    traceHex: actTrace("release", tenant, agent),
    session: null,
    actor: null,
    subject: agent,
    status,
    by,
    reason,
    release: live.release,
    attributes: {
      [ATTR.releaseAgent]: agent,
      [ACT_ATTR.releaseLive]: live.release,
      [ATTR.releaseDigest]: live.digest,
      [ACT_ATTR.releaseGeneration]: generation,
      [ACT_ATTR.releasePrevious]: previous?.release,
      [ACT_ATTR.releasePreviousDigest]: previous?.digest,
      [ACT_ATTR.releaseCanary]: canary?.release,
      [ACT_ATTR.releaseCanaryDigest]: canary?.digest,
      [ACT_ATTR.releaseCanaryWeight]: canary?.weight,
    },
  };
}
