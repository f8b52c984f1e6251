// Kills the runtime at every transition of a write, a hundred times: no effect twice, no record lost, and every doubt settled by its probe.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startLocal, type LocalGateway } from "../../demo/local/gateway.ts";
import { descendantsOf } from "./killable-gateway.ts";

const KILLS = 100;
const SEED = 20_261_125;
/** How long the upstream takes before and after an effect: kills land on either side. */
const STEP_MS = 6;

interface Sent {
  readonly key: string;
  readonly tool: "pay" | "later";
}

let stateDir: string;
let gateway: LocalGateway | undefined;
let server: Server;
let upstream: string;
/** Every arrival of a payment, by the key it came under: this upstream forgives no repeat. */
const arrivals = new Map<string, number>();
const reversals = new Map<string, number>();

beforeAll(async () => {
  stateDir = mkdtempSync(path.join(tmpdir(), "interlock-kills-"));
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
    request.on(
      "end",
      () => void answer(new URL(request.url ?? "/", "http://up"), body).then((json) => response.end(json)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  await gateway?.stop().catch(() => undefined);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(stateDir, { recursive: true, force: true });
});

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const count = (counts: Map<string, number>, of: string): void => void counts.set(of, (counts.get(of) ?? 0) + 1);

async function answer(url: URL, body: string): Promise<string> {
  const asked = url.searchParams.get("n") ?? "";
  if (url.pathname === "/find") return JSON.stringify({ found: arrivals.has(asked) });
  if (url.pathname === "/find-reversal") return JSON.stringify({ found: reversals.has(asked) });
  const { n = "" } = JSON.parse(body) as { n?: string };
  await wait(STEP_MS);
  count(url.pathname === "/reverse" ? reversals : arrivals, n);
  await wait(STEP_MS);
  return JSON.stringify({ n });
}

/** SIGKILL to the runtime, then another one on the same state. */
async function restart(): Promise<LocalGateway> {
  const killed = descendantsOf(process.pid).filter((pid) => nameOf(pid) === "workerd");
  for (const pid of killed) process.kill(pid, "SIGKILL");
  while (killed.some((pid) => nameOf(pid) !== undefined)) await wait(2);
  // What is left of its host: it has nobody to say goodbye to.
  const gone = gateway?.stop().catch(() => undefined);
  await Promise.race([gone, wait(1_000)]);
  gateway = await startLocal({ port: 0, stateDir, onLog: () => undefined });
  return gateway;
}

/** The name of a process that runs; `undefined` once it does not. */
function nameOf(pid: number): string | undefined {
  try {
    const [, name, state] = /^\d+ \((.*)\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
    return state === "Z" ? undefined : name;
  } catch {
    return undefined;
  }
}

function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function publish(at: LocalGateway): Promise<string> {
  const root = async (method: string, where: string, body: unknown): Promise<Response> => {
    const response = await fetch(`${at.url}${where}`, {
      method,
      headers: { authorization: `Bearer ${at.secrets.rootKey}`, "interlock-tenant": "kills", "if-match": "*" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return response;
  };
  const schema = { type: "object", properties: { n: { type: "string" } }, required: ["n"] };
  const pay = {
    kind: "http",
    method: "POST",
    url: `${upstream}/pay`,
    effect: "write",
    timeout_ms: 400,
    input_schema: schema,
    compensation: { tool: "reverse", args: { n: "args.n" } },
    probe: { tool: "find", args: { n: "args.n" }, succeeded_when: "result.found", failed_when: "!result.found" },
  };
  const { compensation: _, ...once } = pay;
  const reverse = { ...once, url: `${upstream}/reverse`, probe: { ...pay.probe, tool: "find_reversal" } };
  const find = { kind: "http", method: "GET", url: `${upstream}/find`, effect: "read", input_schema: schema };
  await root("POST", "/v1/tenants", { id: "kills" });
  await root("PUT", "/v1/config", {
    tools: {
      pay,
      later: { ...pay, hold_s: 1 },
      reverse,
      find,
      find_reversal: { ...find, url: `${upstream}/find-reversal` },
    },
    actors: { agent: { allowed_tools: ["*"] } },
    egress: { allow: [new URL(upstream).host] },
  });
  const created = await root("POST", "/v1/keys", { tenant: "kills", roles: ["agent"], actors: ["agent"] });
  return ((await created.json()) as { key: string }).key;
}

interface Shown {
  readonly id?: string;
  readonly status: string | number;
  readonly tool_call?: Shown;
  readonly compensation?: { readonly status: string };
}

describe("a hundred kills of the runtime", () => {
  it(
    "leave no effect twice, no record lost, and no doubt that the probe does not settle",
    { timeout: 700_000 },
    async () => {
      const random = numbers(SEED);
      const startedAt = Date.now();
      let at = await restart();
      const agent = await publish(at);
      const calls = new Map<string, Sent>();
      const read = async (method: string, where: string, key?: string, body?: unknown): Promise<Shown> => {
        const headers = { authorization: `Bearer ${agent}`, ...(key === undefined ? {} : { "idempotency-key": key }) };
        const response = await fetch(`${at.url}${where}`, {
          method,
          headers,
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          signal: AbortSignal.timeout(10_000),
        });
        return (await response.json()) as Shown;
      };
      const send = async ({ key, tool }: Sent): Promise<Shown> => {
        const said = await read("POST", "/v1/tool-calls", key, {
          session_id: `s-${key.split("-")[0] ?? ""}`,
          tool_call: { name: tool, args: { n: key } },
        });
        return said.tool_call ?? said;
      };
      for (let round = 0; round < KILLS; round += 1) {
        const started = Array.from({ length: 4 }, (_, n): Sent => ({
          key: `${round}-${n}`,
          tool: n === 3 ? "later" : "pay",
        }));
        for (const each of started) calls.set(each.key, each);
        const running = started.map(async (each) => {
          const done = await send(each);
          if (each.key.endsWith("-0") && done.status === "succeeded")
            await read("POST", `/v1/tool-calls/${done.id ?? ""}/compensate`, undefined, {});
        });
        const ended = Promise.allSettled(running);
        await wait(30 + random() * 170);
        at = await restart();
        await ended;
      }
      const killedFor = Date.now() - startedAt;
      // What a caller does who never had an answer: the same call again, under the same key, until it is known.
      const last = new Map<string, Shown>();
      const open = new Map<string, unknown>();
      const settled = new Set(["succeeded", "failed", "compensated", "compensation_failed"]);
      // A local queue forgets at a kill what it was to deliver: a call that was asked for three times in vain waits five minutes.
      const deadline = Date.now() + 400_000;
      const unknown = new Set<string>();
      while (Date.now() < deadline && last.size < calls.size) {
        const waiting = [...calls.values()].filter((each) => !last.has(each.key));
        await Promise.all(
          waiting.map(async (each) => {
            const said = await send(each);
            open.set(each.key, said);
            if (said.status === "unknown") unknown.add(each.key);
            if (settled.has(String(said.status))) last.set(each.key, said);
          }),
        );
        await wait(500);
      }
      const by = (status: string): number => [...last.values()].filter((each) => each.status === status).length;
      console.log(
        `${KILLS} kills in ${Math.round(killedFor / 1000)} s: ${calls.size} calls, ${arrivals.size} paid, ` +
          `${by("succeeded")} succeeded, ${by("compensated")} compensated, ${by("failed")} failed, ` +
          `${unknown.size} seen unknown and settled by the probe; ` +
          `${[...arrivals.values()].filter((each) => each > 1).length} effects twice, ${calls.size - last.size} not settled`,
      );
      expect([...open].filter(([key]) => !last.has(key))).toEqual([]);
      expect([...arrivals].filter(([, times]) => times > 1)).toEqual([]);
      expect([...reversals].filter(([, times]) => times > 1)).toEqual([]);
      for (const [key, { status }] of last) {
        expect([key, status, arrivals.has(key)]).toEqual([key, status, status !== "failed"]);
        // An undoing that the runtime was killed under is told by its own probe, never by the payment's.
        const reversed =
          status === "compensated" ? true : status === "compensation_failed" ? false : reversals.has(key);
        expect([key, status, reversals.has(key)]).toEqual([key, status, reversed]);
      }
      expect(unknown.size).toBeGreaterThan(0);
    },
  );
});
