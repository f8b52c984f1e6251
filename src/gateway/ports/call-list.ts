// Names the list of tool calls: an index of what their objects own, by status.
import type { ToolCallStatus } from "../../core/state/tool-call-record.ts";

/** One line of the list. Times are epoch milliseconds. */
export interface CallLine {
  readonly id: string;
  readonly status: ToolCallStatus;
  readonly actor: string;
  readonly tool: string;
  readonly session_id: string;
  readonly task_id: string | null;
  readonly trace_id: string;
  readonly created_at: number;
  readonly changed_at: number;
}

/** What to list. */
export interface CallFilter {
  readonly status?: ToolCallStatus;
  /** Any of them; all when left out. */
  readonly actors?: readonly string[];
  readonly tool?: string;
  readonly cursor?: string;
  readonly limit: number;
}

/** The list of a tenant's tool calls. */
export interface CallList {
  /** Newest first by their creation. */
  list(
    tenant: string,
    filter: CallFilter,
  ): Promise<{ readonly lines: readonly CallLine[]; readonly nextCursor: string | null }>;
  /** Deletes lines of calls that are over and were last changed before an instant; answers how many, at most 1,000. */
  forget(tenant: string, changedBefore: number): Promise<number>;
}
