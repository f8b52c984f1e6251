// Proves by simulation how often a gate is wrong, and how often it sees a drop: with seeds, against the published table of powers.
import { describe, expect, it, vi } from "vitest";
import { decideGate } from "../../src/core/eval/gate/decide-gate.ts";
import type { MetricItem, MetricTerms } from "../../src/core/eval/gate/gate-input.ts";
import { Dice } from "../../src/core/eval/stats/dice.ts";
import { gateInput, item } from "../unit/gate-fixture.ts";

// Each takes a second or two on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 120_000 });

const RUNS = 1_000;
/** At a true rate of 5 % a count of a thousand passes this once in two hundred times. */
const FIVE_PERCENT = 0.05 + 2.6 * Math.sqrt((0.05 * 0.95) / RUNS);

/** A pass rate of a case: Beta(1.8, 0.2), whose mean is 0.9 (Jöhnk 1964). */
function passRate(dice: Dice): number {
  for (;;) {
    const [x, y] = [dice.fraction() ** (1 / 1.8), dice.fraction() ** 5];
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
}

function gauss(dice: Dice): number {
  return Math.sqrt(-2 * Math.log(1 - dice.fraction())) * Math.cos(2 * Math.PI * dice.fraction());
}

interface Suite {
  readonly n: number;
  readonly repeats: number;
  /** How far the mean truly falls: random cases fail entirely. */
  readonly drop: number;
  /** Cases of one cluster have one pass rate, and fail together. */
  readonly perCluster?: number;
}

function passes(dice: Dice, { n, repeats, drop, perCluster = 1 }: Suite): readonly MetricItem[] {
  let [rate, isBroken] = [1, false];
  return Array.from({ length: n }, (_, at) => {
    if (at % perCluster === 0) [rate, isBroken] = [passRate(dice), dice.fraction() < drop / 0.9];
    const runs = (of: number): readonly number[] => Array.from({ length: repeats }, () => Number(dice.fraction() < of));
    return item(at, runs(rate), runs(isBroken ? 0 : rate), { cluster: `s${Math.floor(at / perCluster)}` });
  });
}

function shares(
  seed: number,
  terms: Partial<MetricTerms>,
  draw: (dice: Dice) => readonly MetricItem[],
): { readonly ship: number; readonly block: number } {
  const dice = new Dice(seed);
  let [ship, block] = [0, 0];
  for (let run = 0; run < RUNS; run += 1) {
    const { verdict } = decideGate(gateInput([[terms, draw(dice)]]));
    if (verdict === "SHIP") ship += 1;
    if (verdict === "BLOCK") block += 1;
  }
  return { ship: ship / RUNS, block: block / RUNS };
}

describe("a gate over passes", () => {
  it.each([
    [20, 3],
    [50, 1],
    [50, 3],
    [200, 1],
    [200, 3],
  ])("of %i cases, %i runs each, blocks falsely at most once in twenty times", (n, repeats) => {
    const { block } = shares(101, { margin: 0.02 }, (dice) => passes(dice, { n, repeats, drop: 0 }));
    expect(block).toBeLessThanOrEqual(FIVE_PERCENT);
  });

  it.each([
    [20, 1, 0.1],
    [50, 1, 0.1],
    [50, 3, 0.05],
    [50, 3, 0.1],
    [100, 3, 0.05],
    [200, 1, 0.05],
    [200, 3, 0.02],
    [200, 3, 0.05],
  ])(
    "of %i cases, %i runs each, ships a drop of its whole margin of %f at most once in twenty times",
    (n, repeats, margin) => {
      const { ship } = shares(202, { margin }, (dice) => passes(dice, { n, repeats, drop: margin }));
      expect(ship).toBeLessThanOrEqual(FIVE_PERCENT);
    },
  );

  // Section "why not the usual rules" of the gate's ground: McNemar for one run, the paired t test for three; 4,000 and 2,000 runs.
  it.each([
    [50, 1, 0.111],
    [100, 1, 0.273],
    [200, 1, 0.485],
    [400, 1, 0.761],
    [50, 3, 0.298],
    [100, 3, 0.546],
    [200, 3, 0.808],
  ])("of %i cases, %i runs each, sees a drop of five points as often as published: %f", (n, repeats, power) => {
    const { block } = shares(303, { margin: 0.02 }, (dice) => passes(dice, { n, repeats, drop: 0.05 }));
    expect(Math.abs(block - power)).toBeLessThan(0.055);
  });

  it("ships what did not change, given enough cases", () => {
    const { ship } = shares(404, { margin: 0.05 }, (dice) => passes(dice, { n: 200, repeats: 3, drop: 0 }));
    expect(ship).toBeGreaterThan(0.9);
  });

  it.each([
    [40, 3],
    [60, 1],
  ])("of %i clusters of four cases, %i runs each, keeps both promises", (clusters, repeats) => {
    const suite = { n: 4 * clusters, repeats, perCluster: 4 };
    expect(shares(505, { margin: 0.02 }, (dice) => passes(dice, { ...suite, drop: 0 })).block).toBeLessThanOrEqual(
      FIVE_PERCENT,
    );
    expect(shares(506, { margin: 0.08 }, (dice) => passes(dice, { ...suite, drop: 0.08 })).ship).toBeLessThanOrEqual(
      FIVE_PERCENT,
    );
  });
});

describe("a gate over scores and amounts", () => {
  const scores =
    (n: number, drop: number) =>
    (dice: Dice): readonly MetricItem[] =>
      Array.from({ length: n }, (_, at) => {
        const level = 0.7 + 0.1 * gauss(dice);
        return item(at, [level + 0.1 * gauss(dice)], [level - drop + 0.1 * gauss(dice)]);
      });
  const costs =
    (n: number, ratio: number) =>
    (dice: Dice): readonly MetricItem[] =>
      Array.from({ length: n }, (_, at) => {
        const level = Math.exp(gauss(dice));
        return item(at, [level * Math.exp(0.3 * gauss(dice))], [level * ratio * Math.exp(0.3 * gauss(dice))]);
      });

  it("is wrong at most once in twenty times, either way", () => {
    expect(shares(606, { kind: "score", margin: 0.03 }, scores(80, 0)).block).toBeLessThanOrEqual(FIVE_PERCENT);
    expect(shares(607, { kind: "score", margin: 0.06 }, scores(80, 0.06)).ship).toBeLessThanOrEqual(FIVE_PERCENT);
    expect(shares(608, { kind: "amount", margin: 0.05 }, costs(80, 1)).block).toBeLessThanOrEqual(FIVE_PERCENT);
    expect(shares(609, { kind: "amount", margin: 0.1 }, costs(80, 1.1)).ship).toBeLessThanOrEqual(FIVE_PERCENT);
  });

  it("does not ship a rise of its whole margin that a few cases make up", () => {
    // One case in ten costs three times as much, the rest the same: the mean of the logarithms rises by 0.11. Student t alone ships 9 %.
    const few = (dice: Dice): readonly MetricItem[] =>
      Array.from({ length: 80 }, (_, at) =>
        item(at, [Math.exp(0.05 * gauss(dice))], [Math.exp((dice.fraction() < 0.1 ? 1.1 : 0) + 0.05 * gauss(dice))]),
      );
    const { ship } = shares(611, { kind: "amount", margin: Math.expm1(0.11) }, few);
    expect(ship).toBeLessThanOrEqual(FIVE_PERCENT);
  });

  it("sees what it was planned to see", () => {
    // Standard error sqrt(2) 0.1 / sqrt(80) = 0.0158: a drop of 2.49 of them is seen in 80 of 100 runs.
    const { block } = shares(610, { kind: "score", margin: 0.005 }, scores(80, 0.0393));
    expect(Math.abs(block - 0.8)).toBeLessThan(0.05);
  });
});

describe("a gate over five metrics", () => {
  it("that did not change blocks falsely at most once in twenty times", () => {
    const dice = new Dice(707);
    let blocked = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const metrics = Array.from(
        { length: 5 },
        (_, at) => [{ id: `m${at}`, margin: 0.01 }, passes(dice, { n: 60, repeats: 3, drop: 0 })] as const,
      );
      if (decideGate(gateInput(metrics)).verdict === "BLOCK") blocked += 1;
    }
    expect(blocked / RUNS).toBeLessThanOrEqual(FIVE_PERCENT);
    expect(blocked).toBeGreaterThan(0);
  });
});
