// Decides the record of what people say to judgements, and of what a judge was calibrated to.
import type { Audit } from "../eval/audit/audit.ts";
import type { Calibration } from "../eval/judge/calibration.ts";
import { ACT_ATTR, actTrace, type Act } from "./act.ts";

/**
 * The act of saying something to an audit. All acts on one audit are one trace. Which label was said is no part of it:
 * whoever reads it may have to say theirs still.
 */
export function auditAct({ tenant, id, run, judge, judgeDigest, status }: Audit, by: string): Act {
  return {
    tenant,
    kind: "eval",
    traceHex: actTrace("eval", tenant, `audit\n${id}`),
    session: null,
    actor: null,
    subject: judge,
    status,
    by,
    reason: null,
    attributes: {
      [ACT_ATTR.evalAudit]: id,
      [ACT_ATTR.evalRun]: run,
      [ACT_ATTR.evalJudgeDigest]: judgeDigest,
    },
  };
}

/** The act of calibrating a judge: from then on it gates, or does not. All of them on one judge are one trace. */
export function calibrationAct(
  { tenant, judge, by }: { readonly tenant: string; readonly judge: string; readonly by: string },
  { status, judge_digest: digest, says }: Calibration,
): Act {
  return {
    tenant,
    kind: "eval",
    traceHex: actTrace("eval", tenant, `judge\n${judge}`),
    session: null,
    actor: null,
    subject: judge,
    status,
    by,
    reason: null,
    attributes: { [ACT_ATTR.evalJudgeDigest]: digest, [ACT_ATTR.evalCalibration]: says },
  };
}
