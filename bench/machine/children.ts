// Starts the processes of a run, remembers them and their scratch folders, and ends them by pid.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { Readable } from "node:stream";
import { processTree } from "./cpu.ts";

const started = new Set<ChildProcess>();
const scratchFolders = new Set<string>();

/** Which core a process is kept on: the gateway under test alone on one, all else on the other. */
export type Core = "gateway" | "load";

const coreNumbers: Readonly<Record<Core, number>> = { load: 0, gateway: 1 };

let taskset: boolean | undefined;

/** Whether processes can be kept on a core: `taskset` is there and the machine has two cores. */
export function mayPin(): boolean {
  const cores = `${coreNumbers.load},${coreNumbers.gateway}`;
  taskset ??= spawnSync("taskset", ["-c", cores, process.execPath, "--version"]).status === 0;
  return taskset;
}

/** Moves this process, and with it every child not pinned otherwise, to the load core. */
export function pinSelf(): void {
  if (mayPin()) spawnSync("taskset", ["-acp", String(coreNumbers.load), String(process.pid)]);
}

export interface StartOptions {
  readonly core: Core;
  /** Where the process says on which port it listens. */
  readonly reportsOn: "stdout" | "fd3";
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

export interface Started {
  readonly pid: number;
  readonly port: number;
}

const startTimeoutMs = 20_000;

/**
 * Starts `command` and answers once it reports its port as a JSON line `{"event":"listen","port":n}`.
 * The port comes from the process that bound it, so a port somebody else holds cannot be mistaken
 * for it. Throws, with the end of its output, when it exits or says nothing for 20 s.
 */
export async function start(command: readonly string[], options: StartOptions): Promise<Started> {
  const pinned = mayPin() ? ["taskset", "-c", String(coreNumbers[options.core]), ...command] : [...command];
  const [program, ...args] = pinned;
  if (program === undefined) throw new Error("nothing to start");
  const child = spawn(program, args, {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  own(child);
  return { pid: child.pid ?? 0, port: await listeningPort(child, options) };
}

/** Remembers a process started elsewhere in the bench, so that it ends with the run. */
export function own(child: ChildProcess): void {
  started.add(child);
  child.on("exit", () => started.delete(child));
}

function listeningPort(child: ChildProcess, options: StartOptions): Promise<number> {
  const log: string[] = [];
  child.stderr?.on("data", (chunk: Buffer) => keepTail(log, chunk));
  child.stdout?.on("data", (chunk: Buffer) => keepTail(log, chunk));
  const reports = options.reportsOn === "fd3" ? child.stdio[3] : child.stdout;
  if (!(reports instanceof Readable)) throw new Error("the process has nowhere to report its port");
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`${why}: ${log.join("").slice(-600)}`));
    const timer = setTimeout(() => fail("no port was reported in time"), startTimeoutMs);
    child.once("error", reject);
    child.once("exit", (code) => {
      clearTimeout(timer);
      fail(`ended with ${code} before it listened`);
    });
    let text = "";
    reports.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const port = /"event":\s*"listen".*?"port":\s*(\d+)/.exec(text)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    });
  });
}

function keepTail(log: string[], chunk: Buffer): void {
  log.push(chunk.toString());
  if (log.length > 20) log.shift();
}

/** Remembers a folder made for this run, so that it goes when the run ends, however it ends. */
export function ownScratchFolder(folder: string): string {
  scratchFolders.add(folder);
  return folder;
}

/** Ends everything `start` began, with its descendants, by pid; then removes the scratch folders. */
export function stopAll(): void {
  for (const child of started) {
    if (child.pid === undefined) continue;
    stopTree(child.pid);
  }
  started.clear();
  for (const folder of scratchFolders) rmSync(folder, { recursive: true, force: true });
  scratchFolders.clear();
}

/** Ends one process this run started, with its descendants. */
export function stopTree(root: number): void {
  for (const pid of processTree(root)) kill(pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // NOTE: gone already, which is what was wanted.
  }
}

/** Makes every way out of this process end its children: return, fault, Ctrl-C, terminate. */
export function stopAllOnExit(): void {
  process.on("exit", stopAll);
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.on(signal, () => process.exit(code));
  }
}
