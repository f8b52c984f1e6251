// Experiment: what each way to pass, meter or strip a 24-frame stream costs on workerd.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { chooseGenerator, generateLoad } from "../load/generator.ts";
import { type Load, loads } from "../load/loads.ts";
import { closeConnections, readStream } from "../load/stream-client.ts";
import { ownScratchFolder, pinSelf, start, stopAll, stopAllOnExit } from "../machine/children.ts";
import { ticksOnceQuiet, tickUs, treeTicks } from "../machine/cpu.ts";
import { quote, serveWorkerd, workerCode } from "../machine/workerd.ts";
import { median } from "../report/summary.ts";
import { type Way, ways, workerSource } from "./ways.ts";

interface Served extends Way {
  readonly url: string;
  readonly pid: number;
}

interface Sample {
  readonly name: string;
  readonly rps: number;
  readonly cpuUs: number;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const asked = loads["stream-usage"];
const pacedAsked: Load = {
  ...asked,
  body: asked.body.replace(/"model":"[^"]+"/, /"model":"[^"]+"/.exec(loads.paced.body)?.[0] ?? ""),
};

async function serve(way: Way, folder: string, upstream: string): Promise<Served> {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, "index.js");
  writeFileSync(file, workerSource(way));
  const service = `(name = "main", worker = (
    ${workerCode([{ name: "index.js", file, kind: "esModule" }])}
    bindings = [(name = "UPSTREAM", text = ${quote(upstream)})],
  ))`;
  const { pid, port } = await serveWorkerd(folder, [service]);
  return { ...way, pid, url: `http://127.0.0.1:${port}/v1/chat/completions` };
}

/** Throws unless the way passes every frame, one by one when paced, and strips as it says. */
async function check(way: Served): Promise<void> {
  const target = { url: way.url, headers: {} };
  await readStream(target, { ...asked, asksUsage: !way.strips });
  const { pieces } = await readStream(target, { ...pacedAsked, asksUsage: !way.strips });
  if (pieces < asked.frames) throw new Error(`buffers: ${pieces} pieces`);
}

async function measure(way: Served, folder: string, seconds: number): Promise<Sample> {
  const before = treeTicks(way.pid);
  const request = { url: way.url, headers: {}, body: asked.body, connections: 32, seconds };
  const result = await generateLoad(chooseGenerator(), request, folder);
  if (result.failures > 0) throw new Error(`${way.name}: ${result.failures} failures`);
  const ticks = (await ticksOnceQuiet(way.pid)) - before;
  const cpuUs = (ticks * tickUs) / Math.max(1, result.requests);
  return { name: way.name, rps: result.requests / result.seconds, cpuUs };
}

async function serveSound(folder: string, upstream: string): Promise<readonly Served[]> {
  const sound: Served[] = [];
  for (const [index, way] of ways.entries()) {
    const served = await serve(way, path.join(folder, String(index)), upstream);
    try {
      await check(served);
      sound.push(served);
    } catch (fault) {
      say(`UNUSABLE ${way.name}: ${fault instanceof Error ? fault.message : String(fault)}`);
    }
  }
  return sound;
}

/** A line per way: medians over rounds of the ratios to the bare way of the same round. */
function report(served: readonly Way[], rounds: readonly (readonly Sample[])[]): void {
  say(`${"way".padEnd(44)} req/s x bare   CPU x bare (range)   CPU us`);
  for (const { name } of served) {
    const pairs = rounds.flatMap((round) => {
      const own = round.find((sample) => sample.name === name);
      const bare = round.find((sample) => sample.name === "bare");
      return own === undefined || bare === undefined ? [] : [{ own, bare }];
    });
    const rps = median(pairs.map(({ own, bare }) => own.rps / bare.rps));
    const cpu = pairs.map(({ own, bare }) => own.cpuUs / bare.cpuUs);
    const range = `${Math.min(...cpu).toFixed(2)}-${Math.max(...cpu).toFixed(2)}`;
    const us = median(pairs.map(({ own }) => own.cpuUs)).toFixed(0);
    const ratio = median(cpu).toFixed(2);
    say(`${name.padEnd(44)} ${rps.toFixed(2).padStart(12)}   ${`${ratio} (${range})`.padStart(18)} ${us.padStart(8)}`);
  }
}

async function main(): Promise<void> {
  const rounds = Number(process.argv[2] ?? 3);
  const seconds = Number(process.argv[3] ?? 2);
  const experiment = `ways-${process.pid}`;
  const folder = ownScratchFolder(path.join(import.meta.dirname, "..", ".cache", experiment));
  mkdirSync(folder, { recursive: true });
  const mock = path.join(import.meta.dirname, "..", "load", "mock-upstream.ts");
  const { port } = await start([process.execPath, mock], { core: "load", reportsOn: "stdout" });
  const served = await serveSound(folder, `http://127.0.0.1:${port}`);
  for (const way of served) await measure(way, folder, 1);
  const measured: Sample[][] = [];
  for (let round = 0; round < rounds; round++) {
    const samples: Sample[] = [];
    for (const way of round % 2 === 0 ? served : served.toReversed()) {
      samples.push(await measure(way, folder, seconds));
    }
    measured.push(samples);
  }
  report(served, measured);
}

stopAllOnExit();
pinSelf();
try {
  await main();
} finally {
  closeConnections();
  stopAll();
}
