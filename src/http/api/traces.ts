// Routes of recorded calls: found by filters, read whole.
import * as z from "zod/mini";
import { accept, refuse, type Mistake, type Outcome } from "../../core/errors.ts";
import { didYouMean } from "../../core/config/mistakes.ts";
import { EFFECTS } from "../../core/policy/decision.ts";
import { SEMCONV_SCHEMA_URL } from "../../core/trace/attributes.ts";
import { isOfTool } from "../../core/trace/facets.ts";
import { readTerms } from "../../core/trace/full-text.ts";
import { OUTCOMES } from "../../core/trace/outcome.ts";
import { isModelKind, RECORD_KINDS, type IndexRow, type TraceRecord } from "../../core/trace/record.ts";
import { formatUsd, parseUsd } from "../../core/units/money.ts";
import { readTrace } from "../../gateway/read-trace.ts";
import { userToken } from "../../gateway/user-token.ts";
import type { TraceFilter } from "../../gateway/ports/trace-store.ts";
import type { HttpContext } from "../context.ts";
import { notFound, problem } from "./errors.ts";
import { namedTrace } from "./named-trace.ts";
import { type ApiRoute, type Parameter } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const Call = z.object({
  trace_id: z.string(),
  span_id: z.string(),
  kind: z.string(),
  session_id: z.string(),
  task_id: z.nullable(z.string()),
  actor: z.string(),
  tool: z.nullable(z.string()),
  model: z.nullable(z.string()),
  status: z.string(),
  decision: z.string(),
  error_code: z.nullable(z.string()),
  policy_version: z.string(),
  cost_usd: z.string(),
  input_tokens: z.int(),
  output_tokens: z.int(),
  release: z.nullable(z.string()),
  user: z.nullable(z.string()),
  rules: z.array(z.string()),
  upstream: z.nullable(z.string()),
  attempts: z.nullable(z.int()),
  seq: z.nullable(z.int()),
  tool_call_id: z.nullable(z.string()),
  started_at: z.string(),
  duration_ms: z.int(),
});
const Span = z.object({
  span_id: z.string(),
  parent_span_id: z.nullable(z.string()),
  name: z.string(),
  kind: z.string(),
  start_time: z.string(),
  end_time: z.string(),
  status: z.string(),
  attributes: z.record(z.string(), z.unknown()),
});
/** A trace as it is shown. */
export const Trace = z.object({
  trace_id: z.string(),
  /** The semantic conventions that the `gen_ai.*` attributes follow. */
  schema_url: z.string(),
  sessions: z.array(z.string()),
  calls: z.array(Call),
  spans: z.array(Span),
  payloads: z.array(
    z.object({ span_id: z.string(), name: z.string(), content_type: z.string(), body: z.nullable(z.string()) }),
  ),
  cost_usd: z.string(),
});

const QUERY = [
  "actor",
  "session",
  "tool",
  "model",
  "decision",
  "status",
  "task",
  "user",
  "kind",
  "release",
  "rule",
  "outcome",
  "q",
  "from",
  "to",
  "min_cost_usd",
  "limit",
  "cursor",
  "tenant",
];
const CALL_STATUSES = ["succeeded", "failed", "denied", "refused", "unknown", "caller_left", "replayed"];
const WAITING_STATUSES = ["drafted", "pending_approval", "approval_denied", "approval_expired", "approval_withdrawn"];
const ACT_STATUSES = ["approved", "withdrawn", "expired", "set", "cleared", "paused", "resumed", "ended", "requested"];
const FORESEEN_STATUSES = ["would_execute", "would_draft", "would_wait_for_approval", "would_refuse"];
const STATUSES = [...CALL_STATUSES, ...WAITING_STATUSES, ...ACT_STATUSES, ...FORESEEN_STATUSES];
const FILTERS = ["actor", "session", "task", "user", "tool", "model", "release", "rule"] as const;
const query = (name: string, description: string): Parameter => ({
  name,
  in: "query",
  description,
});

/** The filters of a search, and where it goes on. */
export const SEARCH_PARAMETERS: readonly Parameter[] = [
  query("decision", `Only calls with this decision: ${EFFECTS.join(", ")}`),
  query("status", `Only calls with this status: ${STATUSES.join(", ")}`),
  ...FILTERS.map((name) => query(name, `Only calls with this ${name}`)),
  query("kind", `Only records of this kind: ${RECORD_KINDS.join(", ")}`),
  query("outcome", `Only calls of traces with this reported outcome: ${OUTCOMES.join(", ")}`),
  query("q", 'Words, "phrases" and prefix* that must all occur in the masked text; at most ten'),
  query("from", "RFC 3339 time or epoch milliseconds, inclusive"),
  query("to", "RFC 3339 time or epoch milliseconds, inclusive"),
  query("min_cost_usd", "Only calls that cost at least this"),
  query("cursor", "`next_cursor` of the page before"),
];

/** The routes. */
export const traceRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/traces",
    operationId: "listTraces",
    summary: "Find recorded calls, newest first",
    tag: "traces",
    permission: "traces.read",
    parameters: [...SEARCH_PARAMETERS, query("limit", "1 to 200, 50 when left out")],
    responses: {
      200: {
        description: "One page of calls",
        schema: z.object({ data: z.array(Call), next_cursor: z.nullable(z.string()) }),
      },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const filter = readFilter(c);
      if (!filter.ok) return problem(filter);
      const { ports } = c.var.runtime;
      const { user, ...rest } = filter.value;
      const asked = user === undefined ? rest : { ...rest, user: await userToken(ports, tenant.value, user) };
      const page = await ports.index.list(tenant.value, asked);
      return Response.json({ data: page.rows.map(shownCall), next_cursor: page.nextCursor });
    },
  },
  {
    method: "GET",
    path: "/v1/traces/:id",
    operationId: "getTrace",
    summary: "Read a trace whole: calls, spans and payloads",
    tag: "traces",
    permission: "traces.read",
    parameters: [{ name: "id", in: "path", description: "The trace id, `tr_…`", required: true }],
    responses: {
      200: { description: "The trace", schema: Trace },
      404: { description: "Nothing of it is stored (yet: records arrive within seconds)" },
    },
    answer: async (c) => {
      const named = await namedTrace(c);
      if (!named.ok) return problem(named);
      const { tenant, trace, asked } = named.value;
      const records = await readTrace(c.var.runtime.ports, tenant, trace.hex);
      return records.length === 0 ? notFound(`trace "${asked}"`) : Response.json(shownTrace(trace.shown, records));
    },
  },
];

/** The filter that a request asks for; `more` names further parameters it may have. Refuses `invalid_request` with every mistake. */
export function readFilter(c: HttpContext, more: readonly string[] = []): Outcome<TraceFilter> {
  const mistakes: Mistake[] = Object.keys(c.req.query())
    .filter((name) => !QUERY.includes(name) && !more.includes(name))
    .map((name) => ({ path: name, message: `unknown filter${didYouMean(name, QUERY)}` }));
  const read = <T>(
    name: string,
    parse: (text: string) => T | undefined,
    expected: string,
  ): Readonly<Record<string, T>> => {
    const text = c.req.query(name);
    if (text === undefined) return {};
    const value = parse(text);
    if (value !== undefined) return { [FIELD_OF[name] ?? name]: value };
    mistakes.push({ path: name, message: expected });
    return {};
  };
  const filter: TraceFilter = {
    limit: 50,
    ...Object.fromEntries(FILTERS.flatMap((name) => Object.entries(read(name, (text) => text, "")))),
    ...read("decision", oneOf(EFFECTS), `expected one of ${EFFECTS.join(", ")}`),
    ...read("status", oneOf(STATUSES), `expected one of ${STATUSES.join(", ")}`),
    ...read("kind", oneOf(RECORD_KINDS), `expected one of ${RECORD_KINDS.join(", ")}`),
    ...read("outcome", oneOf(OUTCOMES), `expected one of ${OUTCOMES.join(", ")}`),
    ...read("q", readTerms, 'expected one to ten words, "phrases" or prefix*'),
    ...read("from", timeOf, "expected an RFC 3339 time or epoch milliseconds"),
    ...read("to", timeOf, "expected an RFC 3339 time or epoch milliseconds"),
    ...read("min_cost_usd", parseUsd, "expected dollars, at least 0"),
    ...read("limit", pageSizeOf, "expected a whole number from 1 to 200"),
    ...read(
      "cursor",
      (text) => (/^[A-Za-z0-9+/=]{8,128}$/.test(text) ? text : undefined),
      "expected the `next_cursor` of a page",
    ),
  };
  if (filter.tool !== undefined && filter.model !== undefined) {
    mistakes.push({ path: "tool", message: "expected either tool or model: a call has one of them" });
  }
  if (mistakes.length === 0) return accept(filter);
  return refuse("invalid_request", mistakes.map((mistake) => `${mistake.path}: ${mistake.message}`).join("; "), {
    mistakes,
  });
}

const FIELD_OF: Readonly<Record<string, string>> = { min_cost_usd: "minCostMicro", q: "terms" };

function oneOf(values: readonly string[]): (text: string) => string | undefined {
  return (text) => values.find((value) => value === text);
}

function pageSizeOf(text: string): number | undefined {
  return /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 200 ? Number(text) : undefined;
}

function timeOf(text: string): number | undefined {
  const at = /^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

function shownCall(row: IndexRow): z.infer<typeof Call> {
  return {
    trace_id: row.trace_id,
    span_id: row.span_id,
    kind: row.kind,
    session_id: row.session_id,
    task_id: row.task_id,
    actor: row.actor,
    tool: isOfTool(row) ? row.subject : null,
    model: isModelKind(row.kind) || row.kind === "ledger" ? row.subject : null,
    status: row.status,
    decision: row.decision,
    error_code: row.error_code,
    policy_version: row.policy_version,
    cost_usd: formatUsd(row.cost_micro_usd),
    input_tokens: row.input_tokens,
    output_tokens: row.output_tokens,
    release: row.release,
    user: row.user,
    rules: [...row.rules],
    upstream: row.upstream,
    attempts: row.attempts,
    seq: row.seq,
    tool_call_id: row.call_id,
    started_at: new Date(row.started_at).toISOString(),
    duration_ms: row.duration_ms,
  };
}

/** Records as one trace is shown. */
export function shownTrace(id: string, records: readonly TraceRecord[]): z.infer<typeof Trace> {
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    trace_id: id,
    schema_url: SEMCONV_SCHEMA_URL,
    sessions: [...new Set(records.map((record) => record.index.session_id))],
    calls: records.map((record) => shownCall(record.index)),
    spans: records.flatMap((record) =>
      record.spans.map(({ start_ms, end_ms, ...span }) => ({
        ...span,
        attributes: { ...span.attributes },
        start_time: time(start_ms),
        end_time: time(end_ms),
      })),
    ),
    payloads: records.flatMap((record) => record.payloads.map((payload) => ({ ...payload }))),
    cost_usd: formatUsd(records.reduce((sum, record) => sum + record.index.cost_micro_usd, 0)),
  };
}
