// Proves how a dataset is drawn: nothing twice, every stratum its share, and the same for the same seed.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EvalCase } from "../../src/core/eval/case.ts";
import { cutCases } from "../../src/core/eval/dataset/cut.ts";
import {
  sampled,
  SAMPLE_KEYS,
  sketchOf,
  withoutRepeats,
  type CaseSketch,
  type SampleWish,
} from "../../src/core/eval/dataset/sample.ts";
import type { TraceRecord } from "../../src/core/trace/record.ts";
import { CONFIG, Recording, refundStory, START, user } from "./eval-recording.ts";

function caseOf(records: readonly TraceRecord[]): EvalCase {
  const [first] = cutCases(records, {
    tools: new Map(Object.entries(CONFIG.published.document.tools)),
    outcomes: new Map(),
    labelFromRecording: false,
    isIncomplete: false,
  });
  if (first?.type !== "case") throw new Error("no case");
  return first.case;
}

function sketch(id: string, tool: string, more: Partial<CaseSketch> = {}): CaseSketch {
  const values = { tool, outcome: "none", decision: "none", release: "none", risk: "low", actor: "a", day: "d" };
  return { id, at: 0, sameness: id, values, ...more };
}

/** So many cases of each of some tools. */
function strata(sizes: Readonly<Record<string, number>>): readonly CaseSketch[] {
  return Object.entries(sizes).flatMap(([tool, size]) =>
    Array.from({ length: size }, (_, at) => sketch(`${tool}${at}`, tool)),
  );
}

const WISH: SampleWish = { size: 10, by: ["tool"], seed: 1, allocation: "proportional", minPerStratum: 0 };

function shares(cases: readonly CaseSketch[], wish: Partial<SampleWish>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    sampled(cases, { ...WISH, ...wish }).strata.map(({ stratum, taken }) => [stratum.tool ?? "", taken]),
  );
}

const anyCases = fc
  .array(
    fc.record({ tool: fc.constantFrom("a", "b", "c", "d", "e"), at: fc.nat(5), risk: fc.constantFrom("low", "high") }),
    {
      maxLength: 60,
    },
  )
  .map((drafts) =>
    drafts.map(({ tool, at, risk }, index) => {
      const plain = sketch(`id${index}`, tool, { at });
      return { ...plain, values: { ...plain.values, risk } };
    }),
  );
const anyWish: fc.Arbitrary<SampleWish> = fc.record({
  size: fc.nat(70),
  by: fc.constantFrom([], ["tool" as const], ["tool" as const, "risk" as const]),
  seed: fc.nat(1000),
  allocation: fc.constantFrom("proportional", "equal"),
  minPerStratum: fc.nat(4),
});

describe("a sample", () => {
  it("is as large as was wished or as there are cases, none twice, in order of time, and counted by stratum", () => {
    fc.assert(
      fc.property(anyCases, anyWish, (cases, wish) => {
        const { taken, strata: counted } = sampled(cases, wish);
        expect(taken).toHaveLength(Math.min(wish.size, cases.length));
        expect(new Set(taken).size).toBe(taken.length);
        expect(taken.every((each) => cases.includes(each))).toBe(true);
        expect(taken.map(({ at }) => at)).toEqual(taken.map(({ at }) => at).toSorted((a, b) => a - b));
        for (const { stratum, seen, taken: count } of counted) {
          const isOf = ({ values }: CaseSketch): boolean => wish.by.every((key) => values[key] === stratum[key]);
          expect([cases.filter(isOf).length, taken.filter(isOf).length]).toEqual([seen, count]);
        }
        expect(counted.reduce((sum, { seen }) => sum + seen, 0)).toBe(cases.length);
      }),
    );
  });

  it("is the same for the same seed whatever order the cases come in, and another for another seed", () => {
    fc.assert(
      fc.property(anyCases, anyWish, fc.nat(60), (cases, wish, turn) => {
        const turned = [...cases.slice(turn), ...cases.slice(0, turn)].toReversed();
        expect(sampled(turned, wish)).toEqual(sampled(cases, wish));
      }),
    );
    const many = strata({ a: 100 });
    const ids = (seed: number): string =>
      sampled(many, { ...WISH, seed })
        .taken.map(({ id }) => id)
        .join();
    expect(new Set([1, 2, 3].map(ids)).size).toBe(3);
  });

  it("holds the smaller sample of one stratum in the larger", () => {
    fc.assert(
      fc.property(anyCases, fc.nat(60), fc.nat(60), (cases, one, other) => {
        const of = (size: number): readonly CaseSketch[] => sampled(cases, { ...WISH, by: [], size }).taken;
        const larger = of(Math.max(one, other));
        expect(of(Math.min(one, other)).every((each) => larger.includes(each))).toBe(true);
      }),
    );
  });

  it("gives each stratum its minimum where the size allows, and its proportion rounded where no minimum is asked", () => {
    fc.assert(
      fc.property(anyCases, anyWish, (cases, wish) => {
        const { strata: counted } = sampled(cases, { ...wish, allocation: "proportional" });
        const least = counted.map(({ seen }) => Math.min(seen, wish.minPerStratum));
        if (least.reduce((sum, each) => sum + each, 0) <= Math.min(wish.size, cases.length))
          for (const [at, { taken }] of counted.entries()) expect(taken).toBeGreaterThanOrEqual(least[at] ?? 0);
        for (const { seen, taken } of sampled(cases, { ...wish, allocation: "proportional", minPerStratum: 0 })
          .strata) {
          const quota = (Math.min(wish.size, cases.length) * seen) / cases.length;
          expect(Math.abs(taken - quota)).toBeLessThan(1);
        }
      }),
    );
  });

  it("shared evenly gives no stratum more than one case beyond another that still has some", () => {
    fc.assert(
      fc.property(anyCases, anyWish, (cases, wish) => {
        const counted = sampled(cases, { ...wish, allocation: "equal" }).strata;
        const most = Math.max(0, ...counted.map(({ taken }) => taken));
        for (const { seen, taken } of counted) if (taken < seen) expect(most - taken).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("shares out as one would by hand", () => {
    const cases = strata({ rare: 2, some: 18, most: 80 });
    expect(shares(cases, {})).toEqual({ most: 8, rare: 0, some: 2 });
    expect(shares(cases, { minPerStratum: 1 })).toEqual({ most: 7, rare: 1, some: 2 });
    expect(shares(cases, { minPerStratum: 5 })).toEqual({ most: 4, rare: 2, some: 4 });
    expect(shares(cases, { allocation: "equal" })).toEqual({ most: 4, rare: 2, some: 4 });
    expect(shares(cases, { size: 2, minPerStratum: 1 })).toEqual({ most: 1, rare: 0, some: 1 });
    expect(shares(cases, { size: 1000 })).toEqual({ most: 80, rare: 2, some: 18 });
    // Hamilton's method: 25 × 631/1460 = 10.80, 8.13 and 6.06, so the place that is left goes to the first.
    expect(shares(strata({ a: 631, b: 475, c: 354 }), { size: 25 })).toEqual({ a: 11, b: 8, c: 6 });
  });
});

describe("repeats", () => {
  it("are told by what was said, offered and asked for; the newest is kept, in whatever order they come", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { maxLength: 30 }), (drafts) => {
        const cases = drafts.map(([same, at], index) => sketch(`id${index}`, "a", { at, sameness: `s${same}` }));
        const { kept, repeats } = withoutRepeats(cases);
        expect(kept.length + repeats).toBe(cases.length);
        expect(new Set(kept.map(({ sameness }) => sameness)).size).toBe(kept.length);
        for (const each of kept)
          for (const other of cases)
            if (other.sameness === each.sameness) expect(other.at).toBeLessThanOrEqual(each.at);
        expect(new Set(withoutRepeats(cases.toReversed()).kept)).toEqual(new Set(kept));
      }),
    );
  });

  it("differ in case, width, white space, session and time alone, and not in what was asked of tools", () => {
    const sameness = (recording: Recording): string => sketchOf(caseOf(recording.records)).sameness;
    expect(sameness(refundStory({ session: "s2", startsAt: START + 9e8 }))).toBe(sameness(refundStory()));
    expect(sameness(refundStory({}, 43))).not.toBe(sameness(refundStory()));
    const says = (text: string): string =>
      sameness(new Recording().model([user(text)], [{ type: "text", text: `heard ${text.length}` }]));
    expect(says("  Where is\n my PARCEL ")).toBe(says("where is my ｐarcel"));
    expect(says("where is my parcel")).not.toBe(says("where is the parcel"));
  });
});

describe("a case's sketch", () => {
  it("has a value for every key, and says none where there is none", () => {
    expect(sketchOf(caseOf(refundStory({ release: "r7" }).records))).toMatchObject({
      at: START,
      values: {
        tool: "billing.refund+crm.get_customer",
        outcome: "none",
        decision: "allow",
        release: "r7",
        risk: "high",
        actor: "support",
        day: "2026-01-05",
      },
    });
    const bare = sketchOf(caseOf(new Recording().model([user("Hello")], [{ type: "text", text: "ok" }]).records));
    expect(bare.values).toMatchObject({ tool: "none", decision: "none", release: "none", risk: "low" });
    expect(Object.keys(bare.values).toSorted()).toEqual([...SAMPLE_KEYS].toSorted());
  });

  it("takes the strictest decision of its calls", () => {
    const recording = refundStory()
      .tool("crm.note", {}, "denied", "d")
      .tool("billing.refund", { amount_usd: 48 }, "pending_approval", "p");
    expect(sketchOf(caseOf(recording.records)).values.decision).toBe("deny");
  });
});
