// Decides what a queued order of an export says: which records of which segment go to which exporter.
import * as z from "zod/mini";

const Order = z.object({
  v: z.literal(1),
  tenant: z.string(),
  segment: z.string(),
  /** Lines of the segment that are still to be sent. */
  lines: z.array(z.int()),
  exporter: z.string(),
});

/** Records of one segment that are to go to one exporter. */
export type ExportOrder = Readonly<Omit<z.infer<typeof Order>, "v" | "lines">> & { readonly lines: readonly number[] };

/** The message of an order. */
export function writeExportOrder(order: ExportOrder): string {
  return JSON.stringify({ v: 1, ...order });
}

/** The order in a message, or `undefined` when it is none. */
export function readExportOrder(body: unknown): ExportOrder | undefined {
  try {
    return Order.safeParse(JSON.parse(typeof body === "string" ? body : "")).data;
  } catch {
    return undefined;
  }
}
