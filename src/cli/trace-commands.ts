// Touches recorded calls: `trace show`, which waits a little for records that are still on their way.
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { readTraceId } from "../core/units/identifier.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import { refusalFailure } from "./gateway-client.ts";
import { StoredTrace } from "./received.ts";
import type { Terminal } from "./terminal.ts";
import { traceLines } from "./trace-tree.ts";

/** How long a trace that is not there is asked for again: records arrive within seconds. */
const PATIENCE_MS = 3_000;
const PAUSE_MS = 250;

/** Adds the `trace` commands. */
export function addTraceCommands(program: Command, terminal: Terminal): void {
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
  if (readTraceId("", id) === undefined)
    throw usageFailure("trace id: expected `tr_…` as the Interlock-Trace-Id header has it, or 32 hex digits");
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await tools.gateway.ask({ method: "GET", path: `/v1/traces/${id}` }, StoredTrace);
    if (answer.ok) {
      report(tools, answer.value, traceLines(answer.value, isFull));
      return;
    }
    if (answer.problem.code !== "not_found" || Date.now() >= until) throw refusalFailure(answer);
    await sleep(PAUSE_MS);
  }
}
