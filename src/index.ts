// The Worker's entry: fetch, queue and cron handlers, and the object classes.
import { createApp } from "./app.ts";
import { compose } from "./compose.ts";
import type { Env } from "./env.ts";
import type { Runtime } from "./http/context.ts";
import { reconcile } from "./jobs/reconcile.ts";
import { notifyApprovers } from "./jobs/notify-approvers.ts";
import { indexTraces } from "./jobs/trace-index.ts";

export { SessionLedger } from "../durable-objects/session-ledger.ts";
export { TenantLedger } from "../durable-objects/tenant-ledger.ts";
export { ToolCall } from "../durable-objects/tool-call.ts";

let composed: { readonly env: Env; readonly runtime: Runtime } | undefined;

function runtimeOf(env: Env): Runtime {
  if (composed?.env !== env) composed = { env, runtime: compose(env) };
  return composed.runtime;
}

/** The queue's name in wrangler.toml. */
const NOTICES_QUEUE = "interlock-notices";

const app = createApp(runtimeOf);

export default {
  fetch: (request, env, context) => app.fetch(request, env, context),
  async queue(batch, env) {
    const { ports, publicUrl } = runtimeOf(env);
    if (batch.queue === NOTICES_QUEUE) await notifyApprovers(ports, batch.messages, publicUrl);
    else await indexTraces(ports, batch.messages);
  },
  async scheduled(_controller, env) {
    await reconcile(runtimeOf(env).ports);
  },
} satisfies ExportedHandler<Env>;
