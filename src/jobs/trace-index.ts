// Consumes the trace queue: one segment per tenant and batch, one index row per record, each message acknowledged once both are stored.
import { readRecord } from "../core/trace/read-record.ts";
import { recordKey, type TraceRecord } from "../core/trace/record.ts";
import type { Ports } from "../gateway/ports.ts";
import type { StoredRecord } from "../gateway/ports/trace-store.ts";
import { announceExports } from "./announce-exports.ts";

/** A queue message as its consumer sees it. */
export interface TraceMessage {
  readonly body: unknown;
  /** How often it has been delivered to a consumer, this time included. */
  readonly attempts: number;
  ack(): void;
  retry(): void;
}

type StorePorts = Pick<Ports, "index" | "segments" | "configs" | "exportQueue">;

/**
 * Stores a batch, then orders its export. A message counts as taken only when its segment and its rows are stored and
 * its exports are ordered; otherwise it comes again, and rows stored twice are stored once. A record that the index had
 * already is exported again only where its message has come before: the order may have been lost with it. Lines that
 * are no records are counted and dropped.
 */
export async function indexTraces(ports: StorePorts, messages: readonly TraceMessage[]): Promise<void> {
  const read = messages.map((message) => ({ message, records: recordsOf(message.body) }));
  const records = new Map(read.flatMap((each) => each.records.map((record) => [recordKey(record), record] as const)));
  const repeated = new Set(read.flatMap((each) => (each.message.attempts > 1 ? each.records.map(recordKey) : [])));
  try {
    const byTenant = Map.groupBy(records.values(), (record) => record.index.tenant);
    const toExport = new Map<string, readonly StoredRecord[]>();
    for (const [tenant, group] of byTenant) toExport.set(tenant, await store(ports, tenant, { group, repeated }));
    for (const [tenant, stored] of toExport) await announceExports(ports, tenant, stored);
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

/** Stores a tenant's records; answers those that are to be exported. */
async function store(
  ports: StorePorts,
  tenant: string,
  { group, repeated }: { readonly group: readonly TraceRecord[]; readonly repeated: ReadonlySet<string> },
): Promise<readonly StoredRecord[]> {
  const segment = await ports.segments.put(
    tenant,
    group.map((record) => JSON.stringify(record)),
  );
  const stored = group.map((record, line) => ({ record, segment, line }));
  const added = new Set((await ports.index.insert(tenant, stored)).map(({ record }) => recordKey(record)));
  return stored.filter(({ record }) => added.has(recordKey(record)) || repeated.has(recordKey(record)));
}

function recordsOf(body: unknown): readonly TraceRecord[] {
  const lines = (typeof body === "string" ? body : "").split("\n").filter((line) => line !== "");
  const records = lines.flatMap((line) => readRecord(line) ?? []);
  if (records.length < lines.length || lines.length === 0) {
    console.error(JSON.stringify({ event: "trace_lines_dropped", count: Math.max(1, lines.length - records.length) }));
  }
  return records;
}
