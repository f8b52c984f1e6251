// Counts the arrival and the end of a model call in the state object, without delaying the answer unless asked to.
import type { DemoEnv } from "../env.ts";
import { stateOf } from "../env.ts";
import type { Ending } from "./stream-steps.ts";

/** Reports how one call ended; only the first report counts. */
export type CallMeter = (ending: Ending | "cancelled", completionTokens: number) => Promise<void>;

/**
 * Counts the arrival of a call. Strict (header `x-demo-count: strict` or STRICT_COUNT "true"): the
 * arrival is counted before this settles and the end before the body does. Otherwise counting goes on
 * behind the answer. Without a state object nothing is counted.
 */
export async function openMeter(
  request: Request,
  env: DemoEnv,
  ctx: ExecutionContext,
  call: { model: string; promptTokens: number },
): Promise<CallMeter> {
  const state = stateOf(env);
  if (state === undefined) return async () => {};
  const isStrict = request.headers.get("x-demo-count") === "strict" || env.STRICT_COUNT === "true";
  const arrival = state.countArrival(call.model).then(() => undefined);
  ctx.waitUntil(arrival);
  if (isStrict) await arrival;
  let isEnded = false;
  return async (ending, completionTokens) => {
    if (isEnded) return;
    isEnded = true;
    const counted = state.countEnd({ ...call, ending, completionTokens }).then(() => undefined);
    ctx.waitUntil(counted);
    if (isStrict) await counted;
  };
}
