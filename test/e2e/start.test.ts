// Proves `npm start` as a user meets it: serves, keeps its state, says what is wrong, and leaves nothing behind.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DemoKeys } from "../../demo/local/seed.ts";
import { descendantsOf } from "./killable-gateway.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const stateDir = mkdtempSync(path.join(tmpdir(), "interlock-start-"));

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", () => resolve()));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function start(port: number, env: Readonly<Record<string, string>> = {}): Promise<Started> {
  const child = spawn("node", [path.join(root, "bin/start.mjs")], {
    cwd: root,
    env: { ...process.env, PORT: String(port), STATE_DIR: stateDir, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const settled = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString("utf8");
        if (output.includes("Ctrl-C stops it")) resolve();
      });
    }
    child.once("exit", () => resolve());
  });
  await settled;
  return { child, output: () => output };
}

async function interrupt({
  child,
}: Started): Promise<{ readonly code: number | null; readonly left: readonly number[] }> {
  const below = child.pid === undefined ? [] : descendantsOf(child.pid);
  expect(below.length).toBeGreaterThan(1);
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  child.kill("SIGINT");
  const code = await exited;
  const isAlive = (pid: number): boolean =>
    existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  const deadline = Date.now() + 5_000;
  while (below.some(isAlive) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  return { code, left: below.filter(isAlive) };
}

const keysIn = (): DemoKeys => JSON.parse(readFileSync(path.join(stateDir, "demo-keys.json"), "utf8")) as DemoKeys;

describe("npm start", () => {
  let port: number;
  beforeAll(async () => {
    port = await freePort();
  });
  afterAll(() => rmSync(stateDir, { recursive: true, force: true }));

  it("plays the tour, prints where it serves, and Ctrl-C leaves no process behind", async () => {
    const started = await start(port);
    expect(started.output()).toMatch(/replayed: true, one effect/);
    expect(started.output()).toMatch(/denied .* 403 policy_denied/);
    expect(started.output()).toContain(`http://localhost:${port}`);
    expect(started.output()).toContain(`An MCP client here: http://localhost:${port}/mcp`);
    expect(await (await fetch(`http://localhost:${port}/healthz`)).json()).toMatchObject({ status: "ok" });
    expect(Object.keys(keysIn()).toSorted()).toEqual([
      "admin",
      "agent",
      "approver",
      "auditor",
      "operator",
      "tenant",
      "url",
    ]);
    expect(await interrupt(started)).toEqual({ code: 0, left: [] });
  });

  it("starts again fast and keeps its keys and its records", async () => {
    const before = keysIn();
    const began = Date.now();
    const started = await start(port, { NO_TOUR: "1" });
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(started.output()).not.toMatch(/A support session/);
    expect(keysIn()).toEqual(before);
    const traces = await fetch(`http://localhost:${port}/v1/traces`, {
      headers: { authorization: `Bearer ${before.auditor}` },
    });
    expect(((await traces.json()) as { data: readonly unknown[] }).data.length).toBeGreaterThanOrEqual(9);
    // Two runtimes on one state would each keep a ledger of its own: the second is turned away.
    const second = await start(await freePort(), { NO_TOUR: "1" });
    expect(second.output()).toMatch(/is in use by process \d+/);
    expect(second.child.exitCode).toBe(1);
    expect(await interrupt(started)).toEqual({ code: 0, left: [] });
  });

  it("says which port is taken, and which PORT makes no sense", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(port, "127.0.0.1", () => resolve()));
    const taken = await start(port);
    expect(taken.output()).toContain(`port ${port} is taken`);
    expect(taken.child.exitCode).toBe(1);
    await new Promise((resolve) => holder.close(resolve));
    expect((await start(0, { PORT: "eighty" })).output()).toContain('PORT: expected a port number, got "eighty"');
  });
});
