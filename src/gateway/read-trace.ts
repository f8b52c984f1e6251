// Reads a trace whole: its index rows, then the lines of its segments.
import { withoutImpostors } from "../core/trace/otlp-receive.ts";
import type { TraceRecord } from "../core/trace/record.ts";
import type { Ports } from "./ports.ts";

/** Every stored record of a trace, oldest first. Empty when nothing of it is stored yet. */
export async function readTrace(
  ports: Pick<Ports, "index" | "segments">,
  tenant: string,
  traceHex: string,
): Promise<readonly TraceRecord[]> {
  const rows = await ports.index.ofTrace(tenant, traceHex);
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
