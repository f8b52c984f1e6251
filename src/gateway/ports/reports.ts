// Names what reports, metrics and drift need from the world: questions to the index, the daily counts, and what was found.
import type { DriftFinding } from "../../core/drift/compare.ts";
import type { QuestionRows, Questions } from "../../core/report/questions.ts";
import type { RollupRow } from "../../core/trace/rollup.ts";

/** What a question is asked of: a tenant's calls that started within these instants (epoch milliseconds, `to` excluded). */
export interface AskedWindow {
  readonly tenant: string;
  readonly from: number;
  readonly to: number;
  /** Rows that are wanted. */
  readonly limit: number;
}

/** The ready questions. */
export interface Reports {
  ask<Name extends keyof Questions>(name: Name, window: AskedWindow): Promise<QuestionRows<Name>>;
}

/** The daily counts. They are written with the index, in its transactions. */
export interface Rollups {
  /** A tenant's rows of these days (counted from 1970-01-01, the last excluded), at most 50,000, the busiest first. */
  between(tenant: string, fromDay: number, toDay: number): Promise<readonly RollupRow[]>;
}

/** Findings of drift that people were told of, or have yet to be. */
export interface DriftWatch {
  /** Whether a week was looked at. */
  isWatched(tenant: string, week: number): Promise<boolean>;
  /** Keeps a week's findings, and that it was looked at, in one transaction; what was kept before stays. */
  keep(
    tenant: string,
    week: number,
    found: { readonly findings: readonly DriftFinding[]; readonly at: number },
  ): Promise<void>;
  /** Findings of a week that nobody was told of yet. */
  undelivered(tenant: string, week: number): Promise<readonly DriftFinding[]>;
  delivered(
    tenant: string,
    finding: { readonly week: number; readonly id: string; readonly at: number },
  ): Promise<void>;
}
