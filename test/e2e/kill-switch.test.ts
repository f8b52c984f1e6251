// Measures how long a kill switch takes to bite: from the request that sets it to the last effect, under load, streams included.
import { afterAll, beforeAll, expect, test } from "vitest";
import { openStage, readAll, until, type Stage, type Tenant } from "./harness.ts";
import { startRecordingUpstream, type RecordingUpstream } from "./recording-upstream.ts";

/** The promise: nothing starts, and no stream runs, longer than this after a switch was asked for. */
const BOUND_MS = 2_000;
const LOOPS = 16;

let stage: Stage;
let upstream: RecordingUpstream;

beforeAll(async () => {
  stage = await openStage({}, true);
  upstream = await startRecordingUpstream();
  upstream.answer = {
    status: 200,
    headers: { "content-type": "application/json" },
    body: new TextEncoder().encode('{"ok":true}'),
  };
});
afterAll(async () => {
  await stage.close();
  await upstream.stop();
});

const writeTool = (): Record<string, unknown> => ({
  kind: "http",
  method: "POST",
  url: `${upstream.origin}/effects`,
  effect: "write",
  repeat: "allow",
  input_schema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
});
const readTool = (): Record<string, unknown> => ({ ...writeTool(), method: "GET", effect: "read" });

async function tenantUnderLoad(): Promise<Tenant> {
  return stage.tenant({
    session: {},
    tools: { "effect.write": writeTool(), "effect.read": readTool() },
    actor: { allowed_tools: ["*"] },
    hosts: [new URL(upstream.origin).host],
  });
}

/** Calls a tool in parallel loops until told to stop; answers the statuses by count. */
function load(tenant: Tenant, tool: string): { stop: () => Promise<ReadonlyMap<string, number>> } {
  const running = new AbortController();
  const statuses = new Map<string, number>();
  const loops = Array.from({ length: LOOPS }, async (_, loop) => {
    for (let n = 0; !running.signal.aborted; n += 1) {
      const answer = await tenant.tool(tool, { n }, { session_id: `s${loop}` });
      const name = String(answer.json["code"] ?? answer.json["status"]);
      statuses.set(name, (statuses.get(name) ?? 0) + 1);
    }
  });
  return {
    stop: async () => {
      running.abort();
      await Promise.all(loops);
      return statuses;
    },
  };
}

/** Sets a switch in the other isolate: the one under load is told by nobody and has to find out. */
const setSwitch = async (tenant: Tenant, key: string, body: unknown): Promise<{ id: string; sentAt: number }> => {
  const sentAt = Date.now();
  const answer = await fetch(`${stage.gateway.secondUrl}/v1/switches`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`${tenant.id}: ${answer.status} ${text}`);
  return { id: String((JSON.parse(text) as { id: unknown }).id), sentAt };
};

test.each([
  ["halt", "effect.write", "halted"],
  ["halt", "effect.read", "halted"],
  ["disable_writes", "effect.write", "drafted"],
  ["force_approvals", "effect.write", "pending_approval"],
] as const)("%s ends every %s within two seconds of the request, under load", async (kind, tool, becomes) => {
  const tenant = await tenantUnderLoad();
  const { key } = await stage.key(tenant.id, ["operator"]);
  const running = load(tenant, tool);
  const before = upstream.requests.length;
  await until("effects to flow", async () => upstream.requests.length > before + 100 || undefined, 20_000);
  const { sentAt } = await setSwitch(tenant, key, { kind, reason: "the test says so" });
  await new Promise((resolve) => setTimeout(resolve, BOUND_MS + 500));
  const last = upstream.requests.at(-1)?.at ?? 0;
  const statuses = await running.stop();
  console.log(
    `       ${kind} on ${tool}: last effect ${last - sentAt} ms after the request, of ${BOUND_MS}; ${LOOPS} loops, ${JSON.stringify(Object.fromEntries(statuses))}`,
  );
  expect(last - sentAt).toBeLessThan(BOUND_MS);
  expect(statuses.get("succeeded")).toBeGreaterThan(100);
  expect(statuses.get(becomes)).toBeGreaterThan(0);
});

test("halt cuts running streams, each with a proper terminal event, and refuses new ones", async () => {
  const tenant = await tenantUnderLoad();
  const { key } = await stage.key(tenant.id, ["operator"]);
  const body = { model: "slow-200", stream: true, messages: [{ role: "user", content: "hello" }], max_tokens: 500 };
  const streams = await Promise.all(
    Array.from({ length: 8 }, async (_, at) => {
      const response = await tenant.chat(body, { headers: { "Interlock-Session": `stream-${at}` } });
      const end = readAll(response).then((read) => ({ ...read, endedAt: Date.now() }));
      return { status: response.status, end };
    }),
  );
  expect(streams.map((each) => each.status)).toEqual(streams.map(() => 200));
  const { sentAt } = await setSwitch(tenant, key, {
    kind: "halt",
    scope: { actor: "support_agent_v4" },
    reason: "stop",
  });
  const ends = await Promise.all(streams.map((each) => each.end));
  const slowest = Math.max(...ends.map((each) => each.endedAt)) - sentAt;
  console.log(`       halt on 8 streams: the last ended ${slowest} ms after the request, of ${BOUND_MS}`);
  expect(slowest).toBeLessThan(BOUND_MS);
  for (const { text, isBroken } of ends) {
    expect(isBroken).toBe(false);
    expect(text.trimEnd().split("\n\n").at(-1)).toContain('"code":"halted"');
  }
  const refused = await tenant.chatAnswer({ ...body, stream: false });
  expect(refused.status).toBe(403);
  expect(refused.text).toContain('"code":"halted"');
});

test("a cleared switch lets calls through again within two seconds, and both acts are on record", async () => {
  const tenant = await tenantUnderLoad();
  const { key } = await stage.key(tenant.id, ["operator"]);
  const { id } = await setSwitch(tenant, key, { kind: "halt", reason: "look" });
  await until("the halt to bite", async () => (await tenant.tool("effect.read", { n: 1 })).status === 403 || undefined);
  const cleared = await stage.send("DELETE", `/v1/switches/${id}`, undefined, { key });
  expect(cleared.status).toBeLessThan(300);
  await until(
    "calls to go through",
    async () => (await tenant.tool("effect.read", { n: 2 })).status === 200 || undefined,
    BOUND_MS,
  );
  const listed = await stage.send("GET", "/v1/switches?all=true", undefined, { key });
  expect(listed.text).toContain(id);
  expect(listed.text).toContain("look");
});
