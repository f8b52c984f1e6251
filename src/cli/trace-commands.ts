// Touches recorded calls: `trace show` and `traces explain`, which wait a little for records that are still on their way.
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type * as z from "zod/mini";
import { markdownOf } from "../core/trace/explain/markdown.ts";
import { readTraceId } from "../core/units/identifier.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import { refusalFailure } from "./gateway-client.ts";
import { ExplanationView, StoredTrace } from "./received.ts";
import type { Terminal } from "./terminal.ts";
import { traceLines } from "./trace-tree.ts";

/** How long a trace that is not there is asked for again: records arrive within seconds. */
const PATIENCE_MS = 3_000;
const PAUSE_MS = 250;

/** Adds the `trace` command, and `explain` to those of `traces`. */
export function addTraceCommands(program: Command, terminal: Terminal): void {
  const traces = program.commands.find((each) => each.name() === "traces") ?? program.command("traces");
  traces
    .command("explain <trace-id>")
    .description("explain a trace from stored facts: Markdown for an incident review, or JSON")
    .action((id: string, _: unknown, command: Command) => explainTrace(toolsOf(command, terminal), id));
  program
    .command("trace")
    .description("recorded calls")
    .command("show <trace-id>")
    .description("show a trace: every call with its decision, cost and outcome")
    .option("--full", "show arguments, results, requests and responses whole")
    .action((id: string, { full = false }: { readonly full?: boolean }, command: Command) =>
      show(toolsOf(command, terminal), id, full),
    );
}

async function show(tools: CommandTools, id: string, isFull: boolean): Promise<void> {
  const trace = await askPatiently(tools, tracePath(id), StoredTrace);
  report(tools, trace, traceLines(trace, isFull));
}

async function explainTrace(tools: CommandTools, id: string): Promise<void> {
  reportExplanation(tools, await askPatiently(tools, `${tracePath(id)}/explain`, ExplanationView));
}

/** The path of a trace. Fails as wrong usage for what is no trace id. */
export function tracePath(id: string): string {
  if (readTraceId("", id) === undefined)
    throw usageFailure("trace id: expected `tr_…` as the Interlock-Trace-Id header has it, or 32 hex digits");
  return `/v1/traces/${id}`;
}

/** Prints an explanation: the Markdown, in which nothing from outside acts, or the document itself. */
export function reportExplanation(tools: CommandTools, explanation: ExplanationView): void {
  report(tools, explanation, markdownOf(explanation).split("\n"));
}

/** What is stored under a path, asked for again for a while where it is not there yet. */
export async function askPatiently<T extends z.ZodMiniType>(
  tools: CommandTools,
  path: string,
  schema: T,
): Promise<z.output<T>> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await tools.gateway.ask({ method: "GET", path }, schema);
    if (answer.ok) return answer.value;
    if (answer.problem.code !== "not_found" || Date.now() >= until) throw refusalFailure(answer);
    await sleep(PAUSE_MS);
  }
}
