// Reads what is stored of one session or one trace whole, within a bound on what is held at a time.
import { withoutImpostors } from "../../core/trace/otlp-receive.ts";
import type { TraceRecord } from "../../core/trace/record.ts";
import type { Ports } from "../ports.ts";
import type { IndexedRow } from "../ports/trace-store.ts";
import { listSession, readRecords } from "../read-trace.ts";

/** Characters of bodies that are held of one session or trace; with more it is not read. */
export const MAX_UNIT_CHARS = 10_000_000;
/** Rows of one session or trace; with more it is not read. */
export const MAX_UNIT_ROWS = 2_000;
const PAGE_ROWS = 500;
/** Segments read at once. */
const PARALLEL_READS = 6;

/** What is read whole. */
export type DatasetUnit = "session" | "trace";

/** All that is stored of it, oldest first; `isIncomplete` where more of it has been, or is still on its way. */
export interface UnitRead {
  readonly records: readonly TraceRecord[];
  readonly isIncomplete: boolean;
}

type ReadPorts = Pick<Ports, "index" | "segments">;

/** A session, by its id, or a trace, by its 32 hex digits. Answers `too_large` where it is larger than is held at a time. */
export async function readUnit(
  ports: ReadPorts,
  tenant: string,
  { unit, name }: { readonly unit: DatasetUnit; readonly name: string },
): Promise<UnitRead | "too_large"> {
  const rows = unit === "session" ? await sessionRows(ports, tenant, name) : await ports.index.ofTrace(tenant, name);
  if (rows === "too_large" || rows.length > MAX_UNIT_ROWS) return "too_large";
  const records = await readWithin(ports, tenant, rows);
  if (records === "too_large") return "too_large";
  // A trace begins anywhere in its session: its numbers tell nothing.
  const isIncomplete = records.length < rows.length || (unit === "session" && hasGap(rows));
  return { records, isIncomplete };
}

async function sessionRows(
  ports: Pick<Ports, "index">,
  tenant: string,
  session: string,
): Promise<readonly IndexedRow[] | "too_large"> {
  const found: IndexedRow[] = [];
  let cursor: string | undefined;
  do {
    const page = await listSession(ports, tenant, { session, limit: PAGE_ROWS, cursor });
    found.push(...page.rows);
    if (found.length > MAX_UNIT_ROWS) return "too_large";
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}

async function readWithin(
  ports: Pick<Ports, "segments">,
  tenant: string,
  rows: readonly IndexedRow[],
): Promise<readonly TraceRecord[] | "too_large"> {
  const segments = [...Map.groupBy(rows, ({ segment }) => segment).values()];
  const found: TraceRecord[] = [];
  let chars = 0;
  for (let at = 0; at < segments.length; at += PARALLEL_READS) {
    const read = await readRecords(ports, tenant, segments.slice(at, at + PARALLEL_READS).flat());
    for (const { payloads } of read) for (const { body } of payloads) chars += body?.length ?? 0;
    if (chars > MAX_UNIT_CHARS) return "too_large";
    found.push(...read);
  }
  return withoutImpostors(found.toSorted((a, b) => a.index.started_at - b.index.started_at));
}

/** Whether a number between 1 and the last one is missing: each admitted call of a session has one, counted from 1. */
function hasGap(rows: readonly IndexedRow[]): boolean {
  const numbers = new Set(rows.flatMap(({ index }) => index.seq ?? []));
  return numbers.size > 0 && Math.max(...numbers) !== numbers.size;
}
