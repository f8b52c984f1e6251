// Plays the steps of an answer into a response body and reports once how the call ended.
import type { Ending, Step } from "./stream-steps.ts";

/** Told once, with the bytes of model output sent so far. The body ends only after it has settled. */
export type EndListener = (ending: Ending | "cancelled", outputBytes: number) => Promise<void>;

/** Where a body is played: what keeps its waits alive, and the caller's own abort signal. */
export interface Playback {
  readonly ctx: ExecutionContext;
  readonly signal: AbortSignal;
}

/**
 * A body that plays `steps`. It never leaves a `pull` pending: workerd tells a source of the reader's
 * cancel only when no pull is, so waits run beside the stream, kept alive by `ctx.waitUntil`.
 */
export function pumpBody(
  steps: Iterator<Step>,
  { ctx, signal }: Playback,
  onEnd: EndListener,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let demand = Promise.withResolvers<void>();
  const progress = { isEnded: false, outputBytes: 0 };

  const end = async (ending: Ending | "cancelled"): Promise<void> => {
    if (progress.isEnded) return;
    progress.isEnded = true;
    await onEnd(ending, progress.outputBytes);
  };

  const giveUp = (): void => {
    demand.resolve();
    ctx.waitUntil(end("cancelled"));
  };

  const play = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    for (let next = steps.next(); next.done !== true && !progress.isEnded; next = steps.next()) {
      const step = next.value;
      switch (step.kind) {
        case "send":
          controller.enqueue(encoder.encode(step.bytes));
          progress.outputBytes += step.outputBytes;
          if ((controller.desiredSize ?? 0) <= 0) await demand.promise;
          break;
        case "wait":
          await scheduler.wait(step.ms);
          break;
        case "stall":
          while (!progress.isEnded) await scheduler.wait(250);
          break;
        case "end":
          await end(step.ending);
          if (step.isBroken) controller.error(new Error("The demo model cut this stream."));
          else controller.close();
      }
    }
  };

  signal.addEventListener("abort", giveUp);
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        ctx.waitUntil(play(controller));
      },
      pull: () => {
        const met = demand;
        demand = Promise.withResolvers<void>();
        met.resolve();
      },
      cancel: giveUp,
    },
    { highWaterMark: 32 },
  );
}
