// `npm start`: boots the gateway with its demo upstream, seeds the demo tenant, plays the tour, and serves until stopped.
import path from "node:path";
import { root } from "./local/bundles.ts";
import { startLocal } from "./local/gateway.ts";
import { seed } from "./local/seed.ts";
import { tour } from "./local/tour.ts";

const port = Number(process.env["PORT"] || 8787);
/** The longest a record waits on its way: in the isolate, then for a batch of the queue. */
const QUEUE_BATCH_MS = 1_300;
const stateDir = path.resolve(process.env["STATE_DIR"] || path.join(root, ".state"));

if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error(`PORT: expected a port number, got "${process.env["PORT"] ?? ""}"`);
  process.exit(1);
}

try {
  // Approvers' links need an address that people can open; a free port is not known before it serves.
  const publicUrl = process.env["PUBLIC_URL"] ?? (port === 0 ? undefined : `http://localhost:${port}`);
  const vars = { ROOT_TENANT: "demo", ...(publicUrl === undefined ? {} : { PUBLIC_URL: publicUrl }) };
  const cronSeconds = Number(process.env["CRON_SECONDS"] || 0);
  const cronEveryMs = cronSeconds > 0 ? cronSeconds * 1_000 : undefined;
  const gateway = await startLocal({ port, stateDir, vars, cronEveryMs });
  let isStopping = false;
  const stop = (): void => {
    // A terminal's Ctrl-C arrives twice: from the terminal, and from the launcher that passes it on.
    if (isStopping) return;
    isStopping = true;
    console.log("storing the last records …");
    // The local queue lives in memory and waits a second for a batch: what it holds is stored before it goes.
    const stored = new Promise((resolve) => setTimeout(resolve, QUEUE_BATCH_MS));
    stored
      .then(() => gateway.stop())
      .then(
        () => process.exit(0),
        () => process.exit(1),
      );
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // The local runtime's own handlers would exit before the last records are stored.
    process.removeAllListeners(signal);
    process.on(signal, stop);
  }
  const keys = await seed(gateway, stateDir);
  const keyFile = path.join(stateDir, "demo-keys.json");
  if (process.env["NO_TOUR"] !== "1") {
    const traceId = await tour(keys, (line) => console.log(line));
    const auditor = `$(node -p "require('${keyFile}').auditor")`;
    console.log("");
    console.log(`Read it: INTERLOCK_URL=${keys.url} INTERLOCK_KEY=${auditor} npx interlock trace show ${traceId}`);
  }
  console.log("");
  console.log(`Interlock serves on ${keys.url}   docs ${keys.url}/docs   demo upstream ${gateway.upstreamUrl}`);
  console.log(`Keys by role: ${keyFile}   Point a client here: OPENAI_BASE_URL=${keys.url}/v1`);
  console.log(
    `An MCP client here: ${keys.url}/mcp, Authorization: Bearer <the agent's key>   guide docs/guides/mcp.md`,
  );
  console.log("Ctrl-C stops it.");
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
