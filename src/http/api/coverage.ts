// Routes of what is recorded and what is not: coverage by the hour, dead letters, and sending those again.
import * as z from "zod/mini";
import { accept, type Outcome } from "../../core/errors.ts";
import { HOUR_MS } from "../../core/trace/admissions.ts";
import { MAX_COVERAGE_MS, SETTLED_AFTER_MS, totalOf, type HourCoverage } from "../../core/trace/coverage.ts";
import { readCoverage } from "../../gateway/read-coverage.ts";
import { retellGaps } from "../../gateway/retell-gaps.ts";
import { MAX_REDRIVEN, redriveLetters } from "../../gateway/redrive-letters.ts";
import type { ParkedLetter } from "../../gateway/ports/coverage.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { problem } from "./errors.ts";
import { unknownParameters } from "./page-query.ts";
import { readPageQuery } from "./page-query.ts";
import { readOptionalBody, refusedFor, type ApiRoute, type Parameter } from "./route.ts";
import { tenantOf } from "./tenant.ts";

/** Missing calls that are named for one hour; their number is always exact. */
const MAX_NAMED = 500;
const DAY_MS = 24 * HOUR_MS;

const Figures = {
  admitted: z.int(),
  stored: z.int(),
  missing: z.int(),
  coverage: z.nullable(z.number()),
  settled: z.boolean(),
};
const MissingCall = z.object({
  session_id: z.string(),
  seq: z.int(),
  kind: z.string(),
  tool_call_id: z.nullable(z.string()),
  span_id: z.string(),
  trace_id: z.string(),
  admitted_at: z.string(),
});
const Uncertain = z.object({ session_id: z.string(), from_seq: z.int(), to_seq: z.int(), recorded: z.int() });
const Hour = z.object({
  hour: z.string(),
  ...Figures,
  missing_calls: z.array(MissingCall),
  uncertain: z.array(Uncertain),
});
const Coverage = z.object({
  from: z.string(),
  to: z.string(),
  settled_after_minutes: z.int(),
  total: z.object(Figures),
  data: z.array(Hour),
});

const Letter = z.object({
  id: z.string(),
  tenant: z.nullable(z.string()),
  reason: z.string(),
  lines: z.int(),
  bytes: z.int(),
  sent_at: z.string(),
  parked_at: z.string(),
});
const Redrive = z.strictObject({
  limit: z._default(z.int().check(z.minimum(1), z.maximum(MAX_REDRIVEN)), MAX_REDRIVEN),
});
const Redriven = z.object({ sent: z.int(), has_more: z.boolean() });

const Retelling = z.strictObject({
  /** Hours that are not settled too: what is still on its way would be recorded twice. */
  unsettled: z._default(z.boolean(), false),
});
const Retold = z.object({ retold: z.int(), untold: z.int(), has_more: z.boolean() });

const SPAN_PARAMETERS: readonly Parameter[] = [
  {
    name: "from",
    in: "query",
    description: "RFC 3339 time or epoch milliseconds; 24 hours before `to` when left out",
  },
  {
    name: "to",
    in: "query",
    description: "RFC 3339 time or epoch milliseconds, at most 48 hours later; now when left out",
  },
];

/** The routes. */
export const coverageRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/coverage",
    operationId: "getCoverage",
    summary: "Compare the calls that sessions admitted with those that are recorded, hour by hour",
    tag: "traces",
    permission: "reports.read",
    parameters: SPAN_PARAMETERS,
    responses: {
      200: { description: "Every hour that has a part in the span, oldest first", schema: Coverage },
      400: { description: "The span is empty or longer than 48 hours" },
    },
    answer: (c) => getCoverage(c),
  },
  {
    method: "GET",
    path: "/v1/dead-letters",
    operationId: "listDeadLetters",
    summary: "List messages of the trace queue that could not be stored and are parked",
    tag: "traces",
    permission: "reports.read",
    parameters: [
      { name: "limit", in: "query", description: "1 to 200, 50 when left out" },
      { name: "cursor", in: "query", description: "`next_cursor` of the page before" },
    ],
    responses: {
      200: {
        description: "One page of letters; the root key that names no tenant sees those of all and of none",
        schema: z.object({ data: z.array(Letter), next_cursor: z.nullable(z.string()) }),
      },
    },
    answer: (c) => listLetters(c),
  },
  {
    method: "POST",
    path: "/v1/dead-letters/redrive",
    operationId: "redriveDeadLetters",
    summary: "Send parked messages back to the trace queue; what was stored already is not stored twice",
    tag: "traces",
    permission: "traces.redrive",
    body: Redrive,
    responses: { 200: { description: "How many were sent, and whether more are parked", schema: Redriven } },
    answer: (c) => redrive(c),
  },
  {
    method: "POST",
    path: "/v1/coverage/retell",
    operationId: "retellGaps",
    summary: "Record missing tool calls again, from what their own objects know",
    tag: "traces",
    permission: "traces.redrive",
    parameters: SPAN_PARAMETERS,
    body: Retelling,
    responses: {
      200: { description: "How many were told again, and how many nothing can tell", schema: Retold },
      412: { description: "Dead letters are parked: send those again first" },
    },
    answer: (c) => retell(c),
  },
];

async function retell(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const { runtime } = c.var;
  const span = readSpan(c, runtime.ports.system.now());
  if (!span.ok) return problem(span);
  const body = await readOptionalBody(c, Retelling);
  if (!body.ok) return problem(body);
  const order = { tenant: tenant.value, ...span.value, isEarly: body.value.unsettled };
  const done = await retellGaps(runtime.ports, runtime.recorder(deferOf(c)), order);
  if (!done.ok) return problem(done);
  const { retold, untold, hasMore } = done.value;
  return Response.json({ retold, untold, has_more: hasMore });
}

async function getCoverage(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const { ports } = c.var.runtime;
  const span = readSpan(c, ports.system.now());
  if (!span.ok) return problem(span);
  const hours = await readCoverage(ports, tenant.value, span.value);
  const total = totalOf(hours);
  return Response.json({
    from: timeOf(span.value.from),
    to: timeOf(span.value.to),
    settled_after_minutes: SETTLED_AFTER_MS / 60_000,
    total: figuresOf(total),
    data: hours.map(hourView),
  } satisfies z.infer<typeof Coverage>);
}

const SPAN = ["from", "to", "tenant"];

/** The span that is asked for, in epoch milliseconds. */
function readSpan(c: HttpContext, now: number): Outcome<{ readonly from: number; readonly to: number }> {
  const asked = c.req.query();
  const mistakes = unknownParameters(c, SPAN);
  const to = instantOf(asked["to"]) ?? now;
  const from = instantOf(asked["from"]) ?? to - DAY_MS;
  const expected = "expected an RFC 3339 time or epoch milliseconds";
  if (Number.isNaN(to)) mistakes.push({ path: "to", message: expected });
  if (Number.isNaN(from) && !Number.isNaN(to)) mistakes.push({ path: "from", message: expected });
  if (from >= to) mistakes.push({ path: "from", message: "expected a time before `to`" });
  if (to - from > MAX_COVERAGE_MS)
    mistakes.push({ path: "from", message: "expected at most 48 hours before `to`: ask for a longer span in parts" });
  return mistakes.length === 0 ? accept({ from, to }) : refusedFor(mistakes);
}

/** The instant of a text: `undefined` for none, NaN for one that names none. */
function instantOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const at = /^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text);
  return Math.abs(at) <= 8.64e15 ? at : Number.NaN;
}

function figuresOf({
  admitted,
  stored,
  missingCount,
  coverage,
  isSettled,
}: Pick<HourCoverage, "admitted" | "stored" | "missingCount" | "coverage" | "isSettled">): {
  readonly [name in keyof typeof Figures]: z.infer<(typeof Figures)[name]>;
} {
  return { admitted, stored, missing: missingCount, coverage, settled: isSettled };
}

function hourView(hour: HourCoverage): z.infer<typeof Hour> {
  return {
    hour: timeOf(hour.hour),
    ...figuresOf(hour),
    missing_calls: hour.missing.slice(0, MAX_NAMED).map(({ session_id, seq, kind, ...call }) => ({
      session_id,
      seq,
      kind,
      tool_call_id: call.call_id,
      span_id: call.span_id,
      trace_id: `tr_${call.trace_hex}`,
      admitted_at: timeOf(call.at),
    })),
    uncertain: [...hour.uncertain],
  };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

async function listLetters(c: HttpContext): Promise<Response> {
  const whose = await whoseLetters(c);
  if (!whose.ok) return problem(whose);
  const query = readPageQuery(c, { known: ["limit", "cursor", "tenant"], statuses: [] });
  if (!query.ok) return problem(query);
  const cursor = c.req.query("cursor");
  const page = { limit: query.value.limit, ...(cursor === undefined ? {} : { cursor }) };
  const { letters, nextCursor } = await c.var.runtime.ports.deadLetters.list(whose.value, page);
  return Response.json({ data: letters.map(letterView), next_cursor: nextCursor });
}

/** Whose letters are meant: a tenant's, or everybody's for the root key that names none. */
async function whoseLetters(c: HttpContext): Promise<Outcome<string | undefined>> {
  const isUnnamed = c.req.header("interlock-tenant") === undefined && c.req.query("tenant") === undefined;
  return c.var.principal.isRoot && isUnnamed ? accept(undefined) : tenantOf(c);
}

function letterView({ sentAt, parkedAt, ...letter }: ParkedLetter): z.infer<typeof Letter> {
  return { ...letter, sent_at: timeOf(sentAt), parked_at: timeOf(parkedAt) };
}

async function redrive(c: HttpContext): Promise<Response> {
  const whose = await whoseLetters(c);
  if (!whose.ok) return problem(whose);
  const body = await readOptionalBody(c, Redrive);
  if (!body.ok) return problem(body);
  const { sent, hasMore } = await redriveLetters(c.var.runtime.ports, whose.value, body.value.limit);
  return Response.json({ sent, has_more: hasMore });
}
