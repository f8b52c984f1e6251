// Boots the local gateway with a trace queue that outlives its runtime, for tests that kill it.
import path from "node:path";
import { startLocal } from "../../demo/local/gateway.ts";
import { seed } from "../../demo/local/seed.ts";
import { DURABLE_QUEUE } from "./durable-queue.ts";

const stateDir = path.resolve(process.env["STATE_DIR"] ?? ".state");
const gateway = await startLocal({ port: 0, stateDir, vars: { ROOT_TENANT: "demo" }, traceQueue: DURABLE_QUEUE });
await seed(gateway, stateDir);
console.log("Ctrl-C stops it.");
