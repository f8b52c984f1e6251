// Decides what each ready report asks of the recorded calls, as the rows that answer it.

/** Same session and tool, failing again and again. */
export interface RetryLoop {
  readonly session_id: string;
  readonly tool: string;
  readonly actor: string;
  /** Failing calls in a row, their attempts at the upstream, and what they cost. */
  readonly calls: number;
  readonly attempts: number;
  readonly statuses: readonly string[];
  readonly error_code: string | null;
  readonly first_at: number;
  readonly last_at: number;
  readonly cost_micro_usd: number;
  /** Model calls of the session from the loop's first call to its last. */
  readonly model_calls: number;
  readonly model_tokens: number;
  readonly model_cost_micro_usd: number;
  readonly trace_id: string;
}

/** Traces that used a tool, by whether it failed in them, and those of them that were escalated. */
export interface ToolEscalation {
  readonly tool: string;
  readonly failed: number;
  readonly failed_escalated: number;
  readonly other: number;
  readonly other_escalated: number;
  /** Traces of these with any reported outcome. */
  readonly reported: number;
}

/** What a release came to. */
export interface ReleaseCost {
  /** `null` where callers named none. */
  readonly release: string | null;
  readonly calls: number;
  readonly sessions: number;
  readonly tasks: number;
  readonly cost_micro_usd: number;
  /** Of the calls that belong to a task. */
  readonly task_cost_micro_usd: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

/** Calls that a rule denied. */
export interface RuleDenials {
  /** `null` where the decision named none. */
  readonly rule: string | null;
  readonly denials: number;
  readonly all_denials: number;
  readonly actors: readonly string[];
  readonly subjects: readonly string[];
  readonly trace_id: string;
}

/** Durations of an upstream's calls, by nearest rank over every row of the window. */
export interface UpstreamSpeed {
  readonly upstream: string;
  readonly calls: number;
  readonly failed: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
  readonly slowest_ms: number;
  readonly slowest_trace_id: string;
}

/** Every question by the name of its report. */
export interface Questions {
  readonly "retry-loops": RetryLoop;
  readonly "tool-failure-escalation": ToolEscalation;
  readonly "cost-by-release": ReleaseCost;
  readonly "denials-by-rule": RuleDenials;
  readonly "slowest-upstreams": UpstreamSpeed;
}

/** The rows that answer a question. */
export type QuestionRows<Name extends keyof Questions> = readonly Questions[Name][];

/** Names of the ready reports. */
export const REPORT_NAMES = [
  "retry-loops",
  "tool-failure-escalation",
  "cost-by-release",
  "denials-by-rule",
  "slowest-upstreams",
] as const satisfies readonly (keyof Questions)[];

/** Failing calls of one tool in one session that make a loop. */
export const LOOP_CALLS = 3;
/** A longer silence between two of them ends it. */
export const LOOP_GAP_MS = 600_000;
