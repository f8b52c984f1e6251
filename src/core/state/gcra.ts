// Decides whether a call comes too soon: the generic cell rate algorithm (ITU-T I.371), one number of state per rate.

/** A steady rate and the burst that may come at once. */
export interface RateSpec {
  /** Calls per `per_ms`. */
  readonly requests: number;
  readonly per_ms: number;
  /** At least 1. */
  readonly burst: number;
}

/** A turn, with the theoretical arrival time to remember, in microseconds; or how long to wait. */
export type Turn =
  | { readonly ok: true; readonly tat: number }
  /** `resetAt`: when the whole burst is there again, in epoch milliseconds. */
  | { readonly ok: false; readonly retryAfterMs: number; readonly resetAt: number };

const MICROS = 1_000;

/**
 * Takes one turn at `now` (epoch milliseconds). `tat` is what the last turn left, 0 for none. In no stretch of time
 * are more than `burst` turns and the steady rate's share of that stretch given. A refusal changes nothing.
 */
export function take(tat: number, { requests, per_ms, burst }: RateSpec, now: number): Turn {
  const interval = Math.ceil((per_ms * MICROS) / requests);
  const tolerance = interval * (burst - 1);
  const at = now * MICROS;
  // What a slower rate of an earlier config left behind never outlasts one burst of this one.
  const known = Math.min(tat, at + tolerance + interval);
  const wait = known - tolerance - at;
  if (wait > 0) return { ok: false, retryAfterMs: Math.ceil(wait / MICROS), resetAt: Math.ceil(known / MICROS) };
  return { ok: true, tat: Math.max(known, at) + interval };
}
