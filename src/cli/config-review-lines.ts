// Decides how a config change, a replay and test results read on a terminal.
import type { ReplayReport } from "./received.ts";

/** Changes shown of decisions at the edges. */
const MAX_BOUNDARIES = 20;

/** A change of config, as far as it is shown. */
export interface ShownReview {
  readonly diff: readonly { readonly says: string; readonly widens: boolean; readonly narrows: boolean }[];
  readonly boundaries: {
    readonly probes: number;
    readonly truncated: boolean;
    readonly changes: readonly {
      readonly tool: string;
      readonly actor: string;
      readonly probe: string;
      readonly before: string;
      readonly after: string;
    }[];
  };
}

/** What changed, and where decisions differ at the edges of the constants. */
export function reviewLines({ diff, boundaries }: ShownReview): readonly string[] {
  if (diff.length === 0) return ["no change against the version it is compared with"];
  const shown = boundaries.changes.slice(0, MAX_BOUNDARIES);
  const more = boundaries.changes.length - shown.length;
  return [
    `${countOf(diff.length, "change")}:`,
    ...diff.map(({ says, widens, narrows }) => `  ${widens ? "widens " : narrows ? "narrows" : "changes"}  ${says}`),
    ...(boundaries.changes.length === 0
      ? []
      : [`decisions that differ at the edges (${boundaries.probes} calls tried):`]),
    ...shown.map(({ tool, actor, probe, before, after }) => `  ${before} → ${after}  ${tool} as ${actor}, ${probe}`),
    ...(more === 0 ? [] : [`  and ${more} more`]),
    ...(boundaries.truncated ? ["there were more edges than are tried"] : []),
  ];
}

/** A replay as a table: what must be reviewed first. */
export function replayLines(report: ReplayReport): readonly string[] {
  const { newly_allowed_writes: opened, transitions, by_rule, by_tool, not_replayed, drift } = report;
  return [
    `${report.candidate} against ${report.active}, recorded calls from ${report.from} to ${report.to}`,
    `${countOf(report.read, "call")} read, ${report.evaluated} decided again, ${report.changed} changed`,
    ...(report.truncated ? ["there are more calls than were read: the newest were"] : []),
    ...(opened.count === 0
      ? []
      : [
          `NEEDS A REVIEWER: ${countOf(opened.count, "write")} newly allowed, moving $${opened.amount_usd}`,
          ...opened.examples.map((each) => `  ${exampleLine(each)}`),
        ]),
    ...table("decisions", transitions, ({ from, to, count, amount_usd }) => [
      `${from} → ${to}`,
      count,
      `$${amount_usd}`,
    ]),
    ...table("rules in changed calls", by_rule, (each) => [each.rule_id, `+${each.appears}`, `-${each.disappears}`]),
    ...table("tools", by_tool, (each) => [each.tool, `${each.changed} of ${each.evaluated} changed`]),
    ...transitions.flatMap(({ from, to, examples }) => [
      `examples of ${from} → ${to}`,
      ...examples.slice(0, 3).map((each) => `  ${exampleLine(each)}`),
    ]),
    ...table("not replayed", not_replayed, ({ why, count }) => [why.replaceAll("_", " "), count]),
    ...(drift.count === 0
      ? []
      : [`drift: ${countOf(drift.count, "call")} would be decided otherwise today under the active version itself`]),
    ...(report.sessions_cut === 0
      ? []
      : [`${countOf(report.sessions_cut, "session")} began before the window: their history is seen from its start`]),
    ...report.notes.map((note) => `note: ${note}`),
  ];
}

function exampleLine({
  trace_id,
  tool,
  actor,
  amount_usd,
  before,
  after,
}: ReplayReport["transitions"][number]["examples"][number]): string {
  const rules = (side: typeof after): string => side.reasons.map((reason) => reason.rule_id).join(", ");
  return `${trace_id}  ${tool} as ${actor}  $${amount_usd}  ${before.effect} (${rules(before)}) → ${after.effect} (${rules(after)})`;
}

function table<T>(
  title: string,
  rows: readonly T[],
  cells: (row: T) => readonly (string | number)[],
): readonly string[] {
  if (rows.length === 0) return [];
  const texts = rows.map((row) => cells(row).map(String));
  const widths = (texts[0] ?? []).map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)));
  return [
    `${title}:`,
    ...texts.map(
      (row) =>
        `  ${row
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join("  ")
          .trimEnd()}`,
    ),
  ];
}

/** `1 change`, `2 changes`. */
export function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
