// Touches what people say to judgements, and how judges stand: `eval audits …`, `eval judges …`.
import type { Command } from "commander";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { AuditSeen, AuditsListed, AuditWhole, Calibrated, JudgesListed } from "./received-evals.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

interface LabelOptions {
  readonly note?: string;
}

/** Adds the `eval audits` and `eval judges` commands. */
export function addAuditQueueCommands(evals: Command, terminal: Terminal): void {
  const audits = evals.command("audits").description("judgements that people are asked about");
  audits
    .command("list")
    .description("the most urgent first")
    .option("--status <status>", "open, labelled, disputed or settled")
    .option("--judge <name>", "of this judge alone")
    .action((options: { readonly status?: string; readonly judge?: string }, command: Command) =>
      list(toolsOf(command, terminal), options),
    );
  audits
    .command("show <audit>")
    .description("the rubric and what is to be judged")
    .action((id: string, _: unknown, command: Command) => show(toolsOf(command, terminal), id));
  for (const [verb, path, description] of [
    ["label", "labels", "say your word, without having seen the judge's"],
    ["adjudicate", "adjudicate", "settle what two people dispute"],
  ] as const)
    audits
      .command(`${verb} <audit> <label>`)
      .description(description)
      .option("--note <text>", "why")
      .action((id: string, label: string, options: LabelOptions, command: Command) =>
        say(toolsOf(command, terminal), `${encodeURIComponent(id)}/${path}`, { label, ...options }),
      );
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
    .command("calibrate <judge>")
    .description("hold a judge against what people have settled of it")
    .action((judge: string, _: unknown, command: Command) => calibrate(toolsOf(command, terminal), judge));
}

async function list(
  tools: CommandTools,
  options: { readonly status?: string; readonly judge?: string },
): Promise<void> {
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
  report(tools, found, tableLines(["AUDIT", "STATUS", "PRIORITY", "JUDGE", "CASE", "LABELS", "SETTLED"], rows));
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
  ]);
}

async function say(tools: CommandTools, path: string, body: object): Promise<void> {
  const audit = await tools.gateway.get({ method: "POST", path: `/v1/evals/audits/${path}`, body }, AuditSeen);
  report(tools, audit, [`${audit.id} is ${audit.status}${audit.settled === null ? "" : `: ${audit.settled}`}`]);
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
