// Decides how a ready report reads: its question, its columns, and its rows with the traces behind each.
import { differenceInterval, wilson, type Share } from "../drift/proportions.ts";
import { isoTime } from "../units/local-time.ts";
import { formatUsd } from "../units/money.ts";
import {
  LOOP_CALLS,
  type QuestionRows,
  type Questions,
  type ReleaseCost,
  type RetryLoop,
  type RuleDenials,
  type ToolEscalation,
  type UpstreamSpeed,
} from "./questions.ts";

/** What stands in one place of a row. */
export type Cell = string | number | null | readonly string[];

/** One column. */
export interface Column {
  readonly name: string;
  readonly title: string;
}

/** One row: its cells, and how the calls behind it are found. */
export interface ReportRow {
  readonly cells: Readonly<Record<string, Cell>>;
  /** Path and query of the listing of the calls behind it, or of one trace. */
  readonly traces: readonly string[];
}

/** A report's form: what is asked, from what the answer is computed, and how a row is shown. */
export interface ReportForm<Row> {
  readonly question: string;
  readonly basis: string;
  readonly columns: readonly Column[];
  readonly row: (row: Row, span: Span) => ReportRow;
}

/** The window of a report, in epoch milliseconds; `to` is excluded. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The form of each report. */
export const REPORTS: { readonly [Name in keyof Questions]: ReportForm<Questions[Name]> } = {
  "retry-loops": {
    question: "Which agents keep calling a tool that keeps refusing them, and what did that cost?",
    basis: `Every call of the window. A loop is ${LOOP_CALLS} or more calls of one tool in one session that failed, were refused or denied, or ended unknown, with no other call of that tool and no silence of ten minutes between them. Model calls are those of the session from the loop's first call to its last.`,
    columns: columnsOf([
      ["tool", "TOOL"],
      ["session_id", "SESSION"],
      ["actor", "ACTOR"],
      ["calls", "CALLS"],
      ["attempts", "ATTEMPTS"],
      ["statuses", "STATUSES"],
      ["error_code", "ERROR"],
      ["first_at", "FROM"],
      ["last_at", "TO"],
      ["model_calls", "MODEL CALLS"],
      ["model_tokens", "TOKENS"],
      ["cost_usd", "COST USD"],
    ]),
    row: retryLoop,
  },
  "tool-failure-escalation": {
    question: "Which tool failures end in an escalation?",
    basis:
      "Every trace of the window in which the tool was sent a call. A failure is a call that failed or whose outcome is unknown; a denied call is none. Escalated are traces with an outcome `escalated`, whenever it was reported; a trace without a report counts as not escalated. Intervals are Wilson's at 95 %, of the difference Newcombe's.",
    columns: columnsOf([
      ["tool", "TOOL"],
      ["traces_with_failure", "TRACES WITH FAILURE"],
      ["escalated", "ESCALATED"],
      ["rate", "RATE"],
      ["rate_low", "LOW"],
      ["rate_high", "HIGH"],
      ["traces_without_failure", "WITHOUT FAILURE"],
      ["base_escalated", "ESCALATED"],
      ["base_rate", "BASE RATE"],
      ["base_low", "LOW"],
      ["base_high", "HIGH"],
      ["lift", "LIFT"],
      ["difference_low", "DIFFERENCE LOW"],
      ["difference_high", "HIGH"],
      ["reported", "TRACES REPORTED"],
    ]),
    row: toolEscalation,
  },
  "cost-by-release": {
    question: "What does each release cost, per call and per task?",
    basis:
      "Every model and tool call of the window. A task is a task id within a session; the cost per task counts only calls that name one.",
    columns: columnsOf([
      ["release", "RELEASE"],
      ["calls", "CALLS"],
      ["sessions", "SESSIONS"],
      ["tasks", "TASKS"],
      ["cost_usd", "COST USD"],
      ["cost_per_task_usd", "PER TASK USD"],
      ["input_tokens", "INPUT TOKENS"],
      ["output_tokens", "OUTPUT TOKENS"],
    ]),
    row: releaseCost,
  },
  "denials-by-rule": {
    question: "Which rules deny most, and whom?",
    basis:
      "Every call of the window that the policy denied. It counts for each rule that denied it or asked for approval of it, so that shares may add up to more than one.",
    columns: columnsOf([
      ["rule", "RULE"],
      ["denials", "DENIALS"],
      ["share", "SHARE"],
      ["actors", "ACTORS"],
      ["subjects", "TOOLS AND MODELS"],
    ]),
    row: ruleDenials,
  },
  "slowest-upstreams": {
    question: "Which upstreams are slowest, and how often do they fail?",
    basis:
      "Every call of the window that was sent to an upstream. Percentiles are exact, by nearest rank; a call's duration includes its retries and the waits between them.",
    columns: columnsOf([
      ["upstream", "UPSTREAM"],
      ["calls", "CALLS"],
      ["p50_ms", "P50 MS"],
      ["p95_ms", "P95 MS"],
      ["p99_ms", "P99 MS"],
      ["slowest_ms", "SLOWEST MS"],
      ["failed", "FAILED"],
      ["failure_rate", "FAILURE RATE"],
      ["failure_low", "LOW"],
      ["failure_high", "HIGH"],
    ]),
    row: upstreamSpeed,
  },
};

/** A report's rows as they are shown. */
export function reportRows<Name extends keyof Questions>(
  name: Name,
  rows: QuestionRows<Name>,
  span: Span,
): readonly ReportRow[] {
  const form: ReportForm<Questions[Name]> = REPORTS[name];
  return rows.map((row) => form.row(row, span));
}

function columnsOf(all: readonly (readonly [string, string])[]): readonly Column[] {
  return all.map(([name, title]) => ({ name, title }));
}

function retryLoop(row: RetryLoop): ReportRow {
  const { session_id, tool } = row;
  const span = { from: row.first_at, to: row.last_at + 1 };
  return {
    cells: {
      tool,
      session_id,
      actor: row.actor,
      calls: row.calls,
      attempts: row.attempts,
      statuses: row.statuses,
      error_code: row.error_code,
      first_at: isoTime(row.first_at),
      last_at: isoTime(row.last_at),
      model_calls: row.model_calls,
      model_tokens: row.model_tokens,
      cost_usd: formatUsd(row.cost_micro_usd + row.model_cost_micro_usd),
    },
    traces: [listing({ session: session_id, tool }, span), `/v1/traces/${encodeURIComponent(row.trace_id)}`],
  };
}

function toolEscalation(row: ToolEscalation, span: Span): ReportRow {
  const after: Share = { count: row.failed_escalated, of: row.failed };
  const base: Share = { count: row.other_escalated, of: row.other };
  const [ofAfter, ofBase, between] = [wilson(after), wilson(base), differenceInterval(after, base)];
  return {
    cells: {
      tool: row.tool,
      traces_with_failure: after.of,
      escalated: after.count,
      rate: rateOf(after),
      rate_low: rounded(ofAfter.low),
      rate_high: rounded(ofAfter.high),
      traces_without_failure: base.of,
      base_escalated: base.count,
      base_rate: rateOf(base),
      base_low: rounded(ofBase.low),
      base_high: rounded(ofBase.high),
      lift: liftOf(after, base),
      difference_low: rounded(between.low),
      difference_high: rounded(between.high),
      reported: row.reported,
    },
    traces: [
      listing({ tool: row.tool, status: "failed", outcome: "escalated" }, span),
      listing({ tool: row.tool, status: "failed" }, span),
      listing({ tool: row.tool, status: "unknown" }, span),
    ],
  };
}

/** How many times the base rate; `null` where one of the two is not known or the base is none. */
function liftOf(after: Share, base: Share): number | null {
  if (after.of === 0 || base.of === 0 || base.count === 0) return null;
  return rounded(after.count / after.of / (base.count / base.of));
}

function releaseCost(row: ReleaseCost, span: Span): ReportRow {
  return {
    cells: {
      release: row.release,
      calls: row.calls,
      sessions: row.sessions,
      tasks: row.tasks,
      cost_usd: formatUsd(row.cost_micro_usd),
      cost_per_task_usd: row.tasks === 0 ? null : formatUsd(Math.round(row.task_cost_micro_usd / row.tasks)),
      input_tokens: row.input_tokens,
      output_tokens: row.output_tokens,
    },
    traces: row.release === null ? [] : [listing({ release: row.release }, span)],
  };
}

function ruleDenials(row: RuleDenials, span: Span): ReportRow {
  const found = row.rule === null ? { decision: "deny" } : { rule: row.rule, decision: "deny" };
  return {
    cells: {
      rule: row.rule,
      denials: row.denials,
      share: rateOf({ count: row.denials, of: row.all_denials }),
      actors: row.actors,
      subjects: row.subjects,
    },
    traces: [listing(found, span), `/v1/traces/${encodeURIComponent(row.trace_id)}`],
  };
}

function upstreamSpeed(row: UpstreamSpeed): ReportRow {
  const failures: Share = { count: row.failed, of: row.calls };
  const interval = wilson(failures);
  return {
    cells: {
      upstream: row.upstream,
      calls: row.calls,
      p50_ms: row.p50_ms,
      p95_ms: row.p95_ms,
      p99_ms: row.p99_ms,
      slowest_ms: row.slowest_ms,
      failed: row.failed,
      failure_rate: rateOf(failures),
      failure_low: rounded(interval.low),
      failure_high: rounded(interval.high),
    },
    traces: [`/v1/traces/${encodeURIComponent(row.slowest_trace_id)}`],
  };
}

function rateOf({ count, of }: Share): number | null {
  return of === 0 ? null : rounded(count / of);
}

/** Four decimals: more would suggest more than counts can tell. */
function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}

/** The listing of calls with these values within a span. */
function listing(filter: Readonly<Record<string, string>>, { from, to }: Span): string {
  const query = new URLSearchParams({
    ...filter,
    from: isoTime(from),
    to: isoTime(to - 1),
  });
  return `/v1/traces?${query.toString()}`;
}
