// Proves the laws that statistics keep for any input, and that plans promise no more than they can.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { holm } from "../../src/core/eval/stats/corrections.ts";
import { Dice } from "../../src/core/eval/stats/dice.ts";
import * as distributions from "../../src/core/eval/stats/distributions.ts";
import { clusterBootstrap, clustered } from "../../src/core/eval/stats/means.ts";
import { mcNemarExact, planCases } from "../../src/core/eval/stats/planning.ts";
import { mcNemarPower } from "../../src/core/eval/stats/power.ts";
import { clopperPearson, newcombePaired, wilson } from "../../src/core/eval/stats/proportions.ts";
import { robbins } from "../../src/core/eval/stats/sequential.ts";

const p = fc.double({ min: 1e-9, max: 1 - 1e-9, noNaN: true });

describe("a distribution", () => {
  it("is taken back by its quantiles: normal, Student, beta", () => {
    fc.assert(
      fc.property(
        p,
        fc.integer({ min: 1, max: 2_000 }),
        fc.double({ min: 0.3, max: 40, noNaN: true }),
        (each, df, a) => {
          expect(distributions.normalCdf(distributions.normalQuantile(each))).toBeCloseTo(each, 12);
          expect(distributions.studentCdf(distributions.studentQuantile(each, df), df)).toBeCloseTo(each, 9);
          expect(distributions.regularizedBeta(distributions.betaQuantile(each, a, 3), a, 3)).toBeCloseTo(each, 9);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("has the values of printed tables", () => {
    expect(distributions.studentQuantile(0.975, 1)).toBeCloseTo(12.7062047361747, 9);
    expect(distributions.studentQuantile(0.95, 10)).toBeCloseTo(1.81246112281168, 9);
    expect(distributions.studentQuantile(0.975, 30)).toBeCloseTo(2.04227245630124, 9);
    expect(distributions.normalCdf(-8)).toBeCloseTo(6.22096057427178e-16, 24);
    expect(distributions.logGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 13);
    expect(distributions.logGamma(171)).toBeCloseTo(706.573062245787, 9);
  });

  it("of counts adds up, from either end", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), p, fc.nat(60), (n, rate, k) => {
        let tail = 0;
        for (let each = k; each <= n; each += 1) tail += distributions.binomialMass(each, n, rate);
        expect(distributions.binomialUpperTail(k, n, rate)).toBeCloseTo(k <= 0 ? 1 : tail, 9);
      }),
    );
  });
});

describe("an interval of a rate", () => {
  const count = fc.integer({ min: 1, max: 500 }).chain((n) => fc.tuple(fc.integer({ min: 0, max: n }), fc.constant(n)));

  it("holds the rate that was seen, lies between 0 and 1, and turns with the count", () => {
    fc.assert(
      fc.property(count, ([successes, n]) => {
        for (const of of [wilson, clopperPearson, robbins] as const) {
          const [lower, upper] = of(successes, n);
          const [back, there] = of(n - successes, n);
          expect(lower).toBeGreaterThanOrEqual(0);
          expect(upper).toBeLessThanOrEqual(1);
          expect(lower).toBeLessThanOrEqual(successes / n + 1e-12);
          expect(upper).toBeGreaterThanOrEqual(successes / n - 1e-12);
          expect(lower).toBeCloseTo(1 - there, 8);
          expect(upper).toBeCloseTo(1 - back, 8);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("of pairs turns with the sides", () => {
    const cell = fc.nat(40);
    fc.assert(
      fc.property(cell, cell, cell, cell, (both, first, second, neither) => {
        fc.pre(both + first + second + neither > 0);
        const { ci } = newcombePaired({ both, first, second, neither });
        const turned = newcombePaired({ both, first: second, second: first, neither }).ci;
        expect(ci[0]).toBeCloseTo(-turned[1], 9);
        expect(ci[1]).toBeCloseTo(-turned[0], 9);
      }),
    );
  });
});

describe("an adjustment for several tests", () => {
  it("never makes a test surer, keeps their order, and leaves one alone", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 12 }), (raw) => {
        const adjusted = holm(raw);
        expect(adjusted).toHaveLength(raw.length);
        for (const [at, each] of raw.entries()) {
          const found = adjusted[at] ?? Number.NaN;
          expect(found).toBeGreaterThanOrEqual(each);
          expect(found).toBeLessThanOrEqual(1);
          for (const [other, value] of raw.entries())
            if (value < each) expect(adjusted[other]).toBeLessThanOrEqual(found);
        }
        expect(holm([raw[0] ?? 0])).toEqual([raw[0] ?? 0]);
      }),
    );
  });
});

describe("a clustered mean", () => {
  const values = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 2, maxLength: 40 });

  it("of clusters of one is the plain one, and one cluster alone is no evidence", () => {
    fc.assert(
      fc.property(values, (each) => {
        const apart = clustered(
          each,
          each.map((_, at) => at),
        );
        expect(apart.corrected).toBeCloseTo(apart.naive, 9);
        expect(
          clustered(
            each,
            each.map(() => 0),
          ).corrected,
        ).toBe(Number.POSITIVE_INFINITY);
        const turned = clustered(
          each.map((value) => -value),
          each.map((_, at) => at),
        );
        expect(turned.skewness).toBeCloseTo(-apart.skewness, 6);
      }),
    );
  });

  it("is resampled the same with the same seed, between its lowest and its highest value", () => {
    fc.assert(
      fc.property(values, fc.integer(), fc.double({ min: 0, max: 1, noNaN: true }), (each, seed, at) => {
        const clusters = each.map((_, index) => `s${index % 5}`);
        const terms = { seed, resamples: 50, p: at };
        const found = clusterBootstrap(each, clusters, terms);
        expect(clusterBootstrap(each, clusters, terms)).toBe(found);
        expect(found).toBeGreaterThanOrEqual(Math.min(...each) - 1e-12);
        expect(found).toBeLessThanOrEqual(Math.max(...each) + 1e-12);
      }),
      { numRuns: 40 },
    );
  });
});

describe("dice", () => {
  it("fall the same for the same seed, and evenly", () => {
    const dice = new Dice(41);
    const again = new Dice(41);
    const faces = [0, 0, 0, 0, 0, 0];
    let sum = 0;
    for (let turn = 0; turn < 60_000; turn += 1) {
      const face = dice.below(6);
      expect(again.below(6)).toBe(face);
      faces[face] = (faces[face] ?? 0) + 1;
      sum += new Dice(turn).fraction();
    }
    // Chi-squared with five degrees of freedom passes 20.5 once in a thousand times.
    expect(faces.reduce((total, each) => total + (each - 10_000) ** 2 / 10_000, 0)).toBeLessThan(20.5);
    // The first draws of neighbouring seeds are as even as the draws of one.
    expect(sum / 60_000).toBeCloseTo(0.5, 2);
  });
});

describe("a plan", () => {
  it("takes as many cases as give the power that is asked, and no fewer would", () => {
    for (const [discordance, drop] of [
      [0.05, 0.05],
      [0.1, 0.03],
      [0.3, 0.1],
    ] as const) {
      const n = mcNemarExact(discordance, { drop });
      expect(mcNemarPower({ n, discordance, drop, alpha: 0.05 })).toBeGreaterThanOrEqual(0.8);
      expect(mcNemarPower({ n: n - 1, discordance, drop, alpha: 0.05 })).toBeLessThan(0.8);
      expect(planCases({ kind: "pass", discordance }, { drop })).toMatchObject({ ok: true, value: { cases: n } });
    }
  });

  it("takes more cases for smaller drops, more noise and more power, and fewer for more repeats", () => {
    const cases = (repeats: number, drop: number, power = 0.8): number => {
      const found = planCases({ kind: "score", omega2: 0.02, sigma2: 0.05, repeats }, { drop, power });
      return found.ok ? found.value.cases : Number.NaN;
    };
    expect(cases(1, 0.05)).toBe(297);
    expect(cases(3, 0.05)).toBeLessThan(cases(1, 0.05));
    expect(cases(1, 0.02)).toBeGreaterThan(cases(1, 0.05));
    expect(cases(1, 0.05, 0.9)).toBeGreaterThan(cases(1, 0.05));
    const large = planCases({ kind: "pass", discordance: 0.5 }, { drop: 0.01 });
    expect(large.ok && large.value.cases).toBeCloseTo(31_100, -2);
  });

  it("is refused for what no number of cases shows", () => {
    const pass = { kind: "pass", discordance: 0.1 } as const;
    const refused = [
      planCases(pass, { drop: 0 }),
      planCases(pass, { drop: Number.NaN }),
      planCases(pass, { drop: 0.2 }),
      planCases(pass, { drop: 0.000_01 }),
      planCases(pass, { drop: 0.05, power: 1 }),
      planCases(pass, { drop: 0.05, alpha: 0 }),
      planCases({ kind: "pass", discordance: 1.5 }, { drop: 0.05 }),
      planCases({ kind: "score", omega2: -1, sigma2: 0.05, repeats: 1 }, { drop: 0.05 }),
      planCases({ kind: "score", omega2: 0, sigma2: 0, repeats: 1 }, { drop: 0.05 }),
      planCases({ kind: "score", omega2: 0.02, sigma2: 0.05, repeats: 0 }, { drop: 0.05 }),
    ];
    for (const each of refused) expect(each).toMatchObject({ ok: false, code: "invalid_request" });
  });
});
