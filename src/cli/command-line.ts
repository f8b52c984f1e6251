// Decides what every command is given: its terminal, the gateway as the options name it, and the format of its output.
import type { Command } from "commander";
import { connectionOf, type GlobalOptions } from "./connection.ts";
import { GatewayClient } from "./gateway-client.ts";
import type { Terminal } from "./terminal.ts";

/** Where a command's output goes. */
export interface Output {
  readonly terminal: Terminal;
  /** Whether output is for machines. */
  readonly isJson: boolean;
}

/** What a command works with. */
export interface CommandTools extends Output {
  readonly gateway: GatewayClient;
}

/** The tools of a parsed command. Throws a usage failure when no gateway or no key is named. */
export function toolsOf(command: Command, terminal: Terminal): CommandTools {
  const options = command.optsWithGlobals<GlobalOptions>();
  if (options.key !== undefined && options.key !== "") terminal.hide(options.key.trim());
  return { terminal, gateway: new GatewayClient(connectionOf(options)), isJson: options.json === true };
}

/** Where a command that asks no gateway prints. */
export function outputOf(command: Command, terminal: Terminal): Output {
  return { terminal, isJson: command.optsWithGlobals<GlobalOptions>().json === true };
}

/** Prints a result: the value for machines, the lines for people. */
export function report(tools: Output, value: unknown, lines: readonly string[]): void {
  if (tools.isJson) tools.terminal.printJson(value);
  else tools.terminal.print(...lines);
}
