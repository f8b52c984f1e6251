// Touches tool calls that were made: `calls list`, `show`, `resolve`, `compensate`, `withdraw`.
import type { Command } from "commander";
import { stringify } from "yaml";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import { CallListing, CallView } from "./received.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

interface ListOptions {
  readonly status?: string;
  readonly actor?: string;
  readonly tool?: string;
  readonly cursor?: string;
}

interface ResolveOptions {
  readonly outcome: string;
  readonly evidence: string;
  readonly result?: string;
}

/** Adds the `calls` commands. */
export function addCallCommands(program: Command, terminal: Terminal): void {
  const calls = program.command("calls").description("tool calls: what they came to, and how they are undone");
  calls
    .command("list")
    .description("list tool calls, newest first")
    .option("--status <status>", "only these: unknown, held, succeeded, failed, compensating, compensated, …")
    .option("--actor <actor>", "only those of this actor")
    .option("--tool <tool>", "only those of this tool")
    .option("--cursor <cursor>", "go on after the page before")
    .action((options: ListOptions, command: Command) => list(toolsOf(command, terminal), options));
  calls
    .command("show <id>")
    .description("show a call as it stands")
    .action((id: string, _: unknown, command: Command) => show(toolsOf(command, terminal), id));
  calls
    .command("resolve <id>")
    .description("say what became of a call whose outcome is unknown")
    .requiredOption("--outcome <outcome>", "succeeded or failed")
    .requiredOption("--evidence <text>", "how you know, for the record")
    .option("--result <json>", "what the tool would have answered; a compensation reads it")
    .action((id: string, options: ResolveOptions, command: Command) =>
      change(toolsOf(command, terminal), id, "resolve", resolution(options)),
    );
  calls
    .command("compensate <id>")
    .description("undo a call that has succeeded")
    .option("--saga", "undo every member of its saga, last first")
    .option("--retry", "try a compensation that has failed once more")
    .action((id: string, { saga, retry }: { readonly saga?: boolean; readonly retry?: boolean }, command: Command) =>
      change(toolsOf(command, terminal), id, "compensate", {
        ...(saga === true ? { saga } : {}),
        ...(retry === true ? { retry } : {}),
      }),
    );
  calls
    .command("withdraw <id>")
    .description("take back a call that is held, or waits for people")
    .action((id: string, _: unknown, command: Command) => change(toolsOf(command, terminal), id, "withdraw", {}));
}

async function list(tools: CommandTools, { status, actor, tool, cursor }: ListOptions): Promise<void> {
  const asked = Object.entries({ status, actor, tool, cursor }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  const query = asked.length === 0 ? "" : `?${asked.join("&")}`;
  const found = await tools.gateway.get({ method: "GET", path: `/v1/tool-calls${query}` }, CallListing);
  const next = found.next_cursor;
  report(tools, found, [
    ...callTable(found.data),
    ...(typeof next === "string" ? [`older ones: --cursor ${next}`] : []),
  ]);
}

/** The calls as a table. */
export function callTable(calls: CallListing["data"]): readonly string[] {
  if (calls.length === 0) return ["no calls"];
  const rows = calls.map((each) => [each.id, each.status, each.actor, each.tool, each.session_id, each.changed_at]);
  return tableLines(["ID", "STATUS", "ACTOR", "TOOL", "SESSION", "CHANGED"], rows);
}

async function show(tools: CommandTools, id: string): Promise<void> {
  const found = await tools.gateway.get({ method: "GET", path: pathOf(id) }, CallView);
  report(tools, found, stringify(found, { lineWidth: 0 }).trimEnd().split("\n"));
}

function resolution({ outcome, evidence, result }: ResolveOptions): Readonly<Record<string, unknown>> {
  if (outcome !== "succeeded" && outcome !== "failed") throw usageFailure("--outcome: expected succeeded or failed");
  if (evidence.trim() === "") throw usageFailure("--evidence: expected how you know");
  return { outcome, evidence, ...(result === undefined ? {} : { result: parsed(result) }) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw usageFailure("--result: expected JSON");
  }
}

async function change(
  tools: CommandTools,
  id: string,
  verb: "resolve" | "compensate" | "withdraw",
  body: Readonly<Record<string, unknown>>,
): Promise<void> {
  const answer = await tools.gateway.get({ method: "POST", path: `${pathOf(id)}/${verb}`, body }, CallView);
  report(tools, answer, changeLines(answer));
}

/** What a call has come to, as lines: its status, who undid it, and every member of its saga. */
export function changeLines({ id, status, compensation, saga }: CallView): readonly string[] {
  const by = compensation === undefined ? [] : [`  by ${compensation.id}: ${compensation.status}`];
  const why = compensation?.message === undefined ? [] : [`  ${compensation.message}`];
  const members = (saga?.members ?? []).map(
    (each) =>
      `  ${each.tool_call_id}  ${each.tool}: ${each.status}${each.message === undefined ? "" : ` (${each.message})`}`,
  );
  return [`${id}: ${status}`, ...by, ...why, ...(saga === undefined ? [] : [`saga: ${saga.status}`]), ...members];
}

function pathOf(id: string): string {
  if (!/^tc_[0-9a-f]{32}$/.test(id)) throw usageFailure("expected a call's id, `tc_…` as `calls list` shows it");
  return `/v1/tool-calls/${id}`;
}
