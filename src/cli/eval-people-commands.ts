// Touches what people say to judgements, and how judges stand: `eval audits …`, `eval judges …`.
import type { Command } from "commander";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { AuditSeen, AuditsListed, AuditWhole, Calibrated, JudgesListed, JudgeWhole } from "./received-evals.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

interface LabelOptions {
  readonly note?: string;
}

interface ListOptions {
  readonly status?: string;
  readonly judge?: string;
  readonly cursor?: string;
}

/** Adds the `eval audits` and `eval judges` commands. */
export function addAuditQueueCommands(evals: Command, terminal: Terminal): void {
  const audits = evals.command("audits").description("judgements that people are asked about");
  audits
    .command("list")
    .description("the most urgent first")
    .option("--status <status>", "open, labelled, disputed or settled")
    .option("--judge <name>", "of this judge alone")
    .option("--cursor <cursor>", "where the page before ended")
    .action((options: ListOptions, command: Command) => list(toolsOf(command, terminal), options));
  audits
    .command("show <audit>")
    .description("the rubric and what is to be judged")
    .action((id: string, _: unknown, command: Command) => show(toolsOf(command, terminal), id));
  audits
    .command("label <audit> <label>")
    .description("say your word, without having seen the judge's")
    .option("--note <text>", "why")
    .action((id: string, label: string, options: LabelOptions, command: Command) =>
      say(toolsOf(command, terminal), `${encodeURIComponent(id)}/labels`, { label, ...options }),
    );
  audits
    .command("adjudicate <audit> <label>")
    .description("settle what two people dispute, as a third")
    .requiredOption("--note <text>", "why")
    .action((id: string, label: string, options: LabelOptions, command: Command) =>
      say(toolsOf(command, terminal), `${encodeURIComponent(id)}/adjudicate`, { label, ...options }),
    );
  addJudgeCommands(evals, terminal);
}

function addJudgeCommands(evals: Command, terminal: Terminal): void {
  const judges = evals.command("judges").description("how judges stand against people");
  judges
    .command("list")
    .description("the judges of the active config")
    .action(async (_: unknown, command: Command) => {
      const tools = toolsOf(command, terminal);
      const found = await tools.gateway.get({ method: "GET", path: "/v1/evals/judges" }, JudgesListed);
      report(
        tools,
        found,
        tableLines(
          ["JUDGE", "STANDING", ""],
          found.data.map(({ judge, status, says }) => [judge, status ?? "", says ?? ""]),
        ),
      );
    });
  judges
    .command("show <judge>")
    .description("how a judge stands, and what it was calibrated to")
    .action((judge: string, _: unknown, command: Command) => showJudge(toolsOf(command, terminal), judge));
  judges
    .command("calibrate <judge>")
    .description("hold a judge against what people have settled of it")
    .action((judge: string, _: unknown, command: Command) => calibrate(toolsOf(command, terminal), judge));
}

async function list(tools: CommandTools, options: ListOptions): Promise<void> {
  const query = new URLSearchParams(
    Object.entries(options).filter((each): each is [string, string] => each[1] !== undefined),
  ).toString();
  const found = await tools.gateway.get(
    { method: "GET", path: `/v1/evals/audits${query === "" ? "" : `?${query}`}` },
    AuditsListed,
  );
  const rows = found.data.map((each) => [
    each.id,
    each.status,
    String(each.priority),
    each.judge,
    each.case,
    String(each.labels),
    each.settled ?? "",
  ]);
  const more = found.next_cursor === null ? [] : ["there are more: `--cursor` goes on", found.next_cursor];
  report(tools, found, [
    ...tableLines(["AUDIT", "STATUS", "PRIORITY", "JUDGE", "CASE", "LABELS", "SETTLED"], rows),
    ...more,
  ]);
}

async function show(tools: CommandTools, id: string): Promise<void> {
  const audit = await tools.gateway.get(
    { method: "GET", path: `/v1/evals/audits/${encodeURIComponent(id)}` },
    AuditWhole,
  );
  report(tools, audit, [
    `${audit.id}: ${audit.status}`,
    `rubric: ${audit.rubric}`,
    `labels: ${audit.choices.join(", ")}`,
    ...(audit.shown ?? "it was erased").split("\n"),
    ...audit.said.map(({ label, note }) => `somebody says ${label}${note === null ? "" : `: ${note}`}`),
    ...(audit.judged === null ? [] : [`the judge says ${audit.judged}`]),
  ]);
}

async function say(tools: CommandTools, path: string, body: object): Promise<void> {
  const audit = await tools.gateway.get({ method: "POST", path: `/v1/evals/audits/${path}`, body }, AuditSeen);
  report(tools, audit, [`${audit.id} is ${audit.status}${audit.settled === null ? "" : `: ${audit.settled}`}`]);
}

async function showJudge(tools: CommandTools, judge: string): Promise<void> {
  const seen = await tools.gateway.get(
    { method: "GET", path: `/v1/evals/judges/${encodeURIComponent(judge)}/calibration` },
    JudgeWhole,
  );
  report(tools, seen, [
    `${judge} is ${seen.status} and ${seen.may_gate ? "may gate" : "decides nothing"}: ${seen.says}`,
    ...tableLines(
      ["CALIBRATED", "STATUS", "LABELS", ""],
      seen.calibrations.map(({ at, status, n, says }) => [new Date(at).toISOString(), status, String(n), says]),
    ),
  ]);
}

async function calibrate(tools: CommandTools, judge: string): Promise<void> {
  const done = await tools.gateway.get(
    { method: "POST", path: `/v1/evals/judges/${encodeURIComponent(judge)}/calibration`, body: {} },
    Calibrated,
  );
  report(tools, done, [
    `${judge} is ${done.status}: ${done.says}`,
    ...tableLines(
      ["JUDGE \\ PEOPLE", ...done.labels],
      done.confusion.map((row, at) => [done.labels[at] ?? "", ...row.map(String)]),
    ),
  ]);
}
