// Runs the local gateway in a process of its own, kills its runtime without warning, and starts it again on the same state.
import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { DemoKeys } from "../../demo/local/seed.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A gateway that can be killed. */
export interface KillableGateway {
  readonly keys: DemoKeys;
  /** SIGKILL to the host and to the runtime it started: nothing gets to say goodbye. */
  kill(): Promise<void>;
}

/** Starts the gateway on a state directory, on a free port; another main program may boot it otherwise. */
export async function startKillable(
  stateDir: string,
  main = "demo/main.ts",
  more: Readonly<Record<string, string>> = {},
): Promise<KillableGateway> {
  const env = {
    ...process.env,
    ...more,
    PORT: "0",
    STATE_DIR: stateDir,
    NO_TOUR: "1",
    PATH: `${root}node_modules/.bin:${process.env["PATH"] ?? ""}`,
  };
  const child = spawn(process.execPath, [path.join(root, main)], {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  await untilServing(child);
  const keys = JSON.parse(readFileSync(path.join(stateDir, "demo-keys.json"), "utf8")) as DemoKeys;
  return { keys, kill: () => killTree(child) };
}

async function untilServing(child: ChildProcess): Promise<void> {
  let output = "";
  await new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      output += chunk.toString("utf8");
      if (output.includes("Ctrl-C stops it")) resolve();
    };
    child.stdout?.on("data", onData);
    child.stderr?.on("data", onData);
    child.once("exit", () => reject(new Error(`the gateway did not start:\n${output}`)));
  });
}

async function killTree(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const all = [pid, ...descendantsOf(pid)];
  for (const each of all) process.kill(each, "SIGKILL");
  await gone;
}

/** Process ids below a process, from /proc. */
export function descendantsOf(pid: number): readonly number[] {
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const fields = readFileSync(`/proc/${name}/stat`, "utf8")
          .replace(/^.*\) /s, "")
          .split(" ");
        return [{ pid: Number(name), parent: Number(fields[1]) }];
      } catch {
        return [];
      }
    });
  const below = (of: number): readonly number[] =>
    parents.filter((each) => each.parent === of).flatMap((each) => [each.pid, ...below(each.pid)]);
  return below(pid);
}
