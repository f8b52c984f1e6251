// Touches sessions: `sessions show`, `sessions explain`, `sessions resume`, `sessions pause`, `sessions end`.
import type { Command } from "commander";
import { isCallerId } from "../core/units/identifier.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import { ExplanationView, SessionView } from "./received.ts";
import type { Terminal } from "./terminal.ts";
import { askPatiently, reportExplanation } from "./trace-commands.ts";

/** Adds the `sessions` commands. */
export function addSessionCommands(program: Command, terminal: Terminal): void {
  const sessions = program
    .command("sessions")
    .description("agent runs: what they used, and whether they wait for a person");
  sessions
    .command("show <id>")
    .description("show a session: budget, counters, and why it is paused")
    .action((id: string, _: unknown, command: Command) => show(toolsOf(command, terminal), id));
  sessions
    .command("explain <id>")
    .description("explain a session from stored facts, across all its traces: Markdown, or JSON")
    .action((id: string, _: unknown, command: Command) => explainSession(toolsOf(command, terminal), id));
  sessions
    .command("resume <id>")
    .description("let a paused session go on")
    .option("--comment <text>", "why, for the record")
    .action((id: string, { comment }: { readonly comment?: string }, command: Command) =>
      act(toolsOf(command, terminal), id, { verb: "resume", body: comment === undefined ? {} : { comment } }),
    );
  for (const [verb, description] of [
    ["pause", "pause a session until a person resumes it"],
    ["end", "end a session for good"],
  ] as const)
    sessions
      .command(`${verb} <id>`)
      .description(description)
      .requiredOption("--reason <text>", "why: the agent is told")
      .action((id: string, { reason }: { readonly reason: string }, command: Command) =>
        act(toolsOf(command, terminal), id, { verb, body: { reason } }),
      );
}

async function show(tools: CommandTools, id: string): Promise<void> {
  const session = await tools.gateway.get({ method: "GET", path: pathOf(id) }, SessionView);
  report(tools, session, sessionLines(session));
}

async function explainSession(tools: CommandTools, id: string): Promise<void> {
  reportExplanation(tools, await askPatiently(tools, `${pathOf(id)}/explain`, ExplanationView));
}

async function act(
  tools: CommandTools,
  id: string,
  { verb, body }: { readonly verb: string; readonly body: Readonly<Record<string, string>> },
): Promise<void> {
  const session = await tools.gateway.get({ method: "POST", path: `${pathOf(id)}/${verb}`, body }, SessionView);
  report(tools, session, [stateLine(session)]);
}

function pathOf(id: string): string {
  if (!isCallerId(id)) throw usageFailure("session id: expected 1 to 128 letters, digits and `._:-`");
  return `/v1/sessions/${encodeURIComponent(id)}`;
}

/** A session as lines: its state, its budget, its counters. */
export function sessionLines(session: SessionView): readonly string[] {
  const budget = Object.entries(session.budget)
    .filter(([, { limit }]) => limit !== null && limit !== undefined)
    .map(([dimension, { limit, used, held }]) => `  ${dimension}: ${used} used, ${held} held of ${String(limit)}`);
  const counters = Object.entries(session.counters).map(([name, count]) => `${name} ${count}`);
  const taint = session.taint ?? [];
  return [
    stateLine(session),
    ...(budget.length === 0 ? [] : ["budget", ...budget]),
    counters.join(", "),
    ...(taint.length === 0 ? [] : [`taint ${taint.join(", ")}`]),
  ];
}

function stateLine({ id, actor, pause }: SessionView): string {
  const who = `session ${id} of ${actor ?? "nobody"}`;
  if (pause === null || pause === undefined) return `${who}: running`;
  return `${who}: ${pause.kind} since ${pause.at} by ${pause.rule_id}: ${pause.reason}`;
}
