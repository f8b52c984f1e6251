// Proves the session ledger against a naive model: never over a limit, settled once, nothing lost but one chunk when it stops uncleanly.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  amounts,
  DIMENSIONS,
  NOTHING,
  plus,
  type Amounts,
  type Dimension,
  type Limits,
} from "../../src/core/budget/amounts.ts";
import { needOf, type Want } from "../../src/core/state/account.ts";
import { MAX_OUTBOX } from "../../src/core/state/session-books.ts";
import { nextWake, QUIET_MS, reload, SESSION_RETENTION_MS, transition } from "../../src/core/state/session-ledger.ts";
import { RETENTION_MS } from "../../src/core/state/tool-call.ts";
import type { SessionReply } from "../../src/core/state/session-messages.ts";
import { admit, Machine, ref } from "./session-machine.ts";

describe("admission", () => {
  it("grants what fits and clamps the output to what the budget pays", () => {
    const machine = new Machine();
    const reply = machine.send(admit("h1", { usd: 14 }));
    expect(reply).toMatchObject({ type: "admitted", units: 4, seq: 1, remainingUsd: 0 });
    expect(machine.send(admit("h2", { usd: 14 }))).toMatchObject({
      type: "budget_exceeded",
      dimension: "usd",
      scope: "session",
      needed: 11,
    });
  });

  it("admits a hold once however often it is asked for", () => {
    const machine = new Machine();
    const first = machine.send(admit("h1", { calls: 5 }));
    expect(machine.send(admit("h1", { calls: 5 }))).toEqual(first);
    expect(machine.state.session?.held.calls).toBe(1);
  });

  it("admits exactly N of many calls under a limit of N", () => {
    const machine = new Machine();
    const replies = Array.from({ length: 200 }, (_, at) => machine.send(admit(`h${at}`, { calls: 10 })));
    expect(replies.filter((reply) => reply.type === "admitted")).toHaveLength(10);
  });

  it("counts a task's calls against the task and the session alike", () => {
    const machine = new Machine();
    const scopes = { session: { calls: 3 }, task: { id: "t1", limits: { calls: 1 } } };
    expect(machine.send(admit("h1", {}, { scopes })).type).toBe("admitted");
    expect(machine.send(admit("h2", {}, { scopes }))).toMatchObject({ type: "budget_exceeded", scope: "task" });
    expect(
      machine.send(admit("h3", {}, { scopes: { ...scopes, task: { id: "t2", limits: { calls: 1 } } } })).type,
    ).toBe("admitted");
    expect(machine.send(admit("h4", { calls: 3 })).type).toBe("admitted");
    expect(machine.send(admit("h5", { calls: 3 }))).toMatchObject({ type: "budget_exceeded", scope: "session" });
  });

  it("refuses another actor, a full outbox and a session that has run too long", () => {
    const machine = new Machine();
    machine.send(admit("h1", {}));
    expect(machine.send(admit("h2", {}, { ref: { ...ref, actor: "b" } })).type).toBe("other_actor");
    expect(machine.send(admit("h3", {}, { outboxDepth: MAX_OUTBOX })).type).toBe("outbox_full");
    machine.now = 5_001;
    expect(machine.send(admit("h4", { wall_time_ms: 5_000 }))).toMatchObject({
      type: "budget_exceeded",
      dimension: "wall_time",
    });
  });
});

describe("settlement", () => {
  it("happens once", () => {
    const machine = new Machine();
    machine.send(admit("h1", {}));
    const actual = amounts({ usd: 3, tokens: 4, calls: 1 });
    expect(machine.send({ type: "settle", holdId: "h1", actual }).type).toBe("settled");
    expect(machine.send({ type: "settle", holdId: "h1", actual }).type).toBe("unknown_hold");
    expect(machine.state.session).toMatchObject({ used: actual, held: NOTHING });
  });

  it("charges an orphaned hold whole when it expires, and reports it", () => {
    const machine = new Machine();
    const reply = machine.send(admit("h1", {}, { expiresAt: 100 }));
    machine.now = 100;
    const { effects, next } = transition(machine.state, { type: "tick", outboxDepth: 0 }, machine.now);
    expect(reply).toMatchObject({ type: "admitted", held: { usd: 20 } });
    expect(effects.map((effect) => effect.type)).toEqual(["report_expired", "persist"]);
    expect(next.session?.used.usd).toBe(20);
    expect(next.expiredHolds).toBe(1);
  });

  it("writes the exact figures back once the session is quiet", () => {
    const machine = new Machine();
    machine.send(admit("h1", { usd: 1_000_000 }));
    machine.send({ type: "settle", holdId: "h1", actual: amounts({ usd: 5, tokens: 5, calls: 1 }) });
    expect(nextWake(machine.state)).toBe(machine.now + QUIET_MS);
    machine.now += QUIET_MS;
    machine.send({ type: "tick", outboxDepth: 0 });
    machine.kill();
    expect(machine.state.session?.used).toEqual(amounts({ usd: 5, tokens: 5, calls: 1 }));
    expect(machine.state.uncleanStops).toBe(0);
    expect(nextWake(machine.state)).toBe(1 + SESSION_RETENTION_MS);
  });

  it("does not pay a durable write per call", () => {
    const machine = new Machine();
    for (let at = 0; at < 64; at += 1) {
      machine.send(admit(`h${at}`, { usd: 10_000_000, tokens: 10_000_000, calls: 10_000 }));
      machine.send({ type: "settle", holdId: `h${at}`, actual: amounts({ usd: 5, tokens: 5, calls: 1 }) });
    }
    expect(machine.writes).toBe(1);
  });
});

describe("tool charges", () => {
  const chargeOf = (machine: Machine, callId: string, limits: Limits): SessionReply =>
    machine.charge(callId, { limits, amounts: amounts({ tool_calls: 1, tool_usd: 7 }) });

  it("are durable at once, counted once per call, and given back once", () => {
    const machine = new Machine();
    expect(chargeOf(machine, "c1", { tool_calls: 1 }).type).toBe("charged");
    expect(chargeOf(machine, "c1", { tool_calls: 1 }).type).toBe("charged");
    expect(chargeOf(machine, "c2", { tool_calls: 1 })).toMatchObject({
      type: "budget_exceeded",
      dimension: "tool_calls",
    });
    machine.kill();
    expect(machine.state.session?.used).toMatchObject({ tool_calls: 1, tool_usd: 7 });
    machine.conclude("c1", "failed");
    machine.conclude("c1", "failed");
    expect(machine.state.session?.used).toMatchObject({ tool_calls: 0, tool_usd: 0 });
    expect(chargeOf(machine, "c2", { tool_calls: 1 }).type).toBe("charged");
  });
});

describe("a tick while records wait for the queue", () => {
  it("expires holds and writes back as ever, and only puts off forgetting", () => {
    const machine = new Machine();
    machine.send(admit("h1", {}, { expiresAt: 100 }));
    machine.now = 100 + QUIET_MS;
    machine.send({ type: "tick", outboxDepth: 1 });
    expect(machine.state).toMatchObject({ expiredHolds: 1, holds: {}, isExact: true });
    machine.now += SESSION_RETENTION_MS;
    expect(transition(machine.state, { type: "tick", outboxDepth: 1 }, machine.now).effects).toEqual([]);
    expect(transition(machine.state, { type: "tick", outboxDepth: 0 }, machine.now).effects).toEqual([
      { type: "forget" },
    ]);
  });
});

describe("a charge given back between a hold and a stop", () => {
  it("leaves no more than a chunk set aside", () => {
    const machine = new Machine();
    const limits = { tool_calls: 6 };
    machine.charge("c0", { limits });
    machine.send(admit("h0", limits));
    machine.conclude("c0", "failed");
    machine.kill();
    expect(machine.state.session?.used.tool_calls).toBe(1);
  });
});

describe("a charge that its call has forgotten", () => {
  it("is charged again: the same key a day later is a new call", () => {
    const machine = new Machine();
    const charge = (): SessionReply =>
      machine.charge("c1", { limits: { tool_usd: 50 }, amounts: amounts({ tool_calls: 1, tool_usd: 42 }) });
    expect(charge().type).toBe("charged");
    machine.now += RETENTION_MS;
    expect(charge()).toMatchObject({ type: "budget_exceeded", dimension: "tool_usd" });
  });

  it("is not charged again when it was held until now, however long its session was paused", () => {
    const machine = new Machine();
    const charge = (isHeld: boolean): SessionReply =>
      machine.charge("c1", { isHeld, limits: { tool_usd: 50 }, amounts: amounts({ tool_calls: 1, tool_usd: 42 }) });
    const first = charge(false);
    machine.now += 3 * RETENTION_MS;
    expect(charge(true)).toEqual(first);
    expect(machine.state.session?.used.tool_usd).toBe(42);
  });
});

type Step =
  | {
      readonly do: "admit";
      readonly fixed: number;
      readonly units: number;
      readonly min: number;
      readonly pico: number;
      readonly task: number;
    }
  | { readonly do: "settle"; readonly pick: number; readonly share: number }
  | { readonly do: "charge"; readonly usd: number; readonly key: number }
  | { readonly do: "give_back"; readonly key: number }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "kill" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("admit" as const),
      fixed: fc.nat(300),
      units: fc.integer({ min: 1, max: 200 }),
      min: fc.integer({ min: 1, max: 200 }),
      pico: fc.integer({ min: 0, max: 3_000_000 }),
      task: fc.nat(2),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      pick: fc.nat(50),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("charge" as const), usd: fc.nat(100), key: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("give_back" as const), key: fc.nat(8) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 8_000 }) }) },
  { weight: 1, arbitrary: fc.constant({ do: "kill" as const }) },
);

/** The naive truth: what the outside world has really been allowed to spend. */
interface World {
  spent: Amounts;
  readonly running: Map<string, Amounts>;
  /** The largest hold so far: a chunk is at least as large as the need that opened it. */
  largest: Amounts;
}

const total = (world: World): Amounts => [...world.running.values()].reduce(plus, world.spent);

describe("any sequence of calls, settlements, charges, waits and kills", () => {
  const limits: Limits = { usd: 2_000, tokens: 3_000, calls: 25, tool_calls: 6, tool_usd: 250 };

  it("never passes a limit, in the ledger or in the world, and forfeits at most one chunk a stop", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 120 }), (steps) => {
        const machine = new Machine();
        const world: World = { spent: NOTHING, running: new Map(), largest: NOTHING };
        steps.forEach((each, at) => {
          machine.now += 1;
          perform(machine, world, limits, each, at);
          for (const dimension of DIMENSIONS) check(machine, world, limits, dimension);
        });
      }),
      { numRuns: 2_000 },
    );
  });
});

function check(machine: Machine, world: World, limits: Limits, dimension: Dimension): void {
  const { session } = machine.state;
  const limit = limits[dimension];
  if (session === null || limit === undefined) return;
  const inLedger = session.used[dimension] + session.held[dimension];
  expect(inLedger).toBeLessThanOrEqual(limit);
  expect(total(world)[dimension]).toBeLessThanOrEqual(inLedger);
  // What durable storage would answer now is never less than the truth.
  const restarted = reload(machine.disk).session;
  if (restarted !== null)
    expect(restarted.used[dimension] + restarted.held[dimension]).toBeGreaterThanOrEqual(total(world)[dimension]);
}

function perform(machine: Machine, world: World, limits: Limits, each: Step, at: number): void {
  switch (each.do) {
    case "admit": {
      const asked: Want = {
        fixed: amounts({ usd: each.fixed, tokens: each.fixed, calls: 1 }),
        unitPico: each.pico,
        unitTokens: 1,
        minUnits: Math.min(each.min, each.units),
        maxUnits: each.units,
      };
      const task = each.task === 0 ? null : { id: `t${each.task}`, limits: { usd: 900 } };
      const scopes = { session: limits, task };
      const reply = machine.send(admit(`h${at}`, limits, { scopes, want: asked, expiresAt: machine.now + 60_000 }));
      if (reply.type !== "admitted") return;
      expect(reply.held).toEqual(needOf(asked, reply.units));
      world.running.set(`h${at}`, reply.held);
      return;
    }
    case "settle": {
      const [id, held] = [...world.running][each.pick % Math.max(1, world.running.size)] ?? [];
      if (id === undefined || held === undefined) return;
      const actual = amounts(
        Object.fromEntries(DIMENSIONS.map((dimension) => [dimension, Math.floor(held[dimension] * each.share)])),
      );
      world.running.delete(id);
      world.spent = plus(world.spent, actual);
      machine.send({ type: "settle", holdId: id, actual });
      return;
    }
    case "charge": {
      const callId = `c${each.key}`;
      const isNew = machine.charges.get(callId)?.status !== "charged";
      const amount = amounts({ tool_calls: 1, tool_usd: each.usd });
      const reply = machine.charge(callId, { limits, amounts: amount });
      if (reply.type === "charged" && isNew) world.spent = plus(world.spent, amount);
      return;
    }
    case "give_back": {
      const prior = machine.charges.get(`c${each.key}`) ?? null;
      machine.conclude(`c${each.key}`, "failed");
      if (prior?.status === "charged")
        world.spent = {
          ...world.spent,
          tool_calls: world.spent.tool_calls - 1,
          tool_usd: world.spent.tool_usd - prior.amounts.tool_usd,
        };
      return;
    }
    case "wait":
      machine.now += each.ms;
      machine.send({ type: "tick", outboxDepth: 0 });
      return;
    case "kill": {
      const before = machine.state.session;
      machine.kill();
      const after = machine.state.session;
      if (before === null || after === null) return;
      for (const dimension of DIMENSIONS) {
        const forfeited =
          after.used[dimension] + after.held[dimension] - before.used[dimension] - before.held[dimension];
        expect(forfeited).toBeLessThanOrEqual(before.chunk[dimension]);
      }
      return;
    }
    default:
      each satisfies never;
  }
}
