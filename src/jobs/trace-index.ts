// Consumes the trace queue: one segment per tenant and batch, one index row per record, each message acknowledged once both are stored.
import { auditActsOf } from "../core/audit/acts-of-record.ts";
import { readRecord } from "../core/trace/read-record.ts";
import { recordKey, type TraceRecord } from "../core/trace/record.ts";
import { auditSegment } from "../gateway/append-audit.ts";
import type { Ports } from "../gateway/ports.ts";

type StorePorts = Pick<Ports, "index" | "segments" | "audit" | "auditSigner" | "system">;

/** A queue message as its consumer sees it. */
export interface TraceMessage {
  readonly body: unknown;
  ack(): void;
  retry(): void;
}

/**
 * Stores a batch. A message counts as taken only when its segment and its rows are stored; otherwise it comes again,
 * and rows stored twice are stored once. Lines that are no records are counted and dropped.
 */
export async function indexTraces(ports: StorePorts, messages: readonly TraceMessage[]): Promise<void> {
  const read = messages.map((message) => ({ message, records: recordsOf(message.body) }));
  const records = new Map(read.flatMap((each) => each.records.map((record) => [recordKey(record), record] as const)));
  try {
    const byTenant = Map.groupBy(records.values(), (record) => record.index.tenant);
    for (const [tenant, group] of byTenant) await store(ports, tenant, group);
    for (const { message } of read) message.ack();
  } catch (error) {
    console.error(
      JSON.stringify({
        event: "trace_batch_failed",
        messages: messages.length,
        reason: error instanceof Error ? error.name : "unknown",
      }),
    );
    for (const { message } of read) message.retry();
  }
}

/** Times that a batch is built, when others append to the same chain. */
const MAX_TRIES = 8;

/**
 * Stores one tenant's records. The end of its audit chain is read before it is asked which records are new: had another
 * consumer stored one of them in between, it would have appended as well, and this batch would be built again.
 */
async function store(ports: StorePorts, tenant: string, records: readonly TraceRecord[]): Promise<void> {
  const segment = await ports.segments.put(
    tenant,
    records.map((record) => JSON.stringify(record)),
  );
  const rows = records.map((record, line) => ({ ...record.index, segment, line }));
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const tail = await ports.audit.tail(tenant);
    const known = await ports.index.known(
      tenant,
      records.map((record) => record.index),
    );
    const acts = records.filter((record) => !known.has(recordKey(record))).flatMap(auditActsOf);
    const audit = await auditSegment(ports, tail, acts);
    if (await ports.index.insert(rows, audit)) return;
  }
  throw new Error("others kept appending to the audit chain");
}

function recordsOf(body: unknown): readonly TraceRecord[] {
  const lines = (typeof body === "string" ? body : "").split("\n").filter((line) => line !== "");
  const records = lines.flatMap((line) => readRecord(line) ?? []);
  if (records.length < lines.length || lines.length === 0) {
    console.error(JSON.stringify({ event: "trace_lines_dropped", count: Math.max(1, lines.length - records.length) }));
  }
  return records;
}
