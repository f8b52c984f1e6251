// Proves what people in charge type: switches and stop, approvals, sessions, preflight; what is sent, what is shown, how it ends.
import { expect, test } from "vitest";
import { recordingGateway } from "./recording-gateway.ts";

const set = {
  id: "sw_1",
  kind: "halt",
  scope: { actor: "clerk" },
  reason: "loops",
  status: "set",
  set_by: "key_1",
  set_at: "2026-11-25T10:00:00.000Z",
  expires_at: null,
};

test("stop: sets a halt on what is named, prints its id and how long the gateway took", async () => {
  const { run, sent } = await recordingGateway(set, 201);
  const stopped = await run(["stop", "--reason", "loops", "--actor", "clerk"]);
  expect(stopped).toMatchObject({ code: 0, stderr: "" });
  expect(stopped.stdout).toMatch(/^sw_1 {2}halt is set on actor=clerk: the gateway took \d+ ms\n.*switches clear sw_1/);
  expect(sent).toEqual([
    { method: "POST", url: "/v1/switches", body: { kind: "halt", scope: { actor: "clerk" }, reason: "loops" } },
  ]);
});

test("stop: kind, every scope and an expiry are sent; JSON has the measured time; warnings go to stderr", async () => {
  const { run, sent } = await recordingGateway({ ...set, warnings: ["the config could not be read"] }, 201);
  const scope = ["--tool", "billing.refund", "--session", "s1", "--release", "r1"];
  const before = Date.now();
  const stopped = await run([
    "stop",
    "--json",
    "--reason",
    "r",
    "--kind",
    "disable_writes",
    ...scope,
    "--expires",
    "30m",
  ]);
  expect(stopped).toMatchObject({ code: 0, stderr: "warning: the config could not be read\n" });
  expect(JSON.parse(stopped.stdout)).toMatchObject({ id: "sw_1", took_ms: expect.any(Number) });
  const body = sent[0]?.body as { readonly kind: string; readonly scope: unknown; readonly expires_at: string };
  expect(body).toMatchObject({
    kind: "disable_writes",
    scope: { tool: "billing.refund", session: "s1", release: "r1" },
  });
  expect(Date.parse(body.expires_at) - before).toBeGreaterThanOrEqual(30 * 60_000);
  expect(Date.parse(body.expires_at) - before).toBeLessThan(31 * 60_000);
});

test("stop: without a reason, with a blank one, another kind or no duration nothing is sent", async () => {
  const { run, sent } = await recordingGateway(set, 201);
  for (const args of [
    [],
    ["--reason", " "],
    ["--reason", "r", "--kind", "pause"],
    ["--reason", "r", "--expires", "soon"],
  ])
    expect(await run(["stop", ...args]), args.join(" ")).toMatchObject({ code: 2, stdout: "" });
  expect(sent).toEqual([]);
});

test("stop: a refusal and a gateway that failed end with their own codes", async () => {
  const problem = {
    code: "invalid_request",
    detail: "scope.tool: no tool",
    errors: [{ path: "scope.tool", message: "no tool" }],
  };
  expect(await (await recordingGateway(problem, 400)).run(["stop", "--reason", "r", "--tool", "x"])).toMatchObject({
    code: 1,
    stderr: "invalid_request: scope.tool: no tool\n  scope.tool: no tool\n",
  });
  const down = await recordingGateway({ code: "control_plane_down", detail: "down" }, 503);
  expect(await down.run(["stop", "--reason", "r"])).toMatchObject({ code: 3 });
});

test("switches: list, set, clear", async () => {
  const listed = await recordingGateway({ data: [set] });
  expect((await listed.run(["switches", "list"])).stdout).toMatch(/^ID .*REASON\nsw_1 {2}halt {2}actor=clerk {2}set /);
  await listed.run(["switches", "list", "--all"]);
  expect(listed.sent.map((each) => each.url)).toEqual(["/v1/switches", "/v1/switches?all=true"]);
  expect((await (await recordingGateway({ data: [] })).run(["switches", "list"])).stdout).toBe("no switches\n");
  const { run, sent } = await recordingGateway(set);
  expect(await run(["switches", "set", "--reason", "r"])).toMatchObject({ code: 2 });
  expect(await run(["switches", "set", "--kind", "force_approvals", "--reason", "r"])).toMatchObject({ code: 0 });
  expect((await run(["switches", "clear", "sw_1", "--reason", "all well"])).stdout).toBe(
    "cleared sw_1 (halt on actor=clerk)\n",
  );
  expect(await run(["switches", "clear", "../keys/key_1"])).toMatchObject({ code: 2 });
  expect(sent.map(({ method, url }) => `${method} ${url}`)).toEqual([
    "POST /v1/switches",
    "DELETE /v1/switches/sw_1?reason=all%20well",
  ]);
});

test("approvals: list, show, approve, deny, withdraw", async () => {
  const approval = {
    id: "ap_1",
    status: "pending",
    kind: "approval",
    actor: "clerk",
    tool: { name: "billing.refund" },
    digest: "d1",
  };
  const listing = await recordingGateway({ data: [approval], next_cursor: "c" });
  const listed = await listing.run(["approvals", "list", "--status", "pending"]);
  expect(listed.stdout).toMatch(
    /\nap_1 {2}pending {2}approval {2}clerk {2}billing\.refund {2}-\nthere are older ones\n$/,
  );
  expect(listing.sent[0]?.url).toBe("/v1/approvals?status=pending");
  const { run, sent } = await recordingGateway(approval);
  expect((await run(["approvals", "show", "ap_1"])).stdout).toContain("digest: d1");
  expect((await run(["approvals", "approve", "ap_1", "--comment", "ok", "--digest", "d1"])).stdout).toBe(
    "ap_1: pending\n",
  );
  expect(await run(["approvals", "deny", "ap_1", "--comment", "no"])).toMatchObject({ code: 0 });
  expect(await run(["approvals", "withdraw", "ap_1"])).toMatchObject({ code: 0 });
  expect(sent.slice(1)).toEqual([
    { method: "POST", url: "/v1/approvals/ap_1/approve", body: { comment: "ok", digest: "d1" } },
    { method: "POST", url: "/v1/approvals/ap_1/deny", body: { comment: "no" } },
    { method: "POST", url: "/v1/approvals/ap_1/withdraw", body: {} },
  ]);
  expect(await run(["approvals", "deny", "ap_1"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--comment"),
  });
  expect(await run(["approvals", "show", "a/b"])).toMatchObject({ code: 2 });
  expect(sent).toHaveLength(4);
});

test("sessions: show, resume, pause, end", async () => {
  const session = {
    id: "s1",
    actor: "clerk",
    pause: { kind: "paused", rule_id: "actor.min_confidence", reason: "unsure", at: "2026-11-25T10:00:00.000Z" },
    counters: { calls: 3, failures: 1 },
    budget: { usd: { limit: "2.00", used: "1.00", held: "0.00" }, tokens: { limit: null, used: 9, held: 0 } },
  };
  const { run, sent } = await recordingGateway(session);
  expect((await run(["sessions", "show", "s1"])).stdout).toBe(
    "session s1 of clerk: paused since 2026-11-25T10:00:00.000Z by actor.min_confidence: unsure\n" +
      "budget\n  usd: 1.00 used, 0.00 held of 2.00\ncalls 3, failures 1\n",
  );
  await run(["sessions", "resume", "s1", "--comment", "fine"]);
  await run(["sessions", "pause", "s1", "--reason", "strange"]);
  await run(["sessions", "end", "s1", "--reason", "done"]);
  expect(sent).toEqual([
    { method: "GET", url: "/v1/sessions/s1", body: undefined },
    { method: "POST", url: "/v1/sessions/s1/resume", body: { comment: "fine" } },
    { method: "POST", url: "/v1/sessions/s1/pause", body: { reason: "strange" } },
    { method: "POST", url: "/v1/sessions/s1/end", body: { reason: "done" } },
  ]);
  expect(await run(["sessions", "end", "s1"])).toMatchObject({ code: 2 });
  expect(await run(["sessions", "show", "../keys"])).toMatchObject({ code: 2 });
});

test("tool-calls preflight: reads an envelope from stdin, says what would happen and what would change it", async () => {
  const answer = {
    tool: { name: "billing.refund" },
    would: "wait_for_approval",
    decision: {
      effect: "require_approval",
      policy_version: "v1-abc",
      reasons: [{ rule_id: "big", effect: "require_approval", message: "a person looks at it" }],
    },
    refusal: null,
    counterfactuals: [{ message: "allowed up to 50.00" }],
  };
  const { run, sent } = await recordingGateway(answer);
  const envelope = { tool_call: { name: "billing.refund", args: { amount_usd: 75 } } };
  const asked = await run(["tool-calls", "preflight", "-"], JSON.stringify(envelope));
  expect(asked).toMatchObject({
    code: 0,
    stdout:
      "billing.refund: would wait for approval (require_approval, policy version v1-abc)\n" +
      "  require_approval  big: a person looks at it\n→ allowed up to 50.00\n",
  });
  expect(sent).toEqual([{ method: "POST", url: "/v1/tool-calls/preflight", body: envelope }]);
  expect(await run(["tool-calls", "preflight", "-"], '{"a": 9007199254740993}')).toMatchObject({ code: 2 });
  expect(await run(["tool-calls", "preflight", "not-there.json"])).toMatchObject({ code: 2 });
});
