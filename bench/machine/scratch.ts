// Makes the folders of one run, which go when it ends.
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import type { Scratch } from "../targets/start-targets.ts";
import { ownScratchFolder } from "./children.ts";

/** Folders on the disk of the checkout and, where the machine has that, in memory. */
export function makeScratch(): Scratch {
  const run = `run-${process.pid}`;
  const disk = ownScratchFolder(path.join(import.meta.dirname, "..", ".cache", run));
  mkdirSync(disk, { recursive: true });
  if (!existsSync("/dev/shm")) return { disk, tmpfs: undefined };
  const tmpfs = ownScratchFolder(path.join("/dev/shm", `interlock-bench-${process.pid}`));
  mkdirSync(tmpfs, { recursive: true });
  return { disk, tmpfs };
}
