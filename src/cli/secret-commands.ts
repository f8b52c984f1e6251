// Touches stored credentials: `secrets put`, `secrets list`, `secrets remove`, `secrets rotate`. A value is never an argument.
import type { Command } from "commander";
import { isName } from "../core/units/identifier.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { CommandFailure, EXIT, usageFailure } from "./exit-codes.ts";
import { NoContent, SecretNames, SecretsRotated } from "./received.ts";
import type { Terminal } from "./terminal.ts";

/** Adds the `secrets` commands. */
export function addSecretCommands(program: Command, terminal: Terminal): void {
  const secrets = program.command("secrets").description("credentials of providers and tools, stored encrypted");
  secrets
    .command("put <name>")
    .description("store a credential read from stdin, without its last line break")
    .option("--from-env <variable>", "read it from this environment variable instead")
    .action((name: string, { fromEnv }: { readonly fromEnv?: string }, command: Command) =>
      put(toolsOf(command, terminal), name, fromEnv),
    );
  secrets
    .command("list")
    .description("list the names of the stored credentials")
    .action((_: unknown, command: Command) => list(toolsOf(command, terminal)));
  secrets
    .command("remove <name>")
    .description("remove a credential")
    .action((name: string, _: unknown, command: Command) => remove(toolsOf(command, terminal), name));
  secrets
    .command("rotate")
    .description("seal every credential of the tenant under a new data key")
    .option("--keep-data-key", "keep the data key, and only wrap it under the deployment's current SECRETS_KEY")
    .action(({ keepDataKey = false }: { readonly keepDataKey?: boolean }, command: Command) =>
      rotate(toolsOf(command, terminal), keepDataKey),
    );
}

async function put(tools: CommandTools, name: string, variable: string | undefined): Promise<void> {
  ensureName(name);
  const value = variable === undefined ? await valueOfStdin(tools.terminal, name) : valueOfVariable(variable);
  tools.terminal.hide(value);
  await tools.gateway.get({ method: "PUT", path: `/v1/secrets/${name}`, body: { value } }, NoContent);
  report(tools, { name, stored: true }, [`stored secret "${name}"`]);
}

async function list(tools: CommandTools): Promise<void> {
  const found = await tools.gateway.get({ method: "GET", path: "/v1/secrets" }, SecretNames);
  report(tools, found, found.data.length === 0 ? ["no secrets"] : found.data.map(({ name }) => name));
}

async function remove(tools: CommandTools, name: string): Promise<void> {
  ensureName(name);
  await tools.gateway.get({ method: "DELETE", path: `/v1/secrets/${name}` }, NoContent);
  report(tools, { name, removed: true }, [`removed secret "${name}"`]);
}

async function rotate(tools: CommandTools, isKept: boolean): Promise<void> {
  const body = { data_key: isKept ? "keep" : "new" };
  const done = await tools.gateway.get({ method: "POST", path: "/v1/secrets/rotate", body }, SecretsRotated);
  report(tools, done, [
    `sealed ${done.resealed} of ${done.secrets} secrets anew, wrapped ${done.rewrapped} data keys anew`,
  ]);
  if (done.unreadable.length > 0)
    throw new CommandFailure(EXIT.refused, [
      `no root key of the deployment opens ${done.unreadable.join(", ")}: store them again`,
    ]);
}

function ensureName(name: string): void {
  if (!isName(name)) throw usageFailure("name: expected a letter, then up to 63 letters, digits, `_`, `.` or `-`");
}

function valueOfVariable(variable: string): string {
  const value = process.env[variable];
  if (value === undefined || value === "") throw usageFailure(`--from-env: ${variable} is not set, or empty`);
  return value;
}

async function valueOfStdin(terminal: Terminal, name: string): Promise<string> {
  if (terminal.isInteractive) terminal.warn(`type or paste the value of "${name}", then Enter and Ctrl-D`);
  const value = textOf(await terminal.read()).replace(/\r?\n$/, "");
  if (value === "") throw usageFailure("stdin is empty: pipe the value in, or pass --from-env <variable>");
  return value;
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw usageFailure("stdin: expected UTF-8 text");
  }
}
