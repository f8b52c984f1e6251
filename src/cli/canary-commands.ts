// Touches canaries: `releases watch`, `releases compare`.
import type { Command } from "commander";
import * as z from "zod/mini";
import { isName } from "../core/units/identifier.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

const figure = z.nullable(z.number());
const Look = z.looseObject({
  says: z.string(),
  state: z.string(),
  metrics: z.array(
    z.looseObject({
      id: z.string(),
      state: z.string(),
      live: figure,
      canary: figure,
      delta: figure,
      lower: figure,
      upper: figure,
      p: z.number(),
    }),
  ),
  sample_ratio: z.nullable(z.looseObject({ is_alarm: z.boolean() })),
});
type Look = z.infer<typeof Look>;
const Standing = z.looseObject({
  agent: z.string(),
  canary: z.nullable(z.string()),
  watches: z.array(z.looseObject({ ...Look.shape, release: z.string(), status: z.string(), looked_at: z.string() })),
});
const Compared = z.looseObject({ ...Look.shape, note: z.string(), is_cut: z.boolean() });

/** Adds the commands that look at canaries to `releases`. */
export function addCanaryCommands(releases: Command, terminal: Terminal): void {
  releases
    .command("watch <agent>")
    .description("how an agent's canary stands against what is live, and what earlier watches found")
    .action((agent: string, _: unknown, command: Command) => watch(toolsOf(command, terminal), agent));
  releases
    .command("compare <agent> <a> <b>")
    .description("compare two releases on the sessions that each had")
    .option("--from <time>", "RFC 3339 time; seven days before --to when left out")
    .option("--to <time>", "RFC 3339 time; now when left out")
    .action((agent: string, a: string, b: string, ...[options, command]: readonly [WindowOptions, Command]) =>
      compare(toolsOf(command, terminal), agent, { a, b, ...options }),
    );
}

interface WindowOptions {
  readonly from?: string;
  readonly to?: string;
}

async function watch(tools: CommandTools, agent: string): Promise<void> {
  const found = await tools.gateway.get({ method: "GET", path: `${pathOf(agent)}/canary` }, Standing);
  const { canary, watches } = found;
  const none = canary === null ? "no canary" : `the canary ${canary}, which nobody has looked at yet`;
  const lines = watches.flatMap((each) => [
    `${each.release} ${each.status}, looked at ${each.looked_at}: ${each.says}`,
    ...lookLines(each),
  ]);
  report(tools, found, watches.length === 0 ? [`${agent} has ${none}`] : lines);
}

async function compare(
  tools: CommandTools,
  agent: string,
  asked: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const query = new URLSearchParams(
    Object.entries(asked).filter((each): each is [string, string] => each[1] !== undefined),
  );
  const look = await tools.gateway.get(
    { method: "GET", path: `${pathOf(agent)}/compare?${query.toString()}` },
    Compared,
  );
  const cut = look.is_cut ? ["the window has more calls than are read: its first ones are compared"] : [];
  report(tools, look, [look.says, ...lookLines(look), ...cut, `mind: ${look.note}`]);
}

function lookLines({ metrics, sample_ratio: split }: Look): readonly string[] {
  const rows = metrics.map((each) => [
    each.id,
    shown(each.live),
    shown(each.canary),
    shown(each.delta),
    each.lower === null && each.upper === null ? "-" : `${shown(each.lower)} to ${shown(each.upper)}`,
    shown(each.p),
    each.state,
  ]);
  return [
    ...(rows.length === 0 ? [] : tableLines(["METRIC", "BEFORE", "AFTER", "CHANGE", "BETWEEN", "P", "STATE"], rows)),
    ...(split?.is_alarm === true
      ? ["sessions are not split as they were drawn: find out why before you trust the rest"]
      : []),
  ];
}

function shown(value: number | null): string {
  return value === null ? "-" : String(Number(value.toPrecision(3)));
}

function pathOf(agent: string): string {
  if (!isName(agent)) throw usageFailure("expected an agent's name, as the config has it");
  return `/v1/agents/${encodeURIComponent(agent)}`;
}
