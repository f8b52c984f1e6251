// Kills the runtime under an MCP session: the session, what its streams have sent, and a task that waits for people outlive the process.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { JsonRecord } from "./document.ts";
import { framesOf } from "./harness.ts";
import { startKillable, type KillableGateway } from "./killable-gateway.ts";

const VERSION = "2025-11-25";

let stateDir: string;
let gateway: KillableGateway;

beforeEach(async () => {
  stateDir = mkdtempSync(path.join(tmpdir(), "interlock-kill-mcp-"));
  gateway = await startKillable(stateDir);
});
afterEach(async () => {
  await gateway.kill();
  rmSync(stateDir, { recursive: true, force: true });
});

function send(
  method: string,
  body: JsonRecord | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  return fetch(`${gateway.keys.url}/mcp`, {
    method,
    headers: {
      authorization: `Bearer ${gateway.keys.agent}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

test("a session goes on after kill -9, and what a stream had sent can be read again without a second effect", async () => {
  const params = { protocolVersion: VERSION, capabilities: {}, clientInfo: { name: "a-test", version: "1" } };
  const opened = await send("POST", { jsonrpc: "2.0", id: 0, method: "initialize", params }, {});
  const headers = { "mcp-session-id": opened.headers.get("mcp-session-id") ?? "", "mcp-protocol-version": VERSION };
  const close = { name: "helpdesk.close_ticket", arguments: { ticket_id: "tic_101", resolution: "restarted" } };
  const call = (id: number): JsonRecord => ({ jsonrpc: "2.0", id, method: "tools/call", params: close });
  const first = await (await send("POST", call(1), headers)).text();
  const [last = ""] = /[0-9a-f]{24}\/\d+$/m.exec(first) ?? [];
  await gateway.kill();
  gateway = await startKillable(stateDir);

  const replayed = await send("GET", undefined, { ...headers, "last-event-id": last.replace(/\d+$/, "0") });
  const results = framesOf(await replayed.text()).map((frame) => JSON.parse(frame) as JsonRecord);
  expect(results).toMatchObject([{ id: 1, result: { _meta: { "dev.interlock/call": { replayed: false } } } }]);
  const again = framesOf(await (await send("POST", call(2), headers)).text()).filter((frame) => frame !== "");
  expect(JSON.parse(again.at(-1) ?? "{}")).toMatchObject({
    id: 2,
    result: { _meta: { "dev.interlock/call": { replayed: true } } },
  });
});
