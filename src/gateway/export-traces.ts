// Reads records for an export page by page, so that no more than one page is in memory, and says where the next export goes on.
import { exportRow } from "../core/trace/export-columns.ts";
import type { Ports } from "./ports.ts";
import type { TraceFilter, TracePage } from "./ports/trace-store.ts";

/** What a line of an export is: a whole masked record, or a row of flat columns. */
export const EXPORT_FORMATS = ["ndjson", "rows"] as const;

/** One of them. */
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Records of one page. */
const PAGE = 200;

/** What an export is asked for. */
export interface ExportAsk {
  readonly filter: TraceFilter;
  readonly format: ExportFormat;
  /** Records at most. */
  readonly most: number;
}

type ExportPorts = Pick<Ports, "index" | "segments" | "keeping">;

/**
 * Lines of an export, newest first, page by page; the last line is the trailer, `{"interlock_export": …}`, with the
 * cursor of what is left (`null` for nothing). Where a page cannot be read the trailer says so (`"failed": true`), with
 * the cursor of that page: the next export goes on there. An export without a trailer is not whole.
 */
export async function* exportTraces(
  ports: ExportPorts,
  tenant: string,
  { filter, format, most }: ExportAsk,
): AsyncGenerator<readonly string[]> {
  let cursor = filter.cursor ?? null;
  let count = 0;
  do {
    const limit = Math.min(PAGE, most - count);
    const asked = { ...filter, limit, ...(cursor === null ? {} : { cursor }) };
    const read = await readPage(ports, tenant, { asked, format }).catch((error: unknown) =>
      notRead(tenant, count, error),
    );
    if (read === undefined) {
      yield [JSON.stringify({ interlock_export: { records: count, next_cursor: cursor, failed: true } })];
      return;
    }
    count += read.page.rows.length;
    cursor = read.page.nextCursor;
    yield read.lines;
  } while (cursor !== null && count < most);
  yield [JSON.stringify({ interlock_export: { records: count, next_cursor: cursor } })];
}

async function readPage(
  ports: ExportPorts,
  tenant: string,
  { asked, format }: { readonly asked: TraceFilter; readonly format: ExportFormat },
): Promise<{ readonly page: TracePage; readonly lines: readonly string[] }> {
  const page = await ports.index.list(tenant, asked);
  const lines = format === "rows" ? await rowsOf(ports, tenant, page) : await recordsOf(ports, tenant, page);
  return { page, lines };
}

/** Where nothing has been exported yet, the whole export fails: there is no place to go on from. */
function notRead(tenant: string, count: number, error: unknown): undefined {
  if (count === 0) throw error;
  const reason = error instanceof Error ? error.name : "unknown";
  console.error(JSON.stringify({ event: "trace_export_failed", tenant, reason }));
}

async function rowsOf({ keeping }: ExportPorts, tenant: string, { rows }: TracePage): Promise<readonly string[]> {
  const outcomes = await keeping.latestOutcomes(tenant, [...new Set(rows.map((row) => row.trace_hex))]);
  return rows.map((row) => JSON.stringify(exportRow(row, outcomes.get(row.trace_hex))));
}

/** Whole records in the order of their rows; one whose line is gone by now is left out. */
async function recordsOf({ segments }: ExportPorts, tenant: string, { rows }: TracePage): Promise<readonly string[]> {
  const found = new Map<string, string>();
  for (const [segment, inIt] of Map.groupBy(rows, (row) => row.segment)) {
    const records = await segments.read(
      tenant,
      segment,
      inIt.map(({ line }) => line),
    );
    for (const record of records)
      found.set(`${record.index.trace_hex}/${record.index.span_id}`, JSON.stringify(record));
  }
  return rows.flatMap((row) => found.get(`${row.trace_hex}/${row.span_id}`) ?? []);
}
