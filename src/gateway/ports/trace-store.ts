// Names what storing and finding records needs from the world: an index, and the segments it points into.
import type { SignedCheckpoint } from "../../core/audit/chain.ts";
import type { IndexRow, TraceRecord } from "../../core/trace/record.ts";

/** Filters of a trace listing. Times are epoch milliseconds. */
export interface TraceFilter {
  readonly actor?: string;
  readonly session?: string;
  readonly tool?: string;
  readonly model?: string;
  readonly decision?: string;
  readonly status?: string;
  readonly from?: number;
  readonly to?: number;
  readonly minCostMicro?: number;
  readonly cursor?: string;
  readonly limit: number;
}

/** One page of calls, newest first, each with where its record lies. */
export interface TracePage {
  readonly rows: readonly (IndexRow & { readonly segment: string; readonly line: number })[];
  readonly nextCursor: string | null;
}

/** An index row and where its record lies. */
export interface IndexedRow {
  readonly index: IndexRow;
  readonly segment: string;
  readonly line: number;
}

/** The queryable index of recorded calls. */
export interface TraceIndex {
  /** Which of these records are stored already, by `recordKey`. */
  known(tenant: string, rows: readonly IndexRow[]): Promise<ReadonlySet<string>>;
  /**
   * Adds rows and appends an audit segment, all in one transaction; a row that is there already stays as it was. False,
   * and nothing stored, when another consumer has appended to the chain in the meantime.
   */
  insert(
    rows: readonly (IndexRow & { readonly segment: string; readonly line: number })[],
    audit: SignedCheckpoint | undefined,
  ): Promise<boolean>;
  list(tenant: string, filter: TraceFilter): Promise<TracePage>;
  /** Every row of a trace, oldest first. */
  ofTrace(tenant: string, traceHex: string): Promise<readonly IndexedRow[]>;
}

/** Where records lie whole: gzipped NDJSON segments, one record a line. */
export interface Segments {
  /** Stores a segment of one tenant; storing the same lines again changes nothing. Answers its key. */
  put(tenant: string, lines: readonly string[]): Promise<string>;
  /** The named lines of a segment, parsed. */
  read(tenant: string, segment: string, lines: readonly number[]): Promise<readonly TraceRecord[]>;
}
