// Sends orders of exports over their queue, one message per exporter.
import { writeExportOrder } from "../../core/trace/export-order.ts";
import type { ExportQueue } from "../../gateway/ports/exports.ts";

/** The longest delay that the queue takes. */
const MAX_DELAY_S = 43_200;

/** Orders over a queue. */
export function queuedExports(queue: Pick<Queue, "send">): ExportQueue {
  return {
    send: async (orders, delaySeconds = 0) => {
      for (const order of orders) {
        await queue.send(writeExportOrder(order), {
          contentType: "text",
          delaySeconds: Math.min(Math.ceil(delaySeconds), MAX_DELAY_S),
        });
      }
    },
  };
}
