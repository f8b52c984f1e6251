// Sequences the end of a run: its report is made and kept once, people are asked about judgements, and it is told.
import { ASKED_FROM, priorityOf, type Audit } from "../../core/eval/audit/audit.ts";
import { judgeDigest } from "../../core/eval/judge/judge-digest.ts";
import type { JudgeStanding } from "../../core/eval/judge/calibration.ts";
import { reportRun } from "../../core/eval/report/run-report.ts";
import type { EvalRun, FinishedCase, RepeatResult, RunPlan } from "../../core/eval/run.ts";
import { sha256Hex } from "../../core/json/digest.ts";
import { runAct } from "../../core/trace/eval-act.ts";
import type { ModelPorts, Recorder } from "../ports.ts";
import { recordAct } from "../record-act.ts";
import { readStanding } from "./judge-standing.ts";

/** Judgements of a run that people are asked about at most. */
const MOST_AUDITS = 500;

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
  const judges = await standings(ports, tenant, plan);
  const report = reportRun({
    plan,
    results,
    cases: row.cases,
    judges,
    shortage,
    spentMicroUsd: progress.spentMicroUsd,
  });
  const { verdict } = report.gate;
  const at = ports.system.now();
  // People are asked first: asking twice asks once.
  await ports.evalPeople.ask(auditsOf(row, plan, { results, at }));
  if (!(await ports.evalRuns.close(tenant, id, { status: "finished", verdict, at, summary: report }))) return;
  recordAct(ports, recorder, runAct({ ...row, verdict }, "finished", "gateway"));
}

async function standings(
  ports: ModelPorts,
  tenant: string,
  plan: RunPlan,
): Promise<Readonly<Record<string, JudgeStanding>>> {
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

interface Judged {
  readonly each: FinishedCase;
  readonly side: Audit["side"];
  readonly repeat: number;
  readonly grader: string;
  readonly judge: string;
  readonly result: RepeatResult;
}

/** The judgements that people are asked about: the urgent ones, and a share drawn by lot, which alone says how often a judge is right. */
function auditsOf(
  row: EvalRun,
  plan: RunPlan,
  { results, at }: { readonly results: readonly FinishedCase[]; readonly at: number },
): readonly Audit[] {
  const graders = plan.suite.graders.flatMap((grader) => (grader.kind === "judge" ? [grader] : []));
  const judged = graders.flatMap(({ id, judge }) =>
    results.flatMap((each) =>
      (["candidate", "baseline"] as const).flatMap((side) =>
        each.result[side].map((result, repeat): Judged => ({ each, side, repeat, grader: id, judge, result })),
      ),
    ),
  );
  const asked = judged.flatMap((one) => auditOf(row, plan, { ...one, at }));
  return asked.toSorted((left, right) => right.priority - left.priority).slice(0, MOST_AUDITS);
}

function auditOf(
  row: EvalRun,
  plan: RunPlan,
  { each, side, repeat, grader, judge, result, at }: Judged & { readonly at: number },
): readonly Audit[] {
  const entry = plan.judges[judge];
  const given = result.judged?.[grader];
  if (entry === undefined || given === undefined) return [];
  const id = sha256Hex(`${row.tenant}\n${row.id}\n${each.id}\n${side}\n${repeat}\n${grader}`);
  const isRandom = Number.parseInt(id.slice(0, 8), 16) / 2 ** 32 < plan.suite.audit_share;
  const isContradicted = contradicted(plan, result, grader);
  const isFlip = flipped({ each, side, repeat, grader }, given.label);
  const priority = priorityOf({ risk: each.risk, disagreement: given.disagreement, isContradicted, isFlip });
  if (!isRandom && priority < ASKED_FROM) return [];
  return [
    {
      tenant: row.tenant,
      id: `aud_${id.slice(0, 24)}`,
      run: row.id,
      caseId: each.id,
      side,
      repeat,
      judge,
      grader,
      judgeDigest: judgeDigest(plan.candidate.published, entry),
      rubricVersion: entry.rubric.version,
      judged: given.label,
      status: "open",
      priority,
      isRandom,
      createdAt: at,
      settledAt: null,
      settled: null,
      labels: [],
    },
  ];
}

/** Whether the judge passes what a deterministic grader of the same run fails. */
function contradicted(plan: RunPlan, { values }: RepeatResult, grader: string): boolean {
  const passes = (values[grader] ?? 0) >= 0.5;
  return passes && Object.entries(values).some(([name, value]) => value === 0 && isPass(plan, name));
}

/** Whether the other side was judged differently: what decides the gate. */
function flipped(
  { each, side, repeat, grader }: Pick<Judged, "each" | "side" | "repeat" | "grader">,
  label: string,
): boolean {
  const others = each.result[side === "candidate" ? "baseline" : "candidate"];
  const other = (others[repeat] ?? others.at(-1))?.judged?.[grader];
  return other !== undefined && other.label !== label;
}

function isPass({ suite }: RunPlan, grader: string): boolean {
  const kind = suite.graders.find(({ id }) => id === grader)?.kind;
  return (
    kind === "tool_choice" || kind === "exact" || kind === "contains" || kind === "json_schema" || kind === "numeric"
  );
}
