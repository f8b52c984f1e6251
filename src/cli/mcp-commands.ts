// Touches MCP servers: `mcp servers`, `mcp show`, `mcp accept`.
import type { Command } from "commander";
import * as z from "zod/mini";
import { isName } from "../core/units/identifier.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

const Server = z.looseObject({
  server: z.string(),
  url: z.string(),
  service: z.nullable(z.string()),
  pin: z.string(),
  pinned_digest: z.string(),
  accepted: z.int(),
});
const Servers = z.looseObject({ data: z.array(Server) });
const Flag = z.looseObject({ path: z.string(), kind: z.string(), severity: z.string(), excerpt: z.string() });
const Tool = z.looseObject({
  name: z.string(),
  state: z.string(),
  effect: z.string(),
  hidden: z.boolean(),
  unusable: z.nullable(z.string()),
  definition: z.nullable(z.looseObject({ description: z.optional(z.unknown()) })),
  diff: z.array(z.looseObject({ says: z.string() })),
  flags: z.array(Flag),
});
type Tool = z.infer<typeof Tool>;
const Review = z.looseObject({
  ...Server.shape,
  protocol_version: z.string(),
  server_info: z.looseObject({ name: z.string(), version: z.string() }),
  current_digest: z.string(),
  tools: z.array(Tool),
});
type Review = z.infer<typeof Review>;
const Accepted = z.looseObject({
  server: z.string(),
  status: z.string(),
  version: z.int(),
  pinned_digest: z.string(),
  tools: z.array(z.string()),
});

interface AcceptOptions {
  readonly digest: string;
  readonly tool?: readonly string[];
  readonly acceptFlags?: boolean;
  readonly reason?: string;
}

/** Adds the `mcp` commands. */
export function addMcpCommands(program: Command, terminal: Terminal): void {
  const mcp = program
    .command("mcp")
    .description("MCP servers behind the gateway, and the tool definitions accepted of them");
  mcp
    .command("servers")
    .description("list the configured servers, and how much of each is accepted")
    .action((_: unknown, command: Command) => list(toolsOf(command, terminal)));
  mcp
    .command("show <server>")
    .description("ask a server what it offers now: what is new, changed or gone, and what reads like orders to a model")
    .action((server: string, _: unknown, command: Command) => show(toolsOf(command, terminal), server));
  mcp
    .command("accept <server>")
    .description("pin what a server offers now, as `mcp show` has shown it")
    .requiredOption("--digest <digest>", "the digest that `mcp show` ended with")
    .option("--tool <name...>", "only these tools; the others stay as they were")
    .option("--accept-flags", "take over texts that are flagged as dangerous")
    .option("--reason <text>", "why, for the record")
    .action((server: string, options: AcceptOptions, command: Command) =>
      accept(toolsOf(command, terminal), server, options),
    );
}

async function list(tools: CommandTools): Promise<void> {
  const found = await tools.gateway.get({ method: "GET", path: "/v1/mcp/servers" }, Servers);
  const rows = found.data.map((each) => [
    each.server,
    each.service === null ? each.url : `${each.service} ${each.url}`,
    each.pin,
    String(each.accepted),
    each.pinned_digest.slice(0, 12),
  ]);
  const none = ["the active config has no MCP servers"];
  report(tools, found, rows.length === 0 ? none : tableLines(["SERVER", "AT", "PIN", "ACCEPTED", "SET"], rows));
}

async function show(tools: CommandTools, server: string): Promise<void> {
  const found = await tools.gateway.get({ method: "GET", path: pathOf(server) }, Review);
  report(tools, found, reviewLines(found));
}

function reviewLines(review: Review): readonly string[] {
  const { server, server_info: info, protocol_version, pinned_digest, current_digest, tools } = review;
  const isSame = pinned_digest === current_digest;
  return [
    `${server}: ${info.name} ${info.version}, MCP ${protocol_version}`,
    ...tableLines(
      ["TOOL", "STATE", "EFFECT", "FLAGS"],
      tools.map((each) => [each.name, each.state, each.hidden ? "hidden" : each.effect, flagCounts(each)]),
    ),
    ...tools.flatMap(toolLines),
    `accepted ${pinned_digest}`,
    isSame ? "the server offers exactly what is accepted" : `offered  ${current_digest}`,
    ...(isSame ? [] : [`take it over with: interlock mcp accept ${server} --digest ${current_digest}`]),
  ];
}

function flagCounts({ flags }: Tool): string {
  const dangers = flags.filter(({ severity }) => severity === "danger").length;
  const warnings = flags.length - dangers;
  const parts = [...(dangers === 0 ? [] : [`${dangers} danger`]), ...(warnings === 0 ? [] : [`${warnings} warn`])];
  return parts.length === 0 ? "-" : parts.join(", ");
}

function toolLines({ name, state, unusable, definition, diff, flags }: Tool): readonly string[] {
  const description = definition?.description;
  const lines = [
    ...(unusable === null ? [] : [`  cannot be a tool: ${unusable}`]),
    ...(state === "new" && typeof description === "string" ? [`  description: ${description}`] : []),
    ...diff.map(({ says }) => `  ${says}`),
    ...flags.map(
      ({ severity, kind, path, excerpt }) => `  ${severity}: ${kind.replaceAll("_", " ")} in ${path}: ${excerpt}`,
    ),
  ];
  return lines.length === 0 ? [] : [`${name}, ${state}`, ...lines];
}

async function accept(tools: CommandTools, server: string, options: AcceptOptions): Promise<void> {
  const { digest, tool, acceptFlags, reason } = options;
  if (!/^[0-9a-f]{64}$/.test(digest))
    throw usageFailure("--digest: expected the 64 hex digits that `mcp show` ends with");
  const done = await tools.gateway.get(
    {
      method: "POST",
      path: `${pathOf(server)}/accept`,
      body: {
        digest,
        ...(tool === undefined ? {} : { tools: tool }),
        ...(acceptFlags === true ? { flags: "accepted" } : {}),
        ...(reason === undefined ? {} : { reason }),
      },
    },
    Accepted,
  );
  report(tools, done, [
    done.status === "unchanged"
      ? `${server}: nothing to take over (version ${done.version})`
      : `${server}: took over ${done.tools.join(", ")} (published version ${done.version})`,
    `accepted ${done.pinned_digest}`,
  ]);
}

function pathOf(server: string): string {
  if (!isName(server)) throw usageFailure("expected a server's name, as the config has it under mcp.servers");
  return `/v1/mcp/servers/${encodeURIComponent(server)}`;
}
