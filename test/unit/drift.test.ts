// Proves the statistics of drift against reference values and their laws, and that a week's comparison finds what moved and nothing that chance moves.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chiSquare999, distanceByChance, stabilityByChance } from "../../src/core/drift/chance.ts";
import { compareWeeks, type DriftReport, type DriftTerms } from "../../src/core/drift/compare.ts";
import { kolmogorovSmirnov, pooledBins, populationStability, total } from "../../src/core/drift/distance.ts";
import { differenceInterval, wilson } from "../../src/core/drift/proportions.ts";
import { lastClosedWeek, readWeek, weekBefore, weekOf } from "../../src/core/drift/week.ts";
import { bucketOf, emptyHistogram } from "../../src/core/trace/histogram.ts";
import { rollupRows } from "../../src/core/trace/rollup.ts";
import type { IndexRow } from "../../src/core/trace/record.ts";
import { isoTime } from "../../src/core/units/local-time.ts";
import { callRow } from "../call-row.ts";

const bins = fc.array(fc.nat(10_000), { minLength: 2, maxLength: 25 }).filter((counts) => total(counts) > 0);
const pairOfBins = fc.integer({ min: 2, max: 25 }).chain((size) => {
  const side = fc.array(fc.nat(1_000), { minLength: size, maxLength: size }).filter((counts) => total(counts) > 0);
  return fc.tuple(side, side);
});

describe("population stability index", () => {
  // Twice the symmetric Kullback–Leibler divergence's halves: scipy.stats.entropy(p, q) + scipy.stats.entropy(q, p) of
  // shares raised by 0.0001 and rescaled (scipy 1.17.1).
  it.each([
    [[10, 20, 30, 40], [40, 30, 20, 10], 0.912021791180063],
    [[5, 5, 0, 0], [0, 0, 5, 5], 17.027975152776698],
    [[100, 50, 25, 0, 3], [80, 70, 25, 10, 0], 0.4895917811021112],
  ])("of %j and %j is scipy's", (left, right, expected) => {
    expect(populationStability(left, right)).toBeCloseTo(expected, 12);
  });

  it("is at least 0 and the same both ways", () => {
    fc.assert(
      fc.property(pairOfBins, ([left, right]) => {
        const psi = populationStability(left, right);
        expect(psi).toBeGreaterThanOrEqual(0);
        expect(populationStability(right, left)).toBeCloseTo(psi, 10);
      }),
    );
  });

  it("is 0 for equal shares, whatever the sizes, and more for others", () => {
    fc.assert(
      fc.property(bins, fc.integer({ min: 1, max: 50 }), (counts, times) => {
        expect(
          populationStability(
            counts,
            counts.map((count) => count * times),
          ),
        ).toBeCloseTo(0, 10);
      }),
    );
    fc.assert(
      fc.property(pairOfBins, ([left, right]) => {
        const [ofLeft, ofRight] = [total(left), total(right)];
        fc.pre(left.some((count, bin) => Math.abs(count / ofLeft - (right[bin] ?? 0) / ofRight) > 1e-3));
        expect(populationStability(left, right)).toBeGreaterThan(0);
      }),
    );
  });
});

describe("Kolmogorov–Smirnov distance", () => {
  // scipy.stats.ks_2samp over the bins' numbers, each as often as it was counted (scipy 1.17.1).
  it.each([
    [[10, 20, 30, 40], [40, 30, 20, 10], 0.4],
    [[5, 5, 0, 0], [0, 0, 5, 5], 1],
    [[100, 50, 25, 0, 3], [80, 70, 25, 10, 0], 0.12936532037655632],
    [[7, 0, 3], [70, 0, 30], 0],
  ])("of %j and %j is scipy's", (left, right, expected) => {
    expect(kolmogorovSmirnov(left, right)).toBeCloseTo(expected, 12);
  });

  it("lies from 0 to 1, is the same both ways, and 0 for equal shares", () => {
    fc.assert(
      fc.property(pairOfBins, ([left, right]) => {
        const ks = kolmogorovSmirnov(left, right);
        expect(ks).toBeGreaterThanOrEqual(0);
        expect(ks).toBeLessThanOrEqual(1);
        expect(kolmogorovSmirnov(right, left)).toBeCloseTo(ks, 12);
        expect(kolmogorovSmirnov(left, left)).toBe(0);
      }),
    );
  });
});

describe("pooled bins", () => {
  it("keep every count, and none stays nearly empty", () => {
    fc.assert(
      fc.property(pairOfBins, ([left, right]) => {
        const [ofLeft, ofRight] = pooledBins(left, right);
        expect([total(ofLeft), total(ofRight)]).toEqual([total(left), total(right)]);
        const least = Math.max(20, (total(left) + total(right)) * 0.05);
        const isThin = ofLeft.some((count, bin) => count + (ofRight[bin] ?? 0) < least);
        expect(isThin).toBe(total(left) + total(right) < least);
      }),
    );
  });
});

describe("chance", () => {
  // scipy.stats.chi2.ppf(0.999, degrees) and scipy.stats.kstwobign.isf(0.001) (scipy 1.17.1).
  it.each([
    [5, 20.515005652432873],
    [10, 29.58829844507442],
    [19, 43.82019596451753],
  ])("of %i degrees is chi-square's within 1.5 %", (degrees, expected) => {
    expect(Math.abs(chiSquare999(degrees) / expected - 1)).toBeLessThan(0.015);
  });

  it("of a distance is Kolmogorov's", () => {
    expect(distanceByChance(200, 200)).toBeCloseTo(1.9494746035043753 * 0.1, 12);
  });

  it("passes its bound about once in a thousand samples of one distribution", () => {
    const shares = [0.05, 0.2, 0.3, 0.25, 0.15, 0.05];
    const random = generator(7);
    const sample = (size: number): readonly number[] => {
      const counts = shares.map(() => 0);
      for (let at = 0; at < size; at += 1) {
        let rest = random();
        const bin = shares.findIndex((share) => (rest -= share) < 0);
        const place = bin === -1 ? shares.length - 1 : bin;
        counts[place] = (counts[place] ?? 0) + 1;
      }
      return counts;
    };
    let beyond = 0;
    for (let run = 0; run < 2_000; run += 1) {
      const [left, right] = [sample(200), sample(300)];
      const psi = populationStability(left, right) >= stabilityByChance(shares.length, 200, 300);
      const ks = kolmogorovSmirnov(left, right) >= distanceByChance(200, 300);
      if (psi || ks) beyond += 1;
    }
    expect(beyond).toBeLessThanOrEqual(12);
  });
});

describe("weeks that are samples of the same calls", () => {
  it.each([100, 400, 5_000])("of %i calls each drift by chance a few times in a thousand", (size) => {
    const random = generator(size);
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const latencies = (): readonly number[] => {
      const counts = emptyHistogram("latency").slice();
      for (let at = 0; at < size; at += 1) {
        const bucket = bucketOf("latency", Math.round(Math.exp(5 + normal())));
        counts[bucket] = (counts[bucket] ?? 0) + 1;
      }
      return counts;
    };
    let drifted = 0;
    const runs = size > 1_000 ? 300 : 1_500;
    for (let run = 0; run < runs; run += 1) {
      const [left, right] = pooledBins(latencies(), latencies());
      // Thresholds of chance alone, whatever is configured.
      const psi = populationStability(left, right) >= stabilityByChance(left.length, size, size);
      if (psi || kolmogorovSmirnov(left, right) >= distanceByChance(size, size)) drifted += 1;
    }
    expect(drifted / runs).toBeLessThanOrEqual(0.005);
  });
});

/** A small generator of numbers from 0 to 1 (mulberry32), so that a run repeats. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe("intervals", () => {
  // Newcombe 1998, Stat Med 17:857-872, checked with statsmodels proportion_confint(method="wilson").
  it.each([
    [81, 263, 0.2552885198782742, 0.36620957698280004],
    [15, 148, 0.06238639953073628, 0.16048724172330803],
    [0, 20, 0, 0.1611251580528194],
    [1, 29, 0.006113214292762667, 0.17175521879320294],
    [19, 38, 0.348499283643951, 0.651500716356049],
    [22, 49, 0.31852841068686644, 0.5868489178050209],
  ])("of %i of %i are Wilson's", (count, of, low, high) => {
    expect(wilson({ count, of }).low).toBeCloseTo(low, 9);
    expect(wilson({ count, of }).high).toBeCloseTo(high, 9);
  });

  it("of a difference are Newcombe's", () => {
    // Newcombe 1998, Stat Med 17:873-890, method 10.
    const { low, high } = differenceInterval({ count: 56, of: 70 }, { count: 48, of: 80 });
    expect(low).toBeCloseTo(0.05243147240236498, 9);
    expect(high).toBeCloseTo(0.33387265403690614, 9);
  });

  it("hold their share", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(500), (of, some) => {
        const count = some % (of + 1);
        const { low, high } = wilson({ count, of });
        expect(0 <= low && low <= count / of && count / of <= high && high <= 1).toBe(true);
      }),
    );
    expect(wilson({ count: 0, of: 0 })).toEqual({ low: 0, high: 1 });
  });
});

describe("weeks", () => {
  // ISO 8601 calendar weeks around the turn of years.
  it.each([
    ["2026-11-25", "2026-W48"],
    ["2026-01-01", "2026-W01"],
    ["2021-01-03", "2020-W53"],
    ["2024-12-30", "2025-W01"],
    ["1970-01-01", "1970-W01"],
  ])("of %s is %s", (date, name) => {
    expect(readWeek(date)?.name).toBe(name);
    expect(readWeek(name)?.name).toBe(name);
  });

  it.each(["2026-W54", "2025-W53", "2026-W00", "2026-02-30", "yesterday", "2026-W4", ""])("%j is none", (text) => {
    expect(readWeek(text)).toBeUndefined();
  });

  it("follow each other", () => {
    const now = Date.UTC(2026, 10, 25);
    expect(lastClosedWeek(now).name).toBe("2026-W47");
    expect(weekBefore(lastClosedWeek(now)).name).toBe("2026-W46");
    fc.assert(
      fc.property(fc.integer({ min: -20_000, max: 60_000 }), (day) => {
        const week = weekOf(day);
        expect(week.firstDay <= day && day < week.firstDay + 7).toBe(true);
        expect(readWeek(week.name)).toEqual(week);
        expect(isoTime(day * 86_400_000 + 12_345)).toBe(new Date(day * 86_400_000 + 12_345).toISOString());
      }),
    );
  });
});

const TERMS: DriftTerms = { psi: 0.25, ks: 0.2, rate: 0.05, min_calls: 50 };
const MONDAY = Date.UTC(2026, 10, 16);
const BEFORE = Date.UTC(2026, 10, 9);

function compared(records: readonly Partial<IndexRow>[], terms = TERMS): DriftReport {
  const week = weekOf(Math.floor(MONDAY / 86_400_000));
  const rows = rollupRows(records.map((each) => callRow(each)));
  return compareWeeks({ tenant: "t", week, before: weekBefore(week), rows }, terms);
}

function times<T>(count: number, make: (at: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, at) => make(at));
}

describe("a week's comparison", () => {
  const steady = (started_at: number, more = {}): readonly Partial<IndexRow>[] =>
    times(200, (at) => ({
      started_at: started_at + at,
      duration_ms: 100 + (at % 50) * 10,
      input_tokens: 50 + at,
      ...more,
    }));

  it("finds nothing where nothing moved", () => {
    const { compared: all } = compared([...steady(BEFORE), ...steady(MONDAY)]);
    expect(all.map(({ metric }) => metric)).toEqual(
      expect.arrayContaining(["latency", "cost", "input_tokens", "output_tokens", "refusals", "failures", "masked"]),
    );
    expect(all.filter(({ drifted }) => drifted)).toEqual([]);
  });

  it("finds tokens that doubled, and only them", () => {
    const more = steady(MONDAY).map((each) => ({ ...each, input_tokens: (each.input_tokens ?? 0) * 2 }));
    const { compared: all } = compared([...steady(BEFORE), ...more]);
    expect(all.filter(({ drifted }) => drifted).map(({ metric }) => metric)).toEqual(["input_tokens"]);
    expect(all[0]).toMatchObject({ week: "2026-W47", against: "2026-W46", release: null, subject: "m", drifted: true });
  });

  it("finds refusals that rose, and not those that chance explains", () => {
    const refused = (share: number): readonly Partial<IndexRow>[] =>
      times(200, (at) => ({
        started_at: MONDAY + at,
        ...(at < 200 * share ? { status: "denied", decision: "deny" } : {}),
      }));
    const calm = times(200, (at) => ({ started_at: BEFORE + at }));
    const found = (share: number): readonly string[] =>
      compared([...calm, ...refused(share)])
        .compared.filter(({ drifted }) => drifted)
        .map(({ metric }) => metric);
    expect(found(0.2)).toEqual(["refusals"]);
    expect(found(0.01)).toEqual([]);
  });

  it("finds personal data where there was none", () => {
    const { compared: all } = compared([...steady(BEFORE), ...steady(MONDAY, { masked: 3 })]);
    expect(all.filter(({ drifted }) => drifted).map(({ metric }) => metric)).toEqual(["masked"]);
  });

  it("finds a mix of tools that changed", () => {
    const tools = (started_at: number, half: number): readonly Partial<IndexRow>[] =>
      times(200, (at) => ({
        started_at: started_at + at,
        kind: "execute_tool" as const,
        subject: at < half ? "search" : "refund",
        release: "r1",
      }));
    const { compared: all } = compared([...tools(BEFORE, 100), ...tools(MONDAY, 180)], { ...TERMS, min_calls: 100 });
    expect(all.filter(({ drifted }) => drifted)).toMatchObject([
      { metric: "tool_mix", release: "r1", subject: "*", kind: "execute_tool" },
    ]);
  });

  it("compares with the baseline release in the same week", () => {
    const slow = steady(MONDAY, { release: "candidate" }).map((each) => ({
      ...each,
      duration_ms: (each.duration_ms ?? 0) * 8,
    }));
    const { compared: all } = compared([...steady(MONDAY, { release: "live" }), ...slow], {
      ...TERMS,
      baseline: "live",
    });
    expect(all.filter(({ drifted }) => drifted)).toMatchObject([
      { metric: "latency", release: "candidate", against: "baseline live" },
    ]);
  });

  it("names what has too few calls, and counts no repeats", () => {
    const { compared: all, too_few } = compared([
      ...steady(BEFORE),
      ...times(49, (at) => ({ started_at: MONDAY + at })),
      ...times(100, (at) => ({ started_at: MONDAY + at, status: "replayed" })),
    ]);
    expect(all).toEqual([]);
    expect(too_few).toEqual([{ release: null, kind: "chat", subject: "m" }]);
  });

  it("names the same finding the same", () => {
    const ids = (): readonly string[] => compared([...steady(BEFORE), ...steady(MONDAY)]).compared.map(({ id }) => id);
    expect(ids()).toEqual(ids());
    expect(new Set(ids()).size).toBe(ids().length);
  });
});
