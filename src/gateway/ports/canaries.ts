// Names what watching a canary needs from the world: figures of sessions by release, and what earlier looks found.
import type { ArmFigures, CanaryLook } from "../../core/eval/canary/compare-arms.ts";

/** Which sessions are looked at. Times are epoch milliseconds. */
export interface ArmQuestion {
  readonly releases: readonly [string, string];
  readonly from: number;
  /** Sessions whose last call began after this are still at work, and left out. */
  readonly to: number;
  /** Outcomes that count as good. */
  readonly good: readonly string[];
}

/** A canary that is or was watched. */
export interface WatchRow {
  readonly tenant: string;
  readonly agent: string;
  readonly generation: number;
  readonly release: string;
  readonly live: string;
  readonly status: "watching" | "worse" | "ended";
  readonly startedAt: number;
  readonly lookedAt: number;
  readonly evidence: CanaryLook;
}

/** Canaries as they are watched. */
export interface Canaries {
  /** The sums of both releases' sessions; sessions that had calls of both, or that began earlier, are left out. */
  figures(tenant: string, question: ArmQuestion): Promise<readonly [ArmFigures, ArmFigures]>;
  /** The newest first. */
  watches(tenant: string, agent: string, limit: number): Promise<readonly WatchRow[]>;
  keep(row: WatchRow): Promise<void>;
}
