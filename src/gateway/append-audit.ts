// Sequences the making of an audit segment: acts chained behind a tail, signed, and stored before anything refers to them.
import { chained, type ChainTail, type SignedCheckpoint } from "../core/audit/chain.ts";
import type { AuditAct } from "../core/audit/event.ts";
import { auditLine } from "../core/audit/lines.ts";
import type { Ports } from "./ports.ts";

/**
 * The segment of these acts behind this tail, its lines stored; `undefined` when there is nothing to append. It is part
 * of the chain once its row is inserted, in the transaction that stores the records: until then its object is litter
 * that nobody reads. The tail must have been read before it was found out which records are new: whoever appended in
 * between has taken the row's key, and the batch is built again.
 */
export async function auditSegment(
  ports: Pick<Ports, "audit" | "auditSigner" | "system">,
  tail: ChainTail,
  acts: readonly AuditAct[],
): Promise<SignedCheckpoint | undefined> {
  const entries = chained(tail, acts);
  const last = entries.at(-1);
  if (last === undefined) return undefined;
  const signed = await ports.auditSigner.sign({
    v: 1,
    tenant: last.event.tenant,
    first_seq: tail.seq + 1,
    seq: last.event.seq,
    prev_hash: tail.hash,
    hash: last.hash,
    at: ports.system.now(),
  });
  await ports.audit.put(signed, [
    ...entries.map((entry) => auditLine({ type: "entry", ...entry })),
    auditLine({ type: "checkpoint", ...signed }),
  ]);
  return signed;
}
