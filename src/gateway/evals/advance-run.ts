// Carries a run on for a bounded time: claims cases, runs them, keeps what came of them; whoever finds nothing left ends the run.
import { refuse } from "../../core/errors.ts";
import type { EvalCase } from "../../core/eval/case.ts";
import type { RunPlan } from "../../core/eval/run.ts";
import { usdFromJson } from "../../core/units/money.ts";
import type { ModelPorts, Recorder } from "../ports.ts";
import type { ClaimedCase } from "../ports/evals.ts";
import { endRun } from "./end-run.ts";
import { gradersOf } from "./graders-of.ts";
import { judgeCases } from "./judge-case.ts";
import { runCase, type RunningPlan } from "./run-case.ts";
import { runningSide } from "./replay-ports.ts";
import { PER_MESSAGE } from "./start-run.ts";
import { tenantMasker } from "./tenant-masker.ts";

/** How long one message carries a run on, in milliseconds: well within what a consumer may take. */
const LONGEST_MS = 60_000;
/** Cases that one message begins at most: each asks objects, stores and providers some hundred times. */
const MOST_CASES = 60;
/** A case that is begun belongs to whoever began it for its own time and this much longer, in milliseconds. */
const LEASE_GRACE_MS = 15_000;
/** Wall time that judgements of a case add, in milliseconds. */
const JUDGED_MS = 60_000;

/** A run of a tenant. */
export interface NamedRun {
  readonly tenant: string;
  readonly run: string;
}

/**
 * Carries a run on. Safe to be asked twice, at the same time, or never again after a stop: cases are claimed under leases
 * and each is finished once; the budget counts what is claimed at the most it may cost.
 */
export async function advanceRun(ports: ModelPorts, { tenant, run }: NamedRun, recorder: Recorder): Promise<void> {
  const [row, plan] = await Promise.all([ports.evalRuns.get(tenant, run), ports.evalRuns.plan(tenant, run)]);
  if (row === undefined || plan === undefined || row.status !== "running") return;
  const running = await runningPlan(ports, { tenant, run, plan, recorder });
  const until = ports.system.now() + LONGEST_MS;
  let begun = 0;
  while (begun < MOST_CASES && ports.system.now() < until) {
    const claimed = await claim(ports, { tenant, run, plan });
    if (claimed.cases.length === 0) break;
    begun += claimed.cases.length;
    await runClaimed(ports, running, { ...claimed, recorder });
  }
  await goOn(ports, { tenant, run }, recorder);
}

async function runningPlan(
  ports: ModelPorts,
  { tenant, run, plan, recorder }: NamedRun & { readonly plan: RunPlan; readonly recorder: Recorder },
): Promise<RunningPlan> {
  return {
    tenant,
    run,
    plan,
    candidate: runningSide(ports, plan.candidate),
    baseline: plan.baseline === null ? null : runningSide(ports, plan.baseline),
    graders: gradersOf(plan),
    judge: judgeCases(ports, { tenant, run, plan, recorder }),
    mask: await tenantMasker(ports, tenant),
  };
}

interface Claimed {
  readonly lease: string;
  readonly cases: readonly ClaimedCase[];
}

async function claim(
  ports: ModelPorts,
  { tenant, run, plan }: NamedRun & { readonly plan: RunPlan },
): Promise<Claimed> {
  const lease = ports.system.randomHex(12);
  const now = ports.system.now();
  const until = now + leaseMs(plan);
  const limit = Math.min(plan.suite.parallel, PER_MESSAGE);
  const cases = await ports.evalRuns.claim(tenant, run, { lease, now, until, limit, capMicroUsd: capOf(plan) });
  return { lease, cases };
}

function leaseMs({ suite }: RunPlan): number {
  const isJudged = suite.graders.some(({ kind }) => kind === "judge");
  return suite.budgets.seconds * 1_000 * suite.repeats + (isJudged ? JUDGED_MS : 0) + LEASE_GRACE_MS;
}

/** The most that a case may cost, in micro-USD: every session of it has a budget of its own. */
export function capOf({ suite, judges, baseline }: Pick<RunPlan, "suite" | "judges" | "baseline">): number {
  // What costs nothing is counted all the same: the budget covers only so many of it as it divides into.
  if (suite.mode === "policy") return 1;
  const sides = baseline === null ? 1 : 2;
  const judged = suite.graders.reduce(
    (sum, grader) => sum + (grader.kind === "judge" ? (usdFromJson(judges[grader.judge]?.budget_usd) ?? 0) : 0),
    0,
  );
  return suite.repeats * (sides * (usdFromJson(suite.budgets.case_usd) ?? 0) + 2 * judged);
}

async function runClaimed(
  ports: ModelPorts,
  running: RunningPlan,
  { lease, cases, recorder }: Claimed & { readonly recorder: Recorder },
): Promise<void> {
  const { tenant } = running;
  const bodies = new Map((await ports.evalDatasets.read(tenant, cases)).map((each) => [each.id, each]));
  await Promise.all(
    cases.map(async (claimed) => {
      const each = bodies.get(claimed.id);
      try {
        await finish(ports, running, { lease, claimed, each, recorder });
      } catch (error) {
        // Its lease runs out, and it is begun again: nothing of it counts until it is finished.
        const reason = error instanceof Error ? error.message : "unknown";
        console.error(
          JSON.stringify({ event: "eval_case_failed", tenant, run: running.run, case: claimed.id, reason }),
        );
      }
    }),
  );
}

interface Finishing {
  readonly lease: string;
  readonly claimed: ClaimedCase;
  readonly each: EvalCase | undefined;
  readonly recorder: Recorder;
}

async function finish(
  ports: ModelPorts,
  running: RunningPlan,
  { lease, claimed, each, recorder }: Finishing,
): Promise<void> {
  const { tenant, run } = running;
  const done = { id: claimed.id, lease, at: ports.system.now() };
  if (each === undefined || claimed.attempts > MAX_ATTEMPTS) {
    // Erased since the run began, or lost too often: neither a pass nor a failure.
    const why = each === undefined ? "the case is gone" : `begun ${MAX_ATTEMPTS} times and never finished`;
    const nothing = { candidate: [], baseline: [], lost: why };
    await ports.evalRuns.finish(tenant, run, {
      ...done,
      costMicroUsd: each === undefined ? 0 : capOf(running.plan),
      result: nothing,
      episodes: "",
    });
    return;
  }
  const { graded, candidate, baseline, costMicroUsd } = await runCase(ports, running, { each, claimed, recorder });
  const episodes = await ports.evalRuns.putEpisodes(tenant, run, each.id, graded);
  await ports.evalRuns.finish(tenant, run, {
    ...done,
    at: ports.system.now(),
    costMicroUsd,
    result: { candidate, baseline, lost: null },
    episodes,
  });
}

/** A case that was begun so often without ending takes whoever runs it down. */
const MAX_ATTEMPTS = 5;

/** Asks for more where there is more, and ends the run where nothing is left that its budget covers. */
async function goOn(ports: ModelPorts, { tenant, run }: NamedRun, recorder: Recorder): Promise<void> {
  const { waiting, running, done, spentMicroUsd, heldMicroUsd } = await ports.evalRuns.progress(tenant, run);
  const row = await ports.evalRuns.get(tenant, run);
  const plan = await ports.evalRuns.plan(tenant, run);
  if (row === undefined || plan === undefined || row.status !== "running") return;
  const isCovered = row.budgetMicroUsd - spentMicroUsd - heldMicroUsd >= capOf(plan);
  if (waiting > 0 && isCovered) {
    await ports.evalQueue.send(tenant, run, 1).catch(() => undefined);
    return;
  }
  // Others are at work on the rest, or were and will be found by the cron.
  if (running > 0) return;
  const shortage =
    waiting === 0 ? null : refuse("budget_exceeded", `the run's budget covers ${done} of ${row.cases} cases`);
  await endRun(ports, { row, plan, shortage: shortage?.detail ?? null }, recorder);
}
