// Sends runs over the queue that carries them on: a message names a run, and whoever takes it claims cases of it.
import type { EvalQueue } from "../../gateway/ports/evals.ts";

/** Messages of one request. */
const AT_ONCE = 25;

/** Runs over a queue. */
export function queuedEvals(queue: Pick<Queue, "sendBatch">): EvalQueue {
  return {
    send: async (tenant, run, times) => {
      const message = { body: { tenant, run }, contentType: "json" as const };
      for (let left = times; left > 0; left -= AT_ONCE)
        await queue.sendBatch(Array.from({ length: Math.min(left, AT_ONCE) }, () => message));
    },
  };
}
