// Decides the record of what was done about evals: a run begun, ended or cut short, a dataset made or removed.
import type { Dataset } from "../eval/dataset-row.ts";
import type { EvalRun } from "../eval/run.ts";
import { ACT_ATTR, actTrace, type Act } from "./act.ts";

/** The act of beginning or ending a run. All acts on one run are one trace. */
export function runAct(run: EvalRun, status: "started" | "finished" | "cancelled", by: string): Act {
  return {
    tenant: run.tenant,
    kind: "eval",
    traceHex: actTrace("eval", run.tenant, run.id),
    session: null,
    actor: null,
    subject: run.suite,
    status,
    by,
    reason: run.reason,
    attributes: {
      [ACT_ATTR.evalRun]: run.id,
      [ACT_ATTR.evalAgent]: run.agent,
      [ACT_ATTR.evalDataset]: `${run.dataset}@${run.version}`,
      [ACT_ATTR.evalCandidate]: run.candidate,
      [ACT_ATTR.evalCandidateDigest]: run.candidateDigest,
      [ACT_ATTR.evalBaseline]: run.baseline,
      [ACT_ATTR.evalSuiteDigest]: run.suiteDigest,
      [ACT_ATTR.evalVerdict]: run.verdict ?? undefined,
    },
  };
}

/** The act of making or removing a version of a dataset. */
export function datasetAct(
  { tenant, name, version, digest, cases }: Dataset,
  status: "created" | "removed",
  by: string,
): Act {
  return {
    tenant,
    kind: "eval",
    traceHex: actTrace("eval", tenant, `dataset\n${name}`),
    session: null,
    actor: null,
    subject: name,
    status,
    by,
    reason: null,
    attributes: {
      [ACT_ATTR.evalDataset]: `${name}@${version}`,
      [ACT_ATTR.evalDatasetDigest]: digest,
      [ACT_ATTR.evalCases]: cases,
    },
  };
}
