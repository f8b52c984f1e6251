// Decides how completely an hour's admitted calls are recorded: which are, which are missing, and of which nothing can be said.
import { HOUR_MS, type AdmittedCall } from "./admissions.ts";

/** An admitted call and the session it belongs to. */
export interface AdmittedIn extends AdmittedCall {
  readonly session_id: string;
}

/** Numbers of a session of which its ledger cannot say whether calls had them; `recorded` of them have a record. */
export interface Uncertain {
  readonly session_id: string;
  readonly from_seq: number;
  readonly to_seq: number;
  readonly recorded: number;
}

/** What the index knows of one hour: `hour` is its start in epoch milliseconds. */
export interface HourFacts {
  readonly hour: number;
  readonly admitted: number;
  /** Every admitted call without a record, or the first of them. */
  readonly missing: readonly AdmittedIn[];
  readonly missingCount: number;
  readonly uncertain: readonly Uncertain[];
}

/** One hour's coverage. */
export interface HourCoverage extends HourFacts {
  readonly stored: number;
  /** Stored of admitted, from 0 to 1; `null` where nothing was admitted. */
  readonly coverage: number | null;
  /** Whether whatever was on its way has had the time to arrive: what is missing now is lost, or waits to be repaired. */
  readonly isSettled: boolean;
}

/**
 * How long after an hour's end its records may still be on their way, while nothing fails: the longest call (ten
 * minutes), the expiry of its hold (630 s later) and ten deliveries of a queue message, rounded up.
 */
export const SETTLED_AFTER_MS = 30 * 60_000;

/** The hours, in milliseconds, that one request may ask for. */
export const MAX_COVERAGE_MS = 48 * HOUR_MS;

/** An hour's coverage at an instant. */
export function coverageOf(facts: HourFacts, now: number): HourCoverage {
  const stored = facts.admitted - facts.missingCount;
  return {
    ...facts,
    stored,
    coverage: ratio(stored, facts.admitted),
    isSettled: now >= facts.hour + HOUR_MS + SETTLED_AFTER_MS,
  };
}

/** All hours together. */
export function totalOf(
  hours: readonly HourCoverage[],
): Pick<HourCoverage, "admitted" | "stored" | "missingCount" | "coverage" | "isSettled"> {
  const sum = (of: (hour: HourCoverage) => number): number => hours.reduce((all, hour) => all + of(hour), 0);
  const admitted = sum((hour) => hour.admitted);
  const stored = sum((hour) => hour.stored);
  return {
    admitted,
    stored,
    missingCount: admitted - stored,
    coverage: ratio(stored, admitted),
    isSettled: hours.every((hour) => hour.isSettled),
  };
}

function ratio(stored: number, admitted: number): number | null {
  return admitted === 0 ? null : stored / admitted;
}
