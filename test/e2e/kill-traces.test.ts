// Kills the runtime under load: afterwards every call that a session admitted is recorded once, or is named among what a stop left untold.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startKillable, type KillableGateway } from "./killable-gateway.ts";

const MAIN = "test/e2e/durable-queue-main.ts";
const ROUNDS = 4;
const SESSIONS = 6;

let stateDir: string;
let server: Server;
let upstreamUrl: string;
let gateway: KillableGateway;
let effects = 0;

beforeEach(async () => {
  stateDir = mkdtempSync(path.join(tmpdir(), "interlock-kill-traces-"));
  effects = 0;
  server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      effects += 1;
      const usage = { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 };
      const body =
        request.url?.endsWith("/act") === true ? { id: `re_${effects}` } : { id: "x", model: "m", choices: [], usage };
      setTimeout(
        () => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body)),
        effects % 10,
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  upstreamUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  await gateway.kill();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(stateDir, { recursive: true, force: true });
});

async function send(
  key: string,
  method: string,
  where: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly json: unknown }> {
  const response = await fetch(`${gateway.keys.url}${where}`, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: await response.json() };
}

const asAdmin = (method: string, where: string, body?: unknown): ReturnType<typeof send> =>
  send(gateway.keys.admin, method, where, body, { "interlock-tenant": "kill", "if-match": "*" });

async function createTenant(): Promise<string> {
  await asAdmin("POST", "/v1/tenants", { id: "kill" });
  await asAdmin("PUT", "/v1/config", {
    providers: { up: { kind: "openai-compatible", base_url: `${upstreamUrl}/v1` } },
    models: { m: { provider: "up", max_output_tokens: 100, price: { input_per_mtok_usd: 1, output_per_mtok_usd: 1 } } },
    tools: {
      act: {
        kind: "http",
        method: "POST",
        url: `${upstreamUrl}/act`,
        effect: "write",
        timeout_ms: 2_000,
        input_schema: { type: "object" },
      },
    },
    actors: { agent: { models: ["*"], allowed_tools: ["*"] } },
    egress: { allow: [new URL(upstreamUrl).host] },
  });
  const created = await asAdmin("POST", "/v1/keys", { tenant: "kill", roles: ["agent"], actors: ["agent"] });
  return (created.json as { key: string }).key;
}

interface Load {
  calls: number;
  answered: number;
  /** Tool calls that got no answer: their callers send them again. */
  readonly open: Map<string, string>;
}

function act(key: string, session: string, id: string): ReturnType<typeof send> {
  const body = { session_id: session, tool_call: { name: "act", args: { id } } };
  return send(key, "POST", "/v1/tool-calls", body, { "idempotency-key": id });
}

/** One caller: a model call and a tool call in turn, until the runtime is gone. */
async function callOn(key: string, session: string, load: Load): Promise<void> {
  for (;;) {
    load.calls += 1;
    const id = `${session}-${load.calls}`;
    const isTool = load.calls % 2 === 0;
    if (isTool) load.open.set(id, session);
    try {
      const chat = { model: "m", max_tokens: 20, messages: [{ role: "user", content: "hello" }] };
      if (isTool) await act(key, session, id);
      else await send(key, "POST", "/v1/chat/completions", chat, { "interlock-session": session });
      load.open.delete(id);
      load.answered += 1;
    } catch {
      return;
    }
  }
}

async function untilKnown(key: string, session: string, id: string): Promise<void> {
  while ((await act(key, session, id)).status === 409) await new Promise((resolve) => setTimeout(resolve, 1_000));
}

interface Coverage {
  readonly total: { readonly admitted: number; readonly stored: number; readonly missing: number };
  readonly data: readonly {
    readonly missing_calls: readonly { readonly kind: string }[];
    readonly uncertain: readonly { readonly from_seq: number; readonly to_seq: number; readonly recorded: number }[];
  }[];
}

async function coverage(): Promise<Coverage> {
  const to = Date.now() + 1;
  return (await asAdmin("GET", `/v1/coverage?from=${to - 3_600_000}&to=${to}`)).json as Coverage;
}

/** Reads the coverage until it has not changed for a while. */
async function settledCoverage(): Promise<Coverage> {
  let last = await coverage();
  for (let same = 0; same < 12;) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const next = await coverage();
    same = JSON.stringify(next.data) === JSON.stringify(last.data) ? same + 1 : 0;
    last = next;
  }
  return last;
}

async function rows(): Promise<{ readonly all: number; readonly distinct: number }> {
  const seen: string[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const page = (await asAdmin("GET", `/v1/traces?limit=200${cursor === "" ? "" : `&cursor=${cursor}`}`)).json as {
      data: { session_id: string; seq: number | null; kind: string; status: string }[];
      next_cursor: string | null;
    };
    // A repeat that is answered from what is stored has the number of the call it repeats, and is no call.
    const calls = page.data.filter(
      ({ seq, kind, status }) => seq !== null && (kind === "chat" || kind === "execute_tool") && status !== "replayed",
    );
    seen.push(...calls.map(({ session_id, seq }) => `${session_id}/${seq}`));
    cursor = page.next_cursor;
  }
  return { all: seen.length, distinct: new Set(seen).size };
}

it("kill -9 in a loop: coverage returns to 100 %, with nothing doubled", { timeout: 300_000 }, async () => {
  gateway = await startKillable(stateDir, MAIN);
  const key = await createTenant();
  const load: Load = { calls: 0, answered: 0, open: new Map() };
  for (let round = 1; round <= ROUNDS; round += 1) {
    const callers = Array.from({ length: SESSIONS * 2 }, (_, at) => callOn(key, `s${at % SESSIONS}`, load));
    await new Promise((resolve) => setTimeout(resolve, 2_500 + round * 300));
    await gateway.kill();
    await Promise.all(callers);
    gateway = await startKillable(stateDir, MAIN);
    console.log(
      `kill ${round}: ${load.calls} calls sent, ${load.answered} answered, ${load.open.size} tool calls without an answer`,
    );
  }
  // An agent that got no answer asks again with the same key, until it knows.
  await Promise.all([...load.open].map(([id, session]) => untilKnown(key, session, id)));
  console.log("every tool call without an answer was asked for again, and has one");
  const before = await settledCoverage();
  const retold = (await asAdmin("POST", "/v1/coverage/retell", { unsettled: true })).json;
  const after = await settledCoverage();
  const uncertain = after.data.flatMap((hour) => hour.uncertain);
  const recorded = uncertain.reduce((sum, each) => sum + each.recorded, 0);
  const width = uncertain.reduce((sum, each) => sum + each.to_seq - each.from_seq + 1, 0);
  const stored = await rows();
  console.log(
    `after ${ROUNDS} kills: coverage ${before.total.stored}/${before.total.admitted}, told again ${JSON.stringify(retold)}, then ${after.total.stored}/${after.total.admitted}; ${uncertain.length} ranges of ${width} numbers untold, ${recorded} of them recorded; ${stored.all} records of ${stored.distinct} calls, ${load.answered} answered`,
  );
  const lost = after.data.flatMap((hour) => hour.missing_calls);
  expect(lost).toEqual([]);
  expect(after.total).toMatchObject({ missing: 0 });
  expect(after.total.stored).toBeGreaterThan(0);
  expect(stored.all).toBe(stored.distinct);
});
