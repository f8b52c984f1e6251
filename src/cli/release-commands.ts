// Touches an agent's releases: `releases list`, `releases promote`, `releases canary`, `releases rollback`.
import type { Command } from "commander";
import { isName } from "../core/units/identifier.ts";
import { addCanaryCommands } from "./canary-commands.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import { ReleaseListing, ReleaseMoved } from "./received-releases.ts";
import type { Terminal } from "./terminal.ts";
import { shortText, tableLines } from "./visible-text.ts";

interface MoveOptions {
  readonly reason?: string;
  readonly expect?: string;
  readonly weight?: string;
  readonly breakGlass?: boolean;
}

/** Adds the `releases` commands. */
export function addReleaseCommands(program: Command, terminal: Terminal): void {
  const releases = program.command("releases").description("agents' releases: which is live, and for whom");
  releases
    .command("list <agent>")
    .description("list an agent's releases, how live and canary differ, and what was changed")
    .action((agent: string, _: unknown, command: Command) => list(toolsOf(command, terminal), agent));
  withGlass(
    releases.command("promote <agent> <release>").description("make a release live for every session; a canary ends"),
  ).action((agent: string, release: string, options: MoveOptions, command: Command) =>
    move(toolsOf(command, terminal), agent, { verb: "promote", body: { release }, options }),
  );
  withGlass(releases.command("canary <agent> [release]").description("send a percentage of sessions to a release"))
    .requiredOption("--weight <percent>", "whole percent of sessions, 1 to 100; 0 ends the canary")
    .action((agent: string, release: string | undefined, options: MoveOptions, command: Command) =>
      move(toolsOf(command, terminal), agent, {
        verb: "canary",
        body: { ...(release === undefined ? {} : { release }), weight: percentOf(options.weight ?? "") },
        options,
      }),
    );
  addCanaryCommands(releases, terminal);
  withReason(
    releases
      .command("rollback <agent> [release]")
      .description("end the canary or, without one, go back to what was live before; or to the release named"),
  ).action((agent: string, release: string | undefined, options: MoveOptions, command: Command) =>
    move(toolsOf(command, terminal), agent, {
      verb: "rollback",
      body: release === undefined ? {} : { release },
      options,
    }),
  );
}

function withReason(command: Command): Command {
  return command
    .option("--reason <text>", "why, for the record")
    .option("--expect <generation>", "only if the releases are still at this generation, as `releases list` shows it");
}

function withGlass(command: Command): Command {
  return withReason(command).option(
    "--break-glass",
    "without the evidence that the config asks for; takes a --reason, and is recorded",
  );
}

async function list(tools: CommandTools, agent: string): Promise<void> {
  const found = await tools.gateway.get({ method: "GET", path: `${pathOf(agent)}/releases` }, ReleaseListing);
  report(tools, found, listingLines(found));
}

function listingLines({ agent, generation, live, canary, policy_digest, ...rest }: ReleaseListing): readonly string[] {
  const rows = rest.data.map((each) => [
    each.release,
    each.status === "canary" ? `canary ${canary?.weight ?? 0} %` : each.status,
    each.digest.slice(0, 12),
    each.model ?? each.route ?? "-",
    each.prompt ?? "-",
    each.tools === null ? "all" : each.tools.join(","),
  ]);
  const evidence = rest.data.flatMap((each) =>
    (each.evidence ?? []).map(({ suite, met, gap, verdict, run, at }) => [
      each.release,
      suite,
      met ? "yes" : `no: ${(gap ?? "").replaceAll("_", " ")}`,
      verdict ?? "-",
      run ?? "-",
      at ?? "-",
    ]),
  );
  const drifted = [live, ...(canary === null ? [] : [canary])].filter((each) => each.drifted);
  return [
    `${agent}, generation ${generation}, policy ${policy_digest.slice(0, 12)}`,
    ...tableLines(["RELEASE", "STATUS", "DIGEST", "MODEL", "PROMPT", "TOOLS"], rows),
    ...(evidence.length === 0
      ? []
      : tableLines(["RELEASE", "SUITE", "COUNTS", "VERDICT", "RUN", "FINISHED"], evidence)),
    ...drifted.map(({ release }) => `${release} resolves to something else than when it was put in use`),
    ...(rest.differs.length === 0 ? [] : ["live and canary differ:"]),
    ...rest.differs.map((each) => `  ${each.path}: ${valueText(each.live)} → ${valueText(each.canary)}`),
    ...tableLines(
      ["GENERATION", "CHANGE", "LIVE", "CANARY", "AT", "BY", "REASON"],
      rest.history.map((each) => [
        String(each.generation),
        each.break_glass === true ? `${each.status} without evidence` : each.status,
        each.live.release,
        each.canary === null ? "-" : `${each.canary.release} ${each.canary.weight} %`,
        each.at,
        each.by,
        each.reason ?? "-",
      ]),
    ),
  ];
}

function valueText(value: unknown): string {
  return value === null ? "nothing" : shortText(typeof value === "string" ? value : JSON.stringify(value));
}

async function move(
  tools: CommandTools,
  agent: string,
  { verb, body, options }: { readonly verb: string; readonly body: object; readonly options: MoveOptions },
): Promise<void> {
  const { reason, expect, breakGlass } = options;
  if (breakGlass === true && (reason ?? "").trim() === "")
    throw usageFailure("--break-glass: say with --reason why no evidence is needed");
  if (expect !== undefined && !/^\d{1,9}$/.test(expect)) throw usageFailure("--expect: expected a generation, as `7`");
  const moved = await tools.gateway.get(
    {
      method: "POST",
      path: `${pathOf(agent)}/${verb}`,
      body: {
        ...body,
        ...(reason === undefined ? {} : { reason }),
        ...(breakGlass === true ? { break_glass: true } : {}),
      },
      ...(expect === undefined ? {} : { ifMatch: `"${expect}"` }),
    },
    ReleaseMoved,
  );
  report(tools, moved, movedLines(moved));
}

function movedLines({ agent, generation, live, canary, status }: ReleaseMoved): readonly string[] {
  const beside = canary === null ? "" : `, ${canary.release} answers ${canary.weight} % of sessions`;
  return [
    `${agent}: ${status.replaceAll("_", " ")}. ${live.release} is live${beside} (generation ${generation})`,
    ...(status === "unchanged" ? [] : ["it holds everywhere within 2 s; `interlock releases rollback` undoes it"]),
  ];
}

function pathOf(agent: string): string {
  if (!isName(agent)) throw usageFailure("expected an agent's name, as the config has it");
  return `/v1/agents/${encodeURIComponent(agent)}`;
}

function percentOf(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) > 100)
    throw usageFailure("--weight: expected whole percent of sessions, 0 to 100");
  return Number(text);
}
