// Names everything that storing, finding and measuring records needs from the world.
import type { AuditSigner, AuditStore } from "./audit.ts";
import type { Accounting } from "./coverage.ts";
import type { Exporter, ExportLedger, ExportQueue } from "./exports.ts";
import type { MaskingKeys, RawStore } from "./masking.ts";
import type { Outcomes } from "./outcomes.ts";
import type { DriftWatch, Reports, Rollups } from "./reports.ts";
import type { Erasures, TraceKeeping } from "./trace-keeping.ts";
import type { TraceStore } from "./trace-store.ts";

/** The ports of the trace plane. */
export interface TracePlane extends TraceStore, Accounting {
  readonly audit: AuditStore;
  readonly auditSigner: AuditSigner;
  readonly outcomes: Outcomes;
  readonly reports: Reports;
  readonly rollups: Rollups;
  readonly driftWatch: DriftWatch;
  readonly masking: MaskingKeys;
  readonly raw: RawStore;
  readonly exportQueue: ExportQueue;
  readonly exporter: Exporter;
  readonly exportLedger: ExportLedger;
  readonly keeping: TraceKeeping;
  readonly erasures: Erasures;
}
