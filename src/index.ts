// The Worker's entry: fetch, queue and cron handlers, and the object classes.
import { createApp } from "./app.ts";
import { compose } from "./compose.ts";
import type { Env } from "./env.ts";
import type { Runtime } from "./http/context.ts";
import { runErasures } from "./jobs/erase.ts";
import { exportTraces } from "./jobs/export-traces.ts";
import { carryRunsOn, replayEvals } from "./jobs/eval-replay.ts";
import { reconcile } from "./jobs/reconcile.ts";
import { retain } from "./jobs/retention.ts";
import { runJobs, type Job } from "./jobs/run-jobs.ts";
import { runErrands } from "./jobs/run-errands.ts";
import { notifyApprovers } from "./jobs/notify-approvers.ts";
import { storeDeadLetters } from "./jobs/dead-letters.ts";
import { indexTraces } from "./jobs/trace-index.ts";
import { watchCanaries } from "./gateway/watch-canary.ts";
import { watchDrift } from "./jobs/watch-drift.ts";

export { McpSession } from "../durable-objects/mcp-session.ts";
export { SessionLedger } from "../durable-objects/session-ledger.ts";
export { TenantLedger } from "../durable-objects/tenant-ledger.ts";
export { ToolCall } from "../durable-objects/tool-call.ts";

let composed: { readonly env: Env; readonly runtime: Runtime } | undefined;

function runtimeOf(env: Env): Runtime {
  if (composed?.env !== env) composed = { env, runtime: compose(env) };
  return composed.runtime;
}

/** The queues' names in wrangler.toml. */
const NOTICES_QUEUE = "interlock-notices";
const CALLS_QUEUE = "interlock-calls";
const EVALS_QUEUE = "interlock-evals";
const EXPORTS_QUEUES: readonly string[] = ["interlock-exports", "interlock-exports-dlq"];
const DEAD_LETTERS_QUEUE = "interlock-traces-dlq";

const app = createApp(runtimeOf);

export default {
  fetch: (request, env, context) => app.fetch(request, env, context),
  async queue(batch, env, context) {
    const runtime = runtimeOf(env);
    const { ports, publicUrl } = runtime;
    if (batch.queue === NOTICES_QUEUE) return notifyApprovers(ports, batch.messages, publicUrl);
    if (EXPORTS_QUEUES.includes(batch.queue)) return exportTraces(ports, batch.messages);
    if (batch.queue === DEAD_LETTERS_QUEUE) return storeDeadLetters(ports, batch.messages);
    if (batch.queue === EVALS_QUEUE) {
      const evalRecorder = runtime.recorder((work) => context.waitUntil(work));
      return carryRunsOn(ports, batch.messages, evalRecorder);
    }
    if (batch.queue !== CALLS_QUEUE) return indexTraces(ports, batch.messages);
    const recorder = runtime.recorder((work) => context.waitUntil(work));
    return runErrands(ports, batch.messages, recorder);
  },
  async scheduled({ cron }, env, context) {
    const runtime = runtimeOf(env);
    const { ports } = runtime;
    const recorder = runtime.recorder((work) => context.waitUntil(work));
    const jobs: readonly Job[] = [
      { name: "reconcile", cron: "*/5 * * * *", run: () => reconcile(ports) },
      { name: "retention", cron: "1-59/5 * * * *", run: () => retain(ports) },
      { name: "erasures", cron: "2-59/5 * * * *", run: () => runErasures(ports) },
      { name: "drift", cron: "3-59/5 * * * *", run: () => watchDrift(ports, recorder) },
      { name: "evals", cron: "4-59/5 * * * *", run: () => replayEvals(ports, recorder) },
      { name: "canaries", cron: "4-59/5 * * * *", run: () => watchCanaries(ports, recorder) },
    ];
    await runJobs(jobs, cron);
  },
} satisfies ExportedHandler<Env>;
