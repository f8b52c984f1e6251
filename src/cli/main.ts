// Runs the `interlock` command line: parses it, runs one command, ends with its exit code.
import { Command, CommanderError, Option } from "commander";
import { addApprovalCommands } from "./approval-commands.ts";
import { addAuditCommands } from "./audit-commands.ts";
import { addCallCommands } from "./call-commands.ts";
import { addConfigCommands } from "./config-commands.ts";
import { addCoverageCommands } from "./coverage-commands.ts";
import { CommandFailure, EXIT, type ExitCode } from "./exit-codes.ts";
import { addEvalCommands } from "./eval-commands.ts";
import { addKeyCommands } from "./key-commands.ts";
import { addMcpCommands } from "./mcp-commands.ts";
import { addOutcomeCommands } from "./outcome-commands.ts";
import { addReleaseCommands } from "./release-commands.ts";
import { addReportCommands } from "./report-commands.ts";
import { addRouteCommands } from "./route-commands.ts";
import { addSecretCommands } from "./secret-commands.ts";
import { addSessionCommands } from "./session-commands.ts";
import { addSwitchCommands } from "./switch-commands.ts";
import { addTenantCommands } from "./tenant-commands.ts";
import { processStreams, Terminal } from "./terminal.ts";
import { addToolCallCommands } from "./tool-call-commands.ts";
import { addToolCommands } from "./tool-commands.ts";
import { addTraceCommands } from "./trace-commands.ts";
import { addTraceStoreCommands } from "./trace-store-commands.ts";

const EXIT_HELP = `
Exit codes: ${EXIT.ok} ok, ${EXIT.refused} refused or not valid, ${EXIT.usage} usage error, ${EXIT.couldNotRun} could not run`;

const terminal = new Terminal(processStreams());
terminal.hide(process.env["INTERLOCK_KEY"] ?? "");
process.exitCode = await run(process.argv.slice(2));

async function run(args: readonly string[]): Promise<ExitCode> {
  try {
    await program().parseAsync(args, { from: "user" });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof CommandFailure) {
      terminal.warn(...error.lines);
      return error.exit;
    }
    const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
    terminal.warn("the interlock command itself failed, which is a bug:", ...trace.split("\n"));
    return EXIT.couldNotRun;
  }
}

function program(): Command {
  const command = new Command("interlock")
    .description("Talks to an Interlock gateway.")
    .addOption(new Option("--url <url>", "the gateway's address").env("INTERLOCK_URL").default("http://localhost:8787"))
    .addOption(new Option("--key <key>", "an API key").env("INTERLOCK_KEY"))
    .addOption(new Option("--tenant <id>", "the tenant, which the root key has to name").env("INTERLOCK_TENANT"))
    .option("--json", "print JSON")
    .addHelpText("after", EXIT_HELP)
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.raw(text),
      writeErr: (text) => terminal.warn(...text.trimEnd().split("\n")),
    });
  for (const add of [
    addApprovalCommands,
    addAuditCommands,
    addCallCommands,
    addConfigCommands,
    addCoverageCommands,
    addEvalCommands,
    addKeyCommands,
    addMcpCommands,
    addReleaseCommands,
    addRouteCommands,
    addSecretCommands,
    addSessionCommands,
    addSwitchCommands,
    addTenantCommands,
    addToolCallCommands,
    addToolCommands,
    addTraceCommands,
    addTraceStoreCommands,
    addOutcomeCommands,
    addReportCommands,
  ])
    add(command, terminal);
  return command;
}
