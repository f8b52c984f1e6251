// Decides the record of a change of which release of an agent is live or its canary.
import type { ReleaseGrounds } from "../release/evidence.ts";
import type { ReleaseChange } from "../state/tenant-releases.ts";
import { ACT_ATTR, actTrace, type Act } from "./act.ts";
import { ATTR } from "./attributes.ts";
import type { Attributes } from "./record.ts";

/** Put behind the status of a change that somebody made although evidence was missing. */
const WITHOUT_EVIDENCE = "_without_evidence";

/**
 * The act of moving an agent's releases. All acts on one agent are one trace. What was put in use without the evidence
 * that the config asks for says so in its status, such as `promoted_without_evidence`, and names the suites.
 */
export function releaseAct(tenant: string, change: ReleaseChange, reason: string | null): Act {
  const { agent, generation, status, live, canary, previous, by, grounds } = change;
  return {
    tenant,
    kind: "release",
    traceHex: actTrace("release", tenant, agent),
    session: null,
    actor: null,
    subject: agent,
    status: grounds?.type === "break_glass" ? `${status}${WITHOUT_EVIDENCE}` : status,
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
      ...groundAttributes(grounds),
    },
  };
}

function groundAttributes(grounds: ReleaseGrounds | undefined): Attributes {
  switch (grounds?.type) {
    case undefined:
      return {};
    case "evidence":
      return { [ACT_ATTR.releaseEvidence]: grounds.runs.map(({ suite, run }) => `${suite} ${run}`) };
    case "break_glass":
      return {
        [ACT_ATTR.releaseBreakGlass]: true,
        [ACT_ATTR.releaseMissing]: grounds.missing.map(({ suite, gap }) => `${suite} ${gap}`),
      };
    case "watch":
      return { [ACT_ATTR.releaseWorse]: grounds.metrics, [ACT_ATTR.releaseWatched]: grounds.sessions };
    default:
      return grounds satisfies never;
  }
}
