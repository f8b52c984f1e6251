// Proves what people may say to a judgement and what they see of it, and which judgements they are asked about.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GraderEntry } from "../../src/core/config/grader-document.ts";
import {
  adjudicate,
  disclosed,
  label,
  priorityOf,
  type Audit,
  type AuditFacts,
  type Labelled,
} from "../../src/core/eval/audit/audit.ts";
import { auditsOf, MOST_AUDITS, type AuditedRun } from "../../src/core/eval/audit/queue.ts";
import { RISKS, type Risk } from "../../src/core/eval/case.ts";
import type { FinishedCase, RepeatResult } from "../../src/core/eval/run.ts";
import { published, releaseDocument } from "./release-fixture.ts";

const OPEN: Audit = {
  tenant: "t",
  id: "aud_1",
  run: "run_1",
  caseId: "c1",
  side: "candidate",
  repeat: 0,
  judge: "quality",
  grader: "good",
  judgeDigest: "d",
  rubricVersion: "1",
  judged: "pass",
  status: "open",
  priority: 0,
  isRandom: true,
  createdAt: 0,
  settledAt: null,
  settled: null,
  labels: [],
};

const ask = (by: string, said: string, at = 1): Parameters<typeof label>[1] => ({ by, label: said, note: null, at });
function after(came: Labelled): Audit {
  if (came.type !== "labelled") throw new Error(came.type);
  return came.audit;
}
const labelled = after(label(OPEN, ask("ann", "pass")));
const disputed = after(label(labelled, ask("ben", "fail")));
const settled = after(label(labelled, ask("ben", "pass", 7)));

describe("two people", () => {
  it("who agree settle a judgement, whatever the judge said", () => {
    expect(labelled).toMatchObject({ status: "labelled", settled: null, settledAt: null });
    expect(settled).toMatchObject({ status: "settled", settled: "pass", settledAt: 7 });
    const fail = after(label(after(label(OPEN, ask("ann", "fail"))), ask("ben", "fail")));
    expect(fail).toMatchObject({ settled: "fail", judged: "pass" });
  });

  it("who differ leave it to a third, whose word settles it", () => {
    expect(disputed).toMatchObject({ status: "disputed", settled: null });
    expect(label(disputed, ask("cid", "pass"))).toEqual({ type: "not_open" });
    const told = after(adjudicate(disputed, ask("cid", "fail", 9)));
    expect(told).toMatchObject({ status: "settled", settled: "fail", settledAt: 9 });
    expect(told.labels.map(({ by, is_adjudication }) => [by, is_adjudication])).toEqual([
      ["ann", false],
      ["ben", false],
      ["cid", true],
    ]);
  });

  it("are two: nobody labels twice, nor settles what they dispute themselves", () => {
    expect(label(labelled, ask("ann", "pass"))).toEqual({ type: "already_said" });
    expect(adjudicate(disputed, ask("ann", "pass"))).toEqual({ type: "already_said" });
    expect(adjudicate(disputed, ask("ben", "pass"))).toEqual({ type: "already_said" });
  });

  it("who come too late, or to what is not disputed, are told so", () => {
    expect(label(settled, ask("cid", "fail"))).toEqual({ type: "already_settled" });
    expect(adjudicate(settled, ask("cid", "fail"))).toEqual({ type: "already_settled" });
    expect(adjudicate(OPEN, ask("cid", "fail"))).toEqual({ type: "not_disputed" });
    expect(adjudicate(labelled, ask("cid", "fail"))).toEqual({ type: "not_disputed" });
  });
});

describe("an audit, whatever is said to it in whichever order,", () => {
  const said = fc.record({
    by: fc.constantFrom("ann", "ben", "cid", "dan"),
    label: fc.constantFrom("pass", "fail"),
    isThird: fc.boolean(),
  });
  const history = (words: readonly { by: string; label: string; isThird: boolean }[]): readonly Audit[] => {
    const all = [OPEN];
    for (const [at, word] of words.entries()) {
      const last = all.at(-1) ?? OPEN;
      const came = (word.isThird ? adjudicate : label)(last, ask(word.by, word.label, at + 1));
      if (came.type === "labelled") all.push(came.audit);
    }
    return all;
  };

  it("only ever gains words, each of somebody else, and keeps what it is about", () => {
    fc.assert(
      fc.property(fc.array(said, { maxLength: 12 }), (words) => {
        const all = history(words);
        for (const [at, audit] of all.entries()) {
          expect(audit.labels.length).toBe(at);
          expect(audit.labels.slice(0, -1)).toEqual(all[at - 1]?.labels ?? []);
          expect(new Set(audit.labels.map(({ by }) => by)).size).toBe(audit.labels.length);
          const { labels: _1, status: _2, settled: _3, settledAt: _4, ...rest } = audit;
          const { labels: _5, status: _6, settled: _7, settledAt: _8, ...begun } = OPEN;
          expect(rest).toEqual(begun);
        }
      }),
    );
  });

  it("is settled by two blind words that agree or by a third one, and by nothing else", () => {
    fc.assert(
      fc.property(fc.array(said, { maxLength: 12 }), (words) => {
        const last = history(words).at(-1) ?? OPEN;
        const blind = last.labels.filter(({ is_adjudication }) => !is_adjudication).map((each) => each.label);
        const third = last.labels.find(({ is_adjudication }) => is_adjudication);
        const agreed = blind.length === 2 && blind[0] === blind[1] ? blind[0] : undefined;
        expect(blind.length).toBeLessThanOrEqual(2);
        expect(agreed === undefined || third === undefined).toBe(true);
        expect(last.settled).toBe(agreed ?? third?.label ?? null);
        expect(last.status === "settled").toBe(last.settled !== null);
        expect(last.status === "settled").toBe(last.settledAt !== null);
        expect(last.status === "disputed").toBe(blind.length === 2 && last.settled === null);
      }),
    );
  });

  it("shows nobody who may still speak what would sway them, and nobody who said what", () => {
    fc.assert(
      fc.property(fc.array(said, { maxLength: 12 }), (words) => {
        for (const audit of history(words)) {
          const seen = disclosed(audit);
          expect(seen.judged).toBe(audit.status === "settled" ? "pass" : null);
          expect(seen.said.length).toBe(
            audit.status === "open" || audit.status === "labelled" ? 0 : audit.labels.length,
          );
          expect(JSON.stringify(seen)).not.toMatch(/ann|ben|cid|dan/);
        }
      }),
    );
  });
});

describe("how urgent a judgement is", () => {
  const facts: fc.Arbitrary<AuditFacts> = fc.record({
    risk: fc.constantFrom(...RISKS),
    disagreement: fc.double({ min: 0, max: 1, noNaN: true }),
    isContradicted: fc.boolean(),
    isNear: fc.boolean(),
    isFlip: fc.boolean(),
  });

  it("lies from 0 to 1000 and is never less for more that speaks for it", () => {
    fc.assert(
      fc.property(facts, facts, (one, other) => {
        const more: AuditFacts = {
          risk: RISKS[Math.max(RISKS.indexOf(one.risk), RISKS.indexOf(other.risk))] ?? "critical",
          disagreement: Math.max(one.disagreement, other.disagreement),
          isContradicted: one.isContradicted || other.isContradicted,
          isNear: one.isNear === true || other.isNear === true,
          isFlip: one.isFlip || other.isFlip,
        };
        expect(priorityOf(more)).toBeGreaterThanOrEqual(priorityOf(one));
        expect(priorityOf(one)).toBeGreaterThanOrEqual(0);
        expect(priorityOf(more)).toBeLessThanOrEqual(1_000);
        expect(Number.isInteger(priorityOf(one))).toBe(true);
      }),
    );
  });
});

describe("people are asked about", () => {
  const terms = { kappa_floor: 0.6, min_labels: 50, expires_in: "90d", budget_usd: 0.1, max_output_tokens: 512 };
  const rubric = { version: "2", text: "A rubric that says what passes.", scale: "pass_fail" } as const;
  const judges = {
    quality: { models: ["small"], samples: 1, rubric, ...terms },
    grades: { models: ["small"], samples: 1, rubric: { ...rubric, scale: "score_1_5" } as const, ...terms },
  };
  const graders = [
    { id: "good", gate: true, kind: "judge", judge: "quality" },
    { id: "grade", gate: true, kind: "judge", judge: "grades" },
    { id: "done", gate: true, kind: "completed" },
    { id: "says", gate: true, kind: "contains", ignore_case: true },
    { id: "spent", gate: true, kind: "cost" },
  ] as unknown as readonly GraderEntry[];

  function result(values: RepeatResult["values"], judged: RepeatResult["judged"]): RepeatResult {
    const figures = {
      cost_micro_usd: 1,
      input_tokens: 1,
      output_tokens: 1,
      duration_ms: 1,
      model_calls: 1,
      tool_calls: 1,
    };
    return { status: "completed", why: null, figures, values, errors: {}, ...(judged === undefined ? {} : { judged }) };
  }
  const passes = (says = 1, disagreement = 0): RepeatResult =>
    result({ good: 1, says, done: 1 }, { good: { label: "pass", disagreement } });
  const fails = (says = 0): RepeatResult =>
    result({ good: 0, says, done: 1 }, { good: { label: "fail", disagreement: 0 } });

  function finished(id: string, candidate: RepeatResult, baseline: RepeatResult, risk: Risk = "low"): FinishedCase {
    return {
      id,
      cluster: id,
      tags: [],
      risk,
      result: { candidate: [candidate], baseline: [baseline], lost: null },
      episodes: null,
    };
  }
  function audited(results: readonly FinishedCase[], share = 0): AuditedRun {
    const suite = { graders, audit_share: share } as unknown as AuditedRun["plan"]["suite"];
    const candidate = { published: published(releaseDocument()) } as unknown as AuditedRun["plan"]["candidate"];
    return { row: { tenant: "t", id: "run_1" }, plan: { suite, judges, candidate }, results, at: 5 };
  }
  const priorities = (...results: readonly FinishedCase[]): readonly (readonly [string, number])[] =>
    auditsOf(audited(results, 1)).map(({ caseId, side, priority }) => [`${caseId}.${side}`, priority]);

  it("each judgement that was drawn, on either side and of every repeat, without a word said", () => {
    const both = finished("c1", passes(), passes());
    const twice = { ...both, result: { ...both.result, candidate: [passes(), passes()] } };
    const audits = auditsOf(audited([twice], 1));
    expect(audits.map(({ side, repeat }) => `${side} ${repeat}`).toSorted()).toEqual([
      "baseline 0",
      "candidate 0",
      "candidate 1",
    ]);
    expect(new Set(audits.map(({ id }) => id)).size).toBe(3);
    for (const audit of audits)
      expect(audit).toMatchObject({
        status: "open",
        labels: [],
        judged: "pass",
        isRandom: true,
        rubricVersion: "2",
        createdAt: 5,
      });
    expect(auditsOf(audited([twice], 1))).toEqual(audits);
  });

  it("nothing quiet that was not drawn, and what is urgent though it was not", () => {
    expect(auditsOf(audited([finished("c1", passes(), passes())]))).toEqual([]);
    const audits = auditsOf(audited([finished("c1", passes(1, 1), passes(), "critical")]));
    expect(audits.map(({ side, isRandom }) => [side, isRandom])).toEqual([
      ["candidate", false],
      ["baseline", false],
    ]);
  });

  it("nothing where the judge could not tell", () => {
    expect(
      auditsOf(audited([finished("c1", result({ good: null }, undefined), result({}, undefined), "critical")], 1)),
    ).toEqual([]);
  });

  it("sooner where sides differ, or where deterministic graders say otherwise, one way or the other", () => {
    expect(new Map(priorities(finished("same", passes(), passes())))).toEqual(
      new Map([
        ["same.candidate", 0],
        ["same.baseline", 0],
      ]),
    );
    expect(new Map(priorities(finished("flip", passes(), fails())))).toEqual(
      new Map([
        ["flip.candidate", 150],
        ["flip.baseline", 150],
      ]),
    );
    expect(new Map(priorities(finished("lenient", passes(0), passes(1)))).get("lenient.candidate")).toBe(150);
    expect(new Map(priorities(finished("strict", fails(1), fails(0))))).toEqual(
      new Map([
        ["strict.candidate", 150],
        ["strict.baseline", 0],
      ]),
    );
  });

  it("sooner where the next grade up or down would pass or fail it", () => {
    const of = (grade: string): number => {
      const one = result({ grade: (Number(grade) - 1) / 4 }, { grade: { label: grade, disagreement: 0 } });
      return auditsOf(audited([finished("c", one, one)], 1))[0]?.priority ?? -1;
    };
    expect(["1", "2", "3", "4", "5"].map(of)).toEqual([0, 100, 100, 0, 0]);
  });

  it("so many at most, the drawn ones before all others: else they would be no sample", () => {
    const many = Array.from({ length: 600 }, (_, at) => finished(`c${at}`, passes(1, 1), passes(1, 1), "critical"));
    const calm = Array.from({ length: 600 }, (_, at) => finished(`q${at}`, passes(), passes()));
    const audits = auditsOf(audited([...many, ...calm], 0.1));
    expect(audits).toHaveLength(MOST_AUDITS);
    const drawn = audits.filter(({ isRandom }) => isRandom);
    // 2400 judgements at a tenth: 240, give or take five standard deviations.
    expect(Math.abs(drawn.length - 240)).toBeLessThan(75);
    const calmShare = drawn.filter(({ caseId }) => caseId.startsWith("q")).length / drawn.length;
    expect(Math.abs(calmShare - 0.5)).toBeLessThan(0.17);
    expect(audits.map(({ priority }) => priority)).toEqual(
      audits.map(({ priority }) => priority).toSorted((left, right) => right - left),
    );
  });
});
