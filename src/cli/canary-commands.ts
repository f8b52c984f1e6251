// Touches canaries: `releases watch`, `releases compare`.
import type { Command } from "commander";
import * as z from "zod/mini";
import { usageFailure } from "./exit-codes.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

const Look = z.looseObject({
  says: z.string(),
  state: z.string(),
  comparisons: z.array(
    z.looseObject({ metric: z.string(), live: z.number(), canary: z.number(), p: z.number(), is_worse: z.boolean() }),
  ),
});
const Canary = z.looseObject({
  agent: z.string(),
  canary: z.nullable(z.string()),
  watches: z.array(z.looseObject({ ...Look.shape, release: z.string(), status: z.string(), looked_at: z.string() })),
});

/** Adds the commands that look at canaries to `releases`. */
export function addCanaryCommands(releases: Command, terminal: Terminal): void {
  releases
    .command("watch <agent>")
    .description("how an agent's canary stands against what is live")
    .action((agent: string, _: unknown, command: Command) => watch(toolsOf(command, terminal), agent));
  releases
    .command("compare <agent> <releases...>")
    .description("compare the second of two releases with the first, on the sessions that each had")
    .option("--from <time>", "since this instant; seven days ago when left out")
    .option("--to <time>", "until this instant; now when left out")
    .action((agent: string, releases: readonly string[], options: WindowOptions, command: Command) => {
      const [a, b, ...others] = releases;
      if (a === undefined || b === undefined || others.length > 0) throw usageFailure("expected two releases");
      return compare(toolsOf(command, terminal), agent, { a, b, ...options });
    });
}

interface WindowOptions {
  readonly from?: string;
  readonly to?: string;
}

async function watch(tools: CommandTools, agent: string): Promise<void> {
  const found = await tools.gateway.get(
    { method: "GET", path: `/v1/agents/${encodeURIComponent(agent)}/canary` },
    Canary,
  );
  const lines = found.watches.flatMap((each) => [
    `${each.release} ${each.status}, looked at ${each.looked_at}: ${each.says}`,
    ...lookLines(each),
  ]);
  report(
    tools,
    found,
    found.watches.length === 0
      ? [
          `${agent} has ${found.canary === null ? "no canary" : `the canary ${found.canary}, which nobody has looked at yet`}`,
        ]
      : lines,
  );
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
    { method: "GET", path: `/v1/agents/${encodeURIComponent(agent)}/compare?${query.toString()}` },
    Look,
  );
  report(tools, look, [look.says, ...lookLines(look)]);
}

function lookLines({ comparisons }: z.infer<typeof Look>): readonly string[] {
  const figure = (value: number): string => String(Number(value.toPrecision(3)));
  return tableLines(
    ["METRIC", "BEFORE", "AFTER", "P", ""],
    comparisons.map((each) => [
      each.metric,
      figure(each.live),
      figure(each.canary),
      figure(each.p),
      each.is_worse ? "worse" : "",
    ]),
  );
}
