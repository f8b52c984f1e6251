// What one run writes down, before anything is averaged.
import type { LoadName } from "../load/loads.ts";
import type { LoadResult } from "../load/generator.ts";

/** One spell of load on one target. Compare only with samples of the same round. */
export interface LoadSample extends LoadResult {
  readonly round: number;
  readonly target: string;
  readonly load: LoadName;
  readonly connections: number;
  /** CPU of the target's whole process tree, trailing work included, per request. */
  readonly cpuUs: number;
}

/** Streams read one after another from one target in one round. */
export interface FirstByteSample {
  readonly round: number;
  readonly target: string;
  readonly load: LoadName;
  readonly firstByteMs: readonly number[];
  readonly totalMs: readonly number[];
  /** Fewest separate pieces a stream arrived in. */
  readonly fewestPieces: number;
}

export interface Samples {
  readonly load: LoadSample[];
  readonly firstByte: FirstByteSample[];
  /** Everything that was not as it should be; a run with any of these fails. */
  readonly problems: string[];
  roundsDone: number;
}
