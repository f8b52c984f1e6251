// Consumes the trace queue: one segment per tenant and batch, one index row per record, each message acknowledged once both are stored.
import { readRecord } from "../core/trace/read-record.ts";
import { recordKey, type TraceRecord } from "../core/trace/record.ts";
import type { Ports } from "../gateway/ports.ts";

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
export async function indexTraces(
  ports: Pick<Ports, "index" | "segments">,
  messages: readonly TraceMessage[],
): Promise<void> {
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

async function store(
  ports: Pick<Ports, "index" | "segments">,
  tenant: string,
  records: readonly TraceRecord[],
): Promise<void> {
  const segment = await ports.segments.put(
    tenant,
    records.map((record) => JSON.stringify(record)),
  );
  await ports.index.insert(
    tenant,
    records.map((record, line) => ({ record, segment, line })),
  );
}

function recordsOf(body: unknown): readonly TraceRecord[] {
  const lines = (typeof body === "string" ? body : "").split("\n").filter((line) => line !== "");
  const records = lines.flatMap((line) => readRecord(line) ?? []);
  if (records.length < lines.length || lines.length === 0) {
    console.error(JSON.stringify({ event: "trace_lines_dropped", count: Math.max(1, lines.length - records.length) }));
  }
  return records;
}
