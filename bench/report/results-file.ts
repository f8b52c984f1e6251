// Writes a run down as JSON, with all that is needed to judge it later.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { arch, cpus, release, totalmem } from "node:os";
import path from "node:path";
import { portkeyVersion } from "../targets/portkey-build.ts";
import type { Flags } from "../flags.ts";
import { bundleEntry } from "../interlock.ts";
import { type GeneratorName, generatorVersion } from "../load/generator.ts";
import { loads } from "../load/loads.ts";
import { mayPin } from "../machine/children.ts";
import { compatibilityDate, workerdVersion } from "../machine/workerd.ts";
import type { Samples } from "../measure/samples.ts";
import type { Scratch } from "../targets/start-targets.ts";
import type { Skipped, Target } from "../targets/target.ts";
import type { Summary } from "./summary.ts";

export interface Run {
  readonly began: Date;
  readonly flags: Flags;
  readonly generator: GeneratorName;
  readonly scratch: Scratch;
  readonly targets: readonly Target[];
  readonly skipped: readonly Skipped[];
  readonly samples: Samples;
  readonly summary: Summary;
}

/** Writes `bench/results/<date>-<mode>.json` (`-quick` added for quick runs); answers its name. */
export function writeResults(run: Run): string {
  const folder = path.join(import.meta.dirname, "..", "results");
  mkdirSync(folder, { recursive: true });
  const date = run.began.toISOString().slice(0, 10);
  const name = `${date}-${run.flags.mode}${run.flags.isQuick ? "-quick" : ""}.json`;
  writeFileSync(path.join(folder, name), `${JSON.stringify(document(run), null, 1)}\n`);
  return `bench/results/${name}`;
}

function document(run: Run): unknown {
  const { flags, targets, skipped, samples, summary } = run;
  return {
    began: run.began.toISOString(),
    flags,
    machine: { ...machine(), gateway_alone_on_core: mayPin() ? 1 : null },
    versions: versions(run.generator),
    bodies: Object.values(loads).map(({ name, title, body, frames }) => ({
      name,
      title,
      bytes: Buffer.byteLength(body),
      frames,
    })),
    state: {
      disk: `bench/.cache, ${fileSystem(run.scratch.disk)}`,
      tmpfs: run.scratch.tmpfs === undefined ? null : `/dev/shm, ${fileSystem(run.scratch.tmpfs)}`,
    },
    targets: targets.map(({ name, what }) => ({ name, what })),
    skipped,
    rounds_done: samples.roundsDone,
    problems: samples.problems,
    summary,
    samples: { load: samples.load, first_byte: samples.firstByte },
  };
}

/** What the run ran on. */
export function machine(): { cpu: string; cores: number; memory_gib: number; kernel: string } {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: `${release()} ${arch()}`,
  };
}

function versions(generator: GeneratorName): unknown {
  return {
    node: process.version,
    workerd: workerdVersion(),
    compatibility_date: compatibilityDate,
    generator: generatorVersion(generator),
    portkey: portkeyVersion,
    interlock_bundle_sha256: digestOf(bundleEntry),
  };
}

function digestOf(file: string): string | null {
  try {
    return createHash("sha256").update(readFileSync(file)).digest("hex");
  } catch {
    return null;
  }
}

const fileSystemNames: Readonly<Record<number, string>> = {
  0xef53: "ext4",
  0x01021994: "tmpfs",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x794c7630: "overlayfs",
};

function fileSystem(folder: string): string {
  const { type } = statfsSync(folder);
  return fileSystemNames[type] ?? `file system 0x${type.toString(16)}`;
}
