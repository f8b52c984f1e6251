// Bounds one attempt at a provider in time, and says who ended it.
import type { Timeouts } from "../../core/routing/plan.ts";

/** Why an attempt was ended before it was over: its caller left, a switch halted it, another one was quicker, or a time was up. */
export const STOPS = ["caller_left", "halted", "outrun", "connect", "first_byte", "idle", "total"] as const;

/** One of these. */
export type Stop = (typeof STOPS)[number];

/** What a signal was aborted for; `undefined` while it is not. An abort of another kind counts as the caller's leaving. */
export function stopOf(signal: AbortSignal): Stop | undefined {
  if (!signal.aborted) return undefined;
  const reason: unknown = signal.reason;
  return STOPS.find((each) => each === reason) ?? "caller_left";
}

/** Whether a stop is a time that was up. */
export function isTimeout(stop: Stop | undefined): boolean {
  return stop === "connect" || stop === "first_byte" || stop === "idle" || stop === "total";
}

/** The clock of one attempt. Every timer is gone once it is stopped. */
export class AttemptClock {
  readonly #abort = new AbortController();
  readonly #timeouts: Timeouts;
  readonly #timers = new Map<Stop, ReturnType<typeof setTimeout>>();
  readonly #unfollow: () => void;

  /** Starts at the sending. Whatever aborts `call` ends the attempt for the same reason. */
  constructor(timeouts: Timeouts, call: AbortSignal) {
    this.#timeouts = timeouts;
    const follow = (): void => this.end(stopOf(call) ?? "caller_left");
    this.#unfollow = () => call.removeEventListener("abort", follow);
    if (call.aborted) {
      follow();
      return;
    }
    call.addEventListener("abort", follow, { once: true });
    if (timeouts.connectMs !== null) this.#start("connect", timeouts.connectMs);
    this.#start("first_byte", timeouts.firstByteMs);
    this.#start("total", timeouts.totalMs);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get idleMs(): number {
    return this.#timeouts.idleMs;
  }

  /** Why it was ended. */
  get stop(): Stop | undefined {
    return stopOf(this.#abort.signal);
  }

  /** Ends the attempt: the upstream call is aborted. The first reason stands. */
  end(stop: Stop): void {
    if (!this.#abort.signal.aborted) this.#abort.abort(stop);
    this.over();
  }

  /** The answer's headers came. */
  connected(): void {
    this.#clear("connect");
  }

  /** A stream has begun: from now on its silences are bounded. */
  began(): void {
    this.#clear("connect");
    this.#clear("first_byte");
  }

  /** The attempt is over: nothing ends it any more. */
  over(): void {
    for (const stop of this.#timers.keys()) this.#clear(stop);
    this.#unfollow();
  }

  #start(stop: Stop, ms: number): void {
    this.#timers.set(
      stop,
      setTimeout(() => this.end(stop), ms),
    );
  }

  #clear(stop: Stop): void {
    const timer = this.#timers.get(stop);
    if (timer !== undefined) clearTimeout(timer);
    this.#timers.delete(stop);
  }
}
