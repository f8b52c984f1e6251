// Records for tests of their storage, and the ports over the Worker's own bindings with a clock that a test sets.
import { r2Segments } from "../../src/adapters/r2/segments.ts";
import { compose } from "../../src/compose.ts";
import type { IndexRow, TraceRecord } from "../../src/core/trace/record.ts";
import type { Ports } from "../../src/gateway/ports.ts";
import { callRow } from "../call-row.ts";
import { bindings } from "./tenant.ts";

/** A clock that stands still until it is set. */
export interface TestClock {
  now: number;
}

/** The ports, by this clock. */
export function portsAt(clock: TestClock): Ports {
  const { ports } = compose({ ...bindings });
  const system = { ...ports.system, now: () => clock.now };
  return { ...ports, system, segments: r2Segments(bindings.BLOBS, system) };
}

let count = 0;

/** A record of a tenant, with one body. */
export function recordOf(tenant: string, index: Partial<IndexRow>, body = "nothing"): TraceRecord {
  count += 1;
  const trace = crypto.randomUUID().replaceAll("-", "");
  const span = trace.slice(0, 16);
  const row = callRow({
    tenant,
    trace_hex: trace,
    span_id: span,
    trace_id: `tr_${trace}`,
    actor: "a",
    cost_micro_usd: 1,
    input_tokens: 1,
    output_tokens: 1,
    seq: count,
    ...index,
  });
  const payloads = [
    { name: "request", span_id: span, content_type: "text/plain", body, digest: "", bytes: body.length },
  ] as const;
  return { v: 1, index: row, spans: [], payloads };
}

/** Stores records as the consumer does: one segment, then their rows. */
export async function storeAll(ports: Ports, tenant: string, records: readonly TraceRecord[]): Promise<string> {
  const segment = await ports.segments.put(
    tenant,
    records.map((record) => JSON.stringify(record)),
  );
  await ports.index.insert(
    tenant,
    records.map((record, line) => ({ record, segment, line })),
  );
  return segment;
}

/** Every text that D1 and R2 hold: all tables, the full-text index's own pages among them, and all objects, unpacked; those of the audit chain only where asked. */
export async function everythingStored(withAudit = true): Promise<string> {
  const tables = await bindings.DB.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all<{
    name: string;
  }>();
  const texts: string[] = [];
  for (const { name } of tables.results) {
    if (name === "calls_text" || name.startsWith("_cf")) continue;
    const { results } = await bindings.DB.prepare(`SELECT * FROM "${name}"`).all();
    texts.push(
      ...results.flatMap((row) =>
        Object.values(row).map((value) =>
          Array.isArray(value) ? String.fromCodePoint(...(value as number[])) : String(value),
        ),
      ),
    );
  }
  let cursor: string | undefined;
  do {
    const page: R2Objects = await bindings.BLOBS.list(cursor === undefined ? {} : { cursor });
    for (const { key } of page.objects.filter((each) => withAudit || !each.key.startsWith("audit/"))) {
      const object = await bindings.BLOBS.get(key);
      if (object === null) continue;
      const body = key.endsWith(".gz") ? object.body.pipeThrough(new DecompressionStream("gzip")) : object.body;
      texts.push(key, await new Response(body).text());
    }
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return texts.join("\n");
}
