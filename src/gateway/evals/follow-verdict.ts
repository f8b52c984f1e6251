// Does what a suite's schedule says of a run that was blocked: takes the release back, trips a switch, tells people. Once.
import type { SuiteEntry } from "../../core/config/eval-document.ts";
import type { EvalRun } from "../../core/eval/run.ts";
import { moveRelease } from "../move-release.ts";
import type { Ports, Recorder } from "../ports.ts";
import { setSwitch } from "../set-switch.ts";

/**
 * Follows a finished run of a schedule. What it does is noted first, so that two crons do it once; a stop in between
 * leaves it undone and noted as begun, which people see in the run.
 */
export async function followVerdict(
  ports: Ports,
  { tenant, run: id }: { readonly tenant: string; readonly run: string },
  recorder: Recorder,
): Promise<void> {
  const [run, plan] = await Promise.all([ports.evalRuns.get(tenant, id), ports.evalRuns.plan(tenant, id)]);
  const schedule = plan?.suite.schedule;
  const isCalledFor = run?.verdict === "BLOCK" && schedule !== undefined;
  if (!(await ports.evalRuns.follow(tenant, id, { begun: isCalledFor }))) return;
  if (run === undefined || plan === undefined || schedule === undefined || run.verdict !== "BLOCK") return;
  const reason = `suite ${run.suite} said BLOCK of ${run.candidate} (${run.id})`;
  if (schedule.on_block.rollback && plan.release !== null)
    await takeBack(ports, { run, release: plan.release, reason }, recorder);
  if (schedule.on_block.switch !== undefined) {
    const scope = { actor: plan.suite.actor };
    const order = { tenant, by: "gateway", kind: schedule.on_block.switch, scope, reason, expiresAt: null };
    await setSwitch(ports, order, recorder);
  }
  await tell(ports, { run, schedule, reason });
}

/** Only while it is that release which answers: one that people moved meanwhile is theirs. */
async function takeBack(
  ports: Ports,
  { run, release, reason }: { readonly run: EvalRun; readonly release: string; readonly reason: string },
  recorder: Recorder,
): Promise<void> {
  const { pointer } = await ports.releases.read(run.tenant, run.agent);
  if (pointer === null || (pointer.canary?.release !== release && pointer.live.release !== release)) return;
  // A canary that is not the one tested stands in the way of nothing: it is left alone.
  if (pointer.canary !== null && pointer.canary.release !== release) return;
  const order = {
    agent: run.agent,
    type: "rollback" as const,
    release: null,
    weight: null,
    expected: pointer.generation,
    by: "gateway",
    reason,
  };
  await moveRelease(ports, run.tenant, order, recorder);
}

async function tell(
  ports: Ports,
  {
    run,
    schedule,
    reason,
  }: { readonly run: EvalRun; readonly schedule: NonNullable<SuiteEntry["schedule"]>; readonly reason: string },
): Promise<void> {
  const config = await ports.configs.active(run.tenant);
  const alerts = config?.published.document.trace.alerts;
  if (config === undefined || alerts === undefined) return;
  const data = {
    run: run.id,
    suite: run.suite,
    agent: run.agent,
    candidate: run.candidate,
    verdict: run.verdict,
    on_block: schedule.on_block,
    report: `/v1/evals/runs/${run.id}`,
  };
  await ports.webhooks.deliver({
    tenant: run.tenant,
    url: alerts.webhook,
    secret: alerts.secret,
    id: `msg_${run.id.slice("run_".length)}`,
    body: {
      type: "evals.blocked",
      timestamp: new Date(ports.system.now()).toISOString(),
      data: { ...data, says: reason },
    },
    allowedHosts: config.published.document.egress.allow,
  });
}
