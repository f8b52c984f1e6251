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
const NOTHING = { n: 0, sum: 0, squares: 0 };
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
const metricOf = ({ comparisons }: CanaryLook, metric: string): CanaryLook["comparisons"][number] => {
  const found = comparisons.find((each) => each.metric === metric);
  if (found === undefined) throw new Error(`no ${metric}`);
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
    squares: sum.squares + value * value,
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

/** Sessions that one canary was given before it was found worse; `null` where it never was. Looked at every 25 sessions. */
function stopOf(dice: Dice, how: { share: number; most: number; live: Nature; canary: Nature }): number | null {
  let [live, canary] = [empty("r1"), empty("r2")];
  for (let at = 1; at <= how.most; at += 1) {
    if (dice.fraction() < how.share) canary = oneMore(canary, how.canary, dice);
    else live = oneMore(live, how.live, dice);
    if (at % 25 === 0 && compareArms(live, canary, TERMS).state === "worse") return canary.sessions;
  }
  return null;
}

describe("an equal canary", () => {
  const usual: Nature = { errors: 0.05, denials: 0.02, logCost: 7 };
  it.each([
    ["half of the sessions", 0.5, usual],
    ["one session in ten", 0.1, usual],
    ["half of them, that hardly ever fail", 0.5, { ...usual, errors: 0.002, denials: 0.001 }],
    ["half of them, that often fail", 0.5, { ...usual, errors: 0.4, denials: 0.3 }],
  ])("of %s is ended in at most one case in twenty, however often one looks", (_, share, nature) => {
    const dice = new Dice(20_261_126);
    const runs = 200;
    const stops = Array.from({ length: runs }, () =>
      stopOf(dice, { share, most: 3_000, live: nature, canary: nature }),
    ).filter((stop) => stop !== null);
    // Three standard errors of 200 runs at 5 % above it.
    expect(stops.length / runs).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / runs));
  });
});

describe("a worse canary", () => {
  const live: Nature = { errors: 0.05, denials: 0.02, logCost: 7 };
  it.each([
    ["with three errors in ten against one in twenty", { ...live, errors: 0.3 }, 200],
    ["with twice the errors", { ...live, errors: 0.1 }, 1_500],
    ["that costs half as much again", { ...live, logCost: 7 + Math.log(1.5) }, 700],
  ])("%s is found within the sessions that the guide says", (_, canary, within) => {
    const dice = new Dice(7);
    const stops = Array.from({ length: 60 }, () => stopOf(dice, { share: 0.5, most: within * 2, live, canary }));
    const found = stops.filter((stop) => stop !== null && stop <= within);
    expect(found.length / stops.length).toBeGreaterThanOrEqual(0.9);
  });

  it("is not found below the least number of sessions, whatever it does", () => {
    const look = compareArms(arm("r1", { sessions: 99 }), arm("r2", { sessions: 99, errors: 99 }), TERMS);
    expect(look).toMatchObject({ state: "too_few", says: expect.stringContaining("below 100") as unknown });
    const enough = compareArms(arm("r1", { sessions: 100 }), arm("r2", { sessions: 100, errors: 99 }), TERMS);
    expect(enough.state).toBe("worse");
  });

  it("may be worse by less than the margin", () => {
    const arms = [arm("r1", { sessions: 4_000, errors: 200 }), arm("r2", { sessions: 4_000, errors: 480 })] as const;
    expect(compareArms(...arms, TERMS).state).toBe("worse");
    expect(compareArms(...arms, { ...TERMS, margin: 0.1 })).toMatchObject({ state: "watching" });
  });

  it("has fewer good outcomes, not more", () => {
    const terms = { ...TERMS, metrics: ["good_outcomes"] as const };
    const [few, many] = [arm("r1", { sessions: 500, good: 200 }), arm("r2", { sessions: 500, good: 400 })];
    expect(compareArms(few, many, terms).state).toBe("watching");
    expect(compareArms(many, few, terms).state).toBe("worse");
  });
});

describe("a comparison", () => {
  const counts = fc
    .tuple(fc.integer({ min: 100, max: 5_000 }), fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([sessions, share]) => ({ sessions, errors: Math.round(sessions * share) }));

  it("calls worse exactly what its interval puts above the margin and its p below its share of alpha", () => {
    const margins = fc.constantFrom(0, 0.02, 0.1);
    fc.assert(
      fc.property(counts, counts, margins, (live, canary, margin) => {
        const terms = { ...TERMS, margin, metrics: ["errors"] as const };
        const { low, high, difference, p, is_worse } = metricOf(
          compareArms(arm("r1", live), arm("r2", canary), terms),
          "errors",
        );
        expect(low).toBeLessThanOrEqual(difference);
        expect(high).toBeGreaterThanOrEqual(difference);
        // At the edge itself the two ways to compute it may differ in the last digit.
        if (Math.abs(low - margin) > 1e-9) expect(is_worse).toBe(low > margin);
        if (Math.abs(p - terms.alpha) > 1e-9) expect(is_worse).toBe(p < terms.alpha);
        expect(p).toBeGreaterThanOrEqual(0);
        expect(p).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("finds at most one of two releases worse than the other", () => {
    fc.assert(
      fc.property(counts, counts, (one, other) => {
        const terms = { ...TERMS, metrics: WATCH_METRICS };
        const there = compareArms(arm("r1", one), arm("r2", other), terms);
        const back = compareArms(arm("r2", other), arm("r1", one), terms);
        expect(metricOf(there, "errors").difference).toBeCloseTo(-metricOf(back, "errors").difference);
        expect(metricOf(there, "errors").is_worse && metricOf(back, "errors").is_worse).toBe(false);
      }),
    );
  });

  it("has the mixture's value at a difference that the paper's formula was evaluated at", () => {
    // L = sqrt(V/(V+n t2)) exp(n^2 t2 diff^2 / (2V(V+n t2))) at V = .18, n = 1000, t2 = .001, diff = .05: 140.466.
    const n = 1_000;
    const spread = 0.09 * n;
    const half = (mean: number): ArmFigures["cost"] => ({ n, sum: mean * n, squares: spread + mean * mean * n });
    const look = compareArms(arm("r1", { sessions: n, cost: half(0) }), arm("r2", { sessions: n, cost: half(0.05) }), {
      ...TERMS,
      metrics: ["cost"],
    });
    const { se } = metricOf(look, "cost");
    expect(se * se * n).toBeCloseTo(0.18, 3);
    const [variance, tau2] = [se * se, 0.01];
    const evidence =
      0.5 * Math.log(variance / (variance + tau2)) + (tau2 * 0.05 ** 2) / (2 * variance * (variance + tau2));
    expect(metricOf(look, "cost").log_evidence).toBeCloseTo(evidence, 9);
  });

  it("says nothing of what no session has", () => {
    const look = compareArms(empty("r1"), empty("r2"), { ...TERMS, metrics: WATCH_METRICS, weight: 10 });
    expect(look).toMatchObject({ state: "too_few", comparisons: [], is_split_wrong: false });
  });
});

describe("the split of sessions", () => {
  // Lindon & Malek's Bayes factors: 520 of 1000 at an even split .0881, 560 of 1000 53.586.
  it.each([
    [520, 480, 0.0881, false],
    [560, 440, 53.586, true],
  ])("of %i to %i has a Bayes factor of %f", (live, canary, factor, isWrong) => {
    const look = compareArms(arm("r1", { sessions: live }), arm("r2", { sessions: canary }), { ...TERMS, weight: 50 });
    expect(look.split_bayes_factor).toBeCloseTo(factor, 2);
    expect(look).toMatchObject({ is_split_wrong: isWrong, state: "watching" });
  });

  it("is held against the sessions that were drawn by the weight of now, and against none where nobody is drawn", () => {
    const arms = [arm("r1", { sessions: 1_000, drawn: 90 }), arm("r2", { sessions: 1_000, drawn: 10 })] as const;
    expect(compareArms(...arms, { ...TERMS, weight: 10 }).is_split_wrong).toBe(false);
    expect(compareArms(...arms, { ...TERMS, weight: 90 }).is_split_wrong).toBe(true);
    for (const weight of [null, 0, 100]) expect(compareArms(...arms, { ...TERMS, weight }).split_bayes_factor).toBe(0);
  });
});

it("all windows together use no more than alpha", () => {
  const used = Array.from({ length: 10_000 }, (_, at) => alphaOfWindow(0.05, at + 1));
  const sum = used.reduce((total, each) => total + each, 0);
  expect(sum).toBeLessThan(0.05);
  expect(sum).toBeGreaterThan(0.0499);
});
