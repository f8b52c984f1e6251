// Decides what a run of a suite is, what is stored of each of its cases, and how far it is.
import type { JudgeEntry, SuiteEntry } from "../config/eval-document.ts";
import type { Episode, EpisodeFigures, EpisodeStatus } from "./episode.ts";
import type { Grade } from "./grade.ts";
import type { Risk } from "./case.ts";
import type { EvalSide } from "./side.ts";

/** The verdicts of a gate, and the one of a run that could not be carried out. */
export const VERDICTS = ["SHIP", "BLOCK", "INCONCLUSIVE", "ERROR"] as const;
/** One of them. */
export type Verdict = (typeof VERDICTS)[number];

/** Where a run stands. */
export const RUN_STATUSES = ["running", "finished", "cancelled"] as const;
/** Where a run stands. */
export type RunStatus = (typeof RUN_STATUSES)[number];

/** Who began a run. */
export const TRIGGERS = ["api", "cron"] as const;
/** Who began a run. */
export type Trigger = (typeof TRIGGERS)[number];

/** A run as it is listed. Times are epoch milliseconds, money is micro-USD. */
export interface EvalRun {
  readonly tenant: string;
  readonly id: string;
  readonly suite: string;
  readonly agent: string;
  readonly dataset: string;
  readonly version: number;
  readonly mode: SuiteEntry["mode"];
  readonly trigger: Trigger;
  /** The id of the key; `gateway` for a scheduled one. */
  readonly requestedBy: string;
  readonly reason: string | null;
  readonly createdAt: number;
  readonly finishedAt: number | null;
  readonly status: RunStatus;
  readonly verdict: Verdict | null;
  /** What was tested, in words. */
  readonly candidate: string;
  readonly candidateDigest: string;
  readonly baseline: string;
  /** `null` for what was recorded. */
  readonly baselineDigest: string | null;
  readonly suiteDigest: string;
  readonly cases: number;
  readonly budgetMicroUsd: number;
  readonly movedAt: number;
}

/** What a run needs from its beginning to its end, whatever is published meanwhile. */
export interface RunPlan {
  readonly suite: SuiteEntry;
  readonly judges: Readonly<Record<string, JudgeEntry>>;
  readonly candidate: EvalSide;
  /** `null`: what was recorded. */
  readonly baseline: EvalSide | null;
  /** The release of the agent that was to be tested, where a release was: what a block may take back. */
  readonly release: string | null;
}

/** How far a run is. */
export interface RunProgress {
  readonly waiting: number;
  readonly running: number;
  readonly done: number;
  /** Of what is done, and the most that what is running may cost. */
  readonly spentMicroUsd: number;
  readonly heldMicroUsd: number;
}

/** One run of a case by one side, as it is compared. */
export interface RepeatResult {
  readonly status: EpisodeStatus;
  readonly why: string | null;
  readonly figures: EpisodeFigures;
  /** By grader; `null` where it does not apply or could not tell. */
  readonly values: Readonly<Record<string, number | null>>;
  /** Graders that could not tell, and why. */
  readonly errors: Readonly<Record<string, string>>;
  /** What judges said, by grader: the label, and how far their samples disagreed. */
  readonly judged?: Readonly<Record<string, { readonly label: string; readonly disagreement: number }>>;
}

/** What came of a case: every run of it by each side. */
export interface CaseResult {
  readonly candidate: readonly RepeatResult[];
  readonly baseline: readonly RepeatResult[];
  /** Why it could not be run at all; `null` for one that was. */
  readonly lost: string | null;
}

/** A finished case with what it is compared by. */
export interface FinishedCase {
  readonly id: string;
  readonly cluster: string;
  readonly tags: readonly string[];
  readonly risk: Risk;
  readonly result: CaseResult;
  /** Where its episodes lie; `null` once they were erased. */
  readonly episodes: string | null;
}

/** One run of a case with everything that was said, for people. */
export interface GradedRepeat {
  readonly episodes: readonly Episode[];
  readonly grades: readonly (readonly Grade[])[];
}

/** Both sides of a case, whole. */
export interface GradedCase {
  readonly candidate: readonly GradedRepeat[];
  readonly baseline: readonly GradedRepeat[];
}
