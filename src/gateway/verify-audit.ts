// Sequences the verification of a tenant's stored chain: a bounded stretch at a time, rows held against objects.
import { canonicalJson } from "../core/json/canonical.ts";
import { NO_ENTRIES, type AuditKey, type SignedCheckpoint } from "../core/audit/chain.ts";
import { readChain, type ChainStart } from "../core/audit/lines.ts";
import { verifyChain, type ChainReport } from "../core/audit/verify.ts";
import type { Ports } from "./ports.ts";

/** Segments read for one answer. */
const MAX_SEGMENTS = 100;

/** What one stretch came to; `next` is the entry from which the rest is verified, `null` at the chain's end. */
export interface AuditVerification extends ChainReport {
  readonly from_seq: number;
  readonly checkpoint: SignedCheckpoint | null;
  readonly next: number | null;
}

type AuditPorts = Pick<Ports, "audit" | "auditSigner">;

/**
 * Verifies the chain from the segment that holds an entry. The rows' checkpoints are held against the objects': what was
 * changed in one of the two places is found in the other. A stretch begins where the row before it ends.
 */
export async function verifyAudit(ports: AuditPorts, tenant: string, fromSeq: number): Promise<AuditVerification> {
  const [found, keys] = await Promise.all([
    ports.audit.segments(tenant, { fromSeq, limit: MAX_SEGMENTS + 1 }),
    ports.auditSigner.keys(),
  ]);
  const rows = found.slice(0, MAX_SEGMENTS);
  const start = await startOf(ports, tenant, { fromSeq, first: rows[0] });
  const lines = await Promise.all(rows.map(({ checkpoint }) => ports.audit.lines(checkpoint)));
  const read = readChain(
    lines.flatMap((each) => each ?? []),
    start,
  );
  const signed = await signedOnes(ports, [...rows, ...read.checkpoints], keys);
  const report = verifyChain({ ...read, start, pins: rows }, (each) => signed.has(canonicalJson(each)));
  const problems = [...read.problems, ...report.problems].toSorted((a, b) => a.seq - b.seq);
  return {
    ...report,
    ok: problems.length === 0,
    problems,
    from_seq: start.from_seq,
    checkpoint: rows.at(-1) ?? null,
    next: found[MAX_SEGMENTS]?.checkpoint.first_seq ?? null,
  };
}

/** Where the stretch starts: behind the row before it, or at the beginning, for nothing of a chain is ever deleted. */
async function startOf(
  { audit }: AuditPorts,
  tenant: string,
  { fromSeq, first }: { readonly fromSeq: number; readonly first: SignedCheckpoint | undefined },
): Promise<ChainStart> {
  const seq = first?.checkpoint.first_seq ?? fromSeq;
  const [before] = seq > 1 ? await audit.segmentsBefore(tenant, seq - 1, 1) : [];
  const { seq: last, hash } = before?.checkpoint ?? NO_ENTRIES;
  return { v: 1, tenant, head: null, from_seq: last + 1, prev_hash: hash };
}

/** The checkpoints that a published key has signed, as canonical JSON. */
async function signedOnes(
  { auditSigner }: AuditPorts,
  checkpoints: readonly SignedCheckpoint[],
  keys: readonly AuditKey[],
): Promise<ReadonlySet<string>> {
  const distinct = new Map(checkpoints.map((each) => [canonicalJson(each), each]));
  const verified = await Promise.all(
    [...distinct].map(async ([text, each]) => ((await auditSigner.isSigned(each, keys)) ? [text] : [])),
  );
  return new Set(verified.flat());
}
