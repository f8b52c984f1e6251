// The mode `surfaces`: what each dialect and each translation costs, and how the model plane stands to its targets.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { chooseGenerator, generateLoad } from "../load/generator.ts";
import { pinSelf, stopAllOnExit } from "../machine/children.ts";
import { ticksOnceQuiet, tickUs, treeTicks } from "../machine/cpu.ts";
import { makeScratch } from "../machine/scratch.ts";
import { machine } from "../report/results-file.ts";
import { startTargets } from "../targets/start-targets.ts";
import { chatPath, type Target } from "../targets/target.ts";
import { type SurfaceCall, surfaceCalls, wrongWith } from "./cells.ts";
import { measureFirstBytes } from "./first-bytes.ts";
import { renderSurfaces, type SurfaceSample, type SurfaceSamples } from "./report.ts";

const connections = 32;
const names = ["direct", "bare", "interlock-tmpfs", "portkey-workerd"];
/** Time in which no more is begun: the run ends within four minutes. */
const limitSeconds = 225;

/** Runs the mode and answers the exit code: 1 when an answer was wrong or no round was whole. */
export async function benchSurfaces(args: string[], say: (line: string) => void): Promise<number> {
  const flags = parseFlags(args);
  stopAllOnExit();
  pinSelf();
  const began = new Date();
  const scratch = makeScratch();
  const { targets, skipped } = await startTargets("core", names, scratch);
  for (const { name, what } of targets) say(`  ${name}: ${what}`);
  for (const { name, why } of skipped) say(`  SKIPPED ${name}: ${why}`);
  const samples: SurfaceSamples = { load: [], firstByte: [], problems: [], roundsDone: 0 };
  await measureAll({ cells: cellsOf(targets), targets, samples, scratch: scratch.disk, flags, say });
  const report = renderSurfaces(samples);
  say(`\n${report.text}\n`);
  for (const problem of samples.problems) say(`PROBLEM ${problem}`);
  const head = { began: began.toISOString(), machine: machine(), flags, skipped };
  const name = `${began.toISOString().slice(0, 10)}-surfaces${flags.isQuick ? "-quick" : ""}.json`;
  say(write(name, { ...head, targets: report.targets, samples }));
  return samples.problems.length > 0 || samples.roundsDone === 0 ? 1 : 0;
}

interface Flags {
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly seconds: number;
  /** `performance.now()` after which no cell is begun. */
  readonly endMs: number;
}

function parseFlags(args: string[]): Flags {
  const options = { rounds: { type: "string" }, seconds: { type: "string" }, quick: { type: "boolean" } } as const;
  const { rounds, seconds, quick: isQuick = false } = parseArgs({ args, options }).values;
  const isStandard = rounds === undefined && seconds === undefined;
  return {
    isQuick,
    rounds: wholeNumber(rounds, isQuick ? 1 : 4),
    seconds: wholeNumber(seconds, 1),
    endMs: isStandard ? performance.now() + limitSeconds * 1000 : Number.POSITIVE_INFINITY,
  };
}

/** Nothing is measured as long as an answer is wrong. */
async function measureAll(run: Run): Promise<void> {
  const { cells, flags, samples } = run;
  for (const cell of cells) await check(cell, samples);
  if (samples.problems.length > 0) return;
  if (!flags.isQuick) await round(0, run);
  for (let at = 1; at <= flags.rounds && (await round(at, run)); at++) samples.roundsDone = at;
  samples.load = samples.load.filter(({ round: at }) => at > 0 && at <= samples.roundsDone);
}

function wholeNumber(text: string | undefined, standard: number): number {
  const value = Number(text ?? standard);
  if (!Number.isInteger(value) || value < 1 || value > 100) throw new Error("--rounds and --seconds want 1 to 100");
  return value;
}

interface Cell {
  readonly target: Target;
  readonly call: SurfaceCall;
}

interface Run {
  readonly cells: readonly Cell[];
  readonly targets: readonly Target[];
  readonly samples: SurfaceSamples;
  readonly scratch: string;
  readonly flags: Flags;
  readonly say: (line: string) => void;
}

/** Call by call over its targets, so that what is compared stands side by side in time. */
function cellsOf(targets: readonly Target[]): readonly Cell[] {
  return surfaceCalls.flatMap((call) =>
    targets
      .filter(({ name }) => {
        if (name.startsWith("interlock")) return true;
        if (name === "bare") return call.isPassThrough;
        return name === "portkey-workerd" && call.isPassThrough && call.from === "chat";
      })
      .map((target) => ({ target, call })),
  );
}

/** Where a target takes a call. */
function urlOf({ target, call }: Cell): string {
  return target.url.slice(0, -chatPath.length) + call.path;
}

async function check(cell: Cell, samples: SurfaceSamples): Promise<void> {
  const answer = await fetch(urlOf(cell), {
    method: "POST",
    headers: { ...cell.target.headers, "Content-Type": "application/json" },
    body: cell.call.body,
    signal: AbortSignal.timeout(10_000),
  });
  const wrong = wrongWith(cell.call, answer.status, await answer.text());
  if (wrong !== undefined) samples.problems.push(`${cell.target.name}, ${cell.call.name}: ${wrong}`);
}

/** Every second round goes backwards, so that no cell always has the same neighbour before it. */
async function round(at: number, run: Run): Promise<boolean> {
  const beganMs = performance.now();
  for (const cell of at % 2 === 0 ? run.cells.toReversed() : run.cells) {
    if (performance.now() + run.flags.seconds * 1000 > run.flags.endMs) {
      run.say(`out of time in round ${at}: it is dropped`);
      return false;
    }
    await measure(at, cell, run);
  }
  if (at > 0) await measureFirstBytes(at, run.targets, run.samples);
  run.say(`${at === 0 ? "warmed up" : `round ${at} done`} in ${((performance.now() - beganMs) / 1000).toFixed(0)} s`);
  return true;
}

async function measure(at: number, cell: Cell, { samples, scratch, flags }: Run): Promise<void> {
  const { target, call } = cell;
  const before = treeTicks(target.pid);
  const request = { url: urlOf(cell), headers: target.headers, body: call.body, connections, seconds: flags.seconds };
  const result = await generateLoad(chooseGenerator(), request, scratch);
  const ticks = (await ticksOnceQuiet(target.pid)) - before;
  const sample: SurfaceSample = {
    round: at,
    target: target.name.startsWith("interlock") ? "interlock" : target.name,
    call: call.name,
    rps: result.requests / result.seconds,
    cpuUs: (ticks * tickUs) / Math.max(1, result.requests),
  };
  samples.load.push(sample);
  if (result.failures > 0 || result.requests === 0) {
    samples.problems.push(`${target.name}, ${call.name}: ${result.failures} of ${result.requests} answers failed`);
  }
}

function write(name: string, document: unknown): string {
  const folder = path.join(import.meta.dirname, "..", "results");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, name), `${JSON.stringify(document, null, 1)}\n`);
  return `bench/results/${name}`;
}
