// Proves what a canary may be said to be at any time, and that its evidence is no more than chance allows.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareCanary } from "../../src/core/eval/canary/compare-canary.ts";
import type {
  ArmTotals,
  CanaryInput,
  CanaryMetricReport,
  CeilingMetric,
  ComparedMetric,
} from "../../src/core/eval/canary/canary-input.ts";
import { binomialMass } from "../../src/core/eval/stats/distributions.ts";
import { exactRateEvidence, rateDifferenceSequence, rateEvidence } from "../../src/core/eval/stats/two-rates.ts";
import { numbersIn } from "./gate-fixture.ts";

const rate = (successes: number, n: number): ArmTotals => ({ n, sum: successes, sum_squares: successes });
const totals = (values: readonly number[]): ArmTotals => ({
  n: values.length,
  sum: values.reduce((sum, value) => sum + value, 0),
  sum_squares: values.reduce((sum, value) => sum + value * value, 0),
});
const errors = (live: ArmTotals, canary: ArmTotals, more: Partial<ComparedMetric> = {}): ComparedMetric => ({
  id: "errors",
  kind: "rate",
  worse: "higher",
  margin: 0,
  live,
  canary,
  ...more,
});
const input = (metrics: CanaryInput["metrics"], more: Partial<CanaryInput> = {}): CanaryInput => ({
  metrics,
  alpha: 0.05,
  min_sessions: 100,
  assigned: { live: 1_000, canary: 1_000, share: 0.5 },
  ...more,
});
function one(metric: ComparedMetric | CeilingMetric, more: Partial<CanaryInput> = {}): CanaryMetricReport {
  const [report] = compareCanary(input([metric], more)).metrics;
  if (report === undefined) throw new Error("no report on the metric");
  return report;
}

describe("a rate", () => {
  it("is worse, better or open by what its sequence leaves", () => {
    const worse = one(errors(rate(100, 1_000), rate(170, 1_000)));
    expect(worse).toMatchObject({ state: "worse", n_live: 1_000, live: 0.1, canary: 0.17 });
    expect(worse.lower).toBeGreaterThan(0);
    expect(worse.e_value).toBeGreaterThan(20);
    expect(one(errors(rate(170, 1_000), rate(100, 1_000))).state).toBe("better");
    expect(one(errors(rate(170, 1_000), rate(100, 1_000), { worse: "lower" })).state).toBe("worse");
    expect(one(errors(rate(100, 1_000), rate(105, 1_000)))).toMatchObject({ state: "watching" });
  });

  it("is worse only by more than its margin, and within it when that is sure", () => {
    expect(one(errors(rate(100, 1_000), rate(170, 1_000), { margin: 0.1 })).state).toBe("watching");
    expect(one(errors(rate(1_000, 10_000), rate(1_020, 10_000), { margin: 0.03 })).state).toBe("within");
    expect(one(errors(rate(1_000, 10_000), rate(1_700, 10_000), { margin: 0.03 })).state).toBe("worse");
  });

  it("is decided by exact evidence alone where sessions are few", () => {
    const few = { min_sessions: 20 };
    expect(one(errors(rate(0, 40), rate(20, 40)), few).state).toBe("worse");
    expect(one(errors(rate(0, 40), rate(2, 40)), few).state).toBe("watching");
    expect(one(errors(rate(0, 19), rate(19, 19)), few)).toMatchObject({ state: "watching", e_value: 1, p: 1 });
    const [live, canary] = [
      { n: 40, successes: 0 },
      { n: 40, successes: 2 },
    ];
    expect(rateEvidence(live, canary, { diff: 0, rho: 0.07 })).toBeCloseTo(
      exactRateEvidence(live, canary, 0) + Math.log(0.2),
      9,
    );
  });

  it("has exact evidence whose mean is at most one under whatever equal or unequal rates are true", () => {
    let seen = 0;
    for (const n of [1, 3, 12])
      for (const [p, q] of [
        [0.05, 0.05],
        [0.5, 0.5],
        [0.9, 0.9],
        [0.1, 0.3],
        [0.7, 0.2],
      ] as const) {
        let expected = 0;
        for (let x = 0; x <= n; x += 1)
          for (let y = 0; y <= 2 * n; y += 1) {
            const evidence = exactRateEvidence({ n, successes: x }, { n: 2 * n, successes: y }, q - p);
            expected += binomialMass(x, n, p) * binomialMass(y, 2 * n, q) * Math.exp(evidence);
          }
        expect(expected).toBeLessThanOrEqual(1 + 1e-9);
        expect(expected).toBeGreaterThan(0.01);
        seen += 1;
      }
    expect(seen).toBe(15);
  });

  const counts = fc
    .tuple(
      fc.integer({ min: 1, max: 3_000 }),
      fc.integer({ min: 1, max: 3_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    )
    .map(
      ([n, m, p, q]) =>
        [
          { n, successes: Math.round(n * p) },
          { n: m, successes: Math.round(m * q) },
        ] as const,
    );

  it("has a sequence around what was seen, the same from either side, wider for less chance of error", () => {
    fc.assert(
      fc.property(counts, ([first, second]) => {
        const terms = { alpha: 0.05, rho: 0.07 };
        const [lower, upper] = rateDifferenceSequence(first, second, terms);
        const seen = second.successes / second.n - first.successes / first.n;
        expect(lower).toBeLessThanOrEqual(seen);
        expect(upper).toBeGreaterThanOrEqual(seen);
        const [back, there] = rateDifferenceSequence(second, first, terms);
        expect(lower).toBeCloseTo(-there, 6);
        expect(upper).toBeCloseTo(-back, 6);
        const wide = rateDifferenceSequence(first, second, { alpha: 0.01, rho: 0.07 });
        expect(wide[0]).toBeLessThanOrEqual(lower + 1e-9);
        expect(wide[1]).toBeGreaterThanOrEqual(upper - 1e-9);
      }),
      { numRuns: 60 },
    );
  });

  it("is worse exactly where the margin lies below the sequence", () => {
    fc.assert(
      fc.property(counts, fc.constantFrom(0, 0.02, 0.1), ([first, second], margin) => {
        const report = one(errors(rate(first.successes, first.n), rate(second.successes, second.n), { margin }), {
          min_sessions: 1,
        });
        fc.pre(Math.abs((report.lower ?? 0) - margin) > 1e-9);
        expect(report.state === "worse").toBe((report.lower ?? 0) > margin);
      }),
      { numRuns: 60 },
    );
  });
});

describe("an amount", () => {
  const costs = (n: number, factor: number, seed = 1): readonly number[] =>
    Array.from({ length: n }, (_, at) => factor * (100 + 40 * Math.sin((at + seed) * 12.9898)));

  it("is compared as a ratio, of means or of geometric means", () => {
    for (const [kind, of] of [
      ["mean", (value: number) => value],
      ["log_mean", Math.log],
    ] as const) {
      const arm = (factor: number, seed: number): ArmTotals => totals(costs(800, factor, seed).map(of));
      const metric = (factor: number, margin = 0): CanaryMetricReport =>
        one(errors(arm(1, 1), arm(factor, 5), { id: "cost", kind, margin }));
      expect(metric(1.2).state).toBe("worse");
      expect(metric(1.2).delta).toBeCloseTo(0.2, 1);
      expect(metric(1.2, 0.2).state).toBe("watching");
      expect(metric(0.8).state).toBe("better");
      expect(metric(1, 0.1).state).toBe("within");
    }
  });

  it("takes a hundred sessions on each side, however few are asked for", () => {
    const metric = errors(totals(costs(5_000, 1)), totals(costs(99, 3)), { kind: "mean" });
    expect(one(metric, { min_sessions: 20 })).toMatchObject({ state: "watching", delta: null, p: 1 });
    expect(one({ ...metric, canary: totals(costs(100, 3)) }, { min_sessions: 20 }).state).toBe("worse");
  });

  it("that never varies, or may be nothing on the live side, is not decided by its ratio", () => {
    const same = totals(Array.from({ length: 500 }, () => 5));
    expect(one(errors(same, { ...same, sum: 2_500.000_001 }, { kind: "mean" })).state).toBe("watching");
    const around = totals(Array.from({ length: 200 }, (_, at) => (at % 2 === 0 ? 1 : -1)));
    expect(one(errors(around, around, { kind: "mean" }))).toMatchObject({
      lower: null,
      upper: null,
      state: "watching",
    });
  });
});

describe("a ceiling", () => {
  const leaks = (events: number, n: number): CanaryMetricReport =>
    one({ id: "leaks", kind: "ceiling", ceiling: 0.01, canary: rate(events, n) });

  it("is passed, kept or open by Robbins' sequence of the canary alone", () => {
    expect(leaks(0, 1_000)).toMatchObject({ state: "within", live: null });
    expect(leaks(0, 1_000).upper).toBeCloseTo(0.009855599157285117, 8);
    expect(leaks(0, 500).state).toBe("watching");
    expect(leaks(10, 200).state).toBe("worse");
    expect(leaks(3, 200).state).toBe("watching");
  });
});

describe("a canary", () => {
  const fine = errors(rate(1_000, 10_000), rate(1_000, 10_000), { id: "fine", margin: 0.03 });
  const good = errors(rate(9_000, 10_000), rate(9_500, 10_000), { id: "good", worse: "lower" });
  const bad = errors(rate(100, 1_000), rate(200, 1_000), { id: "bad" });
  const open = errors(rate(100, 1_000), rate(105, 1_000), { id: "open" });

  it("is worse by one metric, better only if none is open", () => {
    const state = (...metrics: readonly ComparedMetric[]): string => compareCanary(input(metrics)).state;
    expect(state(fine, good, bad)).toBe("worse");
    expect(state(fine, good, open)).toBe("watching");
    expect(state(fine, good)).toBe("better");
    expect(state(fine)).toBe("within");
    expect(state()).toBe("watching");
    expect(compareCanary(input([fine, bad])).reasons).toEqual([expect.stringContaining("bad moved by 10 %")]);
  });

  it("has one chance of a false alarm for all its metrics", () => {
    const { metrics } = compareCanary(input([fine, good, open, bad]));
    expect(metrics.map(({ alpha }) => alpha)).toEqual([0.0125, 0.0125, 0.0125, 0.0125]);
    const close = errors(rate(100, 1_000), rate(146, 1_000));
    expect(one(close).state).toBe("worse");
    const among = Array.from({ length: 5 }, (_, at) => ({ ...close, id: `m${at}` }));
    expect(compareCanary(input(among)).state).toBe("watching");
  });

  it("is not compared where sessions are not split as configured", () => {
    const assigned = { live: 560, canary: 440, share: 0.5 };
    const report = compareCanary(input([good, bad], { assigned }));
    expect(report.state).toBe("mismatched");
    expect(report.sample_ratio?.bayes_factor).toBeCloseTo(53.58649339244463, 6);
    expect(compareCanary(input([bad], { assigned: { live: 520, canary: 480, share: 0.5 } })).state).toBe("worse");
    expect(compareCanary(input([bad], { assigned: { live: 0, canary: 900, share: 1 } })).sample_ratio).toBeNull();
    expect(
      compareCanary(input([bad], { assigned: { live: 0, canary: 900_000, share: 0.05 } })).sample_ratio?.bayes_factor,
    ).toBe(1e300);
  });

  it("is not judged by counts that cannot be", () => {
    for (const impossible of [
      rate(1_001, 1_000),
      rate(-1, 1_000),
      rate(Number.NaN, 1_000),
      rate(0.5, 1_000),
      rate(1, 10.5),
    ])
      expect(one(errors(rate(100, 1_000), impossible))).toMatchObject({
        state: "watching",
        says: "errors: its counts are not possible",
      });
  });

  it("is told of in figures that JSON can carry", () => {
    const arm = fc
      .tuple(fc.nat(5_000), fc.double({ min: 0, max: 1, noNaN: true }))
      .map(([n, share]) => rate(Math.round(n * share), n));
    const metric = fc.record({
      id: fc.constant("any"),
      kind: fc.constantFrom("rate" as const, "mean" as const, "log_mean" as const),
      worse: fc.constantFrom("higher" as const, "lower" as const),
      margin: fc.constantFrom(0, 0.05, 1),
      live: arm,
      canary: arm,
    });
    fc.assert(
      fc.property(metric, (each) => {
        const report = compareCanary(input([each], { min_sessions: 1 }));
        expect(numbersIn(report).every(Number.isFinite)).toBe(true);
        for (const { p } of report.metrics) expect(p > 0 && p <= 1).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});
