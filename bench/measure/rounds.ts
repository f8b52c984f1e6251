// Runs the rounds: every load on every target in turn, so that only neighbours in time are compared.
import type { Flags } from "../flags.ts";
import { generateLoad, type GeneratorName } from "../load/generator.ts";
import { type Load, type LoadName, loads } from "../load/loads.ts";
import { ticksOnceQuiet, tickUs, treeTicks } from "../machine/cpu.ts";
import { allLoads, type Target } from "../targets/target.ts";
import { measureFirstBytes } from "./first-byte.ts";
import type { LoadSample, Samples } from "./samples.ts";

export interface Setting {
  readonly flags: Flags;
  readonly generator: GeneratorName;
  readonly scratch: string;
  /** `performance.now()` after which no new cell is begun. */
  readonly deadlineMs: number;
  readonly say: (line: string) => void;
}

export const throughputConnections = 32;

interface Cell {
  readonly target: Target;
  readonly load: Load;
  readonly connections: number;
  readonly seconds: number;
}

/** Measures all rounds, or as many as the deadline leaves; a round that was cut short is dropped. */
export async function measureRounds(targets: readonly Target[], setting: Setting): Promise<Samples> {
  const samples: Samples = { load: [], firstByte: [], problems: [], roundsDone: 0 };
  if (!setting.flags.isQuick) await warmUp(targets, setting, samples);
  for (let round = 1; round <= setting.flags.rounds; round++) {
    const beganMs = performance.now();
    const isWhole = await measureRound(round, rotate(targets, round - 1), setting, samples);
    if (!isWhole) {
      setting.say(`out of time in round ${round}: it is dropped`);
      dropRound(samples, round);
      break;
    }
    samples.roundsDone = round;
    const seconds = ((performance.now() - beganMs) / 1000).toFixed(0);
    setting.say(`round ${round} of ${setting.flags.rounds} done in ${seconds} s`);
  }
  return samples;
}

/** Each round starts with another target, so that no one is always measured first. */
function rotate(targets: readonly Target[], by: number): readonly Target[] {
  const at = by % targets.length;
  return [...targets.slice(at), ...targets.slice(0, at)];
}

function dropRound(samples: Samples, round: number): void {
  for (const list of [samples.load, samples.firstByte]) {
    const from = list.findIndex((sample) => sample.round === round);
    if (from >= 0) list.splice(from);
  }
}

async function warmUp(targets: readonly Target[], setting: Setting, samples: Samples): Promise<void> {
  for (const { target, load } of cellsOf(targets, allLoads)) {
    await measureCell(0, { target, load, connections: throughputConnections, seconds: 1 }, setting, samples);
  }
  samples.load.length = 0;
  setting.say("warmed up, 1 s per target and load");
}

function cellsOf(targets: readonly Target[], names: readonly LoadName[]): readonly { target: Target; load: Load }[] {
  return names.flatMap((name) =>
    targets.filter((target) => target.loads.includes(name)).map((target) => ({ target, load: loads[name] })),
  );
}

async function measureRound(
  round: number,
  targets: readonly Target[],
  setting: Setting,
  samples: Samples,
): Promise<boolean> {
  const { seconds } = setting.flags;
  const busy = cellsOf(targets, allLoads).map((cell) => ({
    ...cell,
    connections: throughputConnections,
    seconds,
  }));
  const lone = cellsOf(targets, ["small"]).map((cell) => ({ ...cell, connections: 1, seconds: 1 }));
  for (const cell of [...busy, ...lone]) {
    if (performance.now() + cell.seconds * 1000 > setting.deadlineMs) return false;
    await measureCell(round, cell, setting, samples);
  }
  if (performance.now() + 5_000 > setting.deadlineMs) return false;
  await measureFirstBytes(round, targets, samples);
  return true;
}

async function measureCell(round: number, cell: Cell, setting: Setting, samples: Samples): Promise<void> {
  const { target, load, connections, seconds } = cell;
  const where = `${target.name}, ${load.name}, c=${connections}, round ${round}`;
  try {
    const before = treeTicks(target.pid);
    const request = {
      url: target.url,
      headers: target.headers,
      body: load.body,
      connections,
      seconds,
    };
    const result = await generateLoad(setting.generator, request, setting.scratch);
    const ticks = (await ticksOnceQuiet(target.pid)) - before;
    const cpuUs = (ticks * tickUs) / Math.max(1, result.requests);
    const sample = { round, target: target.name, load: load.name, connections, cpuUs, ...result };
    samples.load.push(sample);
    samples.problems.push(...problemsOf(sample, load).map((problem) => `${where}: ${problem}`));
  } catch (fault) {
    samples.problems.push(`${where}: ${fault instanceof Error ? fault.message : String(fault)}`);
  }
}

function problemsOf(sample: LoadSample, load: Load): readonly string[] {
  const problems: string[] = [];
  if (sample.requests === 0) problems.push("no answer at all");
  if (sample.failures > 0) problems.push(`${sample.failures} failures (non-2xx, cut or timed out)`);
  const bytes = sample.bytes / Math.max(1, sample.requests);
  if (bytes < load.minAnswerBytes) problems.push(`answers of ${bytes.toFixed(0)} bytes are too short`);
  return problems;
}
