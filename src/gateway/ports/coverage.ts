// Names what accounting for every admitted call needs from the world: what ledgers stated, and where undeliverable messages lie.
import type { AdmissionStatement } from "../../core/trace/admissions.ts";
import type { HourFacts } from "../../core/trace/coverage.ts";

/** What ledgers stated, against what is recorded. */
export interface Admissions {
  /** Keeps statements; one that is there already stays as it was. */
  insert(statements: readonly AdmissionStatement[]): Promise<void>;
  /**
   * What is known of one hour, named by its start in epoch milliseconds. A call counts as recorded when the index has a
   * record of its session and number, the ledger's own of an expired hold included; a repeat's record does not count.
   */
  hour(tenant: string, hour: number): Promise<HourFacts>;
}

/** Lines of the trace queue that could not be stored. `tenant` is `null` for lines that name none. */
export interface DeadLetter {
  readonly tenant: string | null;
  /** The lines, as they came. */
  readonly text: string;
  /** Why they could not be stored: `store_failed`, or `not_a_record`. */
  readonly reason: DeadLetterReason;
  /** When their message was first sent, in epoch milliseconds. */
  readonly sentAt: number;
}

/** Why lines could not be stored. */
export type DeadLetterReason = "store_failed" | "not_a_record";

/** A parked letter as a listing shows it. Times are epoch milliseconds. */
export interface ParkedLetter {
  readonly id: string;
  readonly tenant: string | null;
  readonly reason: string;
  readonly lines: number;
  readonly bytes: number;
  readonly sentAt: number;
  readonly parkedAt: number;
}

/** Where letters are parked until somebody sends them again. */
export interface DeadLetters {
  /** Parks a letter; the same one again is parked once. */
  park(letter: DeadLetter): Promise<void>;
  /** Parked letters of a tenant, or of all and of none for `undefined`, oldest first within a tenant. */
  list(
    tenant: string | undefined,
    page: { readonly cursor?: string; readonly limit: number },
  ): Promise<{ readonly letters: readonly ParkedLetter[]; readonly nextCursor: string | null }>;
  /** Sends a letter back to the trace queue, and forgets it once that has taken it. `false` when it is not there. */
  redrive(id: string): Promise<boolean>;
  /** Takes the lines for which this answers true out of a tenant's letters; answers how many. */
  drop(tenant: string, isDropped: (line: string) => boolean): Promise<number>;
}

/** What accounting for every call needs. */
export interface Accounting {
  readonly admissions: Admissions;
  readonly deadLetters: DeadLetters;
}
