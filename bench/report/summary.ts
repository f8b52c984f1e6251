// Turns the samples of a run into medians, and into ratios to the bare Worker of the same round.
import type { LoadName } from "../load/loads.ts";
import type { FirstByteSample, LoadSample, Samples } from "../measure/samples.ts";

/** A value with its ratio to the bare Worker: the median over rounds of the ratio within a round. */
export interface Compared {
  readonly value: number;
  readonly ratio: number | null;
}

export interface LoadRow {
  readonly target: string;
  readonly load: LoadName;
  readonly connections: number;
  readonly rps: Compared;
  readonly cpuUs: Compared;
  readonly p50Ms: Compared;
  readonly p99Ms: Compared;
  readonly failures: number;
}

export interface FirstByteRow {
  readonly target: string;
  readonly load: LoadName;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Median over rounds of this target's p50 less that of the direct row; null without one. */
  readonly addedMs: number | null;
  readonly streams: number;
  readonly fewestPieces: number;
}

export interface Summary {
  readonly load: readonly LoadRow[];
  readonly firstByte: readonly FirstByteRow[];
}

/** The middle value, or the mean of the two middle ones; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const high = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const low = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (low + high) / 2;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
  return sorted[at] ?? Number.NaN;
}

/** Summarises a run; rows come in the order of `targets`, load by load. */
export function summarise(samples: Samples, targets: readonly string[]): Summary {
  const loadRows = groups(samples.load, (sample) => `${sample.connections} ${sample.load}`).flatMap((group) =>
    targets.flatMap((target) => {
      const own = group.filter((sample) => sample.target === target);
      return own.length === 0 ? [] : [loadRow(own, group)];
    }),
  );
  const firstByteRows = groups(samples.firstByte, (sample) => sample.load).flatMap((group) =>
    targets.flatMap((target) => {
      const own = group.filter((sample) => sample.target === target);
      return own.length === 0 ? [] : [firstByteRow(own, group)];
    }),
  );
  return { load: loadRows, firstByte: firstByteRows };
}

function groups<T>(items: readonly T[], keyOf: (item: T) => string): readonly (readonly T[])[] {
  return [...Map.groupBy(items, keyOf).values()];
}

function loadRow(own: readonly LoadSample[], group: readonly LoadSample[]): LoadRow {
  const [first] = own;
  if (first === undefined) throw new Error("a row needs a sample");
  const compare = (of: (sample: LoadSample) => number): Compared => {
    const ratios = own.flatMap((sample) => {
      const bare = group.find(({ target, round }) => target === "bare" && round === sample.round);
      return bare === undefined ? [] : [of(sample) / of(bare)];
    });
    return { value: median(own.map(of)), ratio: ratios.length === 0 ? null : median(ratios) };
  };
  return {
    target: first.target,
    load: first.load,
    connections: first.connections,
    rps: compare((sample) => sample.requests / sample.seconds),
    cpuUs: compare((sample) => sample.cpuUs),
    p50Ms: compare((sample) => sample.p50Ms),
    p99Ms: compare((sample) => sample.p99Ms),
    failures: own.reduce((sum, sample) => sum + sample.failures, 0),
  };
}

function firstByteRow(own: readonly FirstByteSample[], group: readonly FirstByteSample[]): FirstByteRow {
  const [first] = own;
  if (first === undefined) throw new Error("a row needs a sample");
  const all = own.flatMap((sample) => sample.firstByteMs);
  const added = own.flatMap((sample) => {
    const direct = group.find(({ target, round }) => target === "direct" && round === sample.round);
    return direct === undefined ? [] : [median(sample.firstByteMs) - median(direct.firstByteMs)];
  });
  return {
    target: first.target,
    load: first.load,
    p50Ms: median(all),
    p99Ms: percentile(all, 0.99),
    addedMs: added.length === 0 ? null : median(added),
    streams: all.length,
    fewestPieces: Math.min(...own.map(({ fewestPieces }) => fewestPieces)),
  };
}
