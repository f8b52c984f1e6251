// Touches what is recorded and what is not: `traces coverage`, `traces dead-letters` and `traces redrive`.
import type { Command } from "commander";
import * as z from "zod/mini";
import { readDuration } from "../core/units/window.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

const Figures = {
  admitted: z.int(),
  stored: z.int(),
  missing: z.int(),
  coverage: z.nullable(z.number()),
  settled: z.boolean(),
};
const MissingCall = z.looseObject({
  session_id: z.string(),
  seq: z.int(),
  kind: z.string(),
  tool_call_id: z.nullable(z.string()),
  span_id: z.string(),
  trace_id: z.string(),
  admitted_at: z.string(),
});
const Uncertain = z.looseObject({ session_id: z.string(), from_seq: z.int(), to_seq: z.int(), recorded: z.int() });
const Hour = z.looseObject({
  hour: z.string(),
  ...Figures,
  missing_calls: z.array(MissingCall),
  uncertain: z.array(Uncertain),
});
const Coverage = z.looseObject({
  settled_after_minutes: z.int(),
  total: z.looseObject(Figures),
  data: z.array(Hour),
});
type Coverage = z.infer<typeof Coverage>;

const Letters = z.looseObject({
  data: z.array(
    z.looseObject({
      id: z.string(),
      tenant: z.nullable(z.string()),
      reason: z.string(),
      lines: z.int(),
      bytes: z.int(),
      sent_at: z.string(),
    }),
  ),
  next_cursor: z.nullable(z.string()),
});
const Redriven = z.looseObject({ sent: z.int(), has_more: z.boolean() });

const Retold = z.looseObject({ retold: z.int(), untold: z.int(), has_more: z.boolean() });

interface CoverageOptions {
  readonly since: string;
  readonly until?: string;
  readonly missing?: boolean;
}

/** Adds the `traces` commands of coverage to the program. */
export function addCoverageCommands(program: Command, terminal: Terminal): void {
  const traces = program.commands.find((each) => each.name() === "traces") ?? program.command("traces");
  traces.description("what is recorded, and what is not");
  traces
    .command("coverage")
    .description("compare the calls that sessions admitted with those that are recorded, hour by hour")
    .option("--since <duration>", "how far back, such as 6h, at most 48h", "24h")
    .option("--until <time>", "up to this RFC 3339 time; now when left out")
    .option("--missing", "name every missing call, and the numbers of which nothing can be said")
    .action((options: CoverageOptions, command: Command) => coverage(toolsOf(command, terminal), options));
  traces
    .command("dead-letters")
    .description("list messages that could not be stored and are parked")
    .action((_: unknown, command: Command) => letters(toolsOf(command, terminal)));
  traces
    .command("redrive")
    .description("send parked messages back to the trace queue, all of them")
    .action((_: unknown, command: Command) => redrive(toolsOf(command, terminal)));
  traces
    .command("retell")
    .description("record missing tool calls again, from what their own objects know")
    .option("--since <duration>", "how far back, such as 6h, at most 48h", "24h")
    .option("--unsettled", "also hours in which calls may still be on their way")
    .action((options: { readonly since: string; readonly unsettled?: boolean }, command: Command) =>
      retell(toolsOf(command, terminal), options),
    );
}

async function retell(
  tools: CommandTools,
  { since, unsettled = false }: { readonly since: string; readonly unsettled?: boolean },
): Promise<void> {
  const to = Date.now();
  const path = `/v1/coverage/retell?from=${to - spanOf(since)}&to=${to}`;
  const found = await tools.gateway.get({ method: "POST", path, body: { unsettled } }, Retold);
  const rest =
    found.untold === 0 ? [] : [`${found.untold} cannot be told: model calls, and calls that were never made`];
  report(tools, found, [`recorded ${found.retold} missing tool calls again`, ...rest]);
}

function spanOf(since: string): number {
  const span = readDuration(since);
  if (span === undefined) throw usageFailure("--since: expected a duration such as 6h or 30m");
  return span;
}

async function coverage(tools: CommandTools, { since, until, missing = false }: CoverageOptions): Promise<void> {
  const span = spanOf(since);
  const to = until === undefined ? Date.now() : Date.parse(until);
  if (Number.isNaN(to)) throw usageFailure("--until: expected an RFC 3339 time");
  const path = `/v1/coverage?from=${to - span}&to=${to}`;
  const found = await tools.gateway.get({ method: "GET", path }, Coverage);
  report(tools, found, missing ? [...hourLines(found), ...missingLines(found)] : hourLines(found));
}

function hourLines({ data, total, settled_after_minutes: minutes }: Coverage): readonly string[] {
  const shown = data.filter((hour) => hour.admitted > 0 || hour.uncertain.length > 0);
  if (shown.length === 0) return ["no call was admitted"];
  const rows = [...shown, { hour: "total", ...total }].map((hour) => [
    hour.hour,
    String(hour.admitted),
    String(hour.stored),
    String(hour.missing),
    percent(hour.coverage),
    hour.settled ? "yes" : "not yet",
  ]);
  const note = total.settled
    ? []
    : [`an hour is settled ${minutes} minutes after its end: until then calls may be on their way`];
  return [...tableLines(["HOUR", "ADMITTED", "STORED", "MISSING", "COVERAGE", "SETTLED"], rows), ...note];
}

/** Never rounded up to 100 %. */
function percent(part: number | null): string {
  return part === null ? "-" : `${(Math.floor(part * 10_000) / 100).toFixed(2)} %`;
}

function missingLines({ data }: Coverage): readonly string[] {
  const calls = data.flatMap((hour) => hour.missing_calls);
  const ranges = data.flatMap((hour) => hour.uncertain);
  const named = calls.map((call) => [
    call.session_id,
    String(call.seq),
    call.tool_call_id ?? `${call.kind} ${call.span_id}`,
    call.trace_id,
    call.admitted_at,
  ]);
  return [
    ...(named.length === 0 ? ["missing: none"] : tableLines(["SESSION", "SEQ", "CALL", "TRACE", "ADMITTED"], named)),
    ...ranges.map(
      ({ session_id, from_seq, to_seq, recorded }) =>
        `uncertain: ${session_id} ${from_seq} to ${to_seq}, ${recorded} of them recorded: its ledger was stopped before it could say more`,
    ),
  ];
}

async function letters(tools: CommandTools): Promise<void> {
  const found = await tools.gateway.get({ method: "GET", path: "/v1/dead-letters?limit=200" }, Letters);
  const rows = found.data.map((each) => [
    each.id,
    each.tenant ?? "-",
    each.reason,
    String(each.lines),
    String(each.bytes),
    each.sent_at,
  ]);
  const table = tableLines(["ID", "TENANT", "REASON", "LINES", "BYTES", "SENT"], rows);
  const more = found.next_cursor === null ? [] : ["there are more"];
  report(tools, found, rows.length === 0 ? ["no dead letters"] : [...table, ...more]);
}

async function redrive(tools: CommandTools): Promise<void> {
  let sent = 0;
  for (let hasMore = true; hasMore;) {
    const answer = await tools.gateway.get({ method: "POST", path: "/v1/dead-letters/redrive", body: {} }, Redriven);
    sent += answer.sent;
    hasMore = answer.has_more && answer.sent > 0;
  }
  report(tools, { sent }, [`sent ${sent} parked ${sent === 1 ? "message" : "messages"} back to the trace queue`]);
}
