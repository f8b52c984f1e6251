// Touches the trace index in D1 with the ready questions: each reads the rows of its window once, by their numbers.
import * as z from "zod/mini";
import { firstIdAt } from "../../core/trace/row-id.ts";
import { LOOP_CALLS, LOOP_GAP_MS, type QuestionRows, type Questions } from "../../core/report/questions.ts";
import type { AskedWindow, Reports } from "../../gateway/ports/reports.ts";

/** ?1 the tenant, ?2 and ?3 the first number of the window and the first after it, ?4 how many rows are wanted. */
const WINDOW = "c.tenant = ?1 AND c.id >= CAST(?2 AS INTEGER) AND c.id < CAST(?3 AS INTEGER)";
const FAILING = "('failed', 'unknown', 'denied', 'refused', 'approval_denied')";
/** What a call comes to that was sent. */
const SENT = "('succeeded', 'failed', 'unknown', 'caller_left')";
const LISTED = 20;

/** The statement of each question. */
export const STATEMENTS: Readonly<Record<keyof Questions, string>> = {
  "retry-loops": `WITH steps AS (
  SELECT c.*, c.status IN ${FAILING} AS is_failing, LAG(c.started_at) OVER tool AS at_before, LAG(c.status IN ${FAILING}) OVER tool AS was_failing
  FROM calls c WHERE ${WINDOW} AND c.kind = 'execute_tool' AND c.status <> 'replayed'
  WINDOW tool AS (PARTITION BY c.session_id, c.subject ORDER BY c.id)),
runs AS (
  SELECT *, SUM(was_failing IS NOT 1 OR started_at - at_before > ${LOOP_GAP_MS}) OVER (PARTITION BY session_id, subject ORDER BY id) AS run
  FROM steps WHERE is_failing),
loops AS (
  SELECT session_id, subject AS tool, MIN(actor) AS actor, COUNT(*) AS calls, COALESCE(SUM(attempts), 0) AS attempts,
    json_group_array(DISTINCT status) AS statuses, MAX(error_code) AS error_code, MIN(started_at) AS first_at, MAX(started_at) AS last_at,
    SUM(cost_micro_usd) AS cost_micro_usd, MIN(trace_id) AS trace_id, MIN(id) AS first_id, MAX(id) AS last_id
  FROM runs GROUP BY session_id, subject, run HAVING COUNT(*) >= ${LOOP_CALLS} ORDER BY calls DESC, first_id LIMIT ?4)
SELECT l.session_id, l.tool, l.actor, l.calls, l.attempts, l.statuses, l.error_code, l.first_at, l.last_at, l.cost_micro_usd, l.trace_id,
  COUNT(c.id) AS model_calls, COALESCE(SUM(c.input_tokens + c.output_tokens), 0) AS model_tokens, COALESCE(SUM(c.cost_micro_usd), 0) AS model_cost_micro_usd
FROM loops l LEFT JOIN calls c ON c.id >= l.first_id AND c.id <= l.last_id AND c.tenant = ?1 AND c.session_id = l.session_id AND c.kind = 'chat'
GROUP BY l.first_id ORDER BY l.calls DESC, l.first_id`,

  "tool-failure-escalation": `WITH used AS (
  SELECT c.subject AS tool, c.trace_hex, MAX(c.status IN ('failed', 'unknown')) AS has_failed
  FROM calls c WHERE ${WINDOW} AND c.kind = 'execute_tool' AND c.status IN ${SENT} GROUP BY c.subject, c.trace_hex),
told AS (
  SELECT tool, has_failed, EXISTS (SELECT 1 FROM outcomes o WHERE o.tenant = ?1 AND o.trace_hex = used.trace_hex AND o.outcome = 'escalated') AS is_escalated,
    EXISTS (SELECT 1 FROM outcomes o WHERE o.tenant = ?1 AND o.trace_hex = used.trace_hex AND o.outcome IS NOT NULL) AS is_reported
  FROM used)
SELECT tool, SUM(has_failed) AS failed, SUM(has_failed AND is_escalated) AS failed_escalated, SUM(NOT has_failed) AS other,
  SUM(NOT has_failed AND is_escalated) AS other_escalated, SUM(is_reported) AS reported
FROM told GROUP BY tool HAVING failed > 0 ORDER BY failed_escalated DESC, failed DESC, tool LIMIT ?4`,

  "cost-by-release": `SELECT c.release, COUNT(*) AS calls, COUNT(DISTINCT c.session_id) AS sessions,
  COUNT(DISTINCT CASE WHEN c.task_id IS NOT NULL THEN c.session_id || char(10) || c.task_id END) AS tasks,
  SUM(c.cost_micro_usd) AS cost_micro_usd, SUM(CASE WHEN c.task_id IS NOT NULL THEN c.cost_micro_usd ELSE 0 END) AS task_cost_micro_usd,
  SUM(c.input_tokens) AS input_tokens, SUM(c.output_tokens) AS output_tokens
FROM calls c WHERE ${WINDOW} AND c.kind IN ('chat', 'embeddings', 'count_tokens', 'execute_tool', 'ledger') AND c.status <> 'replayed'
GROUP BY c.release ORDER BY cost_micro_usd DESC, calls DESC LIMIT ?4`,

  "denials-by-rule": `WITH denied AS MATERIALIZED (
  SELECT c.actor, c.subject, c.trace_id, c.rules FROM calls c WHERE ${WINDOW} AND c.decision = 'deny')
SELECT r.value AS rule, COUNT(*) AS denials, (SELECT COUNT(*) FROM denied) AS all_denials,
  json_group_array(DISTINCT d.actor) AS actors, json_group_array(DISTINCT d.subject) AS subjects, MAX(d.trace_id) AS trace_id
FROM denied d, json_each(CASE d.rules WHEN '[]' THEN '[null]' ELSE d.rules END) r
GROUP BY r.value ORDER BY denials DESC, rule LIMIT ?4`,

  "slowest-upstreams": `WITH placed AS (
  SELECT c.upstream, c.duration_ms, c.status, c.trace_id, ROW_NUMBER() OVER (PARTITION BY c.upstream ORDER BY c.duration_ms) AS place,
    COUNT(*) OVER (PARTITION BY c.upstream) AS calls
  FROM calls c WHERE ${WINDOW} AND c.upstream IS NOT NULL AND c.kind IN ('chat', 'embeddings', 'count_tokens', 'execute_tool') AND c.status IN ${SENT})
SELECT upstream, MAX(calls) AS calls, SUM(status IN ('failed', 'unknown')) AS failed,
  MIN(CASE WHEN place * 100 >= calls * 50 THEN duration_ms END) AS p50_ms, MIN(CASE WHEN place * 100 >= calls * 95 THEN duration_ms END) AS p95_ms,
  MIN(CASE WHEN place * 100 >= calls * 99 THEN duration_ms END) AS p99_ms, MAX(duration_ms) AS slowest_ms,
  MAX(CASE WHEN place = calls THEN trace_id END) AS slowest_trace_id
FROM placed GROUP BY upstream ORDER BY p95_ms DESC, calls DESC LIMIT ?4`,
};

const count = z.number();
const text = z.string();
const names = z.pipe(
  z.string(),
  z.transform((json: string) => z.array(z.string()).parse(JSON.parse(json)).toSorted().slice(0, LISTED)),
);

const ROWS: { readonly [Name in keyof Questions]: z.ZodMiniType<Questions[Name]> } = {
  "retry-loops": z.object({
    session_id: text,
    tool: text,
    actor: text,
    calls: count,
    attempts: count,
    statuses: names,
    error_code: z.nullable(text),
    first_at: count,
    last_at: count,
    cost_micro_usd: count,
    model_calls: count,
    model_tokens: count,
    model_cost_micro_usd: count,
    trace_id: text,
  }),
  "tool-failure-escalation": z.object({
    tool: text,
    failed: count,
    failed_escalated: count,
    other: count,
    other_escalated: count,
    reported: count,
  }),
  "cost-by-release": z.object({
    release: z.nullable(text),
    calls: count,
    sessions: count,
    tasks: count,
    cost_micro_usd: count,
    task_cost_micro_usd: count,
    input_tokens: count,
    output_tokens: count,
  }),
  "denials-by-rule": z.object({
    rule: z.nullable(text),
    denials: count,
    all_denials: count,
    actors: names,
    subjects: names,
    trace_id: text,
  }),
  "slowest-upstreams": z.object({
    upstream: text,
    calls: count,
    failed: count,
    p50_ms: count,
    p95_ms: count,
    p99_ms: count,
    slowest_ms: count,
    slowest_trace_id: text,
  }),
};

/** The ready questions over a D1 database. */
export function d1Reports(database: D1Database): Reports {
  return { ask: (name, window) => ask(database, name, window) };
}

async function ask<Name extends keyof Questions>(
  database: D1Database,
  name: Name,
  { tenant, from, to, limit }: AskedWindow,
): Promise<QuestionRows<Name>> {
  // Numbers of calls are larger than a double holds: they are bound as text.
  const bound = [tenant, String(firstIdAt(from)), String(firstIdAt(to)), limit];
  const { results } = await database
    .prepare(STATEMENTS[name])
    .bind(...bound)
    .all();
  const row: z.ZodMiniType<Questions[Name]> = ROWS[name];
  return results.map((each) => row.parse(each));
}
