// Names what the gateway needs to know of finished runs of suites before a release is put in use.
import type { EvidenceRun } from "../../core/release/evidence.ts";

/** Finished runs of suites. */
export interface EvalEvidence {
  /**
   * The newest finished run of each of these suites on each of these digests: one for each state that the suite was in
   * (at most 1,000 in all).
   */
  latest(
    tenant: string,
    asked: { readonly agent: string; readonly digests: readonly string[]; readonly suites: readonly string[] },
  ): Promise<readonly EvidenceRun[]>;
  /** The newest finished run of each of these suites on a release by its name, whatever it resolved to: says what there is instead. */
  ofRelease(
    tenant: string,
    asked: { readonly agent: string; readonly release: string; readonly suites: readonly string[] },
  ): Promise<readonly EvidenceRun[]>;
}
