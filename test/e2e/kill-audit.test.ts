// Kills the runtime right after people have acted: what was answered is told in the audit chain, once, when it is back.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "./harness.ts";
import { startKillable, type KillableGateway } from "./killable-gateway.ts";

let stateDir: string;
let gateway: KillableGateway;

beforeEach(async () => {
  stateDir = mkdtempSync(path.join(tmpdir(), "interlock-kill-audit-"));
  gateway = await startKillable(stateDir);
});
afterEach(async () => {
  await gateway.kill();
  rmSync(stateDir, { recursive: true, force: true });
});

type Json = Readonly<Record<string, unknown>>;
type Role = "agent" | "approver" | "operator" | "admin" | "auditor";

async function send(
  role: Role,
  method: string,
  where: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Json> {
  const response = await fetch(`${gateway.keys.url}${where}`, {
    method,
    headers: { authorization: `Bearer ${gateway.keys[role]}`, "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.status >= 400) throw new Error(`${where} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Json;
}

/** What the chain tells, as `kind status`, oldest first. */
async function told(): Promise<readonly string[]> {
  const { data } = await send("auditor", "GET", "/v1/audit?limit=200");
  const entries = data as readonly { readonly event: { readonly kind: string; readonly what: Json } }[];
  return entries.map(({ event }) => `${event.kind} ${String(event.what["status"])}`).toReversed();
}

async function killedAfter(act: () => Promise<unknown>): Promise<void> {
  await act();
  await gateway.kill();
  gateway = await startKillable(stateDir);
}

async function toldOnce(what: string, times = 1): Promise<void> {
  const all = await until(what, async () => {
    const seen = await told();
    return seen.filter((each) => each === what).length >= times ? seen : undefined;
  });
  expect(all.filter((each) => each === what)).toHaveLength(times);
  expect(await send("auditor", "GET", "/v1/audit/verify")).toMatchObject({ ok: true, problems: [] });
}

test("a switch that was set, a version that was published, a vote, the end of a session: each is in the chain after kill -9", async () => {
  await killedAfter(() =>
    send("operator", "POST", "/v1/switches", { kind: "halt", scope: { session: "other" }, reason: "incident" }),
  );
  await toldOnce("switch set");

  const before = (await told()).filter((each) => each === "config published").length;
  const response = await fetch(`${gateway.keys.url}/v1/config`, {
    headers: { authorization: `Bearer ${gateway.keys.admin}` },
  });
  const { document } = (await response.json()) as Json;
  await killedAfter(() =>
    send("admin", "PUT", "/v1/config", document, { "if-match": response.headers.get("etag") ?? "" }),
  );
  // The seed publishes the demo's config when it starts, and what it changed is told as well.
  await until("the publication", async () => {
    const published = (await told()).filter((each) => each === "config published").length;
    return published > before || undefined;
  });

  const asked = await send(
    "agent",
    "POST",
    "/v1/tool-calls",
    { tool_call: { name: "billing.refund", args: { customer_id: "cus_123", amount_usd: 48 } } },
    { "interlock-session": "people", "idempotency-key": "k1" },
  );
  const { id } = asked["approval"] as { readonly id: string };
  await killedAfter(() => send("approver", "POST", `/v1/approvals/${id}/deny`, { comment: "no" }));
  await toldOnce("approval denied");

  await killedAfter(() => send("operator", "POST", "/v1/sessions/people/end", { reason: "over" }));
  await toldOnce("session ended");
});
