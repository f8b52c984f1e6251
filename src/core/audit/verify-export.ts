// Decides whether an export is a chain as it was written, from its lines alone.
import { NO_ENTRIES, type AuditKey, type SignedCheckpoint } from "./chain.ts";
import { readChain } from "./lines.ts";
import { verifyChain, type ChainReport } from "./verify.ts";

/** What is believed: whether a key signed a checkpoint, keys from elsewhere, and checkpoints kept elsewhere. */
export interface Trust {
  readonly isSigned: (signed: SignedCheckpoint, keys: readonly AuditKey[]) => boolean;
  /** The only keys that are believed; those in the export when left out. */
  readonly keys?: readonly AuditKey[];
  readonly pins?: readonly SignedCheckpoint[];
}

/** The report, and by which of which keys the checkpoints were to be signed. */
export interface ExportReport extends ChainReport {
  readonly tenant: string | null;
  readonly from_seq: number;
  /** Names of the keys that checkpoints name. */
  readonly signed_by: readonly string[];
}

/**
 * Verifies an export. Without keys from elsewhere the keys in the export are believed: that finds every change but one
 * by whoever signed it anew with a key of their own, so `signed_by` is to be compared. O(lines).
 */
export function verifyExport(lines: Iterable<string>, { isSigned, keys, pins = [] }: Trust): ExportReport {
  const read = readChain(lines);
  const signedBy = [...new Set(read.checkpoints.map(({ checkpoint }) => checkpoint.key_id))];
  if (read.start === undefined) {
    const problem = {
      seq: 1,
      kind: "removed",
      detail: "the line that says where the chain starts is missing",
    } as const;
    const problems = [problem, ...read.problems];
    return { ok: false, tenant: null, from_seq: 1, events: 0, head: NO_ENTRIES, problems, signed_by: signedBy };
  }
  const { start } = read;
  const report = verifyChain({ ...read, start, pins }, (signed) => isSigned(signed, keys ?? read.keys));
  const problems = [...read.problems, ...report.problems].toSorted((a, b) => a.seq - b.seq);
  return {
    ...report,
    ok: problems.length === 0,
    problems,
    tenant: start.tenant,
    from_seq: start.from_seq,
    signed_by: signedBy,
  };
}
