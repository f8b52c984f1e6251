// Decides how a fault in a chain is named: what kind it is, and at which entry.

/** What can be wrong with a chain. */
export const PROBLEM_KINDS = [
  "changed",
  "removed",
  "inserted",
  "reordered",
  "bad_signature",
  "bad_checkpoint",
] as const;

/** One fault, located: `seq` is the entry at which it shows, the first one of a range. */
export interface AuditProblem {
  readonly seq: number;
  readonly kind: (typeof PROBLEM_KINDS)[number];
  readonly detail: string;
}
