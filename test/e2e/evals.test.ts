// Proves evals over the built bundle on the demo tenant: real sessions become a dataset, and the gate says what a change deserves.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "../../demo/local/bundles.ts";
import { startLocal, type LocalGateway } from "../../demo/local/gateway.ts";
import { seed, type DemoKeys } from "../../demo/local/seed.ts";
import { runCli } from "../cli/run-cli.ts";

const run = promisify(execFile);
const SESSIONS = 64;

let stateDir: string;
let gateway: LocalGateway;
let keys: DemoKeys;

type Json = Readonly<Record<string, unknown>>;

beforeAll(async () => {
  stateDir = mkdtempSync(path.join(tmpdir(), "interlock-evals-"));
  gateway = await startLocal({ port: 0, stateDir, vars: { ROOT_TENANT: "demo" }, onLog: () => undefined });
  keys = await seed(gateway, stateDir);
  await run(process.execPath, [path.join(root, "demo/play.ts"), String(SESSIONS)], {
    env: { ...process.env, STATE_DIR: stateDir },
  });
  await until(async () => (await cut("refunds", { size: 200 })).json["cases"] === SESSIONS);
}, 120_000);
afterAll(async () => {
  await gateway?.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

async function send(
  key: string,
  method: string,
  where: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly json: Json; readonly text: string; readonly headers: Headers }> {
  const response = await fetch(`${keys.url}${where}`, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  let json: Json = {};
  try {
    json = JSON.parse(text) as Json;
  } catch {
    // Reports come in other forms.
  }
  return { status: response.status, json, text, headers: response.headers };
}

function cut(name: string, sample: Json, more: Json = {}): ReturnType<typeof send> {
  return send(keys.operator, "POST", "/v1/evals/datasets", {
    name,
    filter: { actor: "support_agent_v4" },
    sample,
    ...more,
  });
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 110_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error("it did not come to be");
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

interface Report {
  readonly gate: {
    readonly verdict: string;
    readonly reasons: readonly string[];
    readonly divergent: number;
    readonly metrics: readonly (Json & { readonly id: string; readonly verdict: string; readonly n: number })[];
    readonly worst: readonly Json[];
  };
  readonly counts: Readonly<Record<string, number>>;
  readonly lines: readonly Json[];
  readonly judges: Json;
}

/** Runs a suite to its end. */
async function runSuite(asked: Json): Promise<{ readonly id: string; readonly report: Report; readonly whole: Json }> {
  const started = await send(keys.operator, "POST", "/v1/evals/runs", { suite: "refunds", ...asked });
  expect(started.status, started.text).toBe(202);
  const id = String(started.json["id"]);
  expect(started.headers.get("location")).toBe(`/v1/evals/runs/${id}`);
  let whole: Json = {};
  await until(async () => {
    whole = (await send(keys.operator, "GET", `/v1/evals/runs/${id}`)).json;
    return whole["status"] !== "running";
  });
  return { id, report: whole["report"] as Report, whole };
}

async function effects(): Promise<Json> {
  return (await (await fetch(`${gateway.upstreamUrl}/_demo/effects`)).json()) as Json;
}

/** Publishes the demo's config, changed. */
async function publish(change: (document: Record<string, Json>) => void): Promise<void> {
  const document = parse(readFileSync(path.join(root, "demo/interlock.yaml"), "utf8")) as Record<string, Json>;
  change(document);
  const active = await send(keys.admin, "GET", "/v1/config");
  const done = await send(keys.admin, "PUT", "/v1/config", document, { "if-match": active.headers.get("etag") ?? "" });
  expect(done.status, done.text).toBe(200);
}

describe("a change on recorded work", { timeout: 180_000 }, () => {
  test("is shipped when it does the same", async () => {
    const before = await effects();
    const { report, id } = await runSuite({ candidate: { release: "2026-11-c" } });
    expect(report.gate.reasons.join("\n")).toContain("is excluded");
    expect(report.gate.verdict).toBe("SHIP");
    expect(report.counts).toMatchObject({ cases: SESSIONS, done: SESSIONS, passed: SESSIONS });
    // Nobody but models was asked: not a refund, not a note more.
    expect(await effects()).toMatchObject({ refunds: before["refunds"], notes: before["notes"] });
    const junit = await send(keys.operator, "GET", `/v1/evals/runs/${id}/junit`);
    expect(junit.text).toContain('failures="0" errors="0"');
    const html = await send(keys.operator, "GET", `/v1/evals/runs/${id}`, undefined, { accept: "text/html" });
    expect(html.text).toContain("<svg");
    expect(html.text).not.toContain("<script");
    expect(html.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect((await send(keys.operator, "GET", `/v1/evals/runs/${id}/markdown`)).text).toContain("SHIP: suite `refunds`");
  });

  test("is blocked when it asks for ten times the amount, and nothing of it leaves", async () => {
    const before = await effects();
    const { report, id } = await runSuite({ candidate: { release: "2026-11-d" } });
    expect(report.gate.verdict).toBe("BLOCK");
    expect(report.gate.reasons.join("\n")).toMatch(/^policy: \d+ cases have violations that the baseline has not/);
    expect(await effects()).toMatchObject({ refunds: before["refunds"], notes: before["notes"] });
    const [worst] = report.gate.worst;
    const one = await send(keys.operator, "GET", `/v1/evals/runs/${id}/cases/${String(worst?.["case"])}`);
    const candidate = (
      one.json["candidate"] as readonly {
        readonly episodes: readonly {
          readonly status: string;
          readonly turns: readonly { readonly calls: readonly Json[] }[];
        }[];
      }[]
    )[0]?.episodes[0];
    const asked = candidate?.turns.flatMap(({ calls }) => calls).find((call) => call["name"] === "billing_refund");
    expect(asked?.["answer"]).toMatch(/^(denied|waiting|divergent)$/);
  });

  test("is stopped, and marked, at a write that nobody recorded", async () => {
    await publish((document) => {
      const agents = document["agents"] as Record<string, { releases: Record<string, Json> }>;
      // With limits out of the way, what is left to stop a new write is that nothing recorded answers it.
      (document["actors"] as Record<string, Record<string, unknown>>)["support_agent_v4"] = {
        ...(document["actors"]?.["support_agent_v4"] as object),
        max_amount_usd: 5_000,
      };
      document["policy"] = { ...document["policy"], rules: [], tests: [] };
      expect(agents["support_agent"]).toBeDefined();
    });
    const before = await effects();
    const { report } = await runSuite({ candidate: { release: "2026-11-d" }, max_cases: 12 });
    expect(report.gate.divergent).toBe(12);
    for (const line of report.lines) expect(String(line["says"])).toContain("nothing recorded answers");
    expect(report.gate.verdict).not.toBe("SHIP");
    expect(await effects()).toMatchObject({ refunds: before["refunds"], notes: before["notes"] });
    await publish(() => undefined);
  });

  test("is undecided on too few cases, and told how many more it takes", async () => {
    const { report } = await runSuite({ candidate: { release: "2026-11-c" }, max_cases: 12 });
    expect(report.gate.verdict).toBe("INCONCLUSIVE");
    const open = report.gate.metrics.filter(({ verdict }) => verdict === "INCONCLUSIVE");
    expect(open.length).toBeGreaterThan(0);
    for (const metric of open) expect(metric["more_cases"]).toBeGreaterThan(0);
  });

  test("may be a prompt that no config has yet, another model, or another policy", async () => {
    expect(
      (await runSuite({ candidate: { prompt_text: "You are a support agent. Keep it short." } })).report.gate.verdict,
    ).toBe("SHIP");
    const cheaper = await runSuite({ candidate: { model: "demo-small" } });
    expect(cheaper.whole["candidate"]).toMatchObject({ label: "2026-11-a with model demo-small" });
    expect(Number(cheaper.report.gate.metrics.find(({ id }) => id === "cost")?.["delta"])).toBeLessThan(-0.3);
    const strict = parse(readFileSync(path.join(root, "demo/interlock.yaml"), "utf8")) as Json & {
      policy: { rules: unknown[]; tests: unknown[] };
    };
    strict.policy.rules.push({
      id: "no.refunds",
      tools: ["billing.refund"],
      when: "call.amount_minor > 0",
      effect: "deny",
      message: "none",
    });
    strict.policy.tests = [];
    const denied = await runSuite({ candidate: { config: strict } });
    expect(denied.report.gate.verdict).toBe("BLOCK");
    expect(denied.report.gate.reasons.join("\n")).toContain("policy:");
  });

  test("is refused by name where it is none", async () => {
    const unknown = await send(keys.operator, "POST", "/v1/evals/runs", {
      suite: "refunds",
      candidate: { release: "2026-11-z" },
    });
    expect(unknown.json).toMatchObject({ status: 400, errors: [{ path: "candidate.release" }] });
    const same = await send(keys.operator, "POST", "/v1/evals/runs", {
      suite: "refunds",
      candidate: { release: "2026-11-a" },
      baseline: "live",
    });
    expect(same.json).toMatchObject({ status: 400, errors: [{ path: "baseline" }] });
    expect((await send(keys.agent, "POST", "/v1/evals/runs", { suite: "refunds" })).status).toBe(403);
    expect((await send(keys.operator, "GET", "/v1/evals/runs/run_none")).status).toBe(404);
  });
});

describe("modes", { timeout: 180_000 }, () => {
  test("next action asks each recorded model call on its own; policy asks no model at all", async () => {
    await publish((document) => {
      const suites = (document["evals"] as { suites: Record<string, Json> }).suites;
      const { refunds } = suites;
      const graders = [
        { id: "tools", kind: "tool_choice" },
        { id: "arguments", kind: "arguments", ignore: ["text"] },
        { id: "policy", kind: "policy" },
      ];
      suites["steps"] = { ...refunds, mode: "next_action", graders };
      suites["rules"] = { ...refunds, mode: "policy", graders: [{ id: "policy", kind: "policy" }] };
    });
    const steps = await runSuite({ suite: "steps", candidate: { release: "2026-11-c" } });
    expect(steps.report.gate.verdict).toBe("SHIP");
    const calls = (await effects())["model_calls"];
    const rules = await runSuite({ suite: "rules", candidate: { release: "2026-11-c" } });
    expect(rules.report.gate.verdict).toBe("SHIP");
    expect((await effects())["model_calls"]).toEqual(calls);
    await publish(() => undefined);
  });

  test("attacks placed into what tools answered are looked for in what comes out", async () => {
    const made = await cut("attacked", { size: 4 }, { adversarial: { per_case: 2 } });
    expect(made.json["cases"]).toBe(12);
    const exported = await send(keys.operator, "GET", "/v1/evals/datasets/attacked/export");
    const cases = exported.text
      .trim()
      .split("\n")
      .map(
        (line) =>
          JSON.parse(line) as {
            readonly injection: { readonly canary: string } | null;
            readonly tools: readonly { readonly content: string }[];
          },
      );
    const attacked = cases.filter(({ injection }) => injection !== null);
    expect(attacked).toHaveLength(8);
    // What goes out comes in again.
    const again = await send(keys.operator, "POST", "/v1/evals/datasets/copy/import", exported.text, {
      "content-type": "application/x-ndjson",
    });
    expect(again.json).toMatchObject({ name: "copy", version: 1, cases: 12 });
    const wrong = await send(
      keys.operator,
      "POST",
      "/v1/evals/datasets/copy/import",
      '{"messages": []}\n{"nonsense": 1}\n',
      { "content-type": "application/x-ndjson" },
    );
    expect(wrong.status).toBe(400);
    expect(JSON.stringify(wrong.json["errors"])).toContain("line 2");
  });
});

describe("a promotion", { timeout: 120_000 }, () => {
  test("needs a SHIP of the required suites on the very digest, or is broken open with a reason", async () => {
    await publish((document) => {
      const agents = document["agents"] as Record<string, Json>;
      agents["support_agent"] = { ...agents["support_agent"], evidence: { suites: ["refunds"] } };
    });
    const refused = await send(keys.operator, "POST", "/v1/agents/support_agent/promote", { release: "2026-11-b" });
    expect(refused.json).toMatchObject({ status: 409, code: "evidence_missing" });
    expect((await runSuite({ candidate: { release: "2026-11-c" } })).report.gate.verdict).toBe("SHIP");
    const moved = await send(keys.operator, "POST", "/v1/agents/support_agent/promote", { release: "2026-11-c" });
    expect(moved.json).toMatchObject({ status: "promoted", live: { release: "2026-11-c" } });
    const silent = await send(keys.operator, "POST", "/v1/agents/support_agent/promote", {
      release: "2026-11-b",
      break_glass: true,
    });
    expect(silent.status).toBe(400);
    const broken = await send(keys.operator, "POST", "/v1/agents/support_agent/promote", {
      release: "2026-11-b",
      break_glass: true,
      reason: "the provider is down",
    });
    expect(broken.status).toBe(200);
    await send(keys.operator, "POST", "/v1/agents/support_agent/rollback", { release: "2026-11-a" });
    await publish(() => undefined);
  });
});

describe("the command line", { timeout: 180_000 }, () => {
  test("ends with 0, 1, 2 or 3, and writes what CI reads", async () => {
    const env = { INTERLOCK_URL: keys.url, INTERLOCK_KEY: keys.operator };
    const cwd = mkdtempSync(path.join(tmpdir(), "interlock-evals-cli-"));
    const cli = (...args: readonly string[]): ReturnType<typeof runCli> => runCli(["eval", ...args], { cwd, env });
    const ship = await cli(
      "run",
      "--suite",
      "refunds",
      "--candidate",
      "2026-11-c",
      "--baseline",
      "live",
      "--junit",
      "j.xml",
      "--markdown",
      "m.md",
      "--html",
      "r.html",
      "--report",
      "r.json",
    );
    expect(ship.code, ship.stdout + ship.stderr).toBe(0);
    expect(ship.stderr).toContain(`of ${SESSIONS} cases done`);
    expect(readFileSync(path.join(cwd, "j.xml"), "utf8")).toContain("<testsuites");
    expect(readFileSync(path.join(cwd, "r.html"), "utf8")).toContain("<!doctype html>");
    expect(JSON.parse(readFileSync(path.join(cwd, "r.json"), "utf8"))).toMatchObject({ verdict: "SHIP" });
    expect((await cli("run", "--suite", "refunds", "--candidate", "2026-11-d")).code).toBe(1);
    expect((await cli("run", "--suite", "refunds", "--candidate", "2026-11-c", "--max-cases", "5")).code).toBe(2);
    expect((await cli("run", "--suite", "nope")).code).toBe(3);
    expect(
      (
        await runCli(["eval", "run", "--suite", "refunds"], {
          cwd,
          env: { ...env, INTERLOCK_URL: "http://127.0.0.1:9" },
        })
      ).code,
    ).toBe(3);
    expect((await cli("runs")).stdout).toContain("SHIP");
    expect((await cli("suites")).stdout).toContain("refunds");
    rmSync(cwd, { recursive: true, force: true });
  });
});

describe("people", () => {
  test("label without seeing the judge, settle what they agree on, and a judge is held against that", async () => {
    const queue = await send(keys.operator, "GET", "/v1/evals/audits?status=open");
    const audits = queue.json["data"] as readonly { readonly id: string }[];
    expect(audits.length).toBeGreaterThan(2);
    const [first, second] = audits;
    const seen = await send(keys.approver, "GET", `/v1/evals/audits/${first?.id ?? ""}`);
    expect(seen.json).toMatchObject({ judged: null, said: [], choices: ["fail", "pass"] });
    expect(String(seen.json["shown"])).toContain("USER: Please refund");
    const say = (key: string, id: string | undefined, label: string, verb = "labels"): ReturnType<typeof send> =>
      send(
        key,
        "POST",
        `/v1/evals/audits/${id ?? ""}/${verb}`,
        verb === "labels" ? { label } : { label, note: "the date is missing" },
      );
    expect((await say(keys.approver, first?.id, "splendid")).status).toBe(400);
    expect((await say(keys.approver, first?.id, "pass")).json).toMatchObject({ status: "labelled" });
    expect((await say(keys.approver, first?.id, "pass")).status).toBe(409);
    expect((await say(keys.operator, first?.id, "pass")).json).toMatchObject({ status: "settled", settled: "pass" });
    expect((await say(keys.approver, second?.id, "pass")).status).toBe(200);
    expect((await say(keys.operator, second?.id, "fail")).json).toMatchObject({ status: "disputed" });
    expect((await say(keys.operator, second?.id, "fail", "adjudicate")).status).toBe(409);
    expect((await say(keys.auditor, second?.id, "fail", "adjudicate")).json).toMatchObject({
      status: "settled",
      settled: "fail",
    });
    const calibrated = await send(keys.operator, "POST", "/v1/evals/judges/support_quality/calibration");
    expect(calibrated.json).toMatchObject({ n: 2, status: "unfit" });
    const judges = await send(keys.operator, "GET", "/v1/evals/judges");
    expect(judges.json["data"]).toMatchObject([{ judge: "support_quality", may_gate: false }]);
  });
});
