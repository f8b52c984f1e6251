// Proves that daily counts add up: every value in its bucket, sums exact, and no matter how records are batched.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bucketOf, EDGES, MEASURES, type Measure } from "../../src/core/trace/histogram.ts";
import { mergedCounts, rollupRows, type RollupRow } from "../../src/core/trace/rollup.ts";
import type { IndexRow } from "../../src/core/trace/record.ts";
import { callRow } from "../call-row.ts";

const DAY_MS = 86_400_000;

describe("buckets", () => {
  it("rise, and hold a value between their ends", () => {
    for (const measure of MEASURES)
      expect(EDGES[measure]).toEqual(EDGES[measure].toSorted((left, right) => left - right));
    fc.assert(
      fc.property(fc.constantFrom<Measure>(...MEASURES), fc.nat(100_000_000), (measure, value) => {
        const bucket = bucketOf(measure, value);
        expect(value).toBeGreaterThan(EDGES[measure][bucket - 1] ?? -1);
        expect(value).toBeLessThanOrEqual(EDGES[measure][bucket] ?? Number.POSITIVE_INFINITY);
      }),
    );
  });

  it("have the boundaries that the GenAI conventions advise", () => {
    const seconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
    expect(EDGES.latency).toEqual(expect.arrayContaining(seconds.map((edge) => Math.round(edge * 1_000))));
    const tokens = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304];
    for (const measure of ["input", "output"] as const) expect(EDGES[measure]).toEqual(expect.arrayContaining(tokens));
  });
});

const record = fc.record({
  started_at: fc.integer({ min: 1_790_000_000_000, max: 1_790_000_000_000 + 3 * DAY_MS }),
  duration_ms: fc.nat(200_000),
  cost_micro_usd: fc.nat(100_000_000),
  input_tokens: fc.nat(5_000_000),
  output_tokens: fc.nat(5_000_000),
  masked: fc.nat(5),
  subject: fc.constantFrom("m", "n"),
  status: fc.constantFrom("succeeded", "failed"),
  release: fc.constantFrom(null, "r1"),
});
const records = fc.array(record, { minLength: 1, maxLength: 60 });

function keyOf({ tenant, day, kind, subject, release, status, decision }: RollupRow): string {
  return JSON.stringify([tenant, day, kind, subject, release, status, decision]);
}

describe("rows", () => {
  it("count every record once, in every histogram", () => {
    fc.assert(
      fc.property(records, (given) => {
        const rows = rollupRows(given.map((each) => callRow(each)));
        const sum = (valueOf: (row: RollupRow) => number): number => rows.reduce((all, row) => all + valueOf(row), 0);
        expect(sum(({ calls }) => calls)).toBe(given.length);
        expect(sum(({ cost_micro_usd }) => cost_micro_usd)).toBe(
          given.reduce((all, each) => all + each.cost_micro_usd, 0),
        );
        for (const row of rows) {
          for (const measure of MEASURES) {
            expect(row[measure]).toHaveLength(EDGES[measure].length + 1);
            expect(row[measure].reduce((all, count) => all + count, 0)).toBe(row.calls);
          }
        }
        expect(new Set(rows.map(keyOf)).size).toBe(rows.length);
      }),
    );
  });

  it("are the same however records are batched", () => {
    fc.assert(
      fc.property(records, fc.nat(60), (given, at) => {
        const rows = given.map((each) => callRow(each));
        const whole = rollupRows(rows);
        const merged = new Map<string, RollupRow>();
        for (const row of [...rollupRows(rows.slice(0, at)), ...rollupRows(rows.slice(at))]) {
          const before = merged.get(keyOf(row));
          merged.set(keyOf(row), before === undefined ? row : { ...row, ...mergedCounts(before, row) });
        }
        const byKey = (all: Iterable<RollupRow>): readonly RollupRow[] =>
          [...all].toSorted((left, right) => keyOf(left).localeCompare(keyOf(right)));
        expect(byKey(merged.values())).toEqual(byKey(whole));
      }),
    );
  });

  it("leave an agent's own spans out and name a missing release by nothing", () => {
    const spans: Partial<IndexRow> = { kind: "otel" };
    expect(rollupRows([callRow(spans)])).toEqual([]);
    expect(rollupRows([callRow({ attempts: 2 })])).toMatchObject([{ release: "", attempts: 2, calls: 1 }]);
  });
});
