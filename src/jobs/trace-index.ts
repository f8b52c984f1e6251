// Consumes the trace queue: one segment per tenant and batch, one transaction for its rows, each message acknowledged once all of it is stored.
import { recordKey, type TraceRecord } from "../core/trace/record.ts";
import type { Ports } from "../gateway/ports.ts";
import { lettersOf, readMessage, type ReadMessage, type TraceMessage } from "./trace-lines.ts";

/** What storing a batch needs. */
export type StorePorts = Pick<Ports, "index" | "segments" | "admissions" | "deadLetters">;

/**
 * Stores a batch. A message counts as taken only when its segment, its rows and its statements are stored; otherwise it
 * comes again, and what is stored twice is stored once. Lines that are nothing of ours are parked with the dead letters.
 */
export async function indexTraces(ports: StorePorts, messages: readonly TraceMessage[]): Promise<void> {
  try {
    await storeMessages(ports, messages);
    for (const message of messages) message.ack();
  } catch (error) {
    reportFailure("trace_batch_failed", messages.length, error);
    for (const message of messages) message.retry();
  }
}

/** Stores everything that messages say, and acknowledges none. Throws when anything of it is not stored. */
export async function storeMessages(ports: StorePorts, messages: readonly TraceMessage[]): Promise<void> {
  const read = messages.map(readMessage);
  const records = new Map(read.flatMap((each) => each.records.map((record) => [recordKey(record), record] as const)));
  const byTenant = Map.groupBy(records.values(), (record) => record.index.tenant);
  for (const [tenant, group] of byTenant) await store(ports, tenant, group);
  const statements = read.flatMap((each) => each.statements);
  if (statements.length > 0) await ports.admissions.insert(statements);
  await parkPoison(ports, read);
}

async function store(ports: StorePorts, tenant: string, records: readonly TraceRecord[]): Promise<void> {
  const segment = await ports.segments.put(
    tenant,
    records.map((record) => JSON.stringify(record)),
  );
  await ports.index.insert(
    tenant,
    records.map((record, line) => ({ record, segment, line })),
  );
}

async function parkPoison({ deadLetters }: StorePorts, read: readonly ReadMessage[]): Promise<void> {
  const letters = read.flatMap(({ message, poison }) => lettersOf(message, "not_a_record", poison));
  if (letters.length === 0) return;
  await Promise.all(letters.map((letter) => deadLetters.park(letter)));
  console.error(JSON.stringify({ event: "trace_lines_parked", letters: letters.length }));
}

/** Says in the log that messages were not stored, and why, without a word of what is in them. */
export function reportFailure(event: string, messages: number, error: unknown): void {
  console.error(JSON.stringify({ event, messages, reason: error instanceof Error ? error.name : "unknown" }));
}
