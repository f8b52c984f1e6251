// Consumes the trace queue: one segment per tenant and batch, one transaction for its rows, each message acknowledged once all of it is stored, whatever fails of others.
import { recordKey } from "../core/trace/record.ts";
import type { Ports } from "../gateway/ports.ts";
import type { StoredRecord } from "../gateway/ports/trace-store.ts";
import { announceExports } from "./announce-exports.ts";
import { lettersOf, readMessage, type ReadMessage, type TraceMessage } from "./trace-lines.ts";

/** What storing a batch needs. */
export type StorePorts = Pick<Ports, "index" | "segments" | "admissions" | "deadLetters" | "configs" | "exportQueue">;

/** Messages of which something is not stored, and why. */
export type NotStored = ReadonlyMap<TraceMessage, unknown>;

/**
 * Stores a batch. A message counts as taken only when its segment, its rows and its statements are stored; otherwise it
 * comes again, and what is stored twice is stored once. A tenant's failure brings back no message of another. Lines that
 * are nothing of ours are parked with the dead letters.
 */
export async function indexTraces(ports: StorePorts, messages: readonly TraceMessage[]): Promise<void> {
  const failed = await storeMessages(ports, messages);
  for (const message of messages) {
    if (failed.has(message)) message.retry();
    else message.ack();
  }
  for (const [error, group] of Map.groupBy(failed.keys(), (message) => failed.get(message)))
    reportFailure("trace_batch_failed", group.length, error);
}

/**
 * Stores everything that messages say, tenant by tenant, orders its export, and acknowledges none. Answers the messages
 * of which something is not stored. With `isRepeat` all of them have come before.
 */
export async function storeMessages(
  ports: StorePorts,
  messages: readonly TraceMessage[],
  { isRepeat = false }: { readonly isRepeat?: boolean } = {},
): Promise<NotStored> {
  const read = messages.map(readMessage);
  const failed = new Map<TraceMessage, unknown>();
  const toExport = new Map<string, readonly StoredRecord[]>();
  const before = read.filter(({ message }) => isRepeat || message.attempts > 1);
  const repeated = new Set(before.flatMap(({ records }) => records.map(recordKey)));
  for (const tenant of new Set(read.flatMap(tenantsOf))) {
    const own = read.map((each) => partOf(each, tenant));
    await failing(own, failed, async () => {
      toExport.set(tenant, await store(ports, tenant, { read: own, repeated }));
    });
  }
  for (const each of read) await failing([each], failed, () => parkPoison(ports, each));
  // What comes again is exported when it does: ordered now as well, it would be sent twice.
  const whole = new Set(read.flatMap((each) => (failed.has(each.message) ? [] : each.records.map(recordKey))));
  for (const [tenant, stored] of toExport) {
    const own = read.map((each) => partOf(each, tenant));
    const taken = stored.filter(({ record }) => whole.has(recordKey(record)));
    await failing(own, failed, () => announceExports(ports, tenant, taken));
  }
  return failed;
}

/** Does a piece of work; where it fails, so have the messages that it was for. */
async function failing(
  read: readonly ReadMessage[],
  failed: Map<TraceMessage, unknown>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    for (const { message, records, statements, poison } of read)
      if (records.length + statements.length + poison.length > 0) failed.set(message, error);
  }
}

/** The tenants that a message's records and statements are of. */
function tenantsOf({ records, statements }: ReadMessage): readonly string[] {
  return [...records.map(({ index }) => index.tenant), ...statements.map(({ tenant }) => tenant)];
}

/** What a message says of one tenant. */
function partOf({ message, records, statements }: ReadMessage, tenant: string): ReadMessage {
  return {
    message,
    records: records.filter(({ index }) => index.tenant === tenant),
    statements: statements.filter((statement) => statement.tenant === tenant),
    poison: [],
  };
}

/**
 * Stores a tenant's records and statements; answers the records that are to be exported: the new ones, and those of a
 * message that has come before, for the order of their export may have been lost with it.
 */
async function store(
  ports: StorePorts,
  tenant: string,
  { read, repeated }: { readonly read: readonly ReadMessage[]; readonly repeated: ReadonlySet<string> },
): Promise<readonly StoredRecord[]> {
  const statements = read.flatMap((each) => each.statements);
  const group = [
    ...new Map(read.flatMap(({ records }) => records.map((each) => [recordKey(each), each] as const))).values(),
  ];
  let toExport: readonly StoredRecord[] = [];
  if (group.length > 0) {
    const segment = await ports.segments.put(
      tenant,
      group.map((record) => JSON.stringify(record)),
    );
    const stored = group.map((record, line) => ({ record, segment, line }));
    const added = new Set((await ports.index.insert(tenant, stored)).map(({ record }) => recordKey(record)));
    toExport = stored.filter(({ record }) => added.has(recordKey(record)) || repeated.has(recordKey(record)));
  }
  if (statements.length > 0) await ports.admissions.insert(statements);
  return toExport;
}

async function parkPoison({ deadLetters }: StorePorts, { message, poison }: ReadMessage): Promise<void> {
  const letters = lettersOf(message, "not_a_record", poison);
  if (letters.length === 0) return;
  await Promise.all(letters.map((letter) => deadLetters.park(letter)));
  console.error(JSON.stringify({ event: "trace_lines_parked", letters: letters.length }));
}

/** Says in the log that messages were not stored, and why, without a word of what is in them. */
export function reportFailure(event: string, messages: number, error: unknown): void {
  console.error(JSON.stringify({ event, messages, reason: error instanceof Error ? error.name : "unknown" }));
}
