// Decides which judgements of a run people are asked about: the urgent ones, and a share drawn by lot.
import { sha256Hex } from "../../json/digest.ts";
import type { JudgeEntry } from "../../config/eval-document.ts";
import type { GraderOf } from "../../config/grader-document.ts";
import { kindOf } from "../graders/kinds.ts";
import { labelsOf } from "../judge/ask-judge.ts";
import { judgeDigest } from "../judge/judge-digest.ts";
import type { EvalRun, FinishedCase, RepeatResult, RunPlan } from "../run.ts";
import { ASKED_FROM, priorityOf, type Audit } from "./audit.ts";

/** Judgements of a run that people are asked about at most. */
export const MOST_AUDITS = 500;

/** A run that is over, as far as people are asked about it. */
export interface AuditedRun {
  readonly row: Pick<EvalRun, "tenant" | "id">;
  readonly plan: Pick<RunPlan, "suite" | "judges" | "candidate">;
  readonly results: readonly FinishedCase[];
  /** Epoch milliseconds. */
  readonly at: number;
}

interface Judged {
  readonly each: FinishedCase;
  readonly side: Audit["side"];
  readonly repeat: number;
  readonly grader: GraderOf<"judge">;
  readonly result: RepeatResult;
}

/**
 * The judgements that people are asked about, the most urgent first, at most `MOST_AUDITS`. Those drawn by lot go before
 * all others into that number: were only urgent ones of them kept, they would be no sample any more. The lot is the digest
 * of the judgement's place: the same run draws the same ones.
 */
export function auditsOf(audited: AuditedRun): readonly Audit[] {
  const { plan, results } = audited;
  const graders = plan.suite.graders.flatMap((grader) => (grader.kind === "judge" ? [grader] : []));
  const asked = graders.flatMap((grader) =>
    results.flatMap((each) =>
      (["candidate", "baseline"] as const).flatMap((side) =>
        each.result[side].flatMap((result, repeat) => auditOf(audited, { each, side, repeat, grader, result })),
      ),
    ),
  );
  const drawn = asked.filter(({ isRandom }) => isRandom).toSorted(byId);
  const urgent = asked.filter(({ isRandom }) => !isRandom).toSorted(byUrgency);
  return [...drawn, ...urgent].slice(0, MOST_AUDITS).toSorted(byUrgency);
}

function byId(left: Audit, right: Audit): number {
  return left.id < right.id ? -1 : 1;
}

function byUrgency(left: Audit, right: Audit): number {
  return right.priority - left.priority || byId(left, right);
}

function auditOf({ row, plan, at }: AuditedRun, judged: Judged): readonly Audit[] {
  const { each, side, repeat, grader, result } = judged;
  const entry = Object.hasOwn(plan.judges, grader.judge) ? plan.judges[grader.judge] : undefined;
  const given = result.judged?.[grader.id];
  if (entry === undefined || given === undefined) return [];
  const place = sha256Hex(`${row.tenant}\n${row.id}\n${each.id}\n${side}\n${repeat}\n${grader.id}`);
  const isRandom = Number.parseInt(place.slice(0, 8), 16) / 2 ** 32 < plan.suite.audit_share;
  const priority = priorityOf({
    risk: each.risk,
    disagreement: given.disagreement,
    isContradicted: isContradicted(plan, judged),
    isNear: isNear(entry, given.label),
    isFlip: isFlip(judged, given.label),
  });
  if (!isRandom && priority < ASKED_FROM) return [];
  return [
    {
      tenant: row.tenant,
      id: `aud_${place.slice(0, 24)}`,
      run: row.id,
      caseId: each.id,
      side,
      repeat,
      judge: grader.judge,
      grader: grader.id,
      judgeDigest: judgeDigest(plan.candidate.published, entry),
      rubricVersion: entry.rubric.version,
      judged: given.label,
      status: "open",
      priority,
      isRandom,
      createdAt: at,
      settledAt: null,
      settled: null,
      labels: [],
    },
  ];
}

/** Whether it passes what a deterministic grader fails, or fails what every one of them passes. That it came to an end says nothing. */
function isContradicted({ suite }: Pick<RunPlan, "suite">, { grader, result }: Judged): boolean {
  const others = suite.graders
    .filter((each) => each.kind !== "judge" && each.kind !== "completed" && kindOf(each) === "pass")
    .flatMap(({ id }) => result.values[id] ?? []);
  const score = result.values[grader.id] ?? null;
  if (score === null || others.length === 0) return false;
  return score >= 0.5 ? others.some((value) => value < 0.5) : others.every((value) => value >= 0.5);
}

/** Whether the next grade up or down falls on the other side of a half. */
function isNear(entry: JudgeEntry, label: string): boolean {
  const labels = labelsOf(entry);
  const at = labels.indexOf(label);
  const middle = (labels.length - 1) / 2;
  return labels.length > 2 && (at === middle || at === middle - 1);
}

/** Whether the other side of the same repeat was judged otherwise; of a side that ran once, its only run. */
function isFlip({ each, side, repeat, grader }: Judged, label: string): boolean {
  const others = each.result[side === "candidate" ? "baseline" : "candidate"];
  const other = (others[repeat] ?? others.at(-1))?.judged?.[grader.id];
  return other !== undefined && other.label !== label;
}
