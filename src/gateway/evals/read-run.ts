// Reads runs as people see them: where one stands, its report, one case with what both sides did.
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { EvalCase } from "../../core/eval/case.ts";
import type { RunReport } from "../../core/eval/report/run-report.ts";
import type { EvalRun, FinishedCase, GradedCase, RunProgress } from "../../core/eval/run.ts";
import type { Ports } from "../ports.ts";

type RunPorts = Pick<Ports, "evalRuns" | "evalDatasets" | "evalPeople">;

/** Audits of a run that are looked through for what people settled otherwise. */
const MOST_AUDITS = 1_000;

/** A run with how far it is, and its report once it is over. */
export interface SeenRun {
  readonly run: EvalRun;
  readonly progress: RunProgress;
  /** As the report was kept; `null` while it runs. */
  readonly report: unknown;
}

/** A run; refuses `not_found`. */
export async function readRun(ports: RunPorts, tenant: string, id: string): Promise<Outcome<SeenRun>> {
  const run = await ports.evalRuns.get(tenant, id);
  if (run === undefined) return refuse("not_found", `no run "${id}"`);
  const [progress, report, audits] = await Promise.all([
    ports.evalRuns.progress(tenant, id),
    ports.evalRuns.report(tenant, id),
    ports.evalPeople.ofRun(tenant, id, MOST_AUDITS),
  ]);
  const disagreements = audits.flatMap(({ caseId, judge, judged, settled }) =>
    settled === null || settled === judged ? [] : [{ case: caseId, judge, judged, settled }],
  );
  return accept({
    run,
    progress,
    report: typeof report === "object" && report !== null ? { ...report, disagreements } : null,
  });
}

/** A case of a run: what was recorded, and what each side did in each of its runs. */
export interface SeenCase {
  readonly finished: FinishedCase;
  /** `undefined` where it was erased or its dataset is gone. */
  readonly recorded: EvalCase | undefined;
  readonly graded: GradedCase | undefined;
}

/** A finished case of a run; refuses `not_found`. */
export async function readRunCase(
  ports: RunPorts,
  tenant: string,
  { run: id, case: caseId }: { readonly run: string; readonly case: string },
): Promise<Outcome<SeenCase>> {
  const run = await ports.evalRuns.get(tenant, id);
  const finished = run === undefined ? undefined : await ports.evalRuns.result(tenant, id, caseId);
  if (run === undefined || finished === undefined)
    return refuse("not_found", `run "${id}" has no finished case "${caseId}"`);
  const rows = await ports.evalDatasets.rows(
    tenant,
    { name: run.dataset, version: run.version },
    { after: "", only: caseId, limit: 1 },
  );
  const [recorded] = await ports.evalDatasets.read(tenant, rows);
  const graded = finished.episodes === null ? undefined : await ports.evalRuns.episodes(tenant, finished.episodes);
  return accept({ finished, recorded, graded });
}

/** Cases that a report shows side by side. */
const MOST_DETAILS = 8;

/** The worst cases of a run with everything that was recorded and done. */
export async function readRunDetails(ports: RunPorts, run: EvalRun, report: RunReport): Promise<readonly SeenCase[]> {
  const ids = [...new Set(report.gate.worst.map((each) => each.case))].slice(0, MOST_DETAILS);
  const all = await Promise.all(ids.map((id) => readRunCase(ports, run.tenant, { run: run.id, case: id })));
  return all.flatMap((each) => (each.ok ? [each.value] : []));
}

/** Ends a run before its time: what is done of it stays, and nothing more is begun. Refuses `not_found`. */
export async function cancelRun(
  ports: Pick<Ports, "evalRuns" | "system">,
  tenant: string,
  id: string,
): Promise<Outcome<EvalRun>> {
  const end = { status: "cancelled", verdict: null, at: ports.system.now(), summary: {} } as const;
  await ports.evalRuns.close(tenant, id, end);
  const run = await ports.evalRuns.get(tenant, id);
  return run === undefined ? refuse("not_found", `no run "${id}"`) : accept(run);
}
