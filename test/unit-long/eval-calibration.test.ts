// Proves when a judge may gate: how sure its agreement with people has to be, what counts as drift, and what its rates are worth.
import { describe, expect, it } from "vitest";
import type { JudgeEntry } from "../../src/core/config/eval-document.ts";
import { calibrate, kappaOf, type Calibration } from "../../src/core/eval/judge/calibration.ts";
import { correctedRate } from "../../src/core/eval/judge/corrected-rate.ts";
import { driftOf } from "../../src/core/eval/judge/drift.ts";
import type { SettledPair } from "../../src/core/eval/judge/settled-pair.ts";
import { standingOf } from "../../src/core/eval/judge/standing.ts";
import { cohenKappa } from "../../src/core/eval/stats/agreement.ts";
import { markdownOf } from "../../src/core/eval/report/markdown.ts";
import { reportRun, type ReportGround } from "../../src/core/eval/report/run-report.ts";
import type { EvalRun, FinishedCase } from "../../src/core/eval/run.ts";
import { Dice } from "../../src/core/eval/stats/dice.ts";
import { grader } from "../unit/eval-fixture.ts";

const ENTRY: JudgeEntry = {
  models: ["m"],
  samples: 1,
  rubric: { version: "4", text: "Passes where it is right.", scale: "pass_fail" },
  budget_usd: 0.1,
  max_output_tokens: 512,
  kappa_floor: 0.6,
  min_labels: 50,
  expires_in: "90d",
};
const GRADED: JudgeEntry = { ...ENTRY, rubric: { ...ENTRY.rubric, scale: "score_1_5" } };
const DAY = 86_400_000;

interface Kind {
  readonly at?: number;
  readonly isRandom?: boolean;
  readonly blind?: SettledPair["blind"];
}
function pairs(
  count: number,
  judged: string,
  settled: string,
  { at = 1, isRandom = true, blind = null }: Kind = {},
): readonly SettledPair[] {
  return Array.from({ length: count }, () => ({ judged, settled, blind, is_random: isRandom, at }));
}
/** `agree` labels on which both say the same, half of them passes; `differ` on which they do not. */
function mixed(agree: number, differ: number, kind: Kind = {}): readonly SettledPair[] {
  return [
    ...pairs(Math.ceil(agree / 2), "pass", "pass", kind),
    ...pairs(Math.floor(agree / 2), "fail", "fail", kind),
    ...pairs(Math.ceil(differ / 2), "pass", "fail", kind),
    ...pairs(Math.floor(differ / 2), "fail", "pass", kind),
  ];
}
const GROUND = { now: 10, digest: "d1" };
const good = calibrate(ENTRY, mixed(95, 5), GROUND);

/** Labels as people and a judge would give them that errs as often on either side. */
function drawn(
  dice: Dice,
  n: number,
  { base, error, at = 1 }: { readonly base: number; readonly error: number; readonly at?: number },
): readonly SettledPair[] {
  return Array.from({ length: n }, () => {
    const isPass = dice.fraction() < base;
    const says = dice.fraction() < error ? !isPass : isPass;
    return { judged: says ? "pass" : "fail", settled: isPass ? "pass" : "fail", blind: null, is_random: true, at };
  });
}

describe("a calibration", () => {
  it("counts what judge and people said, and how often the judge is right on either side", () => {
    const found = calibrate(
      ENTRY,
      [
        ...pairs(20, "pass", "pass"),
        ...pairs(5, "pass", "fail"),
        ...pairs(10, "fail", "pass"),
        ...pairs(15, "fail", "fail"),
      ],
      GROUND,
    );
    // Rows are the judge's: fail, pass. The table and its kappa of 0.4 are scikit-learn's and Wikipedia's example.
    expect(found.confusion).toEqual([
      [15, 10],
      [5, 20],
    ]);
    expect(found.kappa?.kappa).toBeCloseTo(0.4, 12);
    expect(found).toMatchObject({
      n: 50,
      agreement: 0.7,
      rubric_version: "4",
      judge_digest: "d1",
      at: 10,
      status: "unfit",
    });
    expect(found.base_rate).toMatchObject({ rate: 0.6, n: 50 });
    expect(found.sensitivity).toMatchObject({ rate: 20 / 30, n: 30 });
    expect(found.specificity).toMatchObject({ rate: 15 / 20, n: 20 });
    // Wilson for 19 of 38: [.348499, .651501] (R, PropCIs).
    const half = calibrate(ENTRY, [...pairs(19, "pass", "pass"), ...pairs(19, "fail", "pass")], GROUND);
    expect(half.sensitivity?.lower).toBeCloseTo(0.348499, 6);
    expect(half.sensitivity?.upper).toBeCloseTo(0.651501, 6);
  });

  it("is fit with enough labels and a lower bound above the floor, and says both", () => {
    expect(good).toMatchObject({ status: "fit", n: 100 });
    expect(good.says).toMatch(/^kappa 0\.9 \[0\.7\d*, 0\.9\d*\] on 100 labels: its lower bound is above 0\.6$/);
  });

  it.each<[string, JudgeEntry, readonly SettledPair[], RegExp]>([
    ["too few labels", ENTRY, mixed(49, 0), /it takes 50 labels/],
    ["a kappa above the floor whose bound is not", ENTRY, mixed(45, 7), /lower bound is not above 0\.6/],
    [
      "88 % raw agreement that is chance",
      ENTRY,
      [
        ...pairs(85, "pass", "pass"),
        ...pairs(5, "pass", "fail"),
        ...pairs(7, "fail", "pass"),
        ...pairs(3, "fail", "fail"),
      ],
      /lower bound is not above/,
    ],
    ["one label only", ENTRY, pairs(80, "pass", "pass"), /no kappa on 80 labels/],
    ["nothing", ENTRY, [], /no kappa on 0 labels/],
    [
      "all but one the same, and all agreed",
      ENTRY,
      [...pairs(49, "pass", "pass"), ...pairs(1, "fail", "fail")],
      /lower bound is not above/,
    ],
  ])("is unfit with %s", (_, entry, said, says) => {
    const found = calibrate(entry, said, GROUND);
    expect(found.status).toBe("unfit");
    expect(found.says).toMatch(says);
  });

  it("is unfit while more than one judgement in twenty is disputed: what is settled is the easier part", () => {
    expect(calibrate(ENTRY, mixed(95, 5), { ...GROUND, disputed: 5 }).status).toBe("fit");
    const found = calibrate(ENTRY, mixed(95, 5), { ...GROUND, disputed: 6 });
    expect(found).toMatchObject({ status: "unfit", disputed: 6 });
    expect(found.says).toContain("6 more are disputed");
  });

  it("takes rates from labels drawn at random alone, and kappa from all of them", () => {
    const found = calibrate(ENTRY, [...mixed(40, 0), ...mixed(0, 20, { isRandom: false })], GROUND);
    expect(found).toMatchObject({
      n: 60,
      random: { n: 40, agreed: 40, passed: 20 },
      counts: { n: 60, agreed: 40, passed: 30 },
    });
    expect(found.sensitivity).toMatchObject({ rate: 1, n: 20 });
    expect(found.kappa?.kappa).toBeLessThan(0.4);
    const none = calibrate(ENTRY, mixed(60, 0, { isRandom: false }), GROUND);
    expect(none).toMatchObject({ sensitivity: null, specificity: null, base_rate: null, n: 60 });
  });

  it("weighs grades by how far apart they are, and has no sensitivity of them", () => {
    const near = calibrate(GRADED, [...pairs(30, "5", "4"), ...pairs(30, "1", "1"), ...pairs(30, "4", "4")], GROUND);
    const far = calibrate(GRADED, [...pairs(30, "5", "1"), ...pairs(30, "1", "1"), ...pairs(30, "4", "4")], GROUND);
    expect(near.kappa?.kappa).toBeGreaterThan((far.kappa?.kappa ?? 1) + 0.2);
    expect(near).toMatchObject({ labels: ["1", "2", "3", "4", "5"], sensitivity: null, specificity: null });
    expect(near.base_rate).toMatchObject({ rate: 60 / 90 });
  });

  it("holds two people against each other by what they said blindly, once there are twenty such pairs", () => {
    const same = pairs(10, "pass", "pass", { blind: ["pass", "pass"] });
    const other = pairs(9, "pass", "fail", { blind: ["fail", "fail"] });
    const apart = pairs(1, "pass", "fail", { blind: ["pass", "fail"] });
    expect(calibrate(ENTRY, [...same, ...other], GROUND).people_kappa).toBeNull();
    const found = calibrate(ENTRY, [...same, ...other, ...apart], GROUND);
    expect(found.people_kappa?.kappa).toBeCloseTo(0.9, 12);
    expect(found.kappa?.kappa).toBeCloseTo(0, 12);
  });

  it("keeps its figures through JSON, as they are stored", () => {
    const empty = calibrate(ENTRY, [], GROUND);
    for (const each of [good, empty]) expect(JSON.parse(JSON.stringify(each))).toEqual({ ...each });
  });
});

describe("kappa's bounds", () => {
  it("are those of the large-sample error, or wider below", () => {
    // SAS PROC FREQ: kappa .4842, 95 % [.2137, .7547].
    const found = kappaOf(
      [
        [0, 4, 1],
        [0, 8, 0],
        [0, 1, 5],
      ],
      "identity",
    );
    expect(found?.kappa).toBeCloseTo(0.4842, 4);
    expect(found?.upper).toBeCloseTo(0.7547, 4);
    expect(found?.lower).toBeLessThanOrEqual(0.2138);
    expect(found?.lower).toBeGreaterThan(0);
  });

  it("do not close where all agree, however few they are", () => {
    const few = kappaOf(
      [
        [5, 0],
        [0, 5],
      ],
      "identity",
    );
    expect(
      cohenKappa([
        [5, 0],
        [0, 5],
      ]).lower,
    ).toBe(1);
    expect(few).toMatchObject({ kappa: 1, upper: 1 });
    // The Wilson bound of 10 of 10 is 1/(1 + 1.96²/10) = .72247; chance is a half.
    expect(few?.lower).toBeCloseTo((0.72247 - 0.5) / 0.5, 4);
  });

  it.each([
    [0.5, 50],
    [0.5, 200],
    [0.85, 60],
    [0.95, 60],
    [0.95, 200],
    [0.98, 100],
  ])("let a judge of kappa 0.6 hardly ever pass for better, of base rate %s and %s labels", (base, n) => {
    // Error e on both sides: kappa = (po - pe) / (1 - pe) falls with e; bisected to 0.6.
    const kappaAt = (e: number): number => {
      const q = base * (1 - e) + (1 - base) * e;
      const chance = base * q + (1 - base) * (1 - q);
      return (1 - e - chance) / (1 - chance);
    };
    let [low, high] = [0, 0.5];
    for (let turn = 0; turn < 60; turn += 1) {
      const middle = (low + high) / 2;
      if (kappaAt(middle) > 0.6) low = middle;
      else high = middle;
    }
    const dice = new Dice(7);
    const runs = 1_500;
    let fit = 0;
    for (let run = 0; run < runs; run += 1)
      if (calibrate(ENTRY, drawn(dice, n, { base, error: low }), GROUND).status === "fit") fit += 1;
    // The bound is one of 2.5 %; the rest is what 1500 draws vary by.
    expect(fit / runs).toBeLessThan(0.03 + 2 * Math.sqrt((0.025 * 0.975) / runs));
  });
});

describe("drift", () => {
  const rested = calibrate(ENTRY, mixed(95, 5), GROUND);

  it("is seen where judge and people agree surely less often since, and says so", () => {
    const says = driftOf(ENTRY, rested, mixed(35, 15, { at: 20 }));
    expect(says).toContain("agrees with people on 35 of the newest 50 labels, and agreed on 95 of 100");
  });

  it.each([
    ["few labels, however bad", mixed(0, 19, { at: 20 })],
    ["a little less agreement", mixed(46, 4, { at: 20 })],
    ["labels that the calibration rests on", mixed(0, 60, { at: 10 })],
    ["more agreement", mixed(60, 0, { at: 20 })],
  ])("is not seen in %s", (_, fresh) => {
    expect(driftOf(ENTRY, rested, fresh)).toBeNull();
  });

  it("is looked for in the newest labels: many good ones before hide nothing", () => {
    const fresh = [...mixed(1_000, 0, { at: 20 }), ...mixed(60, 40, { at: 30 })];
    expect(driftOf(ENTRY, rested, fresh)).toContain("60 of the newest 100");
  });

  it("is seen where people pass surely more or fewer of what is drawn, though the judge agrees", () => {
    expect(driftOf(ENTRY, rested, pairs(60, "fail", "fail", { at: 20 }))).toContain("people pass 0 of the newest 60");
    expect(driftOf(ENTRY, rested, pairs(60, "pass", "pass", { at: 20 }))).toContain("people pass 60 of the newest 60");
    expect(driftOf(ENTRY, rested, pairs(60, "pass", "pass", { at: 20, isRandom: false }))).toBeNull();
  });

  it("is no matter of what is hard: drawn labels are held against drawn ones", () => {
    const fresh = [...mixed(30, 1, { at: 20 }), ...mixed(0, 60, { at: 21, isRandom: false })];
    expect(driftOf(ENTRY, rested, fresh)).toBeNull();
  });

  it("is seen in fewer than 2 % of judges that stay as they are, and in most that err three times as often", () => {
    const dice = new Dice(11);
    const runs = 600;
    const rate = (error: number): number => {
      let seen = 0;
      for (let run = 0; run < runs; run += 1) {
        const last = calibrate(ENTRY, drawn(dice, 150, { base: 0.7, error: 0.08 }), GROUND);
        if (driftOf(ENTRY, last, drawn(dice, 100, { base: 0.7, error, at: 20 })) !== null) seen += 1;
      }
      return seen / runs;
    };
    expect(rate(0.08)).toBeLessThan(0.02 + 2 * Math.sqrt((0.02 * 0.98) / runs));
    expect(rate(0.27)).toBeGreaterThan(0.8);
  });

  it("is not calibrated away: labels from before count no more, in any later calibration", () => {
    const bad = mixed(15, 15, { at: 20 });
    const again = calibrate(ENTRY, [...mixed(95, 5), ...bad], { now: 30, digest: "d1", last: rested });
    expect(again).toMatchObject({ status: "suspended", since: 10, n: 30 });
    expect(again.says).toContain("since it drifted: it takes 50 labels");
    const better = [...mixed(95, 5), ...bad, ...mixed(30, 0, { at: 40 })];
    const third = calibrate(ENTRY, better, { now: 50, digest: "d1", last: again });
    expect(third).toMatchObject({ since: 10, n: 60, status: "unfit" });
    const anew = calibrate(ENTRY, [...mixed(95, 5), ...bad], { now: 30, digest: "d2", last: rested });
    expect(anew).toMatchObject({ since: null, n: 130 });
  });

  it("that was not seen leaves all labels in", () => {
    const again = calibrate(ENTRY, [...mixed(95, 5), ...mixed(47, 3, { at: 20 })], {
      now: 30,
      digest: "d1",
      last: rested,
    });
    expect(again).toMatchObject({ status: "fit", since: null, n: 150 });
  });
});

describe("a judge's standing", () => {
  const stand = (
    last: Calibration | undefined,
    more: { digest?: string; since?: readonly SettledPair[]; now?: number; entry?: JudgeEntry } = {},
  ): ReturnType<typeof standingOf> =>
    standingOf("quality", more.entry ?? ENTRY, {
      last,
      digest: more.digest ?? "d1",
      since: more.since ?? [],
      now: more.now ?? 11,
    });

  it("may gate where it is fit and nothing has changed, up to the last millisecond", () => {
    expect(stand(good)).toEqual({ judge: "quality", status: "fit", may_gate: true, says: good.says });
    expect(stand(good, { now: 10 + 90 * DAY })).toMatchObject({ may_gate: true });
  });

  it.each<[string, string, ReturnType<typeof standingOf>, RegExp]>([
    ["nobody calibrated it", "uncalibrated", stand(undefined), /nobody has calibrated it/],
    ["it changed since", "uncalibrated", stand(good, { digest: "d2" }), /changed since it was calibrated/],
    ["its calibration is old", "expired", stand(good, { now: 11 + 90 * DAY }), /older than 90d/],
    [
      "it drifted",
      "suspended",
      stand(good, { since: mixed(35, 15, { at: 20 }) }),
      /35 of the newest 50 labels.*suspended/,
    ],
    ["it was calibrated as unfit", "unfit", stand(calibrate(ENTRY, mixed(30, 30), GROUND)), /not above 0\.6/],
    [
      "there are too few labels since it drifted",
      "suspended",
      stand({ ...good, status: "suspended", says: "since it drifted" }),
      /since it drifted/,
    ],
    [
      "the floor was raised since",
      "unfit",
      stand(good, { entry: { ...ENTRY, kappa_floor: 0.95 } }),
      /more than 0\.95 now/,
    ],
    [
      "more labels are asked for since",
      "unfit",
      stand(good, { entry: { ...ENTRY, min_labels: 101 } }),
      /takes 101 labels now/,
    ],
  ])("decides nothing where %s, and says so", (_, status, found, says) => {
    expect(found).toMatchObject({ status, may_gate: false });
    expect(found.says).toMatch(says);
  });
});

describe("a judge's rate, corrected,", () => {
  const of = (x: number, n: number): NonNullable<Calibration["sensitivity"]> => ({
    rate: x / n,
    lower: 0,
    upper: 1,
    n,
  });
  const scores = (rate: number, n: number): readonly number[] =>
    Array.from({ length: n }, (_, at) => Number(at < rate * n));

  it("is Rogan and Gladen's: 0.8 seen with 0.9 and 0.85 right is 0.8667", () => {
    const calibration = { sensitivity: of(90, 100), specificity: of(85, 100) };
    const found = correctedRate(ENTRY, scores(0.8, 200), { calibration, pairs: [] });
    expect(found?.judged).toBeCloseTo(0.8, 12);
    expect(found?.rogan_gladen?.rate).toBeCloseTo(0.866667, 6);
    expect(found?.rogan_gladen?.n).toBe(200);
    expect(found?.powered).toBeNull();
  });

  it.each([
    ["no better than chance", of(50, 100), of(50, 100)],
    ["labelled too little", of(9, 10), of(8, 9)],
    ["labelled on one side alone", of(90, 100), of(4, 4)],
  ])("is not told where the judge is %s", (_, sensitivity, specificity) => {
    expect(
      correctedRate(ENTRY, scores(0.8, 200), { calibration: { sensitivity, specificity }, pairs: [] })?.rogan_gladen,
    ).toBeNull();
  });

  it("is not told without scores, nor from labels that were not drawn, nor from labels all alike", () => {
    expect(correctedRate(ENTRY, [], { calibration: undefined, pairs: mixed(40, 0) })).toBeNull();
    const chosen = mixed(40, 4, { isRandom: false });
    expect(correctedRate(ENTRY, scores(0.5, 50), { calibration: undefined, pairs: chosen })?.powered).toBeNull();
    const alike = pairs(40, "pass", "pass");
    expect(correctedRate(ENTRY, scores(0.5, 50), { calibration: undefined, pairs: alike })?.powered).toBeNull();
  });

  it("covers the rate behind it in at least 92 % of draws, where the judge's own rate is far off", () => {
    const dice = new Dice(3);
    const truth = 0.8;
    const runs = 600;
    let [gladen, powered, naive] = [0, 0, 0];
    for (let run = 0; run < runs; run += 1) {
      const labels = drawn(dice, 120, { base: truth, error: 0.15 });
      const judged = drawn(dice, 400, { base: truth, error: 0.15 }).map((pair) => Number(pair.judged === "pass"));
      const found = correctedRate(ENTRY, judged, { calibration: calibrate(ENTRY, labels, GROUND), pairs: labels });
      const covers = (rate: { readonly lower: number; readonly upper: number } | null | undefined): number =>
        Number(rate !== null && rate !== undefined && rate.lower <= truth && truth <= rate.upper);
      gladen += covers(found?.rogan_gladen);
      powered += covers(found?.powered);
      naive += Number(Math.abs((found?.judged ?? 0) - truth) < 1.96 * Math.sqrt((truth * (1 - truth)) / 400));
    }
    expect(gladen / runs).toBeGreaterThan(0.92);
    expect(powered / runs).toBeGreaterThan(0.92);
    expect(naive / runs).toBeLessThan(0.1);
  });

  it("stands in a run's report beside what the judge saw, in words as well", () => {
    const suite = {
      graders: [grader("judge", { id: "good", judge: "quality" })],
      max_unpaired: 0.1,
      seed: 1,
    } as unknown as ReportGround["plan"]["suite"];
    const results = Array.from({ length: 100 }, (_, at): FinishedCase => {
      const repeat = {
        status: "completed",
        why: null,
        figures: {},
        values: { good: Number(at >= 20) },
        errors: {},
      } as unknown as FinishedCase["result"]["candidate"][number];
      const id = `c${at}`;
      const result = { candidate: [repeat], baseline: [repeat], lost: null };
      return { id, cluster: id, tags: [], risk: "low", result, episodes: null };
    });
    const labels = drawn(new Dice(5), 200, { base: 0.8, error: 0.1 });
    const calibration = calibrate(ENTRY, labels, GROUND);
    const ground = { plan: { suite, judges: { quality: ENTRY } }, results, cases: 100, judges: {} };
    const report = reportRun({
      ...ground,
      labels: { quality: { calibration, pairs: labels } },
      shortage: null,
      spentMicroUsd: 0,
    });
    const expected = correctedRate(ENTRY, scores(0.8, 100), { calibration, pairs: labels });
    expect(report.corrected).toEqual([{ grader: "good", judge: "quality", ...expected }]);
    const run = { candidateDigest: "0".repeat(64) } as unknown as EvalRun;
    expect(markdownOf(run, report)).toMatch(
      /Grader `good`: judged 80(\.0)? ?%; corrected by people's labels .*200 labels/,
    );
    expect(reportRun({ ...ground, labels: {}, shortage: null, spentMicroUsd: 0 }).corrected).toEqual([]);
  });
});
