// Writes a report as Markdown, for a pull request.
import type { GradeKind } from "../grade.ts";
import type { EvalRun, Verdict } from "../run.ts";
import { formatUsd } from "../../units/money.ts";
import type { MetricVerdict } from "../gate/gate-input.ts";
import { percent, round } from "../gate/metric.ts";
import type { RunReport } from "./run-report.ts";
import { deltaText, meanText, rateText } from "./words.ts";

const SIGNS: Readonly<Record<Verdict | "ADVISORY", string>> = {
  SHIP: "✅",
  BLOCK: "⛔",
  INCONCLUSIVE: "❔",
  ERROR: "⚠️",
  ADVISORY: "ℹ️",
};
const WORST = 10;

/** How far a difference goes the wrong way: a rise is good of passes and scores only. */
function worsening(delta: number, kind: GradeKind): number {
  return kind === "pass" || kind === "score" ? -delta : delta;
}

/** The Markdown of a finished run. */
export function markdownOf(
  run: EvalRun,
  { gate, counts, errors, judges, corrected = [], spent_micro_usd: spent }: RunReport,
): string {
  const slices = gate.slices
    .filter(({ delta, kind }) => worsening(delta, kind) > 0)
    .toSorted((left, right) => worsening(right.delta, right.kind) - worsening(left.delta, left.kind))
    .slice(0, WORST);
  return [
    `### ${SIGNS[gate.verdict]} ${gate.verdict}: suite \`${run.suite}\`, \`${run.candidate}\` against \`${run.baseline}\``,
    "",
    `${counts["done"] ?? 0} of ${gate.cases} cases of \`${run.dataset}@${run.version}\` (${run.mode}); ${gate.failed} failed for no fault of the candidate, ${gate.divergent} diverged; $${formatUsd(spent)} spent. Run \`${run.id}\`, release digest \`${run.candidateDigest.slice(0, 12)}\`.`,
    "",
    ...gate.reasons.map((reason) => `- ${cell(reason)}`),
    ...gate.warnings.map((warning) => `- Warning: ${cell(warning)}`),
    "",
    "| | metric | n | baseline | candidate | difference [95 % bounds] | margin | p (Holm) | could see |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ...gate.metrics.map(metricRow),
    "",
    ...Object.entries(judges).map(([judge, standing]) => `Judge \`${judge}\`: ${cell(standing.says)}.`),
    ...corrected.map(
      ({ grader, judged, powered, rogan_gladen }) =>
        `Grader \`${grader}\`: judged ${percent(judged)}; corrected by people's labels ${rateText(powered)} (PPI++), ${rateText(rogan_gladen)} (Rogan–Gladen).`,
    ),
    ...errors.map(
      ({ grader, cases, example }) =>
        `Grader \`${grader}\` could not tell in ${cases} runs, such as: ${cell(example)}.`,
    ),
    ...(gate.worst.length === 0
      ? []
      : ["", "Worst regressions:", "", "| case | metric | risk | before | after |", "| --- | --- | --- | --- | --- |"]),
    ...gate.worst
      .slice(0, WORST)
      .map(
        (each) =>
          `| \`${each.case}\` | ${each.metric} | ${each.risk} | ${round(each.baseline)} | ${round(each.candidate)} |`,
      ),
    ...(slices.length === 0
      ? []
      : [
          "",
          "Slices that became worse (not corrected for there being many):",
          "",
          "| slice | metric | n | difference |",
          "| --- | --- | --- | --- |",
        ]),
    ...slices.map((each) => `| ${cell(each.slice)} | ${each.metric} | ${each.n} | ${round(each.delta)} |`),
    "",
  ].join("\n");
}

function metricRow(metric: MetricVerdict): string {
  const {
    id,
    verdict,
    n,
    clusters,
    margin,
    kind,
    p_adjusted: p,
    detectable_drop: least,
    excluded_rate: excluded,
  } = metric;
  const many = clusters < n && clusters > 0 ? `${n} in ${clusters}` : String(n);
  const seen =
    kind === "violation"
      ? excluded === null
        ? "–"
        : `rate above ${round(excluded * 100)} %`
      : least === null
        ? "–"
        : kind === "amount" || kind === "pass"
          ? `${round(least * 100)} %`
          : round(least);
  return `| ${SIGNS[verdict]} | ${id} | ${many} | ${meanText(metric, metric.baseline)} | ${meanText(metric, metric.candidate)} | ${deltaText(metric)} | ${kind === "violation" ? "none" : kind === "amount" ? `+${round(margin * 100)} %` : `−${round(margin)}`} | ${p === null ? "–" : round(p)} | ${seen} |`;
}

function cell(text: string): string {
  return text
    .replaceAll("|", String.raw`\|`)
    .replaceAll(/[\r\n]+/g, " ")
    .slice(0, 600);
}
