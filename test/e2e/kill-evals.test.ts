// Kills the runtime in the midst of a run: it goes on where it was, no case counts twice, and its budget is never passed.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "../../demo/local/bundles.ts";
import { startKillable, type KillableGateway } from "./killable-gateway.ts";

const run = promisify(execFile);
const SESSIONS = 40;
const KILLS = 2;

let stateDir: string;
let gateway: KillableGateway;

type Json = Readonly<Record<string, unknown>>;

beforeEach(async () => {
  stateDir = mkdtempSync(path.join(tmpdir(), "interlock-kill-evals-"));
  gateway = await start();
}, 60_000);
afterEach(async () => {
  await gateway.kill();
  rmSync(stateDir, { recursive: true, force: true });
});

function start(): Promise<KillableGateway> {
  return startKillable(stateDir, "demo/main.ts", { CRON_SECONDS: "3" });
}

async function send(
  role: "operator" | "admin",
  method: string,
  where: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly json: Json; readonly etag: string }> {
  const response = await fetch(`${gateway.keys.url}${where}`, {
    method,
    headers: {
      authorization: `Bearer ${gateway.keys[role]}`,
      "interlock-tenant": gateway.keys.tenant,
      "content-type": "application/json",
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Json, etag: response.headers.get("etag") ?? "" };
}

async function until(isSo: () => Promise<boolean>, ms: number): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await isSo().catch(() => false))) {
    if (Date.now() > deadline) throw new Error("it did not come to be");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test("a run that is killed goes on, and counts each case once", { timeout: 240_000 }, async () => {
  const document = parse(readFileSync(path.join(root, "demo/interlock.yaml"), "utf8")) as {
    evals: { suites: Record<string, Record<string, unknown>> };
  };
  const { refunds } = document.evals.suites;
  document.evals.suites["refunds"] = {
    ...refunds,
    graders: [
      { id: "tools", kind: "tool_choice" },
      { id: "policy", kind: "policy" },
    ],
    budgets: { run_usd: 1.6, case_usd: 0.02, steps: 8, seconds: 3 },
    parallel: 2,
  };
  const active = await send("admin", "GET", "/v1/config");
  expect((await send("admin", "PUT", "/v1/config", document, { "if-match": active.etag })).status).toBe(200);
  await run(process.execPath, [path.join(root, "demo/play.ts"), String(SESSIONS)], {
    env: { ...process.env, STATE_DIR: stateDir },
  });
  const cut = { name: "refunds", filter: { actor: "support_agent_v4" }, sample: { size: 200 } };
  await until(
    async () => (await send("operator", "POST", "/v1/evals/datasets", cut)).json["cases"] === SESSIONS,
    30_000,
  );
  const started = await send("operator", "POST", "/v1/evals/runs", {
    suite: "refunds",
    candidate: { release: "2026-11-c" },
  });
  const where = `/v1/evals/runs/${String(started.json["id"])}`;
  const progress = async (): Promise<{
    readonly done: number;
    readonly waiting: number;
    readonly running: number;
    readonly spent_usd: string;
    readonly held_usd: string;
  }> => (await send("operator", "GET", where)).json["progress"] as Awaited<ReturnType<typeof progress>>;
  for (let kill = 1; kill <= KILLS; kill += 1) {
    await until(async () => (await progress()).done >= (SESSIONS / (KILLS + 2)) * kill, 90_000);
    await gateway.kill();
    gateway = await start();
    const { done, waiting, running, spent_usd, held_usd } = await progress();
    expect(done + waiting + running).toBe(SESSIONS);
    // What was spent and what may still be never passes the budget.
    expect(Number(spent_usd) + Number(held_usd)).toBeLessThanOrEqual(1.6);
  }
  await until(async () => (await send("operator", "GET", where)).json["status"] === "finished", 120_000);
  const over = (await send("operator", "GET", where)).json as {
    readonly verdict: string;
    readonly progress: Awaited<ReturnType<typeof progress>>;
    readonly report: {
      readonly counts: Json;
      readonly lines: readonly { readonly id: string }[];
      readonly gate: { readonly metrics: readonly { readonly n: number }[] };
    };
  };
  expect(over.report.counts).toMatchObject({ cases: SESSIONS, done: SESSIONS });
  expect(new Set(over.report.lines.map(({ id }) => id)).size).toBe(SESSIONS);
  for (const metric of over.report.gate.metrics) expect(metric.n).toBeLessThanOrEqual(SESSIONS);
  expect(Number(over.progress.spent_usd)).toBeLessThanOrEqual(1.6);
  expect(over.progress).toMatchObject({ waiting: 0, running: 0, held_usd: "0.00" });
  console.log(`killed ${KILLS} times: ${SESSIONS} cases once each, $${over.progress.spent_usd} of $1.60`);
});
