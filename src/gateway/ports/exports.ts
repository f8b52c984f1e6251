// Names what sending traces elsewhere needs from the world: a queue of what is to be sent, the sending itself, and its figures.
import type { ExportOrder } from "../../core/trace/export-order.ts";
import type { ExportEntry } from "../../core/config/export-document.ts";

/** What waits to be exported. */
export interface ExportQueue {
  /** Takes orders, delivered at least once and not before so many seconds. Throws when the queue does not take them. */
  send(orders: readonly ExportOrder[], delaySeconds?: number): Promise<void>;
}

/** What became of one request to an exporter. */
export type ExportAnswer =
  /** Taken; `rejected` spans of it were not, for `reason`. */
  | { readonly type: "taken"; readonly rejected: number; readonly reason: string }
  /** May be sent again, after so many milliseconds where the exporter named a time. */
  | { readonly type: "later"; readonly reason: string; readonly retryAfterMs: number | null }
  /** Must not be sent again. */
  | { readonly type: "refused"; readonly reason: string };

/** One request to an exporter. */
export interface ExportRequest {
  readonly tenant: string;
  readonly entry: ExportEntry;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly allowedHosts: readonly string[];
}

/** Sends OTLP over HTTP: one attempt each. Never throws. */
export interface Exporter {
  send(request: ExportRequest): Promise<ExportAnswer>;
}

/** What an exporter has come to, in spans. */
export interface ExportFigures {
  readonly exporter: string;
  readonly sent: number;
  /** Spans that the exporter did not take, and those that could not be sent in time. */
  readonly failed: number;
  /** Why the last one failed; `null` when none has. */
  readonly last_failure: string | null;
  /** Epoch milliseconds of the last change. */
  readonly changed_at: number;
}

/** Counts of exports. */
export interface ExportLedger {
  add(
    tenant: string,
    exporter: string,
    counted: { readonly sent: number; readonly failed: number; readonly failure: string | null; readonly at: number },
  ): Promise<void>;
  list(tenant: string): Promise<readonly ExportFigures[]>;
}
