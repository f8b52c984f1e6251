// Names what people's words on judgements need from the world: audits, and what judges were calibrated to.
import type { Audit, AuditStatus } from "../../core/eval/audit/audit.ts";
import type { Calibration } from "../../core/eval/judge/calibration.ts";
import type { SettledPair } from "../../core/eval/judge/settled-pair.ts";

/** Audits and calibrations. */
export interface EvalPeople {
  /** Adds audits; one that is there already stays as it is. */
  ask(audits: readonly Audit[]): Promise<void>;
  /** The most urgent first; `after` is the last one of the page before. */
  list(
    tenant: string,
    page: {
      readonly status?: AuditStatus;
      readonly judge?: string;
      readonly after?: { readonly priority: number; readonly id: string };
      readonly limit: number;
    },
  ): Promise<readonly Audit[]>;
  get(tenant: string, id: string): Promise<Audit | undefined>;
  /** Keeps what became of an audit, if nobody changed it meanwhile; whether it did. */
  save(was: Audit, next: Audit): Promise<boolean>;
  /** What people settled of a judge's, newest first. */
  settled(tenant: string, judge: string, digest: string, limit: number): Promise<readonly SettledPair[]>;
  /** How many of a judge's judgements two people dispute and nobody has settled. */
  disputed(tenant: string, judge: string, digest: string): Promise<number>;
  /** Audits of a run. */
  ofRun(tenant: string, run: string, limit: number): Promise<readonly Audit[]>;
  keepCalibration(tenant: string, judge: string, calibration: Calibration): Promise<void>;
  /** The newest first. */
  calibrations(tenant: string, judge: string, limit: number): Promise<readonly Calibration[]>;
}
