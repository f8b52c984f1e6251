// Decides what a run came to, from its finished cases: the gate's verdict, and what people want to know beside it.
import type { Calibration, JudgeStanding } from "../judge/calibration.ts";
import { correctedRate, type CorrectedRate } from "../judge/corrected-rate.ts";
import type { SettledPair } from "../judge/settled-pair.ts";
import { decideGate } from "../gate/decide-gate.ts";
import type { GateReport, MetricItem } from "../gate/gate-input.ts";
import { kindOf, termsOf } from "../graders/kinds.ts";
import { isMeant } from "../graders/grade.ts";
import type { FinishedCase, RepeatResult, RunPlan } from "../run.ts";

/** How one case came out, for lists. */
export interface CaseLine {
  readonly id: string;
  readonly risk: string;
  /** `pass`, `fail`, `error` (neither), `divergent`. */
  readonly outcome: "pass" | "fail" | "error" | "divergent";
  /** Graders that it fails, and why it was not graded. */
  readonly says: string;
}

/** A grader that could not tell, and how often. */
export interface GraderErrors {
  readonly grader: string;
  readonly cases: number;
  readonly example: string;
}

/** A judgement that people settled otherwise than its judge. */
export interface Disagreement {
  readonly case: string;
  readonly judge: string;
  readonly judged: string;
  readonly settled: string;
}

/** The candidate's rate by one judge, and the rate that people's labels make of it. */
export interface JudgedRate extends CorrectedRate {
  readonly grader: string;
  readonly judge: string;
}

/** What a run came to. */
export interface RunReport {
  readonly v: 1;
  readonly gate: GateReport;
  /** Figures that lists show. */
  readonly counts: Readonly<Record<string, number>>;
  readonly lines: readonly CaseLine[];
  readonly errors: readonly GraderErrors[];
  /** How each judge stands that the suite asks. */
  readonly judges: Readonly<Record<string, JudgeStanding>>;
  /** What people's labels make of the judges' rates; none where no judge is asked. The gate decides on the judged ones. */
  readonly corrected?: readonly JudgedRate[];
  /** What people settled otherwise than the judge; looked up when the report is read. */
  readonly disagreements?: readonly Disagreement[];
  /** Why the run ended before its time. */
  readonly shortage: string | null;
  readonly spent_micro_usd: number;
}

/** What people have settled of one judge. */
export interface JudgeLabels {
  readonly calibration: Calibration | undefined;
  readonly pairs: readonly SettledPair[];
}

/** What a report is made of. */
export interface ReportGround {
  readonly plan: Pick<RunPlan, "suite" | "judges">;
  readonly labels: Readonly<Record<string, JudgeLabels>>;
  readonly results: readonly FinishedCase[];
  readonly cases: number;
  readonly judges: Readonly<Record<string, JudgeStanding>>;
  readonly shortage: string | null;
  readonly spentMicroUsd: number;
}

/** The report of a run. O(cases × graders). Cases that failed for no fault of the candidate count as neither. */
export function reportRun({
  plan: { suite, judges: entries },
  labels,
  results,
  cases,
  judges,
  shortage,
  spentMicroUsd,
}: ReportGround): RunReport {
  const failed = results.filter(isFailed);
  const divergent = results.filter((each) => !isFailed(each) && isDivergent(each));
  const metrics = suite.graders.map((grader) => {
    const standing = grader.kind === "judge" ? judges[grader.judge] : undefined;
    const advisory = standing !== undefined && !standing.may_gate ? standing.says : undefined;
    const meant = results.filter((each) => isMeant(grader, each));
    return {
      terms: termsOf(grader, advisory),
      items: meant
        .map((each) => itemOf(grader.id, each))
        .filter((item) => item.baseline.length + item.candidate.length > 0 || kindOf(grader) === "violation"),
    };
  });
  const gate = decideGate({
    metrics,
    cases,
    failed: failed.length,
    divergent: divergent.length,
    missing: cases - results.length,
    max_unpaired: suite.max_unpaired,
    seed: suite.seed,
  });
  const lines = results.map((each) => lineOf(each, { suite }));
  const count = (outcome: CaseLine["outcome"]): number => lines.filter((line) => line.outcome === outcome).length;
  return {
    v: 1,
    gate,
    counts: {
      cases,
      done: results.length,
      passed: count("pass"),
      failed: count("fail"),
      errors: count("error"),
      divergent: count("divergent"),
    },
    lines,
    errors: errorsOf(results),
    judges,
    corrected: suite.graders.flatMap((grader) => {
      if (grader.kind !== "judge") return [];
      const { judge, id } = grader;
      const scores = results.flatMap((each) => itemOf(id, each).candidate);
      const entry = entries[judge];
      const known = labels[judge];
      const rate = entry === undefined || known === undefined ? null : correctedRate(entry, scores, known);
      return rate === null ? [] : [{ grader: id, judge, ...rate }];
    }),
    shortage,
    spent_micro_usd: spentMicroUsd,
  };
}

function isFailed({ result }: FinishedCase): boolean {
  return result.lost !== null || result.candidate.every(({ status }) => status === "failed");
}

function isDivergent({ result }: FinishedCase): boolean {
  return result.candidate.every(({ status }) => status === "divergent" || status === "failed");
}

function itemOf(grader: string, { id, cluster, tags, risk, result }: FinishedCase): MetricItem {
  const of = (repeats: readonly RepeatResult[]): readonly number[] =>
    repeats.flatMap(({ values }) => values[grader] ?? []);
  return { case: id, cluster, tags, risk, baseline: of(result.baseline), candidate: of(result.candidate) };
}

function lineOf(each: FinishedCase, { suite }: Pick<RunPlan, "suite">): CaseLine {
  const { id, risk, result } = each;
  const why = result.lost ?? result.candidate.find((repeat) => repeat.why !== null)?.why ?? "";
  if (isFailed(each)) return { id, risk, outcome: "error", says: why };
  const failing = suite.graders.filter((grader) => {
    const kind = kindOf(grader);
    const values = result.candidate.flatMap(({ values: all }) => all[grader.id] ?? []);
    if (values.length === 0) return false;
    return kind === "violation" ? Math.max(...values) > 0 : kind === "pass" && Math.min(...values) < 1;
  });
  if (failing.length > 0)
    return {
      id,
      risk,
      outcome: "fail",
      says: `fails ${failing.map((grader) => grader.id).join(", ")}${why === "" ? "" : `; ${why}`}`,
    };
  return isDivergent(each) ? { id, risk, outcome: "divergent", says: why } : { id, risk, outcome: "pass", says: why };
}

function errorsOf(results: readonly FinishedCase[]): readonly GraderErrors[] {
  const seen = results.flatMap(({ result }) =>
    [...result.candidate, ...result.baseline].flatMap(({ errors }) => Object.entries(errors)),
  );
  return [...Map.groupBy(seen, ([grader]) => grader)].map(([grader, all]) => ({
    grader,
    cases: all.length,
    example: all[0]?.[1] ?? "",
  }));
}
