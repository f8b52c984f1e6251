// Starts the mock upstream and each target asked for; what cannot run is skipped with a reason.
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { bundleEntry, startInterlock } from "../interlock.ts";
import { start } from "../machine/children.ts";
import { compileWorker, quote, serveWorkerd, workerCode } from "../machine/workerd.ts";
import { startInMiniflare } from "./miniflare.ts";
import { startPortkeyNode, startPortkeyWorker } from "./portkey.ts";
import { allLoads, chatPath, clientHeaders, type Skipped, type Target } from "./target.ts";

export type Mode = "core" | "full";

export const defaultTargets: Readonly<Record<Mode, readonly string[]>> = {
  core: ["direct", "bare", "interlock-disk", "interlock-tmpfs", "portkey-workerd", "portkey-node"],
  full: ["direct", "bare", "interlock"],
};

/** Folders of one run: on the disk of the checkout, and in memory where the machine has that. */
export interface Scratch {
  readonly disk: string;
  readonly tmpfs: string | undefined;
}

interface Upstream {
  readonly url: string;
  readonly pid: number;
}

export interface StartedTargets {
  readonly targets: readonly Target[];
  readonly skipped: readonly Skipped[];
}

async function startUpstream(): Promise<Upstream> {
  const script = path.join(import.meta.dirname, "..", "load", "mock-upstream.ts");
  const { pid, port } = await start([process.execPath, script], {
    core: "load",
    reportsOn: "stdout",
  });
  return { url: `http://127.0.0.1:${port}`, pid };
}

/**
 * Starts `names` in order. `label=path/to/index.js` stands for that build of our gateway with its
 * state on disk. A target that does not start or cannot be seeded is skipped, never half run.
 */
export async function startTargets(mode: Mode, names: readonly string[], scratch: Scratch): Promise<StartedTargets> {
  const upstream = await startUpstream();
  const targets: Target[] = [];
  const skipped: Skipped[] = [];
  for (const name of names) {
    try {
      targets.push(await startTarget(mode, name, scratch, upstream));
    } catch (fault) {
      const why = fault instanceof Error ? fault.message : String(fault);
      skipped.push({ name, why: why.replaceAll(/\s+/g, " ").slice(0, 900) });
    }
  }
  return { targets, skipped };
}

async function startTarget(mode: Mode, name: string, scratch: Scratch, upstream: Upstream): Promise<Target> {
  if (name === "direct") return direct(upstream);
  if (name === "bare") return mode === "core" ? startBare(scratch, upstream) : bareInMiniflare(scratch, upstream);
  if (name === "portkey-workerd") return startPortkeyWorker(upstream.url, scratch.disk);
  if (name === "portkey-node") return startPortkeyNode(upstream.url);
  return startOurs(mode, name, scratch, upstream);
}

async function startOurs(mode: Mode, name: string, scratch: Scratch, upstream: Upstream): Promise<Target> {
  const [label = name, given] = name.split("=", 2);
  const isKnown = given !== undefined || /^interlock(-disk|-tmpfs)?$/.test(name);
  if (!isKnown) throw new Error("no such target");
  const entry = path.resolve(given ?? bundleEntry);
  if (!existsSync(entry)) throw new Error(`${given ?? "dist/index.js"} is missing: npm run build`);
  const place = label === "interlock-tmpfs" ? scratch.tmpfs : scratch.disk;
  if (place === undefined) throw new Error("/dev/shm is missing");
  const folder = path.join(place, label);
  mkdirSync(folder, { recursive: true });
  const build = { name: label, entry, folder, upstream: upstream.url };
  return mode === "core" ? startInterlock(build) : startInMiniflare("interlock", build);
}

function direct(upstream: Upstream): Target {
  return {
    name: "direct",
    url: `${upstream.url}${chatPath}`,
    headers: clientHeaders,
    pid: upstream.pid,
    what: "the mock upstream itself, on the load core; CPU is the mock's",
    loads: allLoads,
  };
}

async function startBare(scratch: Scratch, upstream: Upstream): Promise<Target> {
  const folder = path.join(scratch.disk, "bare");
  mkdirSync(folder, { recursive: true });
  const service = `(name = "main", worker = (
    ${workerCode([compileWorker("bare", folder)])}
    bindings = [(name = "UPSTREAM", text = ${quote(upstream.url)})],
  ))`;
  const { pid, port } = await serveWorkerd(folder, [service]);
  return {
    name: "bare",
    url: `http://127.0.0.1:${port}${chatPath}`,
    headers: clientHeaders,
    pid,
    what: "passthrough Worker, bare workerd; ratio 1 by definition",
    loads: allLoads,
  };
}

function bareInMiniflare(scratch: Scratch, upstream: Upstream): Promise<Target> {
  const folder = path.join(scratch.disk, "bare");
  mkdirSync(folder, { recursive: true });
  const { file } = compileWorker("bare", folder);
  return startInMiniflare("bare", { name: "bare", entry: file, folder, upstream: upstream.url });
}
