// Proves by simulation how often a canary is falsely called worse over a hundred looks, and how soon a real harm is seen.
import { describe, expect, it, vi } from "vitest";
import { compareCanary } from "../../src/core/eval/canary/compare-canary.ts";
import type { ArmTotals, ComparedMetric } from "../../src/core/eval/canary/canary-input.ts";
import { Dice } from "../../src/core/eval/stats/dice.ts";

// Each takes some seconds on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 120_000 });

const RUNS = 200;
const LOOKS = 100;

type Kind = ComparedMetric["kind"];
/** A session's figure in either arm: 0 is live, 1 the canary. */
type Draw = (dice: Dice, arm: 0 | 1) => number;

const event =
  (live: number, canary: number): Draw =>
  (dice, arm) =>
    Number(dice.fraction() < (arm === 1 ? canary : live));

/** An amount with a long tail: the logarithm is normal. */
const amount =
  (spread: number, ratio: number): Draw =>
  (dice, arm) => {
    const normal = Math.sqrt(-2 * Math.log(1 - dice.fraction())) * Math.cos(2 * Math.PI * dice.fraction());
    return Math.exp(spread * normal) * (arm === 1 ? ratio : 1);
  };

const logOf =
  (draw: Draw): Draw =>
  (dice, arm) =>
    Math.log(draw(dice, arm));

interface Trial {
  readonly metrics: readonly { readonly kind: Kind; readonly draw: Draw; readonly margin?: number }[];
  readonly share: number;
  readonly sessions: number;
}

/** How a canary that is looked at a hundred times ends, and after how many sessions of both arms. */
function follow(dice: Dice, { metrics, share, sessions }: Trial): { readonly state: string; readonly after: number } {
  const nobody = (): { n: number; sum: number; sum_squares: number } => ({ n: 0, sum: 0, sum_squares: 0 });
  const arms = metrics.map(() => [nobody(), nobody()] as const);
  for (let look = 1; look <= LOOKS; look += 1) {
    for (let session = 0; session < sessions / LOOKS; session += 1) {
      const arm = dice.fraction() < share ? 1 : 0;
      for (const [at, { draw }] of metrics.entries()) {
        const value = draw(dice, arm);
        const totals = arms[at]?.[arm];
        if (totals === undefined) continue;
        totals.n += 1;
        totals.sum += value;
        totals.sum_squares += value * value;
      }
    }
    const told = metrics.map(({ kind, margin = 0 }, at): ComparedMetric => {
      const [live, canary]: readonly [ArmTotals, ArmTotals] = arms[at] ?? [nobody(), nobody()];
      return { id: `m${at}`, kind, worse: "higher", margin, live, canary };
    });
    const [first] = told;
    const report = compareCanary({
      metrics: told,
      alpha: 0.05,
      min_sessions: 100,
      assigned: { live: first?.live.n ?? 0, canary: first?.canary.n ?? 0, share },
    });
    const sure = report.metrics.find(({ state }) => state === "worse" || (state === "better" && metrics.length === 1));
    if (sure !== undefined) return { state: sure.state, after: (look * sessions) / LOOKS };
  }
  return { state: "watching", after: sessions };
}

function outcomes(
  seed: number,
  trial: Trial,
): { readonly worse: number; readonly any: number; readonly median: number } {
  const dice = new Dice(seed);
  const ends = Array.from({ length: RUNS }, () => follow(dice, trial));
  const worse = ends.filter(({ state }) => state === "worse");
  const times = worse.map(({ after }) => after).toSorted((left, right) => left - right);
  return {
    worse: worse.length / RUNS,
    any: ends.filter(({ state }) => state !== "watching").length / RUNS,
    median: times[Math.floor(times.length / 2)] ?? Number.NaN,
  };
}

const one = (kind: Kind, draw: Draw, margin = 0): Trial["metrics"] => [{ kind, draw, margin }];

describe("a canary that is no different", () => {
  it.each<[string, Trial]>([
    ["a rate of 10 %, 5,000 sessions an arm", { metrics: one("rate", event(0.1, 0.1)), share: 0.5, sessions: 10_000 }],
    ["a rate of 1 %", { metrics: one("rate", event(0.01, 0.01)), share: 0.5, sessions: 10_000 }],
    [
      "a rate of 2 % with one session in twenty",
      { metrics: one("rate", event(0.02, 0.02)), share: 0.05, sessions: 10_000 },
    ],
    ["a cost with a long tail", { metrics: one("mean", amount(1, 1)), share: 0.5, sessions: 10_000 }],
    [
      "a cost with a very long tail and one session in twenty",
      { metrics: one("mean", amount(1.5, 1)), share: 0.05, sessions: 10_000 },
    ],
    [
      "that cost where nineteen sessions in twenty go to the canary",
      { metrics: one("mean", amount(1.5, 1)), share: 0.95, sessions: 10_000 },
    ],
    ["the logarithm of that cost", { metrics: one("log_mean", logOf(amount(1.5, 1))), share: 0.05, sessions: 10_000 }],
  ])("is falsely decided at most once in twenty times over a hundred looks: %s", (_name, trial) => {
    expect(outcomes(11, trial).any).toBeLessThanOrEqual(0.05);
  });

  it("is falsely called worse at most once in twenty times by four metrics together", () => {
    const metrics = [
      ...one("rate", event(0.1, 0.1)),
      ...one("rate", event(0.02, 0.02)),
      ...one("log_mean", logOf(amount(1, 1))),
      ...one("mean", amount(0.5, 1)),
    ];
    expect(outcomes(12, { metrics, share: 0.2, sessions: 10_000 }).worse).toBeLessThanOrEqual(0.05);
  });

  it("by more than its margin is falsely called worse at most once in twenty times", () => {
    const rate = { metrics: one("rate", event(0.1, 0.12), 0.02), share: 0.5, sessions: 10_000 };
    expect(outcomes(13, rate).worse).toBeLessThanOrEqual(0.05);
    const cost = { metrics: one("mean", amount(0.5, 1.1), 0.1), share: 0.5, sessions: 10_000 };
    expect(outcomes(14, cost).worse).toBeLessThanOrEqual(0.05);
  });
});

describe("a canary that is worse", () => {
  // Published for an asymptotic sequence over 5,000 pairs: 96.0 % and 1,750 pairs for .13, 100 % and 800 pairs for .15.
  it("at 13 % for 10 % is seen in 96 of 100, halfway after some 1,750 pairs", () => {
    const { worse, median } = outcomes(15, { metrics: one("rate", event(0.1, 0.13)), share: 0.5, sessions: 10_000 });
    expect(worse).toBeGreaterThan(0.92);
    expect(median / 2).toBeLessThan(2_000);
  });

  it("at 15 % for 10 % is always seen, halfway after some 800 pairs", () => {
    const { worse, median } = outcomes(16, { metrics: one("rate", event(0.1, 0.15)), share: 0.5, sessions: 10_000 });
    expect(worse).toBeGreaterThan(0.99);
    expect(median / 2).toBeLessThan(900);
  });

  it("by a tenth of its cost is seen", () => {
    const trial = { metrics: one("log_mean", logOf(amount(0.5, 1.1))), share: 0.5, sessions: 10_000 };
    expect(outcomes(17, trial).worse).toBeGreaterThan(0.95);
  });
});
