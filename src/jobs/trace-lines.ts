// Reads a message of the trace queue: which of its lines are records, which are ledgers' statements, and which are neither.
import { readStatement, type AdmissionStatement } from "../core/trace/admissions.ts";
import { readRecord } from "../core/trace/read-record.ts";
import type { TraceRecord } from "../core/trace/record.ts";
import type { DeadLetter, DeadLetterReason } from "../gateway/ports/coverage.ts";

/** A queue message as its consumer sees it. */
export interface TraceMessage {
  readonly body: unknown;
  /** When it was first sent. */
  readonly timestamp: Date;
  /** How often it has been delivered to a consumer, this time included. */
  readonly attempts: number;
  ack(): void;
  retry(): void;
}

/** A message's lines, told apart. */
export interface ReadMessage {
  readonly message: TraceMessage;
  readonly records: readonly TraceRecord[];
  readonly statements: readonly AdmissionStatement[];
  /** Lines that are neither, as they came. */
  readonly poison: readonly string[];
}

/** Reads a message. */
export function readMessage(message: TraceMessage): ReadMessage {
  const records: TraceRecord[] = [];
  const statements: AdmissionStatement[] = [];
  const poison: string[] = [];
  for (const line of linesOf(message)) {
    const statement = readStatement(line);
    const record = statement === undefined ? readRecord(line) : undefined;
    if (statement !== undefined) statements.push(statement);
    else if (record === undefined) poison.push(line);
    else records.push(record);
  }
  return { message, records, statements, poison };
}

/** The letters that these lines of a message are parked as: one for each tenant that they name. */
export function lettersOf(
  message: TraceMessage,
  reason: DeadLetterReason,
  lines: readonly string[] = linesOf(message),
): readonly DeadLetter[] {
  const sentAt = message.timestamp.getTime();
  return [...Map.groupBy(lines, tenantIn)].map(([tenant, own]) => ({ tenant, text: own.join("\n"), reason, sentAt }));
}

function linesOf({ body }: TraceMessage): readonly string[] {
  const text = typeof body === "string" ? body : (JSON.stringify(body) ?? "");
  return text.split("\n").filter((line) => line !== "");
}

/** The tenant that a line names, also one of a version of ours that is not known here; `null` for none. */
function tenantIn(line: string): string | null {
  const found = membersOf(line);
  const tenant = inner(found["index"])["tenant"] ?? inner(found["admissions"])["tenant"];
  return typeof tenant === "string" && /^[a-z0-9][a-z0-9-]{0,62}$/.test(tenant) ? tenant : null;
}

function membersOf(line: string): Readonly<Record<string, unknown>> {
  try {
    return inner(JSON.parse(line));
  } catch {
    return {};
  }
}

function inner(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
