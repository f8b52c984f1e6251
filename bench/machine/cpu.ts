// Reads from /proc what CPU time a process and all its descendants have used.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

interface ProcessLine {
  readonly parent: number;
  /** utime + stime of itself and of the children it has already reaped, in ticks. */
  readonly ticks: number;
}

const ticksPerSecond = Number(spawnSync("getconf", ["CLK_TCK"]).stdout?.toString()) || 100;

/** Length of one tick in microseconds: the resolution of every CPU figure. */
export const tickUs = 1_000_000 / ticksPerSecond;

function readProcess(pid: number): ProcessLine | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "latin1");
    // NOTE: the name in brackets may hold spaces, so fields are counted from the last bracket.
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
    return { parent: Number(fields[1]), ticks };
  } catch {
    return undefined;
  }
}

/** `root` and every living descendant, parents first. Empty when `root` is gone. */
export function processTree(root: number): readonly number[] {
  const childrenOf = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const line = Number.isInteger(pid) ? readProcess(pid) : undefined;
    if (line !== undefined) childrenOf.set(line.parent, [...(childrenOf.get(line.parent) ?? []), pid]);
  }
  const tree = readProcess(root) === undefined ? [] : [root];
  for (const pid of tree) tree.push(...(childrenOf.get(pid) ?? []));
  return tree;
}

/** CPU ticks (user + system) the whole tree under `root` has used so far. */
export function treeTicks(root: number): number {
  return processTree(root).reduce((sum, pid) => sum + (readProcess(pid)?.ticks ?? 0), 0);
}

const quietStepMs = 120;
const quietLimitMs = 1_200;

/**
 * Waits until the tree uses at most one tick per 120 ms, 1.2 s at the longest, and answers its
 * ticks then: work a gateway does after its answers belongs to the requests that caused it.
 */
export async function ticksOnceQuiet(root: number): Promise<number> {
  let before = treeTicks(root);
  for (let waitedMs = 0; waitedMs < quietLimitMs; waitedMs += quietStepMs) {
    await sleep(quietStepMs);
    const now = treeTicks(root);
    if (now - before <= 1) return now;
    before = now;
  }
  return before;
}
