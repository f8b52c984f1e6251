// Touches routing as it is asked about: `routes explain`.
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { mistakeLine, readConfigText } from "./config-file.ts";
import { usageFailure } from "./exit-codes.ts";
import { RouteView } from "./received.ts";
import type { Terminal } from "./terminal.ts";

interface ExplainOptions {
  readonly actor?: string;
  readonly model: string;
}

/** Adds the `routes` commands. */
export function addRouteCommands(program: Command, terminal: Terminal): void {
  program
    .command("routes")
    .description("how model calls are routed")
    .command("explain [file]")
    .description("say how a model call would be routed, and what would change that; `-` reads the request from stdin")
    .option("--actor <name>", "the actor that would call")
    .option("--model <name>", "the name that would be asked for", "auto")
    .action((file: string | undefined, options: ExplainOptions, command: Command) =>
      explain(toolsOf(command, terminal), file, options),
    );
}

async function explain(tools: CommandTools, file: string | undefined, { actor, model }: ExplainOptions): Promise<void> {
  const request = file === undefined ? undefined : await requestIn(tools, file);
  const body = { model, ...(actor === undefined ? {} : { actor }), ...(request === undefined ? {} : { request }) };
  const answer = await tools.gateway.get({ method: "POST", path: "/v1/routes/explain", body }, RouteView);
  report(tools, answer, routeLines(answer));
}

async function requestIn({ terminal }: CommandTools, file: string): Promise<unknown> {
  const read = readConfigText(textOf(file, file === "-" ? await terminal.read() : undefined));
  if (!read.ok) throw usageFailure(...read.mistakes.map((mistake) => `${file}: ${mistakeLine(mistake)}`));
  return read.document;
}

function textOf(file: string, stdin: Uint8Array | undefined): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(stdin ?? readFileSync(file));
  } catch (error) {
    throw usageFailure(`${file}: ${error instanceof Error ? error.message : "cannot be read"}`);
  }
}

/** An explanation as lines: the tier and why, every rule, and what would change it. */
export function routeLines(answer: RouteView): readonly string[] {
  const { asked, may_ask, tier, models, reason, rules = [], changes = [] } = answer;
  return [
    `${asked}: tier ${tier ?? "none"} (${reason}), answered by ${models.join(", then ")}`,
    ...(may_ask ? [] : [`refused: the actor does not list "${asked}"`]),
    ...rules.map(
      ({ id, tier: its, matched, error }) =>
        `  ${matched ? "matches" : "-      "}  ${id} (${its})${error === undefined ? "" : `: ${error}`}`,
    ),
    ...changes.map((each) => `→ ${each.when}: ${each.tier} (${each.reason})`),
  ];
}
