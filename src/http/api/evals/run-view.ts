// Decides what a run looks like to people.
import * as z from "zod/mini";
import { RUN_STATUSES, VERDICTS, type EvalRun, type RunProgress } from "../../../core/eval/run.ts";
import { formatUsd } from "../../../core/units/money.ts";

/** A run as it is shown. */
export const RunView = z.object({
  id: z.string(),
  suite: z.string(),
  agent: z.string(),
  dataset: z.string(),
  mode: z.string(),
  trigger: z.string(),
  status: z.enum(RUN_STATUSES),
  verdict: z.nullable(z.enum(VERDICTS)),
  candidate: z.object({ label: z.string(), digest: z.string() }),
  /** Without a digest: what was recorded. */
  baseline: z.object({ label: z.string(), digest: z.nullable(z.string()) }),
  suite_digest: z.string(),
  cases: z.int(),
  budget_usd: z.string(),
  requested_by: z.string(),
  reason: z.nullable(z.string()),
  created_at: z.string(),
  finished_at: z.nullable(z.string()),
});

/** How far a run is. */
export const ProgressView = z.object({
  waiting: z.int(),
  running: z.int(),
  done: z.int(),
  spent_usd: z.string(),
  held_usd: z.string(),
});

/** A run for people. */
export function runView(run: EvalRun): z.infer<typeof RunView> {
  return {
    id: run.id,
    suite: run.suite,
    agent: run.agent,
    dataset: `${run.dataset}@${run.version}`,
    mode: run.mode,
    trigger: run.trigger,
    status: run.status,
    verdict: run.verdict,
    candidate: { label: run.candidate, digest: run.candidateDigest },
    baseline: { label: run.baseline, digest: run.baselineDigest },
    suite_digest: run.suiteDigest,
    cases: run.cases,
    budget_usd: formatUsd(run.budgetMicroUsd),
    requested_by: run.requestedBy,
    reason: run.reason,
    created_at: new Date(run.createdAt).toISOString(),
    finished_at: run.finishedAt === null ? null : new Date(run.finishedAt).toISOString(),
  };
}

/** How far a run is, for people. */
export function progressView({
  waiting,
  running,
  done,
  spentMicroUsd,
  heldMicroUsd,
}: RunProgress): z.infer<typeof ProgressView> {
  return { waiting, running, done, spent_usd: formatUsd(spentMicroUsd), held_usd: formatUsd(heldMicroUsd) };
}
