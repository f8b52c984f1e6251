// Proves cross-session limits and rates: no interleaving of sessions, crashes and lost messages passes a limit, and little of it is stranded.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { take, type RateSpec } from "../../src/core/state/gcra.ts";
import * as leases from "../../src/core/state/lease.ts";
import * as meters from "../../src/core/state/meter.ts";
import { isTimeZone, localTime, periodAround } from "../../src/core/units/local-time.ts";
import { readDuration, readWindow, type Window } from "../../src/core/units/window.ts";

const KEY = "limit:l:tenant=*";
const HOUR = 3_600_000;

/** One tenant's meter and its sessions' leases, with messages that may be lost, and the truth of what was drawn. */
class World {
  meter = meters.EMPTY_METER;
  sessions = new Map<string, leases.Leases>();
  drawn: { at: number; amount: number }[] = [];
  ids = 0;
  hops = 0;
  spec: meters.MeterSpec;
  now: number;

  constructor(spec: meters.MeterSpec, now = 1_780_000_000_000) {
    this.spec = spec;
    this.now = now;
  }

  leasesOf(session: string): leases.Leases {
    return this.sessions.get(session) ?? {};
  }

  /** Draws or asks, as the session's object does; `isLost` loses the grant on its way back. */
  call(session: string, need: number, isLost = false): boolean {
    if (this.draw(session, need)) return true;
    const reply = this.ask(session, need);
    if (reply === undefined || isLost) return false;
    this.sessions.set(session, leases.add(this.leasesOf(session), KEY, reply));
    return this.draw(session, need);
  }

  draw(session: string, need: number): boolean {
    const drawn = leases.drawAll(
      this.leasesOf(session),
      [{ meter: KEY, need, terms: meters.termsOf(this.spec) }],
      this.now,
    );
    if (!drawn.ok) return false;
    this.sessions.set(session, drawn.leases);
    this.drawn.push({ at: this.now, amount: need });
    return true;
  }

  ask(session: string, need: number): meters.LeaseGrant | undefined {
    for (const hasReclaimed of [false, true]) {
      this.hops += 1;
      const leaseId = `l${(this.ids += 1)}`;
      const { next, reply } = meters.request(this.meter, this.spec, { session, need, leaseId, hasReclaimed }, this.now);
      this.meter = next;
      if (reply.type === "granted") return reply.lease;
      if (reply.type === "exhausted") return undefined;
      for (const holder of reply.holders) this.reclaim(holder.session, holder.leaseId);
    }
    return undefined;
  }

  reclaim(session: string, leaseId: string): void {
    const { leases: rest, unused } = leases.reclaim(this.leasesOf(session), leaseId);
    this.sessions.set(session, rest);
    this.meter = meters.giveUp(this.meter, this.spec, { leaseId, unused });
  }

  giveUpAll(session: string, isLost: boolean): void {
    const { leases: kept, unused } = leases.giveUp(this.leasesOf(session), "all", this.now);
    this.sessions.set(session, kept);
    if (isLost) return;
    for (const each of unused) this.meter = meters.giveUp(this.meter, this.spec, each);
  }

  /** What really counts in the window around now. */
  truth(): number {
    const { window, zone } = this.spec;
    const start =
      window.type === "sliding" ? this.now - window.ms : periodAround(this.now, window.unit, zone).start - 1;
    return this.drawn.reduce((sum, each) => sum + (each.at > start ? each.amount : 0), 0);
  }
}

const windows: fc.Arbitrary<Window> = fc.constantFrom(
  { type: "sliding", ms: 10_000 } as const,
  { type: "sliding", ms: HOUR } as const,
  { type: "calendar", unit: "hour" } as const,
  { type: "calendar", unit: "day" } as const,
);
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant("call" as const),
        session: fc.nat(4),
        need: fc.integer({ min: 1, max: 60 }),
        isLost: fc.boolean(),
        fails: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constant("idle" as const), session: fc.nat(4), isLost: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("crash" as const), session: fc.nat(4) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("wait" as const),
        ms: fc.oneof(fc.nat(3_000), fc.nat(40_000), fc.nat(HOUR)),
      }),
    },
  ),
  { maxLength: 60 },
);

describe("a limit across sessions", () => {
  it("is never passed, whatever is lost and whoever crashes", () => {
    fc.assert(
      fc.property(windows, fc.integer({ min: 1, max: 2_000 }), steps, (window, max, all) => {
        const world = new World({ max, window, zone: "Europe/Berlin" });
        for (const step of all) {
          if (step.type === "wait") world.now += step.ms;
          else if (step.type === "crash") world.sessions.delete(`s${step.session}`);
          else if (step.type === "idle") world.giveUpAll(`s${step.session}`, step.isLost);
          else if (step.need <= max && world.call(`s${step.session}`, step.need, step.isLost && step.fails)) {
            if (step.fails) undo(world, `s${step.session}`);
          }
          expect(world.truth()).toBeLessThanOrEqual(max);
          expect(meters.usage(world.meter, world.spec, world.now).used).toBeLessThanOrEqual(max);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("admits exactly what fits while nothing is lost, at far fewer hops than calls", () => {
    const world = new World({ max: 6_400, window: { type: "calendar", unit: "day" }, zone: "UTC" });
    let admitted = 0;
    for (let at = 0; at < 8_000; at += 1) if (world.call(`s${at % 50}`, 1)) admitted += 1;
    expect(admitted).toBe(6_400);
    expect(world.hops).toBeLessThan(6_400);
  });

  it("frees a share that leaves a sliding window, no later than a sixtieth of it after", () => {
    const world = new World({ max: 3, window: { type: "sliding", ms: HOUR }, zone: "UTC" });
    const start = world.now;
    expect([1, 2, 3, 4].map(() => world.call("s", 1))).toEqual([true, true, true, false]);
    const asked = meters.request(
      world.meter,
      world.spec,
      { session: "s", need: 1, leaseId: "x", hasReclaimed: true },
      world.now,
    );
    const resetAt = asked.reply.type === "exhausted" ? asked.reply.resetAt : 0;
    expect(resetAt - start).toBeGreaterThanOrEqual(HOUR);
    expect(resetAt - start).toBeLessThanOrEqual(HOUR + HOUR / 60 + 30_000);
    world.now = resetAt - 1;
    expect(world.call("s", 1)).toBe(false);
    world.now = resetAt;
    expect(world.call("s", 1)).toBe(true);
  });

  it("binds what is out already once it is lowered", () => {
    const world = new World({ max: 6_400, window: { type: "calendar", unit: "day" }, zone: "UTC" });
    expect(world.call("s", 1)).toBe(true);
    expect(Object.values(world.leasesOf("s"))[0]?.amount).toBe(100);
    const lowered = Object.assign(world, { spec: { ...world.spec, max: 10 } });
    const admitted = Array.from({ length: 50 }, () => lowered.call("s", 1)).filter(Boolean);
    expect(admitted.length).toBeLessThanOrEqual(9);
  });

  it("gives back what surely did not happen, once, also after its lease is gone", () => {
    const world = new World({ max: 10, window: { type: "calendar", unit: "day" }, zone: "UTC" });
    expect(world.call("s", 10)).toBe(true);
    expect(world.call("s", 1)).toBe(false);
    undo(world, "s");
    world.giveUpAll("s", false);
    expect(meters.usage(world.meter, world.spec, world.now).used).toBe(0);
    expect(world.call("other", 10)).toBe(true);
  });
});

/** The last call of a session surely failed: what it drew is put back. */
function undo(world: World, session: string): void {
  const last = world.drawn.pop();
  const lease = Object.values(world.leasesOf(session)).findLast((each) => each.used > 0);
  if (last === undefined || lease === undefined) return;
  const amount = Math.min(last.amount, lease.used);
  if (amount !== last.amount) {
    world.drawn.push(last);
    return;
  }
  world.sessions.set(session, leases.putBack(world.leasesOf(session), { meter: KEY, leaseId: lease.leaseId, amount }));
}

describe("a rate", () => {
  it("never gives more than its burst and its steady share", () => {
    const specs = fc.record({
      requests: fc.integer({ min: 1, max: 50 }),
      per_ms: fc.constantFrom(1_000, 60_000),
      burst: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(specs, fc.array(fc.nat(2_000), { maxLength: 80 }), (spec: RateSpec, gaps) => {
        let tat = 0;
        let now = 1_780_000_000_000;
        const taken: number[] = [];
        for (const gap of gaps) {
          now += gap;
          const turn = take(tat, spec, now);
          if (turn.ok) {
            tat = turn.tat;
            taken.push(now);
          } else {
            expect(take(tat, spec, now + turn.retryAfterMs).ok).toBe(true);
            expect(take(tat, spec, now + turn.retryAfterMs - 1).ok).toBe(false);
          }
          for (const from of taken) {
            const within = taken.filter((at) => at >= from && at <= now).length;
            expect(within).toBeLessThanOrEqual(spec.burst + Math.floor(((now - from) * spec.requests) / spec.per_ms));
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("gives a whole burst at once, then one per interval", () => {
    const spec = { requests: 60, per_ms: 60_000, burst: 3 };
    let tat = 0;
    const at = (now: number): boolean => {
      const turn = take(tat, spec, now);
      if (turn.ok) tat = turn.tat;
      return turn.ok;
    };
    expect([at(1_000_000), at(1_000_000), at(1_000_000), at(1_000_000)]).toEqual([true, true, true, false]);
    expect([at(1_000_999), at(1_001_000), at(1_001_000)]).toEqual([false, true, false]);
  });

  it("forgets what a slower rate of an earlier config left behind", () => {
    const slow = take(0, { requests: 1, per_ms: 86_400_000, burst: 1 }, 1_000);
    const tat = slow.ok ? slow.tat : 0;
    const next = take(tat, { requests: 1, per_ms: 1_000, burst: 1 }, 2_000);
    expect(next).toMatchObject({ ok: false, retryAfterMs: 1_000 });
  });
});

describe("local time", () => {
  // IANA tz database 2025b: Berlin leaves summer time on 2026-10-25 at 01:00 UTC; Apia skipped 2011-12-30 altogether.
  it.each([
    ["2026-11-25T23:30:00Z", "Europe/Berlin", { hour: 0, minute: 30, weekday: 4, date: "2026-11-26" }],
    ["2026-11-25T23:30:00Z", "UTC", { hour: 23, minute: 30, weekday: 3, date: "2026-11-25" }],
    ["2026-03-01T00:00:00Z", "America/New_York", { hour: 19, minute: 0, weekday: 6, date: "2026-02-28" }],
    ["2024-02-29T12:00:00Z", "Asia/Kathmandu", { hour: 17, minute: 45, weekday: 4, date: "2024-02-29" }],
  ])("is read at %s in %s", (instant, zone, expected) => {
    expect(localTime(Date.parse(instant), zone)).toEqual(expected);
  });

  it.each([
    ["2026-10-25T12:00:00Z", "day", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"],
    ["2026-03-29T12:00:00Z", "day", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"],
    ["2026-11-25T12:00:00Z", "week", "UTC", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"],
    ["2026-12-31T23:30:00Z", "month", "Europe/Berlin", "2026-12-31T23:00:00Z", "2027-01-31T23:00:00Z"],
    ["2026-12-31T22:30:00Z", "month", "Europe/Berlin", "2026-11-30T23:00:00Z", "2026-12-31T23:00:00Z"],
    ["2026-11-25T12:20:00Z", "hour", "Asia/Kathmandu", "2026-11-25T12:15:00Z", "2026-11-25T13:15:00Z"],
    ["2011-12-30T12:00:00Z", "day", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"],
  ] as const)("%s lies in a %s of %s", (instant, unit, zone, start, end) => {
    expect(periodAround(Date.parse(instant), unit, zone)).toEqual({ start: Date.parse(start), end: Date.parse(end) });
  });

  it("puts every instant into a period that begins before it and ends after it, next to the next one", () => {
    const zones = fc.constantFrom("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Tokyo");
    const units = fc.constantFrom("hour", "day", "week", "month");
    fc.assert(
      fc.property(fc.integer({ min: 1_577_836_800_000, max: 1_893_456_000_000 }), zones, units, (now, zone, unit) => {
        const { start, end } = periodAround(now, unit, zone);
        expect(start).toBeLessThanOrEqual(now);
        expect(end).toBeGreaterThan(now);
        // Lord Howe's clock changes by half an hour: an hour of its wall clock may then be cut.
        if (unit !== "hour") expect(periodAround(end, unit, zone).start).toBe(end);
      }),
      { numRuns: 1_000 },
    );
  });

  it("knows which names are zones", () => {
    expect([isTimeZone("Europe/Berlin"), isTimeZone("Mars/Olympus"), isTimeZone("")]).toEqual([true, false, false]);
  });
});

describe("windows and durations", () => {
  it.each([
    ["15m", 900_000],
    ["7d", 604_800_000],
    [30, 30_000],
    ["0s", undefined],
    ["-5m", undefined],
    ["5 minutes", undefined],
    [1.5, undefined],
    ["999999d", undefined],
  ])("%j lasts %j ms", (text, ms) => expect(readDuration(text)).toBe(ms));

  it("tells sliding from calendar windows", () => {
    expect(readWindow("day")).toEqual({ type: "calendar", unit: "day" });
    expect(readWindow("1d")).toEqual({ type: "sliding", ms: 86_400_000 });
    expect(readWindow("fortnight")).toBeUndefined();
  });
});
