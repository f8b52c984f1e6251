// Kills the runtime while people are being asked: what waits, what is switched off and what is paused outlives the process.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startKillable, type KillableGateway } from "./killable-gateway.ts";

let stateDir: string;
let gateway: KillableGateway;

beforeEach(async () => {
  stateDir = mkdtempSync(path.join(tmpdir(), "interlock-kill-people-"));
  gateway = await startKillable(stateDir);
});
afterEach(async () => {
  await gateway.kill();
  rmSync(stateDir, { recursive: true, force: true });
});

type Role = "agent" | "approver" | "operator";
interface Answer {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
}

async function send(role: Role, method: string, where: string, body?: unknown, key?: string): Promise<Answer> {
  const response = await fetch(`${gateway.keys.url}${where}`, {
    method,
    headers: {
      authorization: `Bearer ${gateway.keys[role]}`,
      "content-type": "application/json",
      "interlock-session": "people",
      ...(key === undefined ? {} : { "idempotency-key": key }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Answer["json"] };
}

const refund = (amount: number, key: string): Promise<Answer> =>
  send(
    "agent",
    "POST",
    "/v1/tool-calls",
    { tool_call: { name: "billing.refund", args: { customer_id: "cus_123", amount_usd: amount } } },
    key,
  );

async function killed(): Promise<void> {
  await gateway.kill();
  gateway = await startKillable(stateDir);
}

test("a call that waits for approval is there after kill -9, is approved once, and executes once", async () => {
  const asked = await refund(48, "k1");
  expect(asked.status).toBe(202);
  const { id } = asked.json["approval"] as { readonly id: string };
  await killed();
  const listed = await send("approver", "GET", "/v1/approvals?status=pending");
  expect(JSON.stringify(listed.json)).toContain(id);
  const approve = (): Promise<Answer> => send("approver", "POST", `/v1/approvals/${id}/approve`, {});
  const answers = await Promise.all([approve(), approve(), approve()]);
  expect(answers.filter((each) => each.json["status"] === "succeeded")).toHaveLength(1);
  await killed();
  const again = await refund(48, "k1");
  expect(again.json).toMatchObject({ status: "succeeded", replayed: true });
  expect((await approve()).json).toMatchObject({ code: "approval_resolved" });
});

test("a kill switch and a paused session hold after kill -9", async () => {
  expect((await refund(1, "k1")).status).toBe(200);
  expect((await send("operator", "POST", "/v1/sessions/people/pause", { reason: "look" })).status).toBe(200);
  const halt = { kind: "halt", scope: { tool: "crm.note" }, reason: "incident" };
  expect((await send("operator", "POST", "/v1/switches", halt)).status).toBe(201);
  await killed();
  expect((await refund(1, "k2")).json).toMatchObject({ code: "session_paused" });
  const note = { tool_call: { name: "crm.note", args: { customer_id: "cus_123", text: "x" } }, session_id: "other" };
  expect((await send("agent", "POST", "/v1/tool-calls", note)).json).toMatchObject({ code: "halted" });
  expect((await send("operator", "POST", "/v1/sessions/people/resume", {})).status).toBe(200);
  expect((await refund(1, "k2")).status).toBe(200);
});
