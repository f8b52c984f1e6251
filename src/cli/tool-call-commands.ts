// Touches tool calls that are only asked about: `tool-calls preflight`.
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { mistakeLine, readConfigText } from "./config-file.ts";
import { usageFailure } from "./exit-codes.ts";
import { PreflightView } from "./received.ts";
import type { Terminal } from "./terminal.ts";

/** Adds the `tool-calls` commands. */
export function addToolCallCommands(program: Command, terminal: Terminal): void {
  program
    .command("tool-calls")
    .description("calls of tools")
    .command("preflight <file>")
    .description("say what would become of a call, and what would change it; `-` reads the envelope from stdin")
    .action((file: string, _: unknown, command: Command) => preflight(toolsOf(command, terminal), file));
}

async function preflight(tools: CommandTools, file: string): Promise<void> {
  const read = readConfigText(textOf(file, file === "-" ? await tools.terminal.read() : undefined));
  if (!read.ok) throw usageFailure(...read.mistakes.map((mistake) => `${file}: ${mistakeLine(mistake)}`));
  const request = { method: "POST", path: "/v1/tool-calls/preflight", body: read.document } as const;
  const answer = await tools.gateway.get(request, PreflightView);
  report(tools, answer, preflightLines(answer));
}

function textOf(file: string, stdin: Uint8Array | undefined): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(stdin ?? readFileSync(file));
  } catch (error) {
    throw usageFailure(`${file}: ${error instanceof Error ? error.message : "cannot be read"}`);
  }
}

/** A preflight as lines: what would happen, why, and what would change it. */
export function preflightLines(answer: PreflightView): readonly string[] {
  const { tool, would, decision, refusal, counterfactuals = [] } = answer;
  const refused = refusal === null || refusal === undefined ? [] : [`refused with ${refusal.code}: ${refusal.detail}`];
  return [
    `${tool.name}: would ${would.replaceAll("_", " ")} (${decision.effect}, policy version ${decision.policy_version})`,
    ...refused,
    ...decision.reasons.map(({ rule_id, effect, message }) => `  ${effect.padEnd(16)}  ${rule_id}: ${message}`),
    ...counterfactuals.map(({ message }) => `→ ${message}`),
  ];
}
