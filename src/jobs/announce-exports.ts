// Orders the export of records that were just stored: one order per exporter of their tenant, for the lines it takes.
import { takes } from "../core/config/export-document.ts";
import type { ExportOrder } from "../core/trace/export-order.ts";
import type { Ports } from "../gateway/ports.ts";
import type { StoredRecord } from "../gateway/ports/trace-store.ts";

/** Lines that one order names at most. */
const MAX_LINES = 1_000;

/** Orders the export of a tenant's records, all of one segment. Throws when the orders cannot be placed. */
export async function announceExports(
  ports: Pick<Ports, "configs" | "exportQueue">,
  tenant: string,
  stored: readonly StoredRecord[],
): Promise<void> {
  if (stored.length === 0) return;
  const exports = (await ports.configs.active(tenant))?.published.document.trace.exports ?? {};
  const orders = Object.entries(exports).flatMap(([exporter, entry]) => {
    const taken = stored.filter(({ record }) => takes(entry, record.index));
    return [...Map.groupBy(taken, ({ segment }) => segment)].flatMap(([segment, lines]) =>
      ordersOf({ tenant, segment, exporter, lines: lines.map(({ line }) => line) }),
    );
  });
  if (orders.length > 0) await ports.exportQueue.send(orders);
}

function ordersOf(order: ExportOrder): readonly ExportOrder[] {
  return Array.from({ length: Math.ceil(order.lines.length / MAX_LINES) }, (_, at) => ({
    ...order,
    lines: order.lines.slice(at * MAX_LINES, (at + 1) * MAX_LINES),
  }));
}
