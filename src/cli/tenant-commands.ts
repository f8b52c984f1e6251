// Touches tenants: `tenants create`, which needs the deployment's root key.
import type { Command } from "commander";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { TenantCreated } from "./received.ts";
import type { Terminal } from "./terminal.ts";

/** Adds the `tenants` commands. */
export function addTenantCommands(program: Command, terminal: Terminal): void {
  program
    .command("tenants")
    .description("tenants of the deployment (root key)")
    .command("create <id>")
    .description("create a tenant")
    .option("--name <name>", "what people call it; its id when left out")
    .action((id: string, { name }: { readonly name?: string }, command: Command) =>
      create(toolsOf(command, terminal), id, name),
    );
}

async function create(tools: CommandTools, id: string, name: string | undefined): Promise<void> {
  const body = { id, ...(name === undefined ? {} : { name }) };
  const created = await tools.gateway.get({ method: "POST", path: "/v1/tenants", body }, TenantCreated);
  report(tools, created, [`created tenant "${created.id}" (${created.name})`]);
}
