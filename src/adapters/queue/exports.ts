// Sends orders of exports over their queue, one message per exporter.
import { writeExportOrder } from "../../core/trace/export-order.ts";
import type { ExportQueue } from "../../gateway/ports/exports.ts";

/** The longest delay that the queue takes. */
const MAX_DELAY_S = 43_200;

/** Orders of one request: it takes all of them or none. Each names a thousand lines at most, and a request 256 KB. */
const AT_ONCE = 25;

/** Orders over a queue. */
export function queuedExports(queue: Pick<Queue, "sendBatch">): ExportQueue {
  return {
    send: async (orders, delaySeconds = 0) => {
      const delay = Math.min(Math.ceil(delaySeconds), MAX_DELAY_S);
      for (let at = 0; at < orders.length; at += AT_ONCE) {
        const messages = orders.slice(at, at + AT_ONCE).map((order) => ({
          body: writeExportOrder(order),
          contentType: "text" as const,
          delaySeconds: delay,
        }));
        await queue.sendBatch(messages);
      }
    },
  };
}
