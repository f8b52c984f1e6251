// Proves that what was reported of a trace joins what the gateway recorded: outcome to report, search and metrics, by API and command line.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../cli/run-cli.ts";
import { parseOpenMetrics } from "../unit/open-metrics-parser.ts";
import type { JsonRecord } from "./document.ts";
import { openStage, traceIdOf, until, type Stage, type Tenant, type TracedCall } from "./harness.ts";

let stage: Stage;
let tenant: Tenant;
let operator: string;
const failed: string[] = [];
const fine: string[] = [];

beforeAll(async () => {
  stage = await openStage();
  tenant = await stage.tenant();
  operator = (await stage.key(tenant.id, ["operator"], { actors: ["*"] })).key;
  const lookUp = (session: string): Promise<string> =>
    tenant
      .tool(
        "crm.get_customer",
        { customer_id: "cus_123" },
        {},
        { headers: { "Interlock-Session": session, "Interlock-Release": "r7" } },
      )
      .then(traceIdOf);
  for (let at = 0; at < 3; at += 1) {
    await stage.arm("/crm", "500", 20);
    failed.push(await lookUp(`failing-${at}`));
    await stage.reset();
    fine.push(await lookUp(`fine-${at}`));
  }
});
afterAll(() => stage.close());

async function report(name: string, key = operator): Promise<readonly JsonRecord[]> {
  const { status, text, json } = await tenant.get(`/v1/reports/${name}`, key);
  if (status !== 200) throw new Error(`${name} answered ${status}: ${text}`);
  return json["rows"] as readonly JsonRecord[];
}

function cli(args: readonly string[]): ReturnType<typeof runCli> {
  const env = { INTERLOCK_URL: stage.gateway.url, INTERLOCK_KEY: operator };
  return runCli(args, { cwd: import.meta.dirname, env });
}

describe("a tool that fails", () => {
  test("is seen to end in escalations once they are reported, late and from the command line", async () => {
    for (const trace of failed.slice(0, 2)) {
      const done = await cli([
        "traces",
        "outcome",
        trace,
        "--outcome",
        "escalated",
        "--label",
        "queue=tier-2",
        "--score",
        "csat=0.2",
      ]);
      expect(done, done.stderr).toMatchObject({ code: 0 });
      expect(done.stdout).toContain(`escalated of ${trace}`);
    }
    const resolved = await stage.send(
      "POST",
      `/v1/traces/${fine[0] ?? ""}/outcome`,
      { outcome: "resolved" },
      { key: tenant.agent },
    );
    expect(resolved.status).toBe(201);
    const row = await until("the six calls in the report", async () => {
      const [found] = await report("tool-failure-escalation");
      return found?.["traces_with_failure"] === 3 && found["traces_without_failure"] === 3 ? found : undefined;
    });
    expect(row).toMatchObject({
      tool: "crm.get_customer",
      escalated: 2,
      rate: 0.6667,
      base_escalated: 0,
      base_rate: 0,
      lift: null,
      reported: 3,
    });
    const [escalated = ""] = row["traces"] as readonly string[];
    const calls = (await tenant.get(escalated, operator)).json["data"] as readonly TracedCall[];
    expect(calls).toHaveLength(2);
    for (const call of calls) expect(call).toMatchObject({ tool: "crm.get_customer", status: "failed" });
  });

  test("reports as a record of its trace, with who said so", async () => {
    const trace = failed[0] ?? "";
    const found = await until("the report's record", async () => {
      const { json } = await tenant.get(`/v1/traces/${trace}`, tenant.auditor);
      const spans = (json["spans"] ?? []) as readonly { readonly name: string; readonly attributes: JsonRecord }[];
      return spans.find(({ name }) => name === "outcome escalated reported");
    });
    expect(found.attributes).toMatchObject({
      "interlock.outcome.name": "escalated",
      "interlock.outcome.labels": '{"queue":"tier-2"}',
    });
  });

  test("reaches the audit chain, without its comment", async () => {
    const comment = "called back on +1 415 555 0134";
    const body = {
      outcome: "complaint",
      comment,
      labels: { topic: "billing" },
      id: "late-1",
      at: "2026-01-02T03:04:05Z",
    };
    const sent = await stage.send("POST", `/v1/traces/${fine[1] ?? ""}/outcome`, body, { key: operator });
    expect(sent.status, sent.text).toBe(201);
    const found = await until("the event", async () => {
      const { json, text } = await tenant.get("/v1/audit?kind=outcome&limit=100", tenant.auditor);
      expect(text).not.toContain("415 555");
      const entries = (json["data"] ?? []) as readonly { readonly event: { readonly what: JsonRecord } }[];
      return entries.find(({ event }) => event.what["id"] === "late-1");
    });
    expect(found.event.what).toMatchObject({
      name: "complaint",
      labels: '{"topic":"billing"}',
      at: "2026-01-02T03:04:05.000Z",
    });
  });

  test("prints as a table, and as JSON for machines", async () => {
    const table = await cli(["reports", "cost-by-release"]);
    expect(table, table.stderr).toMatchObject({ code: 0 });
    expect(table.stdout).toMatch(/RELEASE\s+CALLS\s+SESSIONS/);
    expect(table.stdout).toMatch(/r7\s+6\s+6/);
    const json = await cli(["--json", "reports", "slowest-upstreams"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ report: "slowest-upstreams", rows: [{ calls: 6, failed: 3 }] });
    expect(await cli(["reports", "retry-loop"])).toMatchObject({ code: 2 });
    expect(await cli(["traces", "outcome", failed[0] ?? "", "--score", "csat=high"])).toMatchObject({ code: 2 });
    expect(await cli(["traces", "outcome", failed[0] ?? ""])).toMatchObject({ code: 1 });
  });

  test("counts in the metrics of its tenant", async () => {
    const samples = await until("six calls in the metrics", async () => {
      const answer = await tenant.get("/metrics", tenant.auditor);
      const calls = parseOpenMetrics(answer.text).find(({ name }) => name === "interlock_calls")?.samples ?? [];
      const ofTool = calls.filter(({ labels }) => labels["subject"] === "crm.get_customer");
      return ofTool.reduce((sum, { value }) => sum + value, 0) === 6 ? ofTool : undefined;
    });
    expect(new Set(samples.map(({ labels: { status, release }, value }) => `${status} ${release} ${value}`))).toEqual(
      new Set(["failed r7 3", "succeeded r7 3"]),
    );
  });
});

test("an agent that runs against a wall shows as a loop", async () => {
  for (let at = 0; at < 4; at += 1)
    await tenant.tool(
      "billing.refund",
      { customer_id: "cus_123", amount_usd: 5_000 + at },
      {},
      { headers: { "Interlock-Session": "wall" } },
    );
  const row = await until("the loop", async () =>
    (await report("retry-loops")).find((each) => each["session_id"] === "wall" && each["calls"] === 4),
  );
  expect(row).toMatchObject({ tool: "billing.refund", statuses: ["denied"] });
  const rules = await report("denials-by-rule");
  expect(rules).toContainEqual(expect.objectContaining({ rule: "actor.max_amount_usd", denials: 4 }));
});
