// Proves `interlock releases`: what is sent, what is shown, how it ends.
import { expect, test } from "vitest";
import { recordingGateway, type Sent } from "./recording-gateway.ts";
import type { CliRun } from "./run-cli.ts";

async function gateway(
  answer: unknown,
  status?: number,
): Promise<{ readonly sent: readonly Sent[]; readonly run: (...args: readonly string[]) => Promise<CliRun> }> {
  const { sent, run } = await recordingGateway(answer, status);
  return { sent, run: (...args) => run(["releases", ...args]) };
}

const live = { release: "r1", digest: "a".repeat(64) };
const canary = { release: "r2", digest: "b".repeat(64), weight: 5 };
const moved = { agent: "helper", generation: 4, live, canary: null, status: "rolled_back" };

test("list shows releases, what differs between live and canary, and what was changed", async () => {
  const release = { prompt: "support@1", model: "small", route: null, tools: ["billing.refund"] };
  const { run, sent } = await gateway({
    agent: "helper",
    generation: 3,
    live: { ...live, drifted: true },
    canary: { ...canary, drifted: false },
    policy_digest: "c".repeat(64),
    data: [
      { ...live, ...release, status: "live" },
      { ...release, release: "r2", digest: canary.digest, status: "canary", tools: null },
    ],
    differs: [{ path: "prompt.system", live: "You are\nkind.", canary: null }],
    history: [
      { generation: 3, status: "canary_set", live, canary, by: "key_1", at: "2026-11-26T10:00:00.000Z", reason: null },
    ],
  });
  const listed = await run("list", "helper");
  expect(listed).toMatchObject({ code: 0, stderr: "" });
  expect(listed.stdout.split("\n")).toEqual([
    "helper, generation 3, policy cccccccccccc",
    "RELEASE  STATUS      DIGEST        MODEL  PROMPT     TOOLS",
    "r1       live        aaaaaaaaaaaa  small  support@1  billing.refund",
    "r2       canary 5 %  bbbbbbbbbbbb  small  support@1  all",
    "r1 resolves to something else than when it was put in use",
    "live and canary differ:",
    String.raw`  prompt.system: You are\nkind. → nothing`,
    "GENERATION  CHANGE      LIVE  CANARY  AT                        BY     REASON",
    "3           canary_set  r1    r2 5 %  2026-11-26T10:00:00.000Z  key_1  -",
    "",
  ]);
  expect(sent).toEqual([{ method: "GET", url: "/v1/agents/helper/releases", ifMatch: undefined, body: undefined }]);
});

test("promote, canary and rollback send what was typed, once, and say what stands now", async () => {
  const { run, sent } = await gateway(moved);
  const back = await run("rollback", "helper", "--reason", "wrong tone");
  expect(back).toMatchObject({ code: 0, stderr: "" });
  expect(back.stdout).toMatch(/^helper: rolled back\. r1 is live \(generation 4\)\n.*within 2 s/);
  await run("rollback", "helper", "r1");
  await run("promote", "helper", "2026-11-b", "--expect", "3");
  await run("canary", "helper", "r2", "--weight", "5");
  await run("canary", "helper", "--weight", "0");
  expect(sent.map(({ url, ifMatch, body }) => [url.replace("/v1/agents/helper/", ""), ifMatch, body])).toEqual([
    ["rollback", undefined, { reason: "wrong tone" }],
    ["rollback", undefined, { release: "r1" }],
    ["promote", '"3"', { release: "2026-11-b" }],
    ["canary", undefined, { release: "r2", weight: 5 }],
    ["canary", undefined, { weight: 0 }],
  ]);
});

test("says for how many sessions a canary is, and when nothing changed", async () => {
  const { run } = await gateway({ ...moved, canary, status: "unchanged" });
  expect((await run("canary", "helper", "--weight", "5")).stdout).toBe(
    "helper: unchanged. r1 is live, r2 answers 5 % of sessions (generation 4)\n",
  );
});

test("what was mistyped reaches no gateway", async () => {
  const { run, sent } = await gateway(moved);
  for (const args of [
    ["canary", "helper", "r2"],
    ["canary", "helper", "r2", "--weight", "0.5"],
    ["canary", "helper", "r2", "--weight", "101"],
    ["promote", "helper"],
    ["promote", "helper", "r2", "--expect", "last"],
    ["list", "../keys"],
  ])
    expect(await run(...args), args.join(" ")).toMatchObject({ code: 2 });
  expect(sent).toEqual([]);
});

test("a refusal ends with 1 and its code", async () => {
  const problem = { code: "precondition_failed", detail: "generation 4, not 3" };
  const { run } = await gateway(problem, 412);
  expect(await run("promote", "helper", "r2", "--expect", "3")).toMatchObject({
    code: 1,
    stderr: "precondition_failed: generation 4, not 3\n",
  });
});

test("evidence is listed by release and suite, and a broken glass in the history", async () => {
  const { run } = await gateway({
    agent: "helper",
    generation: 2,
    live: { ...live, drifted: false },
    canary: null,
    policy_digest: "c".repeat(64),
    data: [
      {
        ...live,
        status: "live",
        prompt: null,
        model: "small",
        route: null,
        tools: null,
        evidence: [
          {
            suite: "refunds",
            met: true,
            gap: null,
            verdict: "SHIP",
            run: "run_1",
            at: "2026-11-26T10:00:00Z",
            cases: 40,
          },
          { suite: "safety", met: false, gap: "no_run", verdict: null, run: null, at: null, cases: null },
        ],
      },
    ],
    differs: [],
    history: [
      {
        generation: 2,
        status: "promoted",
        live,
        canary: null,
        by: "k",
        at: "2026-11-26",
        reason: "now",
        break_glass: true,
      },
    ],
  });
  const lines = (await run("list", "helper")).stdout.split("\n");
  expect(lines).toContain("RELEASE  SUITE    COUNTS      VERDICT  RUN    FINISHED");
  expect(lines).toContain("r1       refunds  yes         SHIP     run_1  2026-11-26T10:00:00Z");
  expect(lines).toContain("r1       safety   no: no run  -        -      -");
  expect(lines.find((line) => line.startsWith("2 "))).toContain("promoted without evidence");
});

test("a broken glass takes a reason, and is sent with it", async () => {
  const { run, sent } = await gateway(moved);
  expect(await run("promote", "helper", "r2", "--break-glass")).toMatchObject({ code: 2 });
  expect(await run("canary", "helper", "r2", "--weight", "5", "--break-glass", "--reason", " ")).toMatchObject({
    code: 2,
  });
  expect(await run("rollback", "helper", "--break-glass", "--reason", "x")).toMatchObject({ code: 2 });
  expect(sent).toEqual([]);
  await run("promote", "helper", "r2", "--break-glass", "--reason", "the old model is gone");
  expect(sent.map(({ body }) => body)).toEqual([{ release: "r2", reason: "the old model is gone", break_glass: true }]);
});

test("missing evidence ends with 1 and the command that gets it", async () => {
  const message = "no finished run: `interlock eval run --suite refunds --candidate r2`";
  const errors = [{ path: "agents.helper.evidence.suites.refunds", message }];
  const { run } = await gateway({ code: "evidence_missing", detail: "it lacks evidence", errors }, 409);
  const ended = await run("promote", "helper", "r2");
  expect(ended.code).toBe(1);
  expect(ended.stderr).toContain(message);
});
