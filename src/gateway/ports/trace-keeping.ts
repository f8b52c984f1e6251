// Names what ending the life of records needs from the world: rows that are too old, rows of one subject, and erasures themselves.
import type { AdmittedEntry } from "../../core/trace/erased-admissions.ts";
import type {
  Erasure,
  ErasureProgress,
  ErasureReceipt,
  ErasureStatus,
  ErasureSubject,
} from "../../core/trace/erasure.ts";
import type { JoinedOutcome } from "../../core/trace/export-columns.ts";
import type { IndexRow } from "../../core/trace/record.ts";

/** A row of the index with its number. */
export interface NumberedRow {
  readonly id: string;
  readonly index: IndexRow;
}

/** One kind of row that ages. */
export type AgeingRows = "calls" | "admissions" | "outcomes" | "rollups";

/** What one transaction of an erasure takes away. */
export interface ErasedRows {
  /** Numbers of index rows, at most 500. */
  readonly ids: readonly string[];
  /** Traces whose outcomes go. */
  readonly traces: readonly string[];
  /** Tool calls whose lines in the list of calls and in the inbox go. */
  readonly calls: readonly string[];
}

/** Rows of the trace plane, found to be deleted. */
export interface TraceKeeping {
  /** Deletes rows of one kind that are older than an instant, the oldest first, at most 500; answers how many. */
  removeBefore(tenant: string, rows: AgeingRows, before: number): Promise<number>;
  /** Rows that name a subject and began before an instant, oldest first. */
  rowsOf(
    tenant: string,
    subject: ErasureSubject,
    bound: { readonly before: number; readonly limit: number },
  ): Promise<readonly NumberedRow[]>;
  /** Every row of these traces and tool calls that began before an instant, at most 5,000. */
  related(
    tenant: string,
    names: { readonly traces: readonly string[]; readonly calls: readonly string[] },
    before: number,
  ): Promise<readonly NumberedRow[]>;
  /** The row of each of these records that has one. */
  rowsNamed(tenant: string, records: readonly IndexRow[]): Promise<readonly NumberedRow[]>;
  /** The latest outcome that was reported of each of these traces, by trace. */
  latestOutcomes(tenant: string, traces: readonly string[]): Promise<ReadonlyMap<string, JoinedOutcome>>;
  /** Whether a session has rows beside these. */
  hasOthers(tenant: string, session: string, besides: readonly string[]): Promise<boolean>;
  /** Deletes rows in one transaction; answers how many of each kind. */
  erase(
    tenant: string,
    rows: ErasedRows,
  ): Promise<{ readonly rows: number; readonly outcomes: number; readonly calls: number; readonly approvals: number }>;
  /** Ids of tool calls in the list of calls that were made before an instant, of a session or of all, after an id, in order. */
  callsListed(
    tenant: string,
    asked: { readonly session: string | null; readonly before: number; readonly after: string; readonly limit: number },
  ): Promise<readonly string[]>;
  /**
   * Takes the names of erased calls out of what ledgers stated, so that each still counts as admitted and stored; with
   * `isRenamed` the sessions' names too. For `null` in place of sessions: 200 statements of any that has its name.
   * Answers how many statements were changed.
   */
  eraseAdmissions(
    tenant: string,
    asked: { readonly sessions: readonly string[] | null; readonly before: number; readonly isRenamed: boolean },
    isErased: (entry: AdmittedEntry) => boolean,
  ): Promise<number>;
  /**
   * Rewrites a part of the full-text index, so that the words of deleted rows are no longer in its pages; answers whether
   * nothing is left to rewrite.
   */
  compact(): Promise<boolean>;
}

/** Erasures, each with its receipt. */
export interface Erasures {
  create(erasure: Erasure): Promise<void>;
  get(tenant: string, id: string): Promise<Erasure | undefined>;
  /** Newest first, at most 200. */
  list(tenant: string): Promise<readonly Erasure[]>;
  /** Those that have work to do at this instant, of every tenant, oldest first. */
  due(now: number, limit: number): Promise<readonly Erasure[]>;
  /** Stores how far one is, unless another has stored that since it was read; answers whether it was stored. */
  save(
    was: Erasure,
    next: {
      readonly status: ErasureStatus;
      readonly subject: string | null;
      readonly finishedAt: number | null;
      readonly progress: ErasureProgress;
      readonly receipt: ErasureReceipt;
    },
  ): Promise<boolean>;
}
