// Sequences the end of a run: its report is made and kept once, people are asked about judgements, and it is told.
import { auditsOf } from "../../core/eval/audit/queue.ts";
import { judgeDigest } from "../../core/eval/judge/judge-digest.ts";
import { reportRun } from "../../core/eval/report/run-report.ts";
import type { EvalRun, RunPlan } from "../../core/eval/run.ts";
import { runAct } from "../../core/trace/eval-act.ts";
import type { ModelPorts, Recorder } from "../ports.ts";
import { recordAct } from "../record-act.ts";
import { readStanding, type KnownJudge } from "./judge-standing.ts";

/** Ends a run whose cases are done, or whose budget is. Of several that find it over, one ends it. */
export async function endRun(
  ports: ModelPorts,
  { row, plan, shortage }: { readonly row: EvalRun; readonly plan: RunPlan; readonly shortage: string | null },
  recorder: Recorder,
): Promise<void> {
  const { tenant, id } = row;
  const [results, progress] = await Promise.all([
    ports.evalRuns.results(tenant, id),
    ports.evalRuns.progress(tenant, id),
  ]);
  const labels = await knownJudges(ports, tenant, plan);
  const report = reportRun({
    plan,
    results,
    cases: row.cases,
    judges: Object.fromEntries(Object.entries(labels).map(([judge, { standing }]) => [judge, standing])),
    labels,
    shortage,
    spentMicroUsd: progress.spentMicroUsd,
  });
  const { verdict } = report.gate;
  const at = ports.system.now();
  // People are asked first: asking twice asks once.
  await ports.evalPeople.ask(auditsOf({ row, plan, results, at }));
  if (!(await ports.evalRuns.close(tenant, id, { status: "finished", verdict, at, summary: report }))) return;
  recordAct(ports, recorder, runAct({ ...row, verdict }, "finished", "gateway"));
}

async function knownJudges(
  ports: ModelPorts,
  tenant: string,
  plan: RunPlan,
): Promise<Readonly<Record<string, KnownJudge>>> {
  const used = [...new Set(plan.suite.graders.flatMap((grader) => (grader.kind === "judge" ? [grader.judge] : [])))];
  const all = await Promise.all(
    used.map(async (judge) => {
      const entry = plan.judges[judge];
      if (entry === undefined) return [];
      const digest = judgeDigest(plan.candidate.published, entry);
      return [[judge, await readStanding(ports, tenant, { judge, entry, digest })] as const];
    }),
  );
  return Object.fromEntries(all.flat());
}
