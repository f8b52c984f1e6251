// Touches kill switches: `switches list`, `switches set`, `switches clear`, and `stop`, which needs no console.
import { Option, type Command } from "commander";
import { SWITCH_KINDS } from "../core/policy/switches.ts";
import { readDuration } from "../core/units/window.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import { SwitchListing, SwitchView } from "./received.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

interface SetOptions {
  readonly kind: string;
  readonly reason: string;
  readonly actor?: string;
  readonly tool?: string;
  readonly session?: string;
  readonly release?: string;
  readonly expires?: string;
}

/** Adds the `switches` commands and `stop`. */
export function addSwitchCommands(program: Command, terminal: Terminal): void {
  const switches = program.command("switches").description("kill switches");
  switches
    .command("list")
    .description("list the switches that are set")
    .option("--all", "list cleared and expired ones too")
    .action(({ all = false }: { readonly all?: boolean }, command: Command) => list(toolsOf(command, terminal), all));
  withScope(switches.command("set").description("set a switch"))
    .addOption(new Option("--kind <kind>", "what it does").choices(SWITCH_KINDS).makeOptionMandatory())
    .action((options: SetOptions, command: Command) => set(toolsOf(command, terminal), options));
  switches
    .command("clear <id>")
    .description("clear a switch by its id")
    .option("--reason <text>", "why, for the record")
    .action((id: string, { reason }: { readonly reason?: string }, command: Command) =>
      clear(toolsOf(command, terminal), id, reason),
    );
  withScope(program.command("stop").description("stop an agent now: everything it does, or what the scope names"))
    .addOption(new Option("--kind <kind>", "what to stop").choices(SWITCH_KINDS).default("halt"))
    .addHelpText("after", "\nWithout a scope the whole tenant stops. `interlock switches clear <id>` lets it go on.")
    .action((options: SetOptions, command: Command) => set(toolsOf(command, terminal), options));
}

function withScope(command: Command): Command {
  return command
    .requiredOption("--reason <text>", "why: everyone who is stopped is told")
    .option("--actor <name>", "only this actor")
    .option("--tool <name>", "only this tool")
    .option("--session <id>", "only this session")
    .option("--release <name>", "only this release")
    .option("--expires <duration>", "for this long, such as 30m or 24h; until it is cleared when left out");
}

async function list(tools: CommandTools, isAll: boolean): Promise<void> {
  const path = isAll ? "/v1/switches?all=true" : "/v1/switches";
  const found = await tools.gateway.get({ method: "GET", path }, SwitchListing);
  report(tools, found, switchTable(found.data));
}

/** The switches as a table. */
export function switchTable(switches: readonly SwitchView[]): readonly string[] {
  if (switches.length === 0) return ["no switches"];
  const rows = switches.map((each) => [
    each.id,
    each.kind,
    scopeText(each),
    each.status,
    each.set_at,
    each.expires_at ?? "-",
    each.set_by,
    each.reason,
  ]);
  return tableLines(["ID", "KIND", "SCOPE", "STATUS", "SET", "EXPIRES", "BY", "REASON"], rows);
}

function scopeText({ scope }: SwitchView): string {
  const parts = Object.entries(scope).map(([key, value]) => `${key}=${value}`);
  return parts.length === 0 ? "tenant" : parts.join(",");
}

/** Sets a switch and says how long the gateway took: it was durable when it answered. */
async function set(tools: CommandTools, options: SetOptions): Promise<void> {
  const { kind, reason, expires } = options;
  if (reason.trim() === "") throw usageFailure("--reason: expected why this is stopped");
  const scope = Object.fromEntries(
    (["actor", "tool", "session", "release"] as const).flatMap((name) => {
      const value = options[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const body = { kind, scope, reason, ...(expires === undefined ? {} : { expires_at: expiryOf(expires) }) };
  const askedAt = performance.now();
  const answered = await tools.gateway.get({ method: "POST", path: "/v1/switches", body }, SwitchView);
  const tookMs = Math.round(performance.now() - askedAt);
  for (const warning of answered.warnings ?? []) tools.terminal.warn(`warning: ${warning}`);
  report(tools, { ...answered, took_ms: tookMs }, [
    `${answered.id}  ${answered.kind} is set on ${scopeText(answered)}: the gateway took ${tookMs} ms`,
    `it bites everywhere within 2 s of that; \`interlock switches clear ${answered.id}\` lets it go on`,
  ]);
}

function expiryOf(duration: string): string {
  const ms = readDuration(duration);
  if (ms === undefined || ms < 1_000) throw usageFailure("--expires: expected a duration such as 30m, 24h or 7d");
  return new Date(Date.now() + ms).toISOString();
}

async function clear(tools: CommandTools, id: string, reason: string | undefined): Promise<void> {
  if (!/^sw_\w{1,64}$/.test(id)) throw usageFailure("expected a switch's id, `sw_…` as `switches list` shows it");
  const query = reason === undefined ? "" : `?reason=${encodeURIComponent(reason)}`;
  const cleared = await tools.gateway.get({ method: "DELETE", path: `/v1/switches/${id}${query}` }, SwitchView);
  report(tools, cleared, [`cleared ${cleared.id} (${cleared.kind} on ${scopeText(cleared)})`]);
}
