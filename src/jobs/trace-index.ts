// Consumes the trace queue: one segment per tenant and batch, one transaction for its rows, each message acknowledged once all of it is stored.
import { recordKey, type TraceRecord } from "../core/trace/record.ts";
import type { Ports } from "../gateway/ports.ts";
import type { StoredRecord } from "../gateway/ports/trace-store.ts";
import { announceExports } from "./announce-exports.ts";
import { lettersOf, readMessage, type ReadMessage, type TraceMessage } from "./trace-lines.ts";

/** What storing a batch needs. */
export type StorePorts = Pick<Ports, "index" | "segments" | "admissions" | "deadLetters" | "configs" | "exportQueue">;

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

/** Stores everything that messages say, orders its export, and acknowledges none. Throws when anything of it is not stored. */
export async function storeMessages(ports: StorePorts, messages: readonly TraceMessage[]): Promise<void> {
  const read = messages.map(readMessage);
  const records = new Map(read.flatMap((each) => each.records.map((record) => [recordKey(record), record] as const)));
  const byTenant = Map.groupBy(records.values(), (record) => record.index.tenant);
  const repeated = new Set(
    read.filter(({ message }) => message.attempts > 1).flatMap((each) => each.records.map(recordKey)),
  );
  const toExport = new Map<string, readonly StoredRecord[]>();
  for (const [tenant, group] of byTenant) toExport.set(tenant, await store(ports, tenant, { group, repeated }));
  const statements = read.flatMap((each) => each.statements);
  if (statements.length > 0) await ports.admissions.insert(statements);
  await parkPoison(ports, read);
  for (const [tenant, stored] of toExport) await announceExports(ports, tenant, stored);
}

/**
 * Stores a tenant's records; answers those that are to be exported: the new ones, and those of a message that has come
 * before, for the order of their export may have been lost with it.
 */
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
