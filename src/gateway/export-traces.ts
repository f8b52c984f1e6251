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
 * cursor of what is left (`null` for nothing). An export without a trailer is not whole.
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
    const page = await ports.index.list(tenant, { ...filter, limit, ...(cursor === null ? {} : { cursor }) });
    const lines = format === "rows" ? await rowsOf(ports, tenant, page) : await recordsOf(ports, tenant, page);
    count += page.rows.length;
    cursor = page.nextCursor;
    yield lines;
  } while (cursor !== null && count < most);
  yield [JSON.stringify({ interlock_export: { records: count, next_cursor: cursor } })];
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
