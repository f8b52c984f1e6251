// Writes a report as one HTML file: charts as SVG, the worst cases side by side, no script and nothing that is fetched.
import type { EvalCase } from "../case.ts";
import type { Episode } from "../episode.ts";
import type { MetricVerdict } from "../gate/gate-input.ts";
import { percent, round } from "../gate/metric.ts";
import { recordedEpisodes } from "../recorded-episode.ts";
import type { EvalRun, FinishedCase, GradedCase, GradedRepeat } from "../run.ts";
import { formatUsd } from "../../units/money.ts";
import type { RunReport } from "./run-report.ts";
import { deltaText, meanText, rateText } from "./words.ts";

/** A case with what was recorded and what both sides did. */
export interface CaseDetail {
  readonly finished: FinishedCase;
  readonly recorded: EvalCase | undefined;
  readonly graded: GradedCase | undefined;
}

/** The HTML of a finished run. */
export function htmlOf(run: EvalRun, report: RunReport, details: readonly CaseDetail[]): string {
  const { gate, counts } = report;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(gate.verdict)}: ${text(run.suite)}</title><style>${STYLE}</style></head><body>
<header class="${gate.verdict}"><h1>${text(gate.verdict)}</h1><p>Suite <b>${text(run.suite)}</b>: <b>${text(run.candidate)}</b> against <b>${text(run.baseline)}</b></p></header>
<main>
<p>${counts["done"] ?? 0} of ${gate.cases} cases of ${text(run.dataset)}@${run.version} (${text(run.mode)}). ${gate.failed} failed for no fault of the candidate, ${gate.divergent} diverged from what was recorded${gate.missing > 0 ? `, ${gate.missing} were not covered by the budget` : ""}. $${formatUsd(report.spent_micro_usd)} spent. Run <code>${text(run.id)}</code>, release digest <code>${text(run.candidateDigest.slice(0, 16))}</code>, resampling seed ${gate.seed}.</p>
<ul class="reasons">${[...gate.reasons, ...gate.warnings.map((each) => `Warning: ${each}`)].map((each) => `<li>${text(each)}</li>`).join("")}</ul>
<h2>Metrics</h2>
${metricTable(gate.metrics)}
<figure>${forest(gate.metrics)}<figcaption>Differences with their one-sided 95 % bounds, each in units of its margin, better to the right. The red line is the margin: SHIP needs the whole bar to its right.</figcaption></figure>
${partsOf(report, details)}
</main></body></html>
`;
}

function metricTable(metrics: readonly MetricVerdict[]): string {
  return table(
    [
      "metric",
      "verdict",
      "n",
      "clusters",
      "baseline",
      "candidate",
      "difference [95 % bounds]",
      "p",
      "p (Holm)",
      "flips worse / better",
      "more cases",
      "method",
    ],
    metrics.map((metric) => [
      metric.id,
      metric.verdict + (metric.advisory === null ? "" : ` (${metric.advisory})`),
      String(metric.n),
      String(metric.clusters),
      meanText(metric, metric.baseline),
      meanText(metric, metric.candidate),
      deltaText(metric),
      metric.p === null ? "–" : round(metric.p),
      metric.p_adjusted === null ? "–" : round(metric.p_adjusted),
      `${metric.flips.worse} / ${metric.flips.better}`,
      metric.more_cases === null ? "–" : String(metric.more_cases),
      metric.method,
    ]),
  );
}

/** How judges stand, what people's labels make of their rates, and where people said otherwise. */
function judgesOf({ judges, corrected = [], disagreements = [] }: RunReport): string {
  return `<h2>Judges</h2>
${
  Object.keys(judges).length === 0
    ? "<p>No judge was asked.</p>"
    : table(
        ["judge", "standing", "why"],
        Object.values(judges).map(({ judge, status, says }) => [judge, status, says]),
      )
}
${
  corrected.length === 0
    ? ""
    : table(
        ["grader", "judged", "corrected (PPI++)", "corrected (Rogan–Gladen)"],
        corrected.map((each) => [
          each.grader,
          percent(each.judged),
          rateText(each.powered),
          rateText(each.rogan_gladen),
        ]),
      )
}
${
  disagreements.length === 0
    ? "<p>No judgement of this run is settled against its judge.</p>"
    : table(
        ["case", "judge", "the judge said", "people settled on"],
        disagreements.map((each) => [each.case, each.judge, each.judged, each.settled]),
      )
}`;
}

/** Slices, regressions, judges, errors and cases. */
function partsOf(report: RunReport, details: readonly CaseDetail[]): string {
  const { gate } = report;
  return `<h2>Slices</h2>
<p>Intervals of parts are not corrected for there being many of them.</p>
${table(
  ["metric", "slice", "n", "baseline", "candidate", "difference", "95 %"],
  gate.slices.map((each) => [
    each.metric,
    each.slice,
    String(each.n),
    round(each.baseline),
    round(each.candidate),
    round(each.delta),
    each.lower === null || each.upper === null ? "–" : `${round(each.lower)} to ${round(each.upper)}`,
  ]),
)}
<h2>Worst regressions</h2>
${table(
  ["case", "metric", "risk", "before", "after"],
  gate.worst.map((each) => [each.case, each.metric, each.risk, round(each.baseline), round(each.candidate)]),
)}
${details.map(sideBySide).join("\n")}
${judgesOf(report)}
<h2>Graders that could not tell</h2>
${
  report.errors.length === 0
    ? "<p>All could.</p>"
    : table(
        ["grader", "runs", "example"],
        report.errors.map((each) => [each.grader, String(each.cases), each.example]),
      )
}
<h2>Cases</h2>
${table(
  ["case", "risk", "outcome", ""],
  report.lines.map((each) => [each.id, each.risk, each.outcome, each.says]),
)}`;
}

const STYLE = `:root{font:15px/1.5 system-ui,sans-serif;color:#1c2430;background:#fff}body{margin:0}header{padding:1rem 2rem;color:#fff;background:#556}header.SHIP{background:#176c3a}header.BLOCK{background:#a11d2d}header.INCONCLUSIVE{background:#8a5a00}header h1{margin:0;font-size:1.6rem}header p{margin:0}main{padding:1rem 2rem;max-width:1200px}table{border-collapse:collapse;margin:.5rem 0;font-size:.85rem;display:block;overflow-x:auto}th,td{border:1px solid #d5dae1;padding:.25rem .5rem;text-align:left;vertical-align:top}th{background:#f2f4f7}pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font-size:.78rem}.sides{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:.5rem}.sides>div{border:1px solid #d5dae1;padding:.5rem}.changed{background:#fff1d6}figure{margin:1rem 0}svg{max-width:100%;height:auto}summary{cursor:pointer;padding:.3rem 0}`;

function text(value: string): string {
  return value.replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "<p>None.</p>";
  const row = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${text(cell)}</${tag}>`).join("")}</tr>`;
  return `<table><thead>${row(head, "th")}</thead><tbody>${rows.map((cells) => row(cells, "td")).join("")}</tbody></table>`;
}

const ROW = 28;
const WIDTH = 760;
const LABELS = 200;
/** Margins that the chart reaches to either side. */
const REACH = 3;

/** A forest plot: what was seen of each metric, and the margin that it has to stay inside. */
function forest(metrics: readonly MetricVerdict[]): string {
  const shown = metrics.filter(({ kind, delta, margin }) => kind !== "violation" && delta !== null && margin > 0);
  if (shown.length === 0) return "";
  const height = shown.length * ROW + 40;
  const x = (value: number): number =>
    LABELS + ((Math.max(-REACH, Math.min(REACH, value)) + REACH) / (2 * REACH)) * (WIDTH - LABELS - 20);
  const bars = shown.map((metric, at) => {
    const sign = metric.kind === "amount" ? -1 : 1;
    const scaled = (value: number | null): number => (sign * (value ?? 0)) / metric.margin;
    const [low, high] = [scaled(metric.lower), scaled(metric.upper)].toSorted((left, right) => left - right);
    const y = 20 + at * ROW + ROW / 2;
    const colour =
      metric.verdict === "SHIP"
        ? "#176c3a"
        : metric.verdict === "BLOCK"
          ? "#a11d2d"
          : metric.verdict === "ADVISORY"
            ? "#667"
            : "#8a5a00";
    return `<text x="${LABELS - 10}" y="${y + 4}" text-anchor="end" font-size="13">${text(metric.id)}</text><line x1="${x(low ?? 0)}" x2="${x(high ?? 0)}" y1="${y}" y2="${y}" stroke="${colour}" stroke-width="3"/><circle cx="${x(scaled(metric.delta))}" cy="${y}" r="5" fill="${colour}"/>`;
  });
  const line = (at: number, colour: string, label: string): string =>
    `<line x1="${x(at)}" x2="${x(at)}" y1="14" y2="${height - 18}" stroke="${colour}" stroke-dasharray="4 3"/><text x="${x(at)}" y="${height - 4}" font-size="11" text-anchor="middle">${label}</text>`;
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Differences of each metric">${line(-1, "#a11d2d", "margin")}${line(0, "#889", "no difference")}${bars.join("")}</svg>`;
}

function sideBySide({ finished, recorded, graded }: CaseDetail): string {
  const whole = recorded === undefined ? undefined : recordedEpisodes(recorded).whole;
  const [candidate, baseline] = [graded?.candidate[0], graded?.baseline[0]];
  const before = stepsOf(whole === undefined ? [] : [whole]);
  return `<details><summary><b>${text(finished.id)}</b> (${text(finished.risk)})</summary><div class="sides"><div><h4>Recorded</h4>${steps(before, before)}</div><div><h4>Baseline</h4>${repeat(baseline, before)}</div><div><h4>Candidate</h4>${repeat(candidate, before)}</div></div></details>`;
}

function repeat(graded: GradedRepeat | undefined, before: readonly string[]): string {
  if (graded === undefined) return "<p>Not kept.</p>";
  const grades = graded.grades.flat().filter(({ value, error }) => value !== null || error !== null);
  return `${steps(stepsOf(graded.episodes), before)}${table(
    ["grader", "", "why"],
    grades.map(({ grader, value, explanation, error }) => [
      grader,
      value === null ? "?" : round(value),
      error ?? explanation ?? "",
    ]),
  )}`;
}

/** Steps, those that the recording does not have marked. */
function steps(all: readonly string[], before: readonly string[]): string {
  const known = new Set(before);
  return all.map((step) => `<pre class="${known.has(step) ? "" : "changed"}">${text(step)}</pre>`).join("");
}

const MOST_OF_STEP = 1_500;

function stepsOf(episodes: readonly Episode[]): readonly string[] {
  return episodes.flatMap(({ turns, status, why }) => [
    ...turns.flatMap(({ text: said, calls }) => [
      ...(said === "" ? [] : [`says: ${said.slice(0, MOST_OF_STEP)}`]),
      ...calls.flatMap(({ name, args, decision, result }) => [
        `calls ${name} ${args.slice(0, MOST_OF_STEP)}${decision === null || decision.effect === "allow" ? "" : ` → ${decision.effect} by ${decision.rules.join(", ")}`}`,
        ...(result === "" ? [] : [`gets: ${result.slice(0, MOST_OF_STEP)}`]),
      ]),
    ]),
    ...(status === "completed" ? [] : [`${status}: ${why ?? ""}`]),
  ]);
}
