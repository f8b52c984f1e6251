// Touches suites and datasets: `eval run`, `eval runs`, `eval suites`, `eval datasets …`.
import { readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { parse } from "yaml";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { addAuditQueueCommands } from "./eval-people-commands.ts";
import { addPlanCommand } from "./eval-plan-command.ts";
import { CommandFailure, EXIT, usageFailure, type ExitCode } from "./exit-codes.ts";
import { DatasetSeen, DatasetsListed, RunListed, RunsListed, RunWhole, SuitesListed } from "./received-evals.ts";
import type { Terminal } from "./terminal.ts";
import { shortText, tableLines } from "./visible-text.ts";

/** Adds the `eval` commands. */
export function addEvalCommands(program: Command, terminal: Terminal): void {
  const evals = program
    .command("eval")
    .description("replay recorded work, grade it, and decide whether a change ships");
  evals
    .command("run")
    .description("run a suite and wait for its verdict: exit code 0 SHIP, 1 BLOCK, 2 INCONCLUSIVE, 3 could not run")
    .requiredOption("--suite <name>", "the suite")
    .option("--candidate <release>", "a release of the suite's agent, `live` or `canary`")
    .option("--baseline <release>", "what it is held against: `live`, `recorded`, `previous` or a release")
    .option("--model <name>", "this model in place of the release's")
    .option("--prompt <version>", "this version of a prompt in place of the release's, as `support@2`")
    .option("--prompt-file <file>", "a system text that no config has yet")
    .option("--config <file>", "a config document, YAML or JSON, in place of the active one")
    .option("--max-cases <n>", "fewer cases than the suite takes")
    .option("--reason <text>", "why it is run")
    .option("--junit <file>", "write JUnit XML")
    .option("--markdown <file>", "write Markdown, for a pull request")
    .option("--html <file>", "write the report as one HTML file")
    .option("--report <file>", "write the report as JSON")
    .option("--timeout <seconds>", "wait at most so long", "3600")
    .action((options: RunOptions, command: Command) => run(() => toolsOf(command, terminal), options));
  evals
    .command("runs")
    .description("list runs, newest first")
    .option("--suite <name>", "of this suite alone")
    .action((options: { readonly suite?: string }, command: Command) =>
      listRuns(toolsOf(command, terminal), options.suite),
    );
  evals
    .command("show <run>")
    .description("how far a run is, or what it came to")
    .action((id: string, _: unknown, command: Command) => show(toolsOf(command, terminal), id));
  evals
    .command("cancel <run>")
    .description("end a run before its time")
    .action(async (id: string, _: unknown, command: Command) => {
      const tools = toolsOf(command, terminal);
      const ended = await tools.gateway.get(
        { method: "POST", path: `/v1/evals/runs/${encodeURIComponent(id)}/cancel` },
        RunListed,
      );
      report(tools, ended, [`${ended.id} is ${ended.status}`]);
    });
  addPlanCommand(evals, terminal);
  evals
    .command("suites")
    .description("list the suites of the active config")
    .action((_: unknown, command: Command) => listSuites(toolsOf(command, terminal)));
  addDatasetCommands(evals, terminal);
  addAuditQueueCommands(evals, terminal);
}

interface RunOptions {
  readonly suite: string;
  readonly candidate?: string;
  readonly baseline?: string;
  readonly model?: string;
  readonly prompt?: string;
  readonly promptFile?: string;
  readonly config?: string;
  readonly maxCases?: string;
  readonly reason?: string;
  readonly junit?: string;
  readonly markdown?: string;
  readonly html?: string;
  readonly report?: string;
  readonly timeout: string;
}

/** Exit codes of a verdict; whatever else happens is 3. */
const VERDICT_EXITS: Readonly<Record<string, ExitCode>> = { SHIP: 0, BLOCK: 1, INCONCLUSIVE: 2, ERROR: 3 };
const LOOK_EVERY_MS = 500;

async function run(toolsFor: () => CommandTools, options: RunOptions): Promise<void> {
  let verdict: string;
  try {
    verdict = await runToVerdict(toolsFor(), options);
  } catch (error) {
    // 1 and 2 are verdicts here: nothing else may be mistaken for one.
    throw error instanceof CommandFailure ? new CommandFailure(EXIT.couldNotRun, error.lines) : error;
  }
  const exit = VERDICT_EXITS[verdict] ?? EXIT.couldNotRun;
  if (exit !== EXIT.ok) throw new CommandFailure(exit, []);
}

async function runToVerdict(tools: CommandTools, options: RunOptions): Promise<string> {
  const started = await tools.gateway.get({ method: "POST", path: "/v1/evals/runs", body: bodyOf(options) }, RunListed);
  const path = `/v1/evals/runs/${started.id}`;
  if (!tools.isJson)
    tools.terminal.print(
      `${started.id}: ${started.candidate.label} against ${started.baseline.label}, ${started.cases} cases of ${started.dataset} (${started.mode})`,
    );
  const whole = await waitFor(tools, path, Number(options.timeout) * 1_000);
  if (whole.status !== "finished" || whole.report === null)
    throw new CommandFailure(EXIT.couldNotRun, [`the run is ${whole.status}: it has no verdict`]);
  await writeFiles(tools, path, whole, options);
  report(tools, whole, verdictLines(whole));
  return whole.report.gate.verdict;
}

function bodyOf({
  suite,
  candidate,
  baseline,
  model,
  prompt,
  promptFile,
  config,
  maxCases,
  reason,
}: RunOptions): object {
  if (maxCases !== undefined && !/^\d{1,5}$/.test(maxCases)) throw usageFailure("--max-cases: expected a whole number");
  const side = {
    ...(candidate === undefined ? {} : { release: candidate }),
    ...(model === undefined ? {} : { model }),
    ...(prompt === undefined ? {} : { prompt }),
    ...(promptFile === undefined ? {} : { prompt_text: textOf("--prompt-file", promptFile) }),
    ...(config === undefined ? {} : { config: parse(textOf("--config", config)) as unknown }),
  };
  return {
    suite,
    candidate: side,
    ...(baseline === undefined ? {} : { baseline }),
    ...(maxCases === undefined ? {} : { max_cases: Number(maxCases) }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function textOf(option: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw usageFailure(`${option}: cannot read ${file}`);
  }
}

/** Looks until the run is over; a person sees how far it is. */
async function waitFor(tools: CommandTools, path: string, timeoutMs: number): Promise<RunWhole> {
  const until = Date.now() + timeoutMs;
  let shown = "";
  for (;;) {
    const whole = await tools.gateway.get({ method: "GET", path }, RunWhole);
    const { done, waiting, running, spent_usd: spent } = whole.progress;
    const line = `  ${done} of ${done + waiting + running} cases done, $${spent} spent`;
    if (!tools.isJson && line !== shown) tools.terminal.warn(line);
    shown = line;
    if (whole.status !== "running") return whole;
    if (Date.now() > until)
      throw new CommandFailure(EXIT.couldNotRun, [
        `the run is not over after ${timeoutMs / 1000} s; it goes on: interlock eval show ${whole.id}`,
      ]);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

async function writeFiles(
  tools: CommandTools,
  path: string,
  whole: RunWhole,
  { junit, markdown, html, report: json }: RunOptions,
): Promise<void> {
  for (const [file, form] of [
    [junit, "junit"],
    [markdown, "markdown"],
    [html, "html"],
  ] as const)
    if (file !== undefined) write(file, await downloaded(tools, `${path}/${form}`));
  if (json !== undefined) write(json, `${JSON.stringify(whole, null, 2)}\n`);
}

async function downloaded(tools: CommandTools, path: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of tools.gateway.pieces(path)) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch {
    throw usageFailure(`cannot write ${file}`);
  }
}

function verdictLines({ id, report: whole }: RunWhole): readonly string[] {
  if (whole === null) return [];
  const { verdict, reasons, warnings, metrics } = whole.gate;
  return [
    verdict,
    ...reasons.map((each) => `  ${each}`),
    ...warnings.map((each) => `  warning: ${each}`),
    ...tableLines(
      ["METRIC", "VERDICT", ""],
      metrics.map((each) => [each.id, each.verdict, shortText(each.says)]),
    ),
    `report: /v1/evals/runs/${id}/html`,
  ];
}

async function show(tools: CommandTools, id: string): Promise<void> {
  const whole = await tools.gateway.get({ method: "GET", path: `/v1/evals/runs/${encodeURIComponent(id)}` }, RunWhole);
  const { done, waiting, running, spent_usd: spent } = whole.progress;
  report(tools, whole, [
    `${whole.id}: ${whole.status}, ${done} of ${done + waiting + running} cases done, $${spent} spent`,
    ...verdictLines(whole),
  ]);
}

async function listRuns(tools: CommandTools, suite: string | undefined): Promise<void> {
  const query = suite === undefined ? "" : `?suite=${encodeURIComponent(suite)}`;
  const found = await tools.gateway.get({ method: "GET", path: `/v1/evals/runs${query}` }, RunsListed);
  const rows = found.data.map((each) => [
    each.id,
    each.suite,
    each.verdict ?? each.status,
    each.candidate.label,
    each.baseline.label,
    each.trigger,
    each.created_at,
  ]);
  report(tools, found, tableLines(["RUN", "SUITE", "VERDICT", "CANDIDATE", "BASELINE", "BY", "AT"], rows));
}

async function listSuites(tools: CommandTools): Promise<void> {
  const found = await tools.gateway.get({ method: "GET", path: "/v1/evals/suites" }, SuitesListed);
  const rows = found.data.map(({ name, agent, dataset, mode, last_run: last }) => [
    name,
    agent,
    dataset,
    mode,
    last === null ? "never run" : `${last.verdict ?? last.status} ${last.created_at}`,
  ]);
  report(tools, found, tableLines(["SUITE", "AGENT", "DATASET", "MODE", "LAST RUN"], rows));
}

function addDatasetCommands(evals: Command, terminal: Terminal): void {
  const datasets = evals.command("datasets").description("cases cut from recorded work, or imported");
  datasets
    .command("list")
    .description("list datasets, each with its newest version")
    .action(async (_: unknown, command: Command) => {
      const tools = toolsOf(command, terminal);
      const found = await tools.gateway.get({ method: "GET", path: "/v1/evals/datasets" }, DatasetsListed);
      report(
        tools,
        found,
        tableLines(
          ["DATASET", "CASES", "CLUSTERS", "MADE"],
          found.data.map((each) => [
            `${each.name}@${each.version}`,
            String(each.cases),
            String(each.clusters),
            each.created_at,
          ]),
        ),
      );
    });
  datasets
    .command("cut <name>")
    .description("cut a new version from recorded work")
    .option("--actor <name>", "sessions of this actor")
    .option("--tool <name>", "sessions that called this tool")
    .option("--release <id>", "sessions of this release")
    .option("--outcome <name>", "sessions of which this outcome was reported")
    .option("--from <time>", "calls from this instant on")
    .option("--to <time>", "calls before this instant")
    .option("--size <n>", "cases at most", "200")
    .option("--seed <n>", "of the draw", "1")
    .option("--adversarial <n>", "attacks placed into each case", "0")
    .option("--label", "propose what was recorded as what is expected")
    .action((name: string, options: CutOptions, command: Command) => cut(toolsOf(command, terminal), name, options));
  datasets
    .command("import <name> <file>")
    .description("import a new version from JSONL")
    .option("--format <format>", "cases, openai_evals or promptfoo", "cases")
    .action(async (name: string, file: string, { format }: { readonly format: string }, command: Command) => {
      const tools = toolsOf(command, terminal);
      const path = `/v1/evals/datasets/${encodeURIComponent(name)}/import?format=${encodeURIComponent(format)}`;
      made(tools, await tools.gateway.get({ method: "POST", path, text: textOf("<file>", file) }, DatasetSeen));
    });
  datasets
    .command("export <name>")
    .description("print a version as JSONL")
    .option("--version <n>", "a version; the newest when left out")
    .action(async (name: string, { version }: { readonly version?: string }, command: Command) => {
      const tools = toolsOf(command, terminal);
      const query = version === undefined ? "" : `?version=${encodeURIComponent(version)}`;
      tools.terminal.raw(await downloaded(tools, `/v1/evals/datasets/${encodeURIComponent(name)}/export${query}`));
    });
}

interface CutOptions {
  readonly actor?: string;
  readonly tool?: string;
  readonly release?: string;
  readonly outcome?: string;
  readonly from?: string;
  readonly to?: string;
  readonly size: string;
  readonly seed: string;
  readonly adversarial: string;
  readonly label?: boolean;
}

async function cut(
  tools: CommandTools,
  name: string,
  { size, seed, adversarial, label, ...filter }: CutOptions,
): Promise<void> {
  for (const [option, value] of [
    ["--size", size],
    ["--seed", seed],
    ["--adversarial", adversarial],
  ] as const)
    if (!/^\d{1,9}$/.test(value)) throw usageFailure(`${option}: expected a whole number`);
  const body = {
    name,
    filter,
    sample: { size: Number(size), seed: Number(seed) },
    ...(Number(adversarial) === 0 ? {} : { adversarial: { per_case: Number(adversarial), seed: Number(seed) } }),
    label_from_recording: label === true,
  };
  made(tools, await tools.gateway.get({ method: "POST", path: "/v1/evals/datasets", body }, DatasetSeen));
}

function made(
  tools: CommandTools,
  dataset: { readonly name: string; readonly version: number; readonly cases: number; readonly clusters: number },
): void {
  report(tools, dataset, [
    `${dataset.name}@${dataset.version}: ${dataset.cases} cases in ${dataset.clusters} clusters`,
  ]);
}
