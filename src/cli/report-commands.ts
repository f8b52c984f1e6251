// Touches reports: `reports <name>`, which answers a ready question as a table.
import type { Command } from "commander";
import { REPORT_NAMES } from "../core/report/questions.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import { DriftAnswer, ReportAnswer } from "./received.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

interface ReportOptions {
  readonly from?: string;
  readonly to?: string;
  readonly limit?: string;
  readonly week?: string;
}

const NAMES: readonly string[] = [...REPORT_NAMES, "drift"];

/** Adds `reports`. */
export function addReportCommands(program: Command, terminal: Terminal): void {
  program
    .command("reports <name>")
    .description(`answer a ready question: ${NAMES.join(", ")}`)
    .option("--from <time>", "RFC 3339 time; seven days before --to when left out")
    .option("--to <time>", "RFC 3339 time; now when left out")
    .option("--limit <rows>", "rows, at most 200; 20 when left out")
    .option("--week <week>", "of drift: such as 2026-W48; the last closed week when left out")
    .action((name: string, options: ReportOptions, command: Command) =>
      name === "drift" ? drift(toolsOf(command, terminal), options) : answer(toolsOf(command, terminal), name, options),
    );
}

async function answer(tools: CommandTools, name: string, { from, to, limit, week }: ReportOptions): Promise<void> {
  if (!NAMES.includes(name)) throw usageFailure(`reports: expected one of ${NAMES.join(", ")}`);
  if (week !== undefined) throw usageFailure("--week belongs to `reports drift`; this report takes --from and --to");
  const path = `/v1/reports/${name}${queryOf({ from, to, limit })}`;
  const found = await tools.gateway.get({ method: "GET", path }, ReportAnswer);
  report(tools, found, reportLines(found));
}

/** A report as lines: its question, its window, its table. */
export function reportLines({ question, from, to, columns, rows, has_more }: ReportAnswer): readonly string[] {
  const table = tableLines(
    columns.map(({ title }) => title),
    rows.map((row) => columns.map(({ name }) => cellText(row[name]))),
  );
  const more = has_more ? ["there are more rows: see --limit"] : [];
  return [question, `${from} to ${to}`, ...(rows.length === 0 ? ["nothing in this time"] : table), ...more];
}

async function drift(tools: CommandTools, { week, from, to, limit }: ReportOptions): Promise<void> {
  if ([from, to, limit].some((given) => given !== undefined)) throw usageFailure("reports drift takes --week only");
  const path = `/v1/reports/drift${queryOf({ week })}`;
  const found = await tools.gateway.get({ method: "GET", path }, DriftAnswer);
  report(tools, found, driftLines(found));
}

/** A week's comparisons as lines, what drifted first. */
export function driftLines({ week, compared, too_few }: DriftAnswer): readonly string[] {
  const rows = compared.map(({ drifted, release, subject, metric, against, calls, psi, ks, rate }) => [
    drifted ? "yes" : "no",
    release ?? "-",
    subject,
    metric,
    against,
    `${calls.before} > ${calls.now}`,
    psi === undefined ? "-" : `${psi.value} of ${psi.threshold}`,
    ks === undefined ? "-" : `${ks.value} of ${ks.threshold}`,
    rate === undefined ? "-" : `${rate.before} > ${rate.now}`,
  ]);
  const heads = ["DRIFTED", "RELEASE", "TOOL OR MODEL", "METRIC", "AGAINST", "CALLS", "PSI", "KS", "RATE"];
  const drifted = compared.filter((each) => each.drifted).length;
  return [
    `${week}: ${drifted} of ${compared.length} comparisons drifted; ${too_few.length} had too few calls`,
    ...(rows.length === 0 ? [] : tableLines(heads, rows)),
  ];
}

function cellText(cell: unknown): string {
  if (Array.isArray(cell)) return cell.map(cellText).join(",");
  return typeof cell === "string" || typeof cell === "number" ? String(cell) : "-";
}

function queryOf(given: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams(
    Object.entries(given).flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])),
  ).toString();
  return query === "" ? "" : `?${query}`;
}
