// Proves the comparison of a canary with what is live: how often it cries wolf, how soon it sees, and that its figures agree.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  alphaOfWindow,
  compareArms,
  WATCH_METRICS,
  type ArmFigures,
  type ArmTerms,
  type CanaryLook,
} from "../../src/core/eval/canary/compare-arms.ts";
import { Dice } from "../../src/core/eval/stats/dice.ts";

const TERMS: ArmTerms = {
  metrics: ["errors", "denials", "cost", "latency"],
  margin: 0,
  min_sessions: 100,
  alpha: 0.05,
  weight: null,
};
const NOTHING = { n: 0, sum: 0, sum_squares: 0 };
const empty = (release: string): ArmFigures => ({
  release,
  sessions: 0,
  drawn: 0,
  errors: 0,
  denials: 0,
  good: 0,
  cost: NOTHING,
  latency: NOTHING,
});
const arm = (release: string, more: Partial<ArmFigures>): ArmFigures => ({
  ...empty(release),
  drawn: more.sessions ?? 0,
  ...more,
});
const metricOf = ({ metrics }: CanaryLook, id: string): CanaryLook["metrics"][number] => {
  const found = metrics.find((each) => each.id === id);
  if (found === undefined) throw new Error(`no ${id}`);
  return found;
};

/** What sessions of a release are like. Cost and latency are log-normal, as bills and waits are. */
interface Nature {
  readonly errors: number;
  readonly denials: number;
  readonly logCost: number;
}

function oneMore(figures: ArmFigures, { errors, denials, logCost }: Nature, dice: Dice): ArmFigures {
  const add = (sum: ArmFigures["cost"], value: number): ArmFigures["cost"] => ({
    n: sum.n + 1,
    sum: sum.sum + value,
    sum_squares: sum.sum_squares + value * value,
  });
  return {
    ...figures,
    sessions: figures.sessions + 1,
    drawn: figures.drawn + 1,
    errors: figures.errors + Number(dice.fraction() < errors),
    denials: figures.denials + Number(dice.fraction() < denials),
    cost: add(figures.cost, logCost + normal(dice)),
    latency: add(figures.latency, 6 + 0.7 * normal(dice)),
  };
}

/** Box & Muller. */
function normal(dice: Dice): number {
  return Math.sqrt(-2 * Math.log(1 - dice.fraction())) * Math.cos(2 * Math.PI * dice.fraction());
}

/** How many sessions more there are at each look. */
const STEP = 1.25;

/** Sessions that one canary was given before it was found worse; `null` where it never was. Looked at again and again. */
function stopOf(dice: Dice, how: { share: number; most: number; live: Nature; canary: Nature }): number | null {
  let [live, canary] = [empty("r1"), empty("r2")];
  let next = 200;
  for (let at = 1; at <= how.most; at += 1) {
    if (dice.fraction() < how.share) canary = oneMore(canary, how.canary, dice);
    else live = oneMore(live, how.live, dice);
    if (at < next) continue;
    next = Math.ceil(next * STEP);
    if (compareArms(live, canary, TERMS).state === "worse") return canary.sessions;
  }
  return null;
}

describe("an equal canary", () => {
  const usual: Nature = { errors: 0.05, denials: 0.02, logCost: 7 };
  // The tests themselves are proved with their statistics: this is about what they are given.
  it.each([
    ["half of the sessions", 0.5, usual],
    ["one session in ten, that hardly ever fail", 0.1, { ...usual, errors: 0.002, denials: 0.001 }],
  ])("of %s is seldom ended, however often one looks", { timeout: 30_000 }, (_, share, nature) => {
    const dice = new Dice(20_261_126);
    const runs = 60;
    const stops = Array.from({ length: runs }, () =>
      stopOf(dice, { share, most: 3_000, live: nature, canary: nature }),
    );
    // Three standard errors of 60 runs above 5 %.
    expect(stops.filter((stop) => stop !== null).length / runs).toBeLessThanOrEqual(
      0.05 + 3 * Math.sqrt((0.05 * 0.95) / runs),
    );
  });
});

describe("a worse canary", () => {
  const live: Nature = { errors: 0.05, denials: 0.02, logCost: 7 };
  it.each([
    ["with three errors in ten against one in twenty", { ...live, errors: 0.3 }, 250],
    ["with twice the errors", { ...live, errors: 0.1 }, 1_900],
    ["that costs half as much again", { ...live, logCost: 7 + Math.log(1.5) }, 500],
  ])("%s is found", { timeout: 30_000 }, (_, canary, within) => {
    const dice = new Dice(7);
    const stops = Array.from({ length: 20 }, () => stopOf(dice, { share: 0.5, most: within * 2.5, live, canary }));
    const found = stops.filter((stop) => stop !== null && stop <= within);
    expect(found.length / stops.length).toBeGreaterThanOrEqual(0.85);
  });

  it("is not found below the least number of sessions, whatever it does", () => {
    const few = compareArms(arm("r1", { sessions: 99 }), arm("r2", { sessions: 99, errors: 99 }), TERMS);
    expect(few).toMatchObject({ state: "watching", says: expect.stringContaining("of 100 that it takes") as unknown });
    const enough = compareArms(arm("r1", { sessions: 100 }), arm("r2", { sessions: 100, errors: 99 }), TERMS);
    expect(enough.state).toBe("worse");
  });

  it("may be worse by less than the margin", () => {
    const arms = [arm("r1", { sessions: 4_000, errors: 200 }), arm("r2", { sessions: 4_000, errors: 480 })] as const;
    expect(compareArms(...arms, TERMS).state).toBe("worse");
    expect(metricOf(compareArms(...arms, { ...TERMS, margin: 0.1 }), "errors").state).toBe("within");
  });

  it("has fewer good outcomes, not more", () => {
    const terms = { ...TERMS, metrics: ["good_outcomes"] as const };
    const [few, many] = [arm("r1", { sessions: 500, good: 200 }), arm("r2", { sessions: 500, good: 400 })];
    expect(compareArms(few, many, terms).state).toBe("better");
    expect(compareArms(many, few, terms).state).toBe("worse");
  });
});

describe("a comparison", () => {
  const counts = fc
    .tuple(fc.integer({ min: 100, max: 5_000 }), fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([sessions, share]) => ({ sessions, errors: Math.round(sessions * share) }));

  it("calls worse what its p puts below its share of alpha, and never what its interval puts below the margin", () => {
    fc.assert(
      fc.property(counts, counts, fc.constantFrom(0, 0.02, 0.1), (live, canary, margin) => {
        const terms = { ...TERMS, margin, metrics: ["errors"] as const };
        const { upper, lower, delta, p, state } = metricOf(
          compareArms(arm("r1", live), arm("r2", canary), terms),
          "errors",
        );
        expect(delta).toBeCloseTo(canary.errors / canary.sessions - live.errors / live.sessions, 12);
        expect(lower ?? 0).toBeLessThanOrEqual((delta ?? 0) + 1e-9);
        expect(upper ?? 0).toBeGreaterThanOrEqual((delta ?? 0) - 1e-9);
        // At the edge itself the two ways to compute it may differ in the last digit.
        if (Math.abs(p - terms.alpha) > 1e-9) expect(state === "worse").toBe(p < terms.alpha);
        if (state === "worse") expect(upper ?? 0).toBeGreaterThan(margin);
      }),
      { numRuns: 60 },
    );
  });

  it("finds at most one of two releases worse than the other", () => {
    fc.assert(
      fc.property(counts, counts, (one, other) => {
        const there = metricOf(compareArms(arm("r1", one), arm("r2", other), TERMS), "errors");
        const back = metricOf(compareArms(arm("r2", other), arm("r1", one), TERMS), "errors");
        expect(there.delta).toBeCloseTo(-(back.delta ?? 0));
        expect(there.state === "worse" && back.state === "worse").toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  it("shows cost and latency in their units: the geometric means, and their ratio", () => {
    const of = (micro: number): ArmFigures["cost"] => {
      const logs = Array.from({ length: 200 }, (_, at) => Math.log(micro) + ((at % 2) - 0.5) / 10);
      return { n: 200, sum: logs.reduce((a, b) => a + b, 0), sum_squares: logs.reduce((a, b) => a + b * b, 0) };
    };
    const [live, canary] = [
      arm("r1", { sessions: 200, cost: of(1_000) }),
      arm("r2", { sessions: 200, cost: of(1_500) }),
    ];
    const { live: before, canary: after, delta, state } = metricOf(compareArms(live, canary, TERMS), "cost");
    expect(before).toBeCloseTo(1_000, 6);
    expect(after).toBeCloseTo(1_500, 6);
    expect(delta).toBeCloseTo(0.5, 9);
    expect(state).toBe("worse");
  });

  it("says nothing of what no session has", () => {
    const look = compareArms(empty("r1"), empty("r2"), { ...TERMS, metrics: WATCH_METRICS, weight: 10 });
    expect(look).toMatchObject({ state: "watching", sample_ratio: { is_alarm: false } });
    for (const metric of look.metrics) expect(metric).toMatchObject({ state: "watching", p: 1, live: null });
  });
});

describe("the split of sessions", () => {
  // Lindon & Malek's Bayes factors: 520 of 1000 at an even split .0881, 560 of 1000 53.586.
  it.each([
    [520, 480, 0.0881, false],
    [560, 440, 53.586, true],
  ])("of %i to %i has a Bayes factor of %f", (live, canary, factor, isAlarm) => {
    const look = compareArms(arm("r1", { sessions: live }), arm("r2", { sessions: canary }), { ...TERMS, weight: 50 });
    expect(look.sample_ratio?.bayes_factor).toBeCloseTo(factor, 2);
    expect(look.sample_ratio).toMatchObject({ is_alarm: isAlarm });
    expect(look.state).not.toBe("worse");
  });

  it("is held against the sessions that were drawn by the weight of now, and against none where nobody is drawn", () => {
    const arms = [arm("r1", { sessions: 1_000, drawn: 90 }), arm("r2", { sessions: 1_000, drawn: 10 })] as const;
    expect(compareArms(...arms, { ...TERMS, weight: 10 }).sample_ratio?.is_alarm).toBe(false);
    expect(compareArms(...arms, { ...TERMS, weight: 90 }).sample_ratio?.is_alarm).toBe(true);
    for (const weight of [null, 0, 100]) expect(compareArms(...arms, { ...TERMS, weight }).sample_ratio).toBeNull();
  });

  it("that is wrong does not hide that a canary is worse", () => {
    const arms = [arm("r1", { sessions: 1_000, errors: 10 }), arm("r2", { sessions: 1_000, errors: 400 })] as const;
    const look = compareArms(...arms, { ...TERMS, weight: 10 });
    expect(look).toMatchObject({ state: "worse", sample_ratio: { is_alarm: true } });
    expect(look.says).toContain("not 10");
  });
});

it("all windows together use no more than alpha", () => {
  const used = Array.from({ length: 10_000 }, (_, at) => alphaOfWindow(0.05, at + 1));
  const sum = used.reduce((total, each) => total + each, 0);
  expect(sum).toBeLessThan(0.05);
  expect(sum).toBeGreaterThan(0.0499);
});
