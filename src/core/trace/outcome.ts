// Decides what may be reported of how a trace turned out, and how a report stands in the store.

/** What a trace can have come to. */
export const OUTCOMES = ["resolved", "escalated", "overridden", "refunded", "complaint"] as const;

/** One of them. */
export type OutcomeName = (typeof OUTCOMES)[number];

/** One report. Times are epoch milliseconds. */
export interface ReportedOutcome {
  readonly tenant: string;
  readonly trace_hex: string;
  /** Named by whoever reports it, or by us. */
  readonly id: string;
  readonly outcome: OutcomeName | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly scores: Readonly<Record<string, number>>;
  /** Masked. */
  readonly comment: string | null;
  /** Where it was learnt, such as a ticket system. */
  readonly source: string | null;
  /** When it came about, and when it was reported. */
  readonly at: number;
  readonly recorded_at: number;
  /** The id of the key. */
  readonly recorded_by: string;
  /** Of what was sent: the same id with another body is another report. */
  readonly digest: string;
}
