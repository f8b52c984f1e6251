// Names what watching a canary needs from the world: figures of sessions by release, and what earlier looks found.
import type { ArmFigures, CanaryLook } from "../../core/eval/canary/compare-arms.ts";

/** Which sessions are looked at. Times are epoch milliseconds. */
export interface ArmQuestion {
  /** What is live, or what is compared with; then the canary. */
  readonly releases: readonly [string, string];
  /** Calls that began from here on, and before there. */
  readonly from: number;
  readonly to: number;
  /** Sessions whose last call began after this are still at work, and left out. */
  readonly quietAt: number;
  /** Since when the canary has the weight that it has. */
  readonly drawnFrom: number;
  /** Outcomes that count as good; none where nobody asks. */
  readonly good: readonly string[];
}

/** The sums of both releases' sessions, and what was read for them. */
export interface ArmAnswer {
  readonly arms: readonly [ArmFigures, ArmFigures];
  /** Sessions that had calls of both, which are left out. */
  readonly mixed: number;
  /** Calls that were read, at most 300,000 of the tenant's model and tool calls, the oldest first. */
  readonly calls: number;
  readonly isFull: boolean;
  /** When the last of them began; `from` where there was none. */
  readonly readTo: number;
}

/** A look at a canary, with the window that it is about and what people were told of it. Times are epoch milliseconds. */
export interface KeptLook extends CanaryLook {
  /** Counted from 1. */
  readonly window: number;
  readonly from: number;
  readonly mixed: number;
  readonly calls: number;
  /** Where the next window begins: this one is full, or has lasted long enough. */
  readonly next_from: number | null;
  /** When people were told that it is worse, and that its sessions are not split as drawn. */
  readonly told_worse: number | null;
  readonly told_split: number | null;
}

/** A canary that is or was watched. */
export interface WatchRow {
  readonly tenant: string;
  readonly agent: string;
  /** The generation of the pointer with which the canary began. */
  readonly generation: number;
  readonly release: string;
  readonly live: string;
  /** `worse`: found worse, and not over. `ended`: over, whoever ended it. */
  readonly status: "watching" | "worse" | "ended";
  readonly startedAt: number;
  readonly lookedAt: number;
  readonly evidence: KeptLook;
}

/** Canaries as they are watched. */
export interface Canaries {
  /** The sums of both releases' sessions. Tool calls that name no release count with the session's. */
  figures(tenant: string, question: ArmQuestion): Promise<ArmAnswer>;
  /** The newest first. */
  watches(tenant: string, agent: string, limit: number): Promise<readonly WatchRow[]>;
  /** Keeps a row in the place of the last one of this canary. */
  keep(row: WatchRow): Promise<void>;
}
