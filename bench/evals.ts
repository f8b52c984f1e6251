// `npm run bench -- evals`: runs a suite of many cases on the demo model, and prints cases a second and the memory that it took.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse } from "yaml";
import { root } from "../demo/local/bundles.ts";
import { startLocal } from "../demo/local/gateway.ts";
import { seed, type DemoKeys } from "../demo/local/seed.ts";
import { processTree } from "./machine/cpu.ts";

type Say = (line: string) => void;
type Json = Readonly<Record<string, unknown>>;

const DEFAULT_CASES = 2_000;
/** Nothing is waited for longer than this, in milliseconds. */
const LONGEST_MS = 900_000;

/** Runs the bench; answers the exit code. */
export async function benchEvals(args: readonly string[], say: Say): Promise<number> {
  const cases = Number(args[0] ?? DEFAULT_CASES);
  if (!Number.isInteger(cases) || cases < 1) throw new Error("npm run bench -- evals [cases]");
  const stateDir = mkdtempSync(path.join(tmpdir(), "interlock-bench-evals-"));
  const gateway = await startLocal({ port: 0, stateDir, vars: { ROOT_TENANT: "demo" }, onLog: () => undefined });
  try {
    const keys = await seed(gateway, stateDir);
    const send = senderOf(keys);
    const { etag } = await send("admin", { method: "GET", where: "/v1/config" });
    await send("admin", { method: "PUT", where: "/v1/config", body: suiteOnly(), headers: { "if-match": etag } });
    const where = "/v1/evals/datasets/refunds/import";
    const imported = await send("operator", { method: "POST", where, body: linesOf(cases) });
    say(`${String(imported.json["cases"])} cases imported`);
    const began = performance.now();
    const body = { suite: "refunds", candidate: { release: "2026-11-c" } };
    const started = await send("operator", { method: "POST", where: "/v1/evals/runs", body });
    let peak = 0;
    for (;;) {
      peak = Math.max(peak, residentMiB());
      const { json } = await send("operator", { method: "GET", where: `/v1/evals/runs/${String(started.json["id"])}` });
      const seconds = (performance.now() - began) / 1_000;
      if (json["status"] !== "running") {
        const episodes = cases * 2;
        say(
          `${String(json["verdict"])} after ${seconds.toFixed(1)} s: ${(cases / seconds).toFixed(1)} cases/s (${(episodes / seconds).toFixed(1)} episodes, ${((episodes * 4) / seconds).toFixed(0)} model calls a second); at most ${peak.toFixed(0)} MiB of gateway, upstream and host together`,
        );
        const { gate } = json["report"] as { readonly gate: { readonly reasons: readonly string[] } };
        for (const reason of gate.reasons) say(`  ${reason}`);
        return json["status"] === "finished" ? 0 : 1;
      }
      if (seconds * 1_000 > LONGEST_MS) throw new Error("the run did not end");
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  } finally {
    await gateway.stop();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

/** The demo's config with deterministic graders alone. */
function suiteOnly(): Json {
  const document = parse(readFileSync(path.join(root, "demo/interlock.yaml"), "utf8")) as {
    evals: { suites: Record<string, Json> };
  };
  const { refunds } = document.evals.suites;
  const graders = [
    { id: "completed", kind: "completed" },
    { id: "tools", kind: "tool_choice" },
    { id: "policy", kind: "policy" },
    { id: "leakage", kind: "leakage" },
    { id: "cost", kind: "cost", margin: 0.25 },
  ];
  document.evals.suites["refunds"] = {
    ...refunds,
    graders,
    parallel: 24,
    budgets: { run_usd: 1_000, case_usd: 0.05, steps: 8, seconds: 60 },
  };
  return document;
}

/** Refund sessions as JSONL: the script's own tool calls with what the demo tools would answer. */
function linesOf(cases: number): string {
  const offer = (name: string, properties: object): object => ({
    type: "function",
    function: { name, parameters: { type: "object", properties } },
  });
  const id = { customer_id: { type: "string" } };
  const tools = [
    offer("crm_get_customer", id),
    offer("billing_refund", { ...id, amount_usd: { type: "number" } }),
    offer("crm_note", { ...id, text: { type: "string" } }),
  ];
  return Array.from({ length: cases }, (_, at) => {
    const amount = (100 + (at % 4_000)) / 100;
    const customer = `cus_${at}`;
    return JSON.stringify({
      id: `bench-${at}`,
      messages: [{ role: "user", content: `Please refund $${amount.toFixed(2)} to ${customer}, order ${at}.` }],
      tools,
      tool_outputs: [
        { name: "crm_get_customer", args: { customer_id: customer }, result: { id: customer, name: "Jane" } },
        {
          name: "billing_refund",
          args: { customer_id: customer, amount_usd: amount },
          result: { id: `re_${at}`, status: "succeeded" },
        },
        {
          name: "crm_note",
          args: { customer_id: customer, text: `Refunded $${amount.toFixed(2)}.` },
          result: { id: `note_${at}` },
        },
      ],
      expected: { tools: [{ tool: "crm.get_customer" }, { tool: "billing.refund" }, { tool: "crm.note" }] },
    });
  }).join("\n");
}

interface Sent {
  readonly json: Json;
  readonly etag: string;
}

interface Request {
  readonly method: string;
  readonly where: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

function senderOf(keys: DemoKeys): (role: "operator" | "admin", request: Request) => Promise<Sent> {
  return async (role, { method, where, body, headers = {} }) => {
    const response = await fetch(`${keys.url}${where}`, {
      method,
      headers: { authorization: `Bearer ${keys[role]}`, "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${where} answered ${response.status}: ${text.slice(0, 500)}`);
    return { json: JSON.parse(text) as Json, etag: response.headers.get("etag") ?? "" };
  };
}

/** Resident memory of this process and everything it started. */
function residentMiB(): number {
  return processTree(process.pid).reduce((sum, pid) => {
    try {
      return sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
    } catch {
      return sum;
    }
  }, 0);
}
