// Times the first byte of streams, read whole and one after another, and checks every frame.
import { type Load, loads } from "../load/loads.ts";
import { readStream, type StreamSample } from "../load/stream-client.ts";
import type { Target } from "../targets/target.ts";
import { setTimeout as sleep } from "node:timers/promises";
import type { Samples } from "./samples.ts";

const atOnceStreams = 25;
const pacedStreams = 3;
const staggerMs = 7;

/**
 * First the streams sent at once, target by target, then the paced ones. Those last 0.7 s each and
 * are nearly idle, so all targets read theirs side by side, begun 7 ms apart.
 */
export async function measureFirstBytes(round: number, targets: readonly Target[], samples: Samples): Promise<void> {
  for (const target of targets) {
    for (const name of ["stream", "stream-usage"] as const) {
      if (target.loads.includes(name)) {
        await series({ round, target, load: loads[name], count: atOnceStreams }, samples);
      }
    }
  }
  await Promise.all(
    targets.map(async (target, index) => {
      await sleep(index * staggerMs);
      await series({ round, target, load: loads.paced, count: pacedStreams }, samples);
    }),
  );
}

interface Series {
  readonly round: number;
  readonly target: Target;
  readonly load: Load;
  readonly count: number;
}

async function series({ round, target, load, count }: Series, samples: Samples): Promise<void> {
  const streams: StreamSample[] = [];
  try {
    // NOTE: one before the count opens the connection, which is not what is timed.
    for (let at = 0; at <= count; at++) streams.push(await readStream(target, load));
  } catch (fault) {
    const why = fault instanceof Error ? fault.message : String(fault);
    samples.problems.push(`${target.name}, round ${round}: ${why}`);
    return;
  }
  const timed = streams.slice(1);
  const fewestPieces = Math.min(...timed.map(({ pieces }) => pieces));
  if (load.name === "paced" && fewestPieces < load.frames) {
    samples.problems.push(`${target.name}: paced frames came in only ${fewestPieces} pieces`);
  }
  samples.firstByte.push({
    round,
    target: target.name,
    load: load.name,
    firstByteMs: timed.map(({ firstByteMs }) => firstByteMs),
    totalMs: timed.map(({ totalMs }) => totalMs),
    fewestPieces,
  });
}
