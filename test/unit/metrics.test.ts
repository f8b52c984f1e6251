// Proves that metrics are OpenMetrics, add up to the daily counts, and stay few however many names callers make up.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { metricFamilies, OWN_RELEASES, OWN_SUBJECTS, type TenantCounts } from "../../src/core/metrics/families.ts";
import { openMetricsText, type MetricFamily } from "../../src/core/metrics/open-metrics.ts";
import type { IndexRow } from "../../src/core/trace/record.ts";
import { rollupRows } from "../../src/core/trace/rollup.ts";
import { callRow } from "../call-row.ts";
import { parseOpenMetrics, type Family } from "./open-metrics-parser.ts";

function countsOf(records: readonly Partial<IndexRow>[], more: Partial<TenantCounts> = {}): TenantCounts {
  return { tenant: "t", rows: rollupRows(records.map((each) => callRow(each))), switches: {}, coverage: null, ...more };
}

function shown(tenants: readonly TenantCounts[], leftOut = 0): ReadonlyMap<string, Family> {
  const families = parseOpenMetrics(openMetricsText(metricFamilies(tenants, leftOut)));
  return new Map(families.map((family) => [family.name, family]));
}

describe("the text", () => {
  it("is what a strict reader reads back, whatever stands in a label", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }),
        (text, value) => {
          const family: MetricFamily = {
            name: "x",
            type: "counter",
            help: text,
            metrics: [{ labels: { a: text }, value }],
          };
          const [read] = parseOpenMetrics(openMetricsText([family]));
          expect(read).toMatchObject({ type: "counter", help: text.toWellFormed() });
          expect(read?.samples).toEqual([{ name: "x_total", labels: { a: text.toWellFormed() }, value }]);
        },
      ),
    );
  });

  it("is only its end where there is nothing", () => {
    expect(openMetricsText([])).toBe("# EOF\n");
  });
});

describe("the strict reader", () => {
  it.each([
    ["a 1\n", "without an end"],
    ["# TYPE a counter\na 1\n# EOF\n", "a counter without _total"],
    ["# TYPE a gauge\n\na 1\n# EOF\n", "an empty line"],
    ["# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n", "a unit that the name lacks"],
    ["# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\n# EOF\n", "a family twice"],
    ["# TYPE a gauge\na 1\na 2\n# EOF\n", "a sample twice"],
    ['# TYPE a gauge\na{b="\\x"} 1\n# EOF\n', "an escape that is none"],
    ['# TYPE a histogram\na_bucket{le="1.0"} 1\na_count 1\n# EOF\n', "no last bucket"],
    [
      '# TYPE a histogram\na_bucket{le="1"} 1\na_bucket{le="+Inf"} 1\na_count 1\n# EOF\n',
      "a boundary that is no float",
    ],
    ['# TYPE a histogram\na_bucket{le="1.0"} 2\na_bucket{le="+Inf"} 1\na_count 1\n# EOF\n', "buckets that fall"],
  ])("refuses %j: %s", (text) => {
    expect(() => parseOpenMetrics(text)).toThrow(/./);
  });
});

describe("metrics", () => {
  it("tell calls, cost, tokens, latency, masked data and switches by tenant", () => {
    const families = shown([
      countsOf(
        [
          {
            cost_micro_usd: 1_500_000,
            input_tokens: 1_000,
            output_tokens: 20,
            duration_ms: 300,
            masked: 2,
            release: "r1",
          },
          { cost_micro_usd: 500_000, input_tokens: 1, output_tokens: 1, duration_ms: 90_000, release: "r1" },
          {
            kind: "execute_tool",
            subject: "refund",
            status: "denied",
            decision: "deny",
            cost_micro_usd: 0,
            attempts: null,
          },
          { kind: "switch", subject: "halt", status: "set" },
        ],
        { switches: { halt: 1 }, coverage: 0.999 },
      ),
    ]);
    const calls = families.get("interlock_calls")?.samples ?? [];
    expect(calls.reduce((sum, { value }) => sum + value, 0)).toBe(4);
    expect(calls).toContainEqual({
      name: "interlock_calls_total",
      labels: { tenant: "t", kind: "execute_tool", subject: "refund", release: "", status: "denied", decision: "deny" },
      value: 1,
    });
    expect(families.get("interlock_cost_usd")?.samples[0]).toMatchObject({ value: 2, labels: { release: "r1" } });
    expect(families.get("interlock_masked_entities")?.samples[0]?.value).toBe(2);
    expect(families.get("interlock_switches")?.samples).toEqual([
      { name: "interlock_switches", labels: { tenant: "t", kind: "halt" }, value: 1 },
    ]);
    expect(families.get("interlock_trace_coverage_ratio")?.samples[0]?.value).toBe(0.999);
    const latency = families.get("gen_ai_client_operation_duration_seconds")?.samples ?? [];
    const model = (le: string): number | undefined =>
      latency.find((each) => each.labels["le"] === le && each.labels["gen_ai_request_model"] === "m")?.value;
    expect([model("0.16"), model("0.32"), model("81.92"), model("+Inf")]).toEqual([0, 1, 1, 2]);
    const tokens = families.get("gen_ai_client_token_usage")?.samples ?? [];
    expect(
      tokens.find((each) => each.name.endsWith("_sum") && each.labels["gen_ai_token_type"] === "input")?.value,
    ).toBe(1_001);
  });

  it("give the busiest names series of their own and the rest one", () => {
    const made = Array.from({ length: 2_000 }, (_, at) => ({ subject: `made-up-${at}`, release: `r-${at}` }));
    const busy = Array.from({ length: 5 }, () => ({ subject: "m", release: "live" }));
    const calls = shown([countsOf([...made, ...busy])]).get("interlock_calls")?.samples ?? [];
    const names = (label: string): ReadonlySet<string | undefined> => new Set(calls.map(({ labels }) => labels[label]));
    expect(names("subject").size).toBe(OWN_SUBJECTS + 1);
    expect(names("release").size).toBe(OWN_RELEASES + 1);
    expect(names("subject")).toContain("m");
    expect(names("subject")).toContain("other");
    expect(calls.reduce((sum, { value }) => sum + value, 0)).toBe(2_005);
  });

  it("keep tenants apart and say how many are not shown", () => {
    const other = countsOf([{ tenant: "u", subject: "secret-model" }], { tenant: "u" });
    const families = shown([countsOf([{}]), other], 3);
    expect(families.get("interlock_tenants_left_out")?.samples[0]?.value).toBe(3);
    const ofT = families.get("interlock_calls")?.samples.filter(({ labels }) => labels["tenant"] === "t") ?? [];
    expect(ofT.map(({ labels }) => labels["subject"])).toEqual(["m"]);
  });
});
