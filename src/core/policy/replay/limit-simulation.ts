// Counts limits and rates over a stretch of recorded calls in memory, exactly and without leases: what a replay holds a policy's limits against.
import { take } from "../../state/gcra.ts";
import type { MeterSpec } from "../../state/meter.ts";
import { periodAround } from "../../units/local-time.ts";
import type { LimitNeeds, MeterNeed } from "../limits.ts";

interface Draw {
  readonly at: number;
  readonly amount: number;
}

/** The limits of one policy as a replay runs through its calls, oldest first. */
export class LimitSimulation {
  readonly #draws = new Map<string, Draw[]>();
  readonly #tats = new Map<string, number>();

  /** The limits and rates that a call would pass at an instant; nothing changes. */
  over({ meters, rates }: LimitNeeds, now: number): readonly string[] {
    return [
      ...meters.filter((each) => this.#used(each, now) + each.need > each.spec.max).map((each) => each.limit),
      ...rates.filter(({ key, spec }) => !take(this.#tats.get(key) ?? 0, spec, now).ok).map((each) => each.limit),
    ];
  }

  /** Counts a call that ran. */
  count({ meters, rates }: LimitNeeds, now: number): void {
    for (const { key, need } of meters) {
      const draws = this.#draws.get(key);
      if (draws === undefined) this.#draws.set(key, [{ at: now, amount: need }]);
      else draws.push({ at: now, amount: need });
    }
    for (const { key, spec } of rates) {
      const turn = take(this.#tats.get(key) ?? 0, spec, now);
      if (turn.ok) this.#tats.set(key, turn.tat);
    }
  }

  /** What the window around an instant holds; what has left it is dropped, for time only goes on. */
  #used({ key, spec }: MeterNeed, now: number): number {
    const start = windowStart(spec, now);
    const draws = (this.#draws.get(key) ?? []).filter((each) => each.at > start);
    this.#draws.set(key, draws);
    return draws.reduce((sum, each) => sum + each.amount, 0);
  }
}

/** The instant after which draws count. */
function windowStart({ window, zone }: MeterSpec, now: number): number {
  return window.type === "sliding" ? now - window.ms : periodAround(now, window.unit, zone).start - 1;
}
