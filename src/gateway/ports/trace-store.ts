// Names what storing and finding records needs from the world: an index, and the segments it points into.
import type { IndexRow, TraceRecord } from "../../core/trace/record.ts";

/** Filters of a trace listing. Times are epoch milliseconds. */
export interface TraceFilter {
  readonly actor?: string;
  readonly session?: string;
  readonly task?: string;
  /** The end user, as the masker leaves it. */
  readonly user?: string;
  readonly kind?: string;
  readonly release?: string;
  /** A rule that denied the call or asked for approval. */
  readonly rule?: string;
  /** What somebody reported of the call's trace. */
  readonly outcome?: string;
  /** Full-text terms (`readTerms`); all of them must occur. */
  readonly terms?: readonly string[];
  readonly tool?: string;
  readonly model?: string;
  readonly decision?: string;
  readonly status?: string;
  readonly from?: number;
  readonly to?: number;
  readonly minCostMicro?: number;
  readonly cursor?: string;
  readonly limit: number;
  /** The newest first when left out; a cursor belongs to the order it came from. */
  readonly order?: "oldest";
}

/** One page of calls in the order asked for, each with where its record lies. */
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

/** A record and where it lies. */
export interface StoredRecord {
  readonly record: TraceRecord;
  readonly segment: string;
  readonly line: number;
}

/** The queryable index of recorded calls. */
export interface TraceIndex {
  /** Adds a tenant's records, all or none of them; one that is there already stays as it was. Answers those that are new. */
  insert(tenant: string, stored: readonly StoredRecord[]): Promise<readonly StoredRecord[]>;
  list(tenant: string, filter: TraceFilter): Promise<TracePage>;
  /** Every row of a trace, oldest first. */
  ofTrace(tenant: string, traceHex: string): Promise<readonly IndexedRow[]>;
}

/** Where records lie whole: gzipped NDJSON segments, one record a line. */
export interface Segments {
  /** Stores a segment of one tenant; storing the same lines again changes nothing, also where lines of it were blanked. Answers its key. */
  put(tenant: string, lines: readonly string[]): Promise<string>;
  /** The named lines of a segment, parsed, with their offloaded bodies. */
  read(tenant: string, segment: string, lines: readonly number[]): Promise<readonly TraceRecord[]>;
  /** The UTC days (yyyy-mm-dd) on which segments of a tenant were stored, oldest first. */
  days(tenant: string): Promise<readonly string[]>;
  /**
   * Segments of one day, in order of their keys. `cursor` is that of the page before. Those that were not stored before
   * an instant (epoch milliseconds), where one is given, are left out and counted as `skipped`.
   */
  list(
    tenant: string,
    day: string,
    page: { readonly cursor: string | null; readonly limit: number; readonly storedBefore?: number },
  ): Promise<{ readonly segments: readonly string[]; readonly skipped: number; readonly cursor: string | null }>;
  /** Every record of a segment with its line, offloaded bodies left where they are; blanked lines are none. */
  scan(tenant: string, segment: string): Promise<readonly StoredRecord[]>;
  /**
   * Leaves these lines of a segment empty, so that every other line keeps its number; a segment without a line left is
   * deleted. The bodies that the lines' records refer to are deleted first. Throws when another has changed the segment
   * meanwhile. Answers what was removed.
   */
  blank(
    tenant: string,
    segment: string,
    records: readonly StoredRecord[],
  ): Promise<{ readonly lines: number; readonly payloads: number; readonly segments: number }>;
  /** Deletes segments and offloaded bodies of a tenant's days before this one, at most so many objects; answers how many. */
  removeBefore(tenant: string, day: string, limit: number): Promise<number>;
}

/** Where records are kept and found. */
export interface TraceStore {
  readonly index: TraceIndex;
  /** The index as it is written anew: what is added tells nobody else of it, for it has happened before. */
  readonly rebuilt: Pick<TraceIndex, "insert">;
  readonly segments: Segments;
}
