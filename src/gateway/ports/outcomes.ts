// Names what keeping reported outcomes of traces needs from the world.
import type { ReportedOutcome } from "../../core/trace/outcome.ts";

/** Outcomes that were reported of traces. They refer to traces by id and need not find them stored. */
export interface Outcomes {
  /** Keeps a report unless its trace has one of the same id; answers the one that is kept, durably. */
  put(reported: ReportedOutcome): Promise<ReportedOutcome>;
  /** Everything reported of these traces, in the order in which it came about; at most 1,000 of each trace. */
  outcomesOf(tenant: string, traceHexes: readonly string[]): Promise<ReadonlyMap<string, readonly ReportedOutcome[]>>;
}
