// Sequences the making of an audit segment: acts chained behind a tail, signed, and stored before anything refers to them.
import { auditActsOf } from "../core/audit/acts-of-record.ts";
import { chained } from "../core/audit/chain.ts";
import { auditLine } from "../core/audit/lines.ts";
import type { TraceRecord } from "../core/trace/record.ts";
import type { Ports } from "./ports.ts";
import type { AuditSegment } from "./ports/audit.ts";

/**
 * The segment of what these records tell, behind the end of their tenant's chain, its lines stored; `undefined` when
 * they tell of no act. It is part of the chain once its row is inserted, in the transaction that stores the records:
 * until then its object is litter that nobody reads. Where another consumer appends first, the row's key is taken, and
 * the segment of what is still new is made again.
 */
export async function auditSegment(
  ports: Pick<Ports, "audit" | "auditSigner" | "system">,
  tenant: string,
  records: readonly TraceRecord[],
): Promise<AuditSegment | undefined> {
  const acts = records.flatMap(auditActsOf);
  if (acts.length === 0) return undefined;
  const tail = await ports.audit.tail(tenant);
  const entries = chained(tail, acts);
  const last = entries.at(-1);
  if (last === undefined) return undefined;
  const signed = await ports.auditSigner.sign({
    v: 1,
    tenant,
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
  const times = acts.map(({ at }) => at);
  return { signed, firstAt: Math.min(...times), lastAt: Math.max(...times) };
}
