// Reads recorded calls whole, of a trace or of a session: their index rows, then the lines of their segments.
import { withoutImpostors } from "../core/trace/otlp-receive.ts";
import type { TraceRecord } from "../core/trace/record.ts";
import type { Ports } from "./ports.ts";
import type { IndexedRow } from "./ports/trace-store.ts";

type ReadPorts = Pick<Ports, "index" | "segments">;

/** Every stored record of a trace, oldest first. Empty when nothing of it is stored yet. */
export async function readTrace(ports: ReadPorts, tenant: string, traceHex: string): Promise<readonly TraceRecord[]> {
  return readRecords(ports, tenant, await ports.index.ofTrace(tenant, traceHex));
}

/** The records of rows, oldest first; each segment is read once, all of them at the same time. Lost ones are left out. */
export async function readRecords(
  ports: Pick<Ports, "segments">,
  tenant: string,
  rows: readonly Pick<IndexedRow, "segment" | "line">[],
): Promise<readonly TraceRecord[]> {
  const bySegment = Map.groupBy(rows, (row) => row.segment);
  const records = await Promise.all(
    [...bySegment].map(([segment, found]) =>
      ports.segments.read(
        tenant,
        segment,
        found.map((row) => row.line),
      ),
    ),
  );
  return withoutImpostors(
    records
      .flat()
      .sort(
        (left, right) =>
          left.index.started_at - right.index.started_at || left.index.span_id.localeCompare(right.index.span_id),
      ),
  );
}

/** Which rows of a session are asked for. */
export interface SessionQuestion {
  readonly session: string;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** One page of a session's records, oldest first, across all its traces and surfaces. */
export async function readSessionPage(
  ports: ReadPorts,
  tenant: string,
  asked: SessionQuestion,
): Promise<{ readonly records: readonly TraceRecord[]; readonly nextCursor: string | null }> {
  const { rows, nextCursor } = await listSession(ports, tenant, asked);
  return { records: await readRecords(ports, tenant, rows), nextCursor };
}

/** One page of a session's rows, oldest first. */
export async function listSession(
  ports: Pick<Ports, "index">,
  tenant: string,
  { session, limit, cursor }: SessionQuestion,
): Promise<{ readonly rows: readonly IndexedRow[]; readonly nextCursor: string | null }> {
  const { rows, nextCursor } = await ports.index.list(tenant, {
    session,
    limit,
    order: "oldest",
    ...(cursor === undefined ? {} : { cursor }),
  });
  return { rows: rows.map(({ segment, line, ...index }) => ({ index, segment, line })), nextCursor };
}
