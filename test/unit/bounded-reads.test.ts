// Proves that what reads much reads a little at a time, and that what stops midway says where to go on.
import { afterEach, describe, expect, it, vi } from "vitest";
import { exportTraces } from "../../src/gateway/export-traces.ts";
import { readMetrics } from "../../src/gateway/read-metrics.ts";
import { callRow } from "../call-row.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("metrics of many tenants", () => {
  it("are read of a few at the same time", async () => {
    let reading = 0;
    let most = 0;
    const ports = {
      system: { now: () => 1_790_000_000_000 },
      rollups: {
        between: async () => {
          reading += 1;
          most = Math.max(most, reading);
          await Promise.resolve();
          await Promise.resolve();
          reading -= 1;
          return [];
        },
      },
      switches: { list: async () => [] },
      admissions: {
        hour: async (_tenant: string, hour: number) => ({
          hour,
          admitted: 0,
          missing: [],
          missingCount: 0,
          uncertain: [],
        }),
      },
    } as unknown as Parameters<typeof readMetrics>[0];
    await readMetrics(
      ports,
      Array.from({ length: 60 }, (_, at) => `tenant-${at}`),
    );
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(4);
  });
});

describe("an export", () => {
  const ports = (failsAt: string | undefined) =>
    ({
      index: {
        list: async (_tenant: string, { cursor }: { readonly cursor?: string }) => {
          if (cursor === failsAt) throw new Error("D1 is overloaded");
          const page = Number(cursor ?? 0);
          return { rows: [{ ...callRow(), segment: "s", line: page }], nextCursor: page === 3 ? null : `${page + 1}` };
        },
      },
      keeping: { latestOutcomes: async () => new Map() },
    }) as unknown as Parameters<typeof exportTraces>[0];
  const linesOf = async (failsAt: string | undefined): Promise<readonly string[]> => {
    const lines: string[] = [];
    const asked = { filter: { limit: 1 }, format: "rows", most: 100 } as const;
    for await (const some of exportTraces(ports(failsAt), "t", asked)) lines.push(...some);
    return lines;
  };

  it("that dies midway says where the next goes on", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const lines = await linesOf("2");
    expect(lines.length).toBe(3);
    expect(JSON.parse(lines[2] ?? "")).toEqual({ interlock_export: { records: 2, next_cursor: "2", failed: true } });
    await expect(linesOf(undefined)).rejects.toThrow("overloaded");
    const whole = await linesOf("none");
    expect(JSON.parse(whole.at(-1) ?? "")).toEqual({ interlock_export: { records: 4, next_cursor: null } });
  });
});
