// Touches reported outcomes: `traces outcome`, which says how a trace turned out.
import { Option, type Command } from "commander";
import { OUTCOMES } from "../core/trace/outcome.ts";
import { tracePath } from "./trace-commands.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import { KeptOutcome } from "./received.ts";
import type { Terminal } from "./terminal.ts";

interface OutcomeOptions {
  readonly outcome?: string;
  readonly label: readonly string[];
  readonly score: readonly string[];
  readonly comment?: string;
  readonly at?: string;
  readonly source?: string;
  readonly id?: string;
}

/** Adds `traces outcome`. */
export function addOutcomeCommands(program: Command, terminal: Terminal): void {
  const traces =
    program.commands.find((each) => each.name() === "traces") ??
    program.command("traces").description("the store of recorded calls");
  const collect = (text: string, before: readonly string[]): readonly string[] => [...before, text];
  traces
    .command("outcome <trace-id>")
    .description("report how a trace turned out, now or long after")
    .addOption(new Option("--outcome <name>", "what it came to").choices(OUTCOMES))
    .option("--label <name=value>", "a label; may be given again", collect, [])
    .option("--score <name=number>", "a score; may be given again", collect, [])
    .option("--comment <text>", "a comment; personal data in it is masked")
    .option("--at <time>", "when it came about (RFC 3339); now when left out")
    .option("--source <name>", "where it was learnt, such as a ticket system")
    .option("--id <id>", "an id of yours: reported again under it, it counts once")
    .action((id: string, options: OutcomeOptions, command: Command) => send(toolsOf(command, terminal), id, options));
}

async function send(tools: CommandTools, trace: string, options: OutcomeOptions): Promise<void> {
  const path = `${tracePath(trace)}/outcome`;
  const { outcome, label, score, comment, at, source, id } = options;
  const body = { outcome, labels: labelsOf(label), scores: scoresOf(score), comment, at, source, id };
  const request = { method: "POST", path, body } as const;
  const kept = await tools.gateway.get(request, KeptOutcome);
  report(tools, kept, [`${kept.id}: ${kept.outcome ?? "labels and scores"} of ${kept.trace_id}, at ${kept.at}`]);
}

function labelsOf(given: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(given.map((text) => pairOf("--label", text)));
}

function scoresOf(given: readonly string[]): Readonly<Record<string, number>> {
  const scores = given.map((text) => {
    const [name, value] = pairOf("--score", text);
    const number = value.trim() === "" ? Number.NaN : Number(value);
    if (!Number.isFinite(number)) throw usageFailure(`--score ${text}: expected a name, "=" and a number`);
    return [name, number] as const;
  });
  return Object.fromEntries(scores);
}

function pairOf(option: string, text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw usageFailure(`${option} ${text}: expected a name, "=" and a value`);
  return [text.slice(0, at), text.slice(at + 1)];
}
