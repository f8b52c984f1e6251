// Proves by which rule a gate ships, blocks or leaves open, and that what it says of its certainty holds.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { skewedBounds } from "../../src/core/eval/gate/bounds.ts";
import { decideGate } from "../../src/core/eval/gate/decide-gate.ts";
import type { MetricItem } from "../../src/core/eval/gate/gate-input.ts";
import { studentCdf, studentQuantile } from "../../src/core/eval/stats/distributions.ts";
import { mcNemarOneSided, newcombePaired } from "../../src/core/eval/stats/proportions.ts";
import { decided, gateInput, item, numbersIn, table } from "./gate-fixture.ts";

const many = (n: number, of: (at: number) => MetricItem): readonly MetricItem[] =>
  Array.from({ length: n }, (_, at) => of(at));

describe("single passes", () => {
  it("ship where the margin is excluded", () => {
    const { report, metric } = decided({}, table(285, 2, 3, 10));
    expect(report.verdict).toBe("SHIP");
    expect(metric.method).toContain("McNemar");
    expect(metric.lower).toBeGreaterThan(-0.05);
    expect(metric.flips).toEqual({ worse: 2, better: 3 });
  });

  it("do not ship because nothing was significant", () => {
    const { report, metric } = decided({}, table(30, 0, 0, 0));
    expect(metric.p).toBe(1);
    expect(report.verdict).toBe("INCONCLUSIVE");
    expect(metric.more_cases).toBeGreaterThan(0);
    expect(report.reasons[0]).toMatch(/about \d+ more cases/);
  });

  it("say which drop so few cases could have shown: one of five losses in thirty, not one of nothing", () => {
    const { metric } = decided({}, table(30, 0, 0, 0));
    expect(metric.se).toBe(0);
    expect(metric.detectable_drop).toBeGreaterThan(5 / 30);
    expect(decided({}, table(4, 0, 0, 0)).metric.detectable_drop).toBeNull();
  });

  it("block where the exact test is sure, with the bounds of paired rates", () => {
    const { report, metric } = decided({}, table(80, 12, 2, 6));
    expect(report.verdict).toBe("BLOCK");
    expect(metric.p).toBe(mcNemarOneSided(12, 2));
    const { ci } = newcombePaired({ both: 80, first: 2, second: 12, neither: 6 }, 0.9);
    expect([metric.lower, metric.upper]).toEqual(ci);
    expect(metric.more_cases).toBeNull();
  });

  it("ship with a warning where a real drop is inside the margin", () => {
    const { report } = decided({}, table(3_900, 60, 20, 20));
    expect(report.verdict).toBe("SHIP");
    expect(report.warnings).toEqual(["answers surely became worse, by less than its margin"]);
  });

  it("are a table of four counts only with one run on each side", () => {
    const { metric } = decided(
      {},
      many(60, (at) => item(at, [0, 1, 1], [1])),
    );
    expect(metric.method).not.toContain("McNemar");
    expect(metric.lower).toBeLessThanOrEqual(metric.delta ?? 0);
    expect(metric.upper).toBeGreaterThanOrEqual(metric.delta ?? 0);
  });

  it("count a lost case for the worse, and a won one for the better: the test never turns against that", () => {
    const counts = fc.tuple(fc.nat(60), fc.integer({ min: 0, max: 30 }), fc.nat(30), fc.nat(30));
    fc.assert(
      fc.property(counts, ([both, lost, won, neither]) => {
        const p = decided({}, table(both + 1, lost, won, neither)).metric.p ?? 1;
        expect(decided({}, table(both, lost + 1, won, neither)).metric.p ?? 1).toBeLessThanOrEqual(p + 1e-12);
      }),
      { numRuns: 40 },
    );
  });
});

describe("several metrics", () => {
  it("share the chance of a false block (Holm), and all have to pass for a ship", () => {
    const five = table(45, 5, 0, 0);
    const alone = decided({ margin: 0.02 }, five);
    expect(alone.metric.p).toBeCloseTo(0.03125, 12);
    expect(alone.report.verdict).toBe("BLOCK");
    const both = decideGate(
      gateInput([
        [{ id: "one", margin: 0.02 }, five],
        [{ id: "two", margin: 0.02 }, five],
      ]),
    );
    for (const { p_adjusted: p } of both.metrics) expect(p).toBeCloseTo(0.0625, 12);
    expect(both.verdict).toBe("INCONCLUSIVE");
    expect(both.metrics.every(({ more_cases: more }) => more !== null)).toBe(true);
    const mixed = decideGate(
      gateInput([
        [{ id: "one" }, table(295, 2, 3, 0)],
        [{ id: "two" }, table(30, 0, 0, 0)],
      ]),
    );
    expect(mixed.metrics.map(({ verdict }) => verdict)).toEqual(["SHIP", "INCONCLUSIVE"]);
    expect(mixed.verdict).toBe("INCONCLUSIVE");
  });

  it("that are only shown decide nothing, whatever they say", () => {
    const bad = table(50, 30, 0, 0);
    const report = decideGate(
      gateInput([
        [{ id: "one" }, table(295, 2, 3, 0)],
        [{ id: "shown", is_gating: false }, bad],
        [{ id: "judge", advisory: "not calibrated" }, bad],
        [{ id: "leaks", kind: "violation", is_gating: false }, table(0, 0, 80, 0)],
      ]),
    );
    expect(report.verdict).toBe("SHIP");
    expect(report.metrics.map(({ verdict }) => verdict)).toEqual(["SHIP", "ADVISORY", "ADVISORY", "ADVISORY"]);
    expect(report.metrics[0]?.p_adjusted).toBe(report.metrics[0]?.p);
    const only = decided({ is_gating: false }, table(295, 2, 3, 0));
    expect(only.report.verdict).toBe("INCONCLUSIVE");
    expect(only.report.reasons).toEqual(["no metric of the suite may decide: all are only shown"]);
  });
});

describe("violations", () => {
  const clean = (n: number): readonly MetricItem[] => table(0, 0, 0, n);

  it("block by one that the baseline had not, and not by one that it had", () => {
    const { report } = decided({ kind: "violation" }, [...clean(300), item(999, [0], [1])]);
    expect(report.verdict).toBe("BLOCK");
    expect(report.reasons[0]).toContain("c999");
    const old = decided({ kind: "violation" }, [...clean(300), item(999, [1], [1])]);
    expect(old.report.verdict).toBe("SHIP");
    expect(old.metric.says).toContain("none of them new");
    expect(decided({ kind: "violation" }, [...clean(300), item(999, [1], [2])]).report.verdict).toBe("BLOCK");
  });

  it("block by one in any repeat, and on a case of which the baseline has no run", () => {
    expect(decided({ kind: "violation" }, [...clean(9), item(9, [0, 0], [0, 1])]).report.verdict).toBe("BLOCK");
    expect(decided({ kind: "violation" }, [...clean(9), item(9, [], [1])]).report.verdict).toBe("BLOCK");
  });

  it("say which rate is excluded, and how many cases another takes", () => {
    const few = decided({ kind: "violation", max_rate: 0.01 }, clean(200));
    expect(few.report.verdict).toBe("INCONCLUSIVE");
    expect(few.metric.excluded_rate).toBeCloseTo(1 - 0.05 ** (1 / 200), 9);
    expect(few.metric.more_cases).toBe(99);
    expect(decided({ kind: "violation", max_rate: 0.01 }, clean(299)).report.verdict).toBe("SHIP");
  });

  it("count clusters where cases are not independent", () => {
    const { report, metric } = decided(
      { kind: "violation", max_rate: 0.01 },
      many(400, (at) => item(at, [0], [0], { cluster: `s${at % 40}` })),
    );
    expect(report.verdict).toBe("INCONCLUSIVE");
    expect(metric.excluded_rate).toBeCloseTo(1 - 0.05 ** (1 / 40), 9);
  });

  it("that were there before exclude no rate below their own", () => {
    const { metric } = decided({ kind: "violation", max_rate: 0.01 }, [
      ...clean(25),
      ...many(5, (at) => item(at + 50, [1], [1])),
    ]);
    expect(metric.verdict).toBe("INCONCLUSIVE");
    expect(metric.excluded_rate).toBeGreaterThan(5 / 30);
    expect(metric.more_cases).toBeNull();
  });
});

describe("a critical case", () => {
  const rest = table(290, 0, 0, 0).map((each) => ({ ...each, baseline: [1, 1, 1], candidate: [1, 1, 1] }));
  const lost = (candidate: readonly number[], more: Partial<MetricItem> = {}): string =>
    decided({}, [...rest, item(999, [1, 1, 1], candidate, { risk: "critical", ...more })]).report.verdict;

  it("blocks that passed in every run and now fails in every run", () => {
    expect(lost([0, 0, 0])).toBe("BLOCK");
    expect(lost([0, 0, 1])).toBe("SHIP");
    expect(lost([0, 0, 0], { risk: "high" })).toBe("SHIP");
    expect(lost([0, 0, 0], { baseline: [1, 0, 1] })).toBe("SHIP");
  });
});

describe("amounts", () => {
  const wobble = (at: number): number => 1 + 0.1 * Math.sin(at * 12.9898);
  const costs = (ratio: number, n = 120): readonly MetricItem[] =>
    many(n, (at) => item(at, [100 + at], [(100 + at) * ratio * wobble(at)]));

  it("ship, block and stay open by the ratio of their geometric means", () => {
    const { report, metric } = decided({ kind: "amount", margin: 0.1 }, costs(1));
    expect(report.verdict).toBe("SHIP");
    expect(metric.upper).toBeLessThan(0.1);
    expect(decided({ kind: "amount", margin: 0.1 }, costs(1.3)).report.verdict).toBe("BLOCK");
    expect(decided({ kind: "amount", margin: 0.1 }, costs(0.7)).report.verdict).toBe("SHIP");
    expect(decided({ kind: "amount", margin: 0.005 }, costs(1)).report.verdict).toBe("INCONCLUSIVE");
  });

  it("block above their ceiling, also by cases that only the candidate ran", () => {
    expect(decided({ kind: "amount", limit: 200 }, costs(1)).report.verdict).toBe("SHIP");
    expect(decided({ kind: "amount", limit: 150 }, costs(1)).report.verdict).toBe("BLOCK");
    const alone = many(120, (at) => item(at, [], [300]));
    expect(decided({ kind: "amount", limit: 150 }, alone).report.verdict).toBe("BLOCK");
  });

  it("that rise from nothing are not passed over", () => {
    const risen = many(60, (at) => (at < 30 ? item(at, [0], [1_000]) : item(at, [10], [10])));
    expect(decided({ kind: "amount" }, risen).report.verdict).toBe("INCONCLUSIVE");
    expect(decided({ kind: "amount" }, risen).metric.unpaired).toBe(30);
    expect(
      decided(
        { kind: "amount" },
        many(60, (at) => item(at, [0], [0])),
      ).report.verdict,
    ).toBe("SHIP");
    const same = many(60, (at) => (at < 30 ? item(at, [0], [0]) : item(at, [10], [10])));
    const { report, metric } = decided({ kind: "amount" }, same);
    expect([report.verdict, metric.n, metric.unpaired]).toEqual(["SHIP", 60, 0]);
  });

  it("of two cases prove nothing, however alike both rose", () => {
    const { report } = decided({ kind: "amount" }, [item(0, [10], [12]), item(1, [20], [24])]);
    expect(report.verdict).toBe("INCONCLUSIVE");
  });
});

describe("what could not be compared", () => {
  const fine = table(290, 2, 3, 5);

  it("leaves a run open past the share that the suite allows", () => {
    const open = decided({}, fine, { cases: 320, divergent: 12, failed: 5, missing: 3 });
    expect(open.report.verdict).toBe("INCONCLUSIVE");
    expect(open.report.reasons[0]).toBe(
      "20 of 320 cases could not be compared (5 failed, 12 diverged from what was recorded, 3 were not covered by the budget): more than the 5 % that the suite allows",
    );
    expect(decided({}, fine, { cases: 310, divergent: 10 }).report.verdict).toBe("SHIP");
  });

  it("is an error where it is most of a run, or all of it", () => {
    expect(decided({}, fine, { cases: 700, failed: 400 }).report.verdict).toBe("ERROR");
    expect(decided({}, []).report.verdict).toBe("ERROR");
    expect(
      decided(
        {},
        many(20, (at) => item(at, [], [1])),
      ).report.verdict,
    ).toBe("ERROR");
  });

  it("does not hide what was seen to be wrong", () => {
    expect(decided({}, table(200, 60, 0, 0), { cases: 700, failed: 400 }).report.verdict).toBe("BLOCK");
  });

  it("counts for each metric: one that lacks half of its values keeps no margin", () => {
    const half = many(400, (at) => item(at, [0.5 + (at % 7) / 100], at % 2 === 0 ? [] : [0.5 + (at % 5) / 100]));
    const { report, metric } = decided({ kind: "score" }, half);
    expect([metric.n, metric.unpaired]).toEqual([200, 200]);
    expect(report.verdict).toBe("INCONCLUSIVE");
    expect(report.reasons[0]).toContain("200 of 400 cases have no value on one side");
  });
});

describe("repeats and clusters", () => {
  const scores = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })), {
    minLength: 25,
    maxLength: 60,
  });
  const runs = (passes: number): readonly number[] => [0, 1, 2].map((at) => Number(at < passes));

  it("are no more evidence for being copied within their cluster", () => {
    fc.assert(
      fc.property(scores, fc.integer({ min: 2, max: 4 }), (passes, copies) => {
        const once = passes.map(([before, after], at) => item(at, runs(before), runs(after)));
        const copied = once.flatMap((each) =>
          Array.from({ length: copies }, (_, at) => ({ ...each, case: `${each.case}-${at}` })),
        );
        const [one, more] = [decided({}, once).metric, decided({}, copied).metric];
        expect(more.clusters).toBe(one.clusters);
        for (const key of ["delta", "se", "lower", "upper", "p"] as const)
          expect(more[key]).toBeCloseTo(one[key] ?? 0, 9);
        expect(more.verdict).toBe(one.verdict);
      }),
      { numRuns: 60 },
    );
  });

  it("too few of them never ship, nor block by changes of one size alone", () => {
    const two = [item(0, [1, 1, 1], [0, 0, 0]), item(1, [1, 1, 1], [0, 0, 0])];
    const { report, metric } = decided({}, two);
    expect(metric.p).toBeCloseTo(0.25, 12);
    expect(report.verdict).toBe("INCONCLUSIVE");
    expect(report.reasons[0]).toContain("2 independent clusters are too few");
    expect(
      decided(
        { kind: "score", margin: 1 },
        many(19, (at) => item(at, [0.5], [0.6])),
      ).report.verdict,
    ).toBe("INCONCLUSIVE");
  });

  it("bound what was not seen: sixty cases that all passed thrice exclude 5 %, forty do not", () => {
    const passed = (n: number): readonly MetricItem[] => many(n, (at) => item(at, [1, 1, 1], [1, 1, 1]));
    expect(decided({}, passed(60)).report.verdict).toBe("SHIP");
    expect(decided({}, passed(40)).report.verdict).toBe("INCONCLUSIVE");
  });
});

describe("a bound", () => {
  const moved = { mean: -0.02, corrected: 0.01, clusters: 100 };

  it("moves out by Johnson's term where the mean is skewed against it, and never in", () => {
    const plain = skewedBounds({ ...moved, skewness: 0 });
    const t = studentQuantile(0.95, 99);
    expect(plain.lower).toBeCloseTo(-0.02 - t * 0.01, 12);
    expect(plain.upper).toBeCloseTo(-0.02 + t * 0.01, 12);
    expect(plain.p).toBeCloseTo(studentCdf(-2, 99), 12);
    const fell = skewedBounds({ ...moved, skewness: -3 });
    expect(fell.lower).toBeCloseTo(plain.lower - ((3 * (2 * t * t + 1)) / 60) * 0.01, 12);
    expect([fell.upper, fell.p]).toEqual([plain.upper, plain.p]);
    const rose = skewedBounds({ ...moved, skewness: 3 });
    expect(rose.upper).toBeGreaterThan(plain.upper);
    expect(rose.p).toBeGreaterThan(plain.p);
    expect(rose.lower).toBe(plain.lower);
  });
});

describe("a report", () => {
  const value = fc.constantFrom(0, 0, 1, 1, 0.5, 250);
  const anyItem = fc.record({
    case: fc.string({ minLength: 1, maxLength: 4 }),
    cluster: fc.constantFrom("a", "b", "c", "d", "e", "f"),
    tags: fc.subarray(["x", "y"]),
    risk: fc.constantFrom("low" as const, "critical" as const),
    baseline: fc.array(value, { maxLength: 3 }),
    candidate: fc.array(value, { maxLength: 3 }),
  });
  const anyMetric = fc.tuple(
    fc.record({
      kind: fc.constantFrom("pass" as const, "score" as const, "violation" as const, "amount" as const),
      margin: fc.constantFrom(0, 0.05),
      is_gating: fc.boolean(),
    }),
    fc.array(anyItem, { maxLength: 40 }),
  );

  it("has only figures that JSON can carry, a reason, and comes out the same again", () => {
    fc.assert(
      fc.property(fc.array(anyMetric, { maxLength: 3 }), (metrics) => {
        const input = gateInput(metrics.map(([each, items], at) => [{ ...each, id: `m${at}` }, items] as const));
        const report = decideGate(input);
        expect(numbersIn(report).every(Number.isFinite)).toBe(true);
        expect(report.reasons.length).toBeGreaterThan(0);
        expect(decideGate(input)).toEqual(report);
      }),
      { numRuns: 150 },
    );
  });

  it("says the same in whatever order the cases come", () => {
    const items = many(60, (at) =>
      item(at, [1, Number(at % 5 > 0)], [Number(at % 4 > 0), 1], { cluster: `s${at % 30}` }),
    );
    const { bootstrap_bound: _one, ...there } = decided({}, items).metric;
    const { bootstrap_bound: _other, ...back } = decided({}, items.toReversed()).metric;
    for (const [key, each] of Object.entries(there)) {
      const other = Object.entries(back).find(([name]) => name === key)?.[1];
      if (typeof each === "number") expect(other).toBeCloseTo(each, 9);
      else expect(other).toEqual(each);
    }
  });

  it("lists the worst cases first, at most twenty, and parts by tag and risk", () => {
    const items = many(90, (at) =>
      item(at, [1, 1], at < 30 ? [0, Number(at > 5)] : [1, 1], {
        tags: at < 40 ? ["refunds"] : [],
        risk: at < 10 ? "high" : "low",
      }),
    );
    const { report } = decided({}, items);
    expect(report.worst).toHaveLength(20);
    expect(report.worst.slice(0, 6).every(({ candidate }) => candidate === 0)).toBe(true);
    const refunds = report.slices.find(({ slice }) => slice === "refunds");
    expect(refunds).toMatchObject({ n: 40, baseline: 1, kind: "pass" });
    expect(refunds?.delta).toBeCloseTo(-0.45, 9);
    expect(report.slices.map(({ slice }) => slice)).toContain("risk:high");
  });

  it("checks each bound by resampling with the seed it keeps", () => {
    const items = many(120, (at) => item(at, [1, Number(at % 3 > 0)], [Number(at % 4 > 0), 1]));
    const [one, again, other] = [7, 7, 8].map((seed) => decided({}, items, { seed }).metric.bootstrap_bound);
    expect(one).toBe(again);
    expect(one).not.toBe(other);
    expect(one).toBeCloseTo(decided({}, items).metric.lower ?? 0, 1);
  });

  it("of two thousand cases and ten metrics takes well under a second", () => {
    const metrics = Array.from({ length: 10 }, (_, metric) => {
      const kind = (["pass", "score", "amount"] as const)[metric % 3] ?? "pass";
      const items = many(2_000, (at) =>
        item(at, [1, Number((at + metric) % 9 > 0) + 1], [Number(at % 7 > 0) + 1, 1], { cluster: `s${at >> 1}` }),
      );
      return [{ id: `m${metric}`, kind }, items] as const;
    });
    const before = process.cpuUsage();
    expect(decideGate(gateInput(metrics)).metrics).toHaveLength(10);
    const { user } = process.cpuUsage(before);
    expect(user / 1e6).toBeLessThan(1);
  });
});
