// Proves that a breaker opens on what it should, lets few find out whether the upstream is back, and that slots are never passed.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as breakers from "../../src/core/state/breaker.ts";
import type { BreakerReport, BreakerSettings, BreakerState } from "../../src/core/state/breaker.ts";
import { NO_SLOTS, release, running, take, type SlotsState } from "../../src/core/state/slots.ts";

const NOW = 1_780_000_000_000;
const settings: BreakerSettings = {
  windowMs: 60_000,
  minCalls: 10,
  errorRate: 0.5,
  consecutiveFailures: 5,
  slowMs: 1_000,
  slowRate: 0.8,
  cooldownMs: 30_000,
  maxCooldownMs: 100_000,
  probes: 2,
};

const ok = (slow = 0): BreakerReport => ({ successes: 1, slow, failures: 0, probe: null });
const bad: BreakerReport = { successes: 0, slow: 0, failures: 1, probe: null };

/** A breaker after these reports, one every `everyMs`. */
function after(reports: readonly BreakerReport[], everyMs = 10, from: BreakerState = breakers.CLOSED): BreakerState {
  return reports.reduce((state, told, at) => breakers.report(state, settings, told, NOW + at * everyMs), from);
}

const times = (n: number, told: BreakerReport): readonly BreakerReport[] => Array.from({ length: n }, () => told);

describe("a closed breaker", () => {
  it.each<readonly [string, readonly BreakerReport[], number, BreakerState["phase"]]>([
    ["four failures in a row", times(4, bad), 10, "closed"],
    ["five failures in a row", times(5, bad), 10, "open"],
    ["failures that a success parts", [...times(4, bad), ok(), ...times(4, bad)], 10, "closed"],
    ["half of ten calls failed", Array.from({ length: 5 }, () => [ok(), bad]).flat(), 10, "open"],
    ["half of eight calls failed", Array.from({ length: 4 }, () => [ok(), bad]).flat(), 10, "closed"],
    ["fewer than half of many", Array.from({ length: 20 }, () => [ok(), ok(), bad]).flat(), 10, "closed"],
    ["half of them, over ten windows", Array.from({ length: 20 }, () => [ok(), bad]).flat(), 60_000, "closed"],
    ["eight of ten slow", [ok(), ok(), ...times(8, ok(1))], 10, "open"],
    ["seven of ten slow", [ok(), ok(), ok(), ...times(7, ok(1))], 10, "closed"],
    ["a batch of successes and then failures", [{ ...bad, successes: 20 }, ...times(3, bad)], 10, "closed"],
  ])("after %s", (_, reports, everyMs, phase) => {
    expect(after(reports, everyMs).phase).toBe(phase);
  });
});

describe("an open breaker", () => {
  const open = after(times(5, bad));

  it("lets nothing through until its time is over, and hears nothing", () => {
    const asked = breakers.admit(open, settings, { id: "a", expiresAt: NOW + 60_000 }, NOW + 1_000);
    expect(asked.retryAfterMs).toBe(open.until - NOW - 1_000);
    expect(breakers.report(open, settings, { ...ok(), successes: 50 }, NOW + 1_000)).toEqual(open);
    expect(breakers.listed("tool:x", open, NOW)).toEqual({ key: "tool:x", phase: "open", until: open.until });
  });

  it("then lets so many find out, closes once all have passed, and opens for longer when one has not", () => {
    const then = open.until;
    let state = open;
    const ask = (id: string): boolean => {
      const { next, retryAfterMs } = breakers.admit(state, settings, { id, expiresAt: then + 5_000 }, then);
      state = next;
      return retryAfterMs === null;
    };
    expect(breakers.listed("tool:x", state, then)?.phase).toBe("half_open");
    expect([ask("a"), ask("a"), ask("b"), ask("c")]).toEqual([true, true, true, false]);
    // A call that began before it opened says nothing.
    expect(breakers.report(state, settings, { ...ok(), successes: 9 }, then)).toEqual(state);
    const one = breakers.report(state, settings, { ...ok(), probe: "a" }, then);
    expect(one.phase).toBe("half_open");
    expect(breakers.report(one, settings, { ...ok(), probe: "b" }, then)).toEqual(breakers.CLOSED);
    const again = breakers.report(one, settings, { ...bad, probe: "b" }, then);
    expect([again.phase, again.until]).toEqual(["open", then + 60_000]);
    const slow = breakers.report(one, settings, { ...ok(1), probe: "b" }, then);
    expect(slow.phase).toBe("open");
  });

  it("gives up on a probe that never reports, and on its own state when nobody asks", () => {
    const { next } = breakers.admit(
      open,
      { ...settings, probes: 1 },
      { id: "a", expiresAt: open.until + 5_000 },
      open.until,
    );
    const ask = (at: number): number | null =>
      breakers.admit(next, { ...settings, probes: 1 }, { id: "b", expiresAt: at + 5_000 }, at).retryAfterMs;
    expect(ask(open.until + 4_999)).toBe(1_000);
    expect(ask(open.until + 5_000)).toBeNull();
    expect(breakers.listed("tool:x", next, open.until + 600_000)).toBeNull();
  });

  it("stays open at most for the longest cooldown, however often it opens", () => {
    let state: BreakerState = open;
    const lengths: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const at = state.until;
      state = breakers.admit(state, settings, { id: "p", expiresAt: at + 1_000 }, at).next;
      state = breakers.report(state, settings, { ...bad, probe: "p" }, at);
      lengths.push(state.until - at);
    }
    expect(lengths).toEqual([60_000, 100_000, 100_000, 100_000, 100_000]);
  });

  it("never has more probes out than may run, whatever comes", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("ask" as const), id: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ do: fc.constant("report" as const), id: fc.integer({ min: 0, max: 9 }), failed: fc.boolean() }),
      fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let state: BreakerState = open;
        let now = NOW;
        for (const each of steps) {
          if (each.do === "wait") now += each.ms;
          else if (each.do === "ask") {
            const asked = breakers.admit(state, settings, { id: `${each.id}`, expiresAt: now + 5_000 }, now);
            if (breakers.settled(state, now).phase === "open") expect(asked.retryAfterMs).toBeGreaterThan(0);
            state = asked.next;
          } else state = breakers.report(state, settings, { ...(each.failed ? bad : ok()), probe: `${each.id}` }, now);
          expect(state.probes.filter(({ expiresAt }) => expiresAt > now).length).toBeLessThanOrEqual(settings.probes);
        }
      }),
    );
  });
});

describe("slots", () => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant("take" as const),
      id: fc.integer({ min: 0, max: 30 }),
      max: fc.integer({ min: 1, max: 8 }),
    }),
    fc.record({ do: fc.constant("release" as const), id: fc.integer({ min: 0, max: 30 }) }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 8_000 }) }),
  );

  it("are never held by more calls than may run, lost releases included", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        let state: SlotsState = NO_SLOTS;
        let now = NOW;
        const live = new Map<string, number>();
        for (const each of steps) {
          const id = "id" in each ? `c${each.id}` : "";
          if (each.do === "wait") now += each.ms;
          if (each.do === "release") {
            state = release(state, id);
            live.delete(id);
          }
          if (each.do === "take") {
            const before = running(state, now).filter((held) => held.id !== id).length;
            const taken = take(state, { id, until: now + 10_000, max: each.max }, now);
            state = taken.next;
            expect(taken.isTaken).toBe(before < each.max);
            if (taken.isTaken) {
              live.set(id, now + 10_000);
              expect(running(state, now).length).toBeLessThanOrEqual(each.max);
            }
          }
          const alive = [...live].filter(([, until]) => now < until).map(([held]) => held);
          expect(new Set(running(state, now).map((held) => held.id))).toEqual(new Set(alive));
        }
      }),
      { numRuns: 500 },
    );
  });
});
