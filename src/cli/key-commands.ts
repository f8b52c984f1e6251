// Touches API keys: `keys create`, `keys list`, `keys revoke`.
import { Option, type Command } from "commander";
import { ROLES } from "../core/principal.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import { CreatedKey, KeyListings, NoContent } from "./received.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

/** Adds the `keys` commands. */
export function addKeyCommands(program: Command, terminal: Terminal): void {
  const keys = program.command("keys").description("the tenant's API keys");
  keys
    .command("create")
    .description("create a key; only its text is on stdout, and it is shown only once")
    .addOption(new Option("--role <role...>", "what the key may do").choices(ROLES).makeOptionMandatory())
    .option("--actor <actor...>", "actors the key may act as, `*` for all")
    .option("--scope <scope...>", "scopes its tool calls have, `*` for all of the actor's")
    .option("--name <name>", "what it is for")
    .action((options: CreateOptions, command: Command) => create(toolsOf(command, terminal), options));
  keys
    .command("list")
    .description("list the keys, without their texts")
    .action((_: unknown, command: Command) => list(toolsOf(command, terminal)));
  keys
    .command("revoke <id>")
    .description("revoke a key by its id")
    .action((id: string, _: unknown, command: Command) => revoke(toolsOf(command, terminal), id));
}

interface CreateOptions {
  readonly role: readonly string[];
  readonly actor?: readonly string[];
  readonly scope?: readonly string[];
  readonly name?: string;
}

async function create(tools: CommandTools, { role, actor = [], scope = [], name }: CreateOptions): Promise<void> {
  const body = { roles: role, actors: actor, scopes: scope, ...(name === undefined ? {} : { name }) };
  const created = await tools.gateway.get({ method: "POST", path: "/v1/keys", body }, CreatedKey);
  if (tools.isJson) tools.terminal.printJson(created);
  else tools.terminal.raw(`${created.key}\n`);
  tools.terminal.warn(
    `created ${created.id}: roles ${listOf(created.roles)}; actors ${listOf(created.actors)}; scopes ${listOf(created.scopes)}`,
    "the key is shown only this once: keep it now",
  );
}

async function list(tools: CommandTools): Promise<void> {
  const found = await tools.gateway.get({ method: "GET", path: "/v1/keys" }, KeyListings);
  report(tools, found, keyTable(found));
}

/** The keys as a table. */
export function keyTable({ data }: KeyListings): readonly string[] {
  if (data.length === 0) return ["no keys"];
  const rows = data.map((key) => [
    key.id,
    key.name,
    listOf(key.roles),
    listOf(key.actors),
    listOf(key.scopes),
    key.created_at,
  ]);
  return tableLines(["ID", "NAME", "ROLES", "ACTORS", "SCOPES", "CREATED"], rows);
}

async function revoke(tools: CommandTools, id: string): Promise<void> {
  if (!/^key_\w{1,64}$/.test(id)) throw usageFailure("expected a key's id, `key_…` as `keys list` shows it");
  await tools.gateway.get({ method: "DELETE", path: `/v1/keys/${id}` }, NoContent);
  report(tools, { id, revoked: true }, [`revoked ${id}`]);
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? "-" : names.join(",");
}
