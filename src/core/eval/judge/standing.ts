// Decides whether a judge may gate at an instant, and says why not.
import type { JudgeEntry } from "../../config/eval-document.ts";
import { readDuration } from "../../units/window.ts";
import type { Calibration, JudgeStanding } from "./calibration.ts";
import { driftOf } from "./drift.ts";
import type { SettledPair } from "./settled-pair.ts";

/** What a standing rests on. */
export interface StandingGround {
  /** The last calibration of this digest; without one, the last of any. */
  readonly last: Calibration | undefined;
  /** Of the judge as it is now. */
  readonly digest: string;
  /** What people settled of it; those before the calibration take no part. */
  readonly since: readonly SettledPair[];
  /** Epoch milliseconds. */
  readonly now: number;
}

/**
 * How a judge stands: `uncalibrated` where another digest was calibrated, `expired` once the calibration is older than
 * `expires_in`, `suspended` where labels since then have drifted, else as calibrated and held against the floors of today.
 * Only a `fit` one may gate.
 */
export function standingOf(
  judge: string,
  entry: JudgeEntry,
  { last, digest, since, now }: StandingGround,
): JudgeStanding {
  const stands = (status: JudgeStanding["status"], says: string): JudgeStanding => ({
    judge,
    status,
    may_gate: status === "fit",
    says,
  });
  if (last === undefined)
    return stands("uncalibrated", "nobody has calibrated it: its grades are shown and decide nothing");
  if (last.judge_digest !== digest)
    return stands("uncalibrated", "its models, its rubric or how it is asked changed since it was calibrated");
  if (now - last.at > (readDuration(entry.expires_in) ?? 0))
    return stands("expired", `its calibration is older than ${entry.expires_in}`);
  const drift = driftOf(entry, last, since);
  if (drift !== null) return stands("suspended", drift);
  if (last.status !== "fit") return stands(last.status, last.says);
  // The floors may have been raised since.
  if (last.n < entry.min_labels) return stands("unfit", `${last.says}; it takes ${entry.min_labels} labels now`);
  if (last.kappa === null || last.kappa.lower <= entry.kappa_floor)
    return stands("unfit", `${last.says}; it takes more than ${entry.kappa_floor} now`);
  return stands("fit", last.says);
}
