// Proves what a session makes of a routed call: within a task the tier never goes down, and lower only where the budget says so.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { amounts, type Limits } from "../../src/core/budget/amounts.ts";
import { chooseTier, type RouteAsk, type RoutePick } from "../../src/core/state/session-route.ts";
import type { SessionCommand, SessionReply } from "../../src/core/state/session-messages.ts";
import { admit, Machine, ref, want } from "./session-machine.ts";

const TIERS = ["nano", "fast", "planning"];
const choices = TIERS.map((tier, rank) => ({
  tier,
  want: want({ fixed: amounts({ usd: 10 ** (rank + 1), tokens: 10, calls: 1 }) }),
  expiresAt: 1e12 + rank,
  subject: `${tier}-model`,
}));
const pick = (choice: number, why = "default", floor = 0): RoutePick => ({ choice, why, floor });
const ask = (parts: Partial<RouteAsk> = {}): RouteAsk => ({
  isSticky: true,
  choices,
  clean: [pick(1)],
  tainted: [pick(1)],
  degrade: [],
  ...parts,
});
const picks = fc.array(
  fc
    .nat(2)
    .chain((choice) => fc.record({ choice: fc.constant(choice), why: fc.constant("default"), floor: fc.nat(choice) })),
  { minLength: 1, maxLength: 4 },
);
const asks: fc.Arbitrary<RouteAsk> = fc.record({
  isSticky: fc.constant(true),
  choices: fc.constant(choices),
  clean: picks,
  tainted: picks,
  degrade: fc.array(fc.record({ used: fc.double({ min: 0.1, max: 1, noNaN: true }), choice: fc.nat(2) }), {
    maxLength: 2,
  }),
});
const seen = fc.record({
  tier: fc.constantFrom(null, ...TIERS, "gone"),
  failures: fc.nat(6),
  isTainted: fc.boolean(),
  used: fc.double({ min: 0, max: 1.2, noNaN: true }),
});

describe("a choice", () => {
  test("is never below what the task had, nor above it without being called for, unless the budget says so", () => {
    fc.assert(
      fc.property(asks, seen, (asked, was) => {
        const { choice, kept, why } = chooseTier(asked, was);
        const row = was.isTainted ? asked.tainted : asked.clean;
        const called = row[Math.min(was.failures, row.length - 1)] ?? pick(0);
        expect(kept).toBe(Math.max(called.choice, TIERS.indexOf(was.tier ?? "")));
        expect(choice).toBeLessThanOrEqual(kept);
        expect(choice).toBeGreaterThanOrEqual(Math.min(kept, called.floor));
        if (!asked.degrade.some(({ used }) => was.used >= used)) expect(choice).toBe(kept);
        if (choice < kept) expect(why).toBe("degraded");
        else expect(why).toBe(kept > called.choice ? "sticky" : called.why);
      }),
    );
  });
});

const inTask = (task: string, limits: Limits = {}): SessionCommand & { type: "admit" } => ({
  ...(admit("unused", limits) as SessionCommand & { type: "admit" }),
  scopes: { session: limits, task: { id: task, limits: {} } },
});

function route(
  machine: Machine,
  id: string,
  command: SessionCommand & { type: "admit" },
  asked: RouteAsk,
): SessionReply {
  return machine.send({ ...command, holdId: id, route: asked });
}

const tierOf = (reply: SessionReply): string =>
  reply.type === "admitted" && reply.route !== undefined
    ? `${TIERS[reply.route.choice]} ${reply.route.why}`
    : reply.type;

describe("a session", () => {
  test("keeps a task's highest tier, and each task's apart", () => {
    const machine = new Machine();
    expect(tierOf(route(machine, "1", inTask("a"), ask()))).toBe("fast default");
    expect(tierOf(route(machine, "2", inTask("a"), ask({ clean: [pick(2, "rule:r")] })))).toBe("planning rule:r");
    expect(tierOf(route(machine, "3", inTask("a"), ask()))).toBe("planning sticky");
    expect(tierOf(route(machine, "4", inTask("b"), ask()))).toBe("fast default");
    expect(tierOf(route(machine, "5", inTask("a"), ask({ isSticky: false })))).toBe("fast default");
    expect(tierOf(route(machine, "6", inTask("__proto__"), ask()))).toBe("fast default");
  });

  test("writes no row for it", () => {
    const machine = new Machine();
    route(machine, "1", inTask("a"), ask());
    const { writes } = machine;
    route(machine, "2", inTask("a"), ask({ clean: [pick(2)] }));
    expect(machine.writes).toBe(writes);
    machine.now += 10_000;
    machine.send({ type: "tick", outboxDepth: 0 });
    machine.kill();
    expect(tierOf(route(machine, "3", inTask("a"), ask()))).toBe("planning sticky");
  });

  test("holds what the chosen tier can cost, under its own model and for as long as it may take", () => {
    const machine = new Machine();
    const reply = route(machine, "1", inTask("a"), ask({ clean: [pick(2)] }));
    expect(reply).toMatchObject({ type: "admitted", held: { usd: 1_000 + 10 } });
    expect(machine.state.holds["1"]).toMatchObject({ expiresAt: 1e12 + 2, ref: { ...ref, subject: "planning-model" } });
    expect(route(machine, "1", inTask("a"), ask())).toMatchObject({
      held: { usd: 1_010 },
      units: 10,
      route: { choice: 2 },
    });
  });

  test("counts the failures of a task, and sees taint", () => {
    const machine = new Machine();
    const table = ask({ clean: [pick(1), pick(2, "rule:failed")], tainted: [pick(2, "rule:tainted")] });
    expect(tierOf(route(machine, "1", admit("1", {}) as SessionCommand & { type: "admit" }, table))).toBe(
      "fast default",
    );
    machine.charge("c");
    machine.conclude("c", "failed");
    const untasked = admit("2", {}) as SessionCommand & { type: "admit" };
    expect(tierOf(route(machine, "2", untasked, table))).toBe("planning rule:failed");
    expect(tierOf(route(machine, "3", inTask("other"), table))).toBe("fast default");
    machine.charge("d");
    machine.conclude("d", "succeeded", { taint: "mail", facts: [] });
    expect(tierOf(route(machine, "4", inTask("other"), table))).toBe("planning rule:tainted");
  });

  test("goes down once the budget is used, and back to the task's tier where it is not", () => {
    const machine = new Machine();
    const table = ask({ clean: [pick(2)], degrade: [{ used: 0.5, choice: 1 }] });
    expect(tierOf(route(machine, "1", inTask("a", { usd: 2_000 }), table))).toBe("planning default");
    expect(tierOf(route(machine, "2", inTask("a", { usd: 2_000 }), table))).toBe("fast degraded");
    expect(tierOf(route(machine, "3", inTask("a", { usd: 20_000 }), table))).toBe("planning default");
    expect(machine.state.routes["a"]).toEqual({ tier: "planning", failures: 0 });
  });

  test("goes down where the tier does not fit, if the policy has somewhere to go", () => {
    const limits = { usd: 500 };
    const table = ask({ clean: [pick(2)] });
    expect(tierOf(route(new Machine(), "1", inTask("a", limits), table))).toBe("budget_exceeded");
    const degrade = [{ used: 0.9, choice: 0 }];
    expect(tierOf(route(new Machine(), "1", inTask("a", limits), { ...table, degrade }))).toBe("nano degraded");
    const firm = { ...table, clean: [pick(2, "rule:r", 2)], degrade };
    expect(tierOf(route(new Machine(), "1", inTask("a", limits), firm))).toBe("budget_exceeded");
  });

  test("never passes a limit, whatever it chooses", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(asks, fc.constantFrom("a", "b")), { maxLength: 30 }),
        fc.nat(3_000),
        (calls, usd) => {
          const machine = new Machine();
          let top = new Map<string, number>();
          calls.forEach(([asked, task], index) => {
            const reply = route(machine, String(index), inTask(task, { usd }), asked);
            if (reply.type !== "admitted" || reply.route === undefined) return;
            const kept = TIERS.indexOf(machine.state.routes[task]?.tier ?? "");
            expect(kept).toBeGreaterThanOrEqual(top.get(task) ?? 0);
            top = new Map([...top, [task, kept]]);
          });
          expect(machine.state.session?.held.usd ?? 0).toBeLessThanOrEqual(usd);
        },
      ),
      { numRuns: 50 },
    );
  });
});
