// Names what an explanation asks of whoever keeps reported outcomes.

/** One report, as far as an explanation tells it. `at` is epoch milliseconds. */
export interface ToldOutcome {
  readonly id: string;
  readonly outcome: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly scores: Readonly<Record<string, number>>;
  readonly source: string | null;
  readonly at: number;
  readonly recorded_by: string;
}

/** What was reported of traces after they were over. */
export interface LaterOutcomes {
  /** By trace, each list in the order in which it came about. */
  outcomesOf(tenant: string, traceHexes: readonly string[]): Promise<ReadonlyMap<string, readonly ToldOutcome[]>>;
}
