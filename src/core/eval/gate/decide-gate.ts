// Decides whether a candidate ships: SHIP needs every metric inside its margin, BLOCK needs evidence, and everything else is INCONCLUSIVE.
import { holm } from "../stats/corrections.ts";
import { mean } from "../stats/means.ts";
import type { Verdict } from "../run.ts";
import type { GateInput, GateReport, MetricItem, MetricVerdict, Regression } from "./gate-input.ts";
import { ALPHA } from "./bounds.ts";
import { measure, percent, round, type Measured } from "./metric.ts";
import { slicesOf } from "./slices.ts";

const WORST = 20;

/**
 * The verdict of a run, in this order. BLOCK: a violation that the baseline has not, a passed ceiling, a critical case
 * that passed in every run and now fails in every one, or a metric that surely became worse (its upper bound below zero,
 * its test adjusted by Holm for all that decide) and whose margin is not surely kept. ERROR: nothing could be compared, or
 * most cases failed for no fault of the candidate. SHIP: every metric that decides is inside its margin at 95 %, and enough
 * cases were compared. Else INCONCLUSIVE: no significant difference is never a reason to ship. Non-inferiority after
 * Miller 2024 and the CONSORT extension for such trials; SHIP needs no correction, for every metric has to pass.
 */
export function decideGate(input: GateInput): GateReport {
  const measured = input.metrics.map(({ terms, items }) =>
    withEnoughPairs(measure(terms, items, input.seed), input.max_unpaired),
  );
  const deciding = measured.filter(({ is_gating, advisory }) => is_gating && advisory === null);
  const tested = deciding.filter(({ p }) => p !== null);
  const adjusted = holm(tested.map(({ p }) => p ?? 1));
  const adjustedOf = new Map(tested.map(({ id }, at) => [id, adjusted[at] ?? 1]));
  const metrics = measured.map((each) => verdictOf(each, adjustedOf.get(each.id) ?? null));
  const critical = criticalLosses(input);
  const { verdict, reasons } = overall(input, { metrics, deciding, critical });
  return {
    verdict,
    reasons,
    warnings: metrics.flatMap((metric) => warningsOf(metric, measured)),
    metrics,
    slices: input.metrics.flatMap(({ terms, items }) => slicesOf(terms, items)),
    worst: worstOf(input),
    cases: input.cases,
    failed: input.failed,
    divergent: input.divergent,
    missing: input.missing,
    seed: input.seed,
  };
}

/** What is missing on one side is seldom missing by chance: past the share that the suite allows, the rest keeps no margin. */
function withEnoughPairs(measured: Measured, most: number): Measured {
  const { id, n, unpaired, open, is_within: isWithin } = measured;
  const share = unpaired / Math.max(1, n + unpaired);
  if (n === 0 || share <= most) return measured;
  const says = `${id}: ${unpaired} of ${n + unpaired} cases have no value on one side, more than the ${percent(most)} that the suite allows`;
  // A drop that is inside the margin where it could be seen is no reason to block either.
  const worse = isWithin ? false : measured.is_worse;
  return { ...measured, is_within: false, is_worse: worse, more_cases: null, open: open ?? says };
}

function verdictOf(measured: Measured, adjusted: number | null): MetricVerdict {
  const { is_worse: _worse, is_kept: _kept, is_within: _within, breach, open, ...shown } = measured;
  const verdict = standingOf(measured, adjusted);
  return {
    ...shown,
    verdict: shown.is_gating && shown.advisory === null ? verdict : "ADVISORY",
    p_adjusted: adjusted,
    more_cases: verdict === "INCONCLUSIVE" ? shown.more_cases : null,
    says: breach ?? (verdict === "BLOCK" ? null : open) ?? sentence(shown, verdict),
  };
}

/** What a metric would decide: a real drop inside the margin is no reason to block. */
function standingOf(
  { breach, is_worse, is_kept, is_within }: Measured,
  adjusted: number | null,
): Exclude<Verdict, "ERROR"> {
  if (breach !== null) return "BLOCK";
  if (is_within) return "SHIP";
  return is_worse === true && !is_kept && (adjusted ?? 1) < ALPHA ? "BLOCK" : "INCONCLUSIVE";
}

type Told = Omit<Measured, "is_worse" | "is_kept" | "is_within" | "breach" | "open">;

function sentence(metric: Told, verdict: Exclude<Verdict, "ERROR">): string {
  if (metric.kind === "violation") return violationSentence(metric);
  const { id, kind, delta, lower, upper, margin, n, detectable_drop: least } = metric;
  if (delta === null || lower === null || upper === null) return `${id}: the same on both sides in ${n} cases`;
  const shown = kind === "amount" ? percent : round;
  const moved = `${id} moved by ${shown(delta)} (95 % bounds ${shown(lower)} and ${shown(upper)}, ${n} cases)`;
  if (verdict === "BLOCK") return `${moved}: it became worse`;
  const line = kind === "amount" ? `a rise of ${percent(margin)}` : `a drop of ${round(margin)}`;
  if (verdict === "SHIP") return `${moved}: ${line} is excluded`;
  const seen = least === null ? "none of any size" : `one of ${shown(least)}`;
  return `${moved}: ${line} is neither excluded nor shown; so many cases would have shown ${seen}`;
}

function violationSentence({ id, n, candidate, excluded_rate: excluded }: Told): string {
  const seen = candidate === 0 ? "none" : `${percent(candidate ?? 0)}, none of them new,`;
  return `${id}: ${seen} in ${n} cases, which excludes a rate of ${percent(excluded ?? 1)}`;
}

interface Decided {
  readonly metrics: readonly MetricVerdict[];
  readonly deciding: readonly Measured[];
  readonly critical: readonly Regression[];
}

function overall(
  input: GateInput,
  { metrics, deciding, critical }: Decided,
): { readonly verdict: Verdict; readonly reasons: readonly string[] } {
  const lost = input.failed + input.divergent + input.missing;
  const share = input.cases === 0 ? 1 : lost / input.cases;
  const deciders = metrics.filter(({ verdict }) => verdict !== "ADVISORY");
  const blocked = deciders.filter(({ verdict }) => verdict === "BLOCK");
  const reasons = [
    ...critical.map(
      ({ case: id, metric }) => `critical case ${id} passed ${metric} in every run and now fails it in every run`,
    ),
    ...blocked.map(({ says }) => says),
  ];
  // What was seen to be wrong is wrong, however much else was lost.
  if (reasons.length > 0) return { verdict: "BLOCK", reasons };
  const fault = faultOf(input, deciding.length > 0 ? deciding : metrics);
  if (fault !== null) return { verdict: "ERROR", reasons: [fault] };
  const open = deciders.filter(({ verdict }) => verdict === "INCONCLUSIVE").map(tellOpen);
  const tooFew = share > input.max_unpaired ? [lossOf(input, lost)] : [];
  // A suite whose every judge is unfit has looked at nothing that may decide.
  if (deciders.length === 0)
    return { verdict: "INCONCLUSIVE", reasons: [...tooFew, "no metric of the suite may decide: all are only shown"] };
  if (open.length + tooFew.length > 0) return { verdict: "INCONCLUSIVE", reasons: [...tooFew, ...open] };
  return { verdict: "SHIP", reasons: deciders.map(({ says }) => says) };
}

/** Why the run says nothing at all; `null` where it says something. */
function faultOf({ cases, failed }: GateInput, metrics: readonly { readonly n: number }[]): string | null {
  if (cases === 0 || metrics.every(({ n }) => n === 0)) return "nothing could be compared";
  return failed * 2 > cases
    ? `${failed} of ${cases} cases failed for no fault of the candidate: the run says nothing`
    : null;
}

function tellOpen({ says, more_cases: more }: MetricVerdict): string {
  return more === null ? says : `${says}; about ${more} more cases like these would decide it`;
}

function lossOf({ cases, failed, divergent, missing, max_unpaired: most }: GateInput, lost: number): string {
  const parts = [
    failed > 0 ? [`${failed} failed`] : [],
    divergent > 0 ? [`${divergent} diverged from what was recorded`] : [],
    missing > 0 ? [`${missing} were not covered by the budget`] : [],
  ].flat();
  return `${lost} of ${cases} cases could not be compared (${parts.join(", ")}): more than the ${percent(most)} that the suite allows`;
}

/** A real drop inside the margin, and what the resampling sees otherwise. */
function warningsOf(metric: MetricVerdict, measured: readonly Measured[]): readonly string[] {
  const { id, verdict, bootstrap_bound: bound, kind, margin } = metric;
  if (verdict !== "SHIP" || bound === null) return [];
  const isWorse = measured.find((each) => each.id === id)?.is_worse === true;
  const isOutside = kind === "amount" ? bound > margin : bound < -margin;
  return [
    ...(isWorse ? [`${id} surely became worse, by less than its margin`] : []),
    ...(isOutside ? [`resampling puts the bound of ${id} at ${round(bound)}, outside its margin`] : []),
  ];
}

/** Critical cases that passed in every run of the baseline, and fail in every run of the candidate. */
function criticalLosses({ metrics }: GateInput): readonly Regression[] {
  return metrics
    .filter(({ terms }) => terms.kind === "pass" && terms.is_gating && terms.advisory === undefined)
    .flatMap(({ terms, items }) =>
      items
        .filter(
          ({ risk, baseline, candidate }) =>
            risk === "critical" &&
            baseline.length > 0 &&
            candidate.length > 0 &&
            baseline.every((value) => value === 1) &&
            candidate.every((value) => value === 0),
        )
        .map((item) => regression(terms.id, item)),
    );
}

function regression(metric: string, { case: id, risk, baseline, candidate }: MetricItem): Regression {
  return { case: id, metric, risk, baseline: mean(baseline), candidate: mean(candidate) };
}

/** The cases that became most worse, gates first. */
function worstOf({ metrics }: GateInput): readonly Regression[] {
  const scored = metrics.flatMap(({ terms, items }) =>
    items
      .filter(({ baseline, candidate }) => candidate.length > 0 && (baseline.length > 0 || terms.kind === "violation"))
      .map((item) => {
        const [before, after] = [item.baseline.length === 0 ? 0 : mean(item.baseline), mean(item.candidate)];
        const drop =
          terms.kind === "amount"
            ? Math.log1p(after) - Math.log1p(before)
            : terms.kind === "violation"
              ? after - before
              : before - after;
        const weight = (terms.is_gating ? 2 : 1) * (terms.kind === "amount" ? 0.1 : 1);
        return { drop: drop * weight, regression: { ...regression(terms.id, item), baseline: before } };
      })
      .filter(({ drop }) => drop > 0),
  );
  return scored
    .toSorted((left, right) => right.drop - left.drop || left.regression.case.localeCompare(right.regression.case))
    .slice(0, WORST)
    .map((each) => each.regression);
}
