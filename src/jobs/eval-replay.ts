// Consumes the queue of runs, and on a cron begins scheduled runs, finds those on which nothing moves, and acts on verdicts.
import { readDuration } from "../core/units/window.ts";
import type { SuiteEntry } from "../core/config/eval-document.ts";
import { advanceRun } from "../gateway/evals/advance-run.ts";
import { followVerdict } from "../gateway/evals/follow-verdict.ts";
import { startRun } from "../gateway/evals/start-run.ts";
import type { ModelPorts, Ports, Recorder } from "../gateway/ports.ts";

/** A queue message as its consumer sees it. */
export interface RunMessage {
  readonly body: unknown;
  ack(): void;
}

/** A run on which nothing has moved for this long is asked for again, in milliseconds. */
const STALLED_MS = 30_000;
const STALLED_AT_ONCE = 100;

/**
 * Carries runs on. A message that fails is taken all the same: the cron finds its run. No tool is within reach of it:
 * the ports that it gets have none.
 */
export async function carryRunsOn(
  ports: ModelPorts,
  messages: readonly RunMessage[],
  recorder: Recorder,
): Promise<void> {
  for (const message of messages) {
    const named = readRun(message.body);
    if (named === undefined) console.error(JSON.stringify({ event: "eval_message_dropped" }));
    else
      await advanceRun(ports, named, recorder).catch((error: unknown) =>
        failed("eval_run_failed", named.tenant, error),
      );
    message.ack();
  }
}

function readRun(body: unknown): { readonly tenant: string; readonly run: string } | undefined {
  if (typeof body !== "object" || body === null || !("tenant" in body) || !("run" in body)) return undefined;
  const { tenant, run } = body;
  return typeof tenant === "string" && typeof run === "string" ? { tenant, run } : undefined;
}

/** Asks for runs to be carried on that nobody carries on, begins those that are due, and does what verdicts call for. */
export async function replayEvals(ports: Ports, recorder: Recorder): Promise<void> {
  const now = ports.system.now();
  for (const { tenant, id } of await ports.evalRuns.stalled(now - STALLED_MS, STALLED_AT_ONCE))
    await ports.evalQueue.send(tenant, id, 1).catch((error: unknown) => failed("eval_run_stalled", tenant, error));
  for (const tenant of await ports.tenants.ids())
    await startDue(ports, tenant, now).catch((error: unknown) => failed("eval_schedule_failed", tenant, error));
  for (const { tenant, id } of await ports.evalRuns.unfollowed(STALLED_AT_ONCE))
    await followVerdict(ports, { tenant, run: id }, recorder).catch((error: unknown) =>
      failed("eval_follow_failed", tenant, error),
    );
}

async function startDue(ports: Ports, tenant: string, now: number): Promise<void> {
  const config = await ports.configs.active(tenant);
  for (const [name, suite] of Object.entries(config?.published.document.evals.suites ?? {})) {
    const { schedule } = suite;
    if (schedule === undefined || !(await isDue(ports, { tenant, name, schedule, now }))) continue;
    const { candidate, baseline } = schedule;
    const started = await startRun(ports, tenant, {
      suite: name,
      candidate: { release: candidate },
      baseline,
      reason: `scheduled every ${schedule.every}`,
      trigger: "cron",
      by: "gateway",
    });
    // Without a canary there is nothing to test of one: no failure.
    if (!started.ok && candidate !== "canary")
      console.error(JSON.stringify({ event: "eval_schedule_refused", tenant, suite: name, code: started.code }));
  }
}

async function isDue(
  ports: Ports,
  {
    tenant,
    name,
    schedule,
    now,
  }: {
    readonly tenant: string;
    readonly name: string;
    readonly schedule: NonNullable<SuiteEntry["schedule"]>;
    readonly now: number;
  },
): Promise<boolean> {
  const last = await ports.evalRuns.newest(tenant, name, "cron");
  if (last === undefined) return true;
  return (
    last.status !== "running" && now - last.createdAt >= (readDuration(schedule.every) ?? Number.POSITIVE_INFINITY)
  );
}

function failed(event: string, tenant: string, error: unknown): void {
  const reason = error instanceof Error ? error.message : "unknown";
  console.error(JSON.stringify({ event, tenant, reason }));
}
