// Routes of outcomes: report how a trace turned out, and read what was reported.
import * as z from "zod/mini";
import { type Mistake } from "../../core/errors.ts";
import { isJsonObject } from "../../core/json/canonical.ts";
import { holdsPii } from "../../core/guard/pii.ts";
import { OUTCOMES, type ReportedOutcome } from "../../core/trace/outcome.ts";
import { isCallerId, type TraceId } from "../../core/units/identifier.ts";
import { reportOutcome } from "../../gateway/report-outcome.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { problem } from "./errors.ts";
import { namedTrace } from "./named-trace.ts";
import { readBody, refusedFor, type ApiRoute } from "./route.ts";

const MAX_NAMES = 32;
const MAX_LABEL = 200;
/** A reporter's clock may be ahead of ours by this much. */
const CLOCK_SKEW_MS = 60_000;

const name = z
  .string()
  .check(z.regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, "expected a letter, then letters, digits and `_.-`"));
const few = z.refine(
  (members: unknown) => isJsonObject(members) && Object.keys(members).length <= MAX_NAMES,
  `expected at most ${MAX_NAMES} names`,
);

const Report = z.strictObject({
  outcome: z._default(z.nullable(z.enum(OUTCOMES, `expected one of ${OUTCOMES.join(", ")}, or null`)), null),
  labels: z._default(z.record(name, z.string().check(z.minLength(1), z.maxLength(MAX_LABEL))).check(few), {}),
  scores: z._default(z.record(name, z.number()).check(few), {}),
  comment: z.optional(z.string().check(z.minLength(1), z.maxLength(4_000))),
  at: z.optional(z.iso.datetime({ offset: true, error: "expected an RFC 3339 time" })),
  source: z.optional(z.string().check(z.minLength(1), z.maxLength(64))),
  id: z.optional(z.string().check(z.refine(isCallerId, "expected 1 to 128 of letters, digits and `._:-`"))),
});
type Report = z.infer<typeof Report>;

const Reported = z.object({
  id: z.string(),
  trace_id: z.string(),
  outcome: z.nullable(z.string()),
  labels: z.record(z.string(), z.string()),
  scores: z.record(z.string(), z.number()),
  /** Masked. */
  comment: z.nullable(z.string()),
  source: z.nullable(z.string()),
  at: z.string(),
  reported_at: z.string(),
  reported_by: z.string(),
});

const ID = { name: "id", in: "path", description: "The trace id, `tr_…`", required: true } as const;

/** The routes. */
export const outcomeRoutes: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/v1/traces/:id/outcome",
    operationId: "reportOutcome",
    summary: "Report how a trace turned out: an outcome, labels, scores; now or long after",
    tag: "traces",
    permission: "traces.write",
    parameters: [ID],
    body: Report,
    responses: {
      201: { description: "It is kept, durably; the same id and body again answer the same", schema: Reported },
      400: { description: "A field is missing or wrong, or holds personal data where only a comment may" },
      422: { description: "The id names another report of this trace" },
      503: { description: "It is kept but could not be recorded: send it again with the id that is named" },
    },
    answer: (c) => post(c),
  },
  {
    method: "GET",
    path: "/v1/traces/:id/outcomes",
    operationId: "listOutcomes",
    summary: "Read what was reported of a trace, in the order in which it came about",
    tag: "traces",
    permission: "traces.read",
    parameters: [ID],
    responses: { 200: { description: "The reports", schema: z.object({ data: z.array(Reported) }) } },
    answer: (c) => list(c),
  },
];

async function post(c: HttpContext): Promise<Response> {
  const named = await namedTrace(c);
  if (!named.ok) return problem(named);
  const { tenant, trace } = named.value;
  const body = await readBody(c, Report);
  if (!body.ok) return problem(body);
  const { runtime } = c.var;
  const { ports } = runtime;
  const mistakes = mistakesIn(body.value, ports.system.now());
  if (mistakes.length > 0) return problem(refusedFor(mistakes));
  const { outcome, labels, scores, comment = null, source = null, at, id = null } = body.value;
  const kept = await reportOutcome(
    ports,
    {
      scope: { tenant, traceHex: trace.hex, by: c.var.principal.keyId },
      report: { outcome, labels, scores, comment, source, at: at === undefined ? null : Date.parse(at), id },
    },
    runtime.recorder(deferOf(c)),
  );
  return kept.ok ? Response.json(view(trace, kept.value), { status: 201 }) : problem(kept);
}

async function list(c: HttpContext): Promise<Response> {
  const named = await namedTrace(c);
  if (!named.ok) return problem(named);
  const { tenant, trace } = named.value;
  const found = await c.var.runtime.ports.outcomes.outcomesOf(tenant, [trace.hex]);
  return Response.json({ data: (found.get(trace.hex) ?? []).map((each) => view(trace, each)) });
}

/** What the shape alone does not say: something is reported, it is not to come, and only the comment, which is masked, may be personal. */
function mistakesIn({ outcome, labels, scores, source, id, at }: Report, now: number): readonly Mistake[] {
  const isEmpty = outcome === null && Object.keys(labels).length + Object.keys(scores).length === 0;
  const personal = holdsPii({ labels, scores, source: source ?? "", id: id ?? "" });
  return [
    ...(isEmpty ? [{ path: "outcome", message: "expected an outcome, a label or a score" }] : []),
    ...(at !== undefined && Date.parse(at) > now + CLOCK_SKEW_MS
      ? [{ path: "at", message: "expected a time that has come" }]
      : []),
    ...(personal === undefined
      ? []
      : [{ path: personal.path, message: `holds personal data (${personal.kind}): only the comment is masked` }]),
  ];
}

function view(trace: TraceId, kept: ReportedOutcome): z.infer<typeof Reported> {
  return {
    id: kept.id,
    trace_id: trace.shown,
    outcome: kept.outcome,
    labels: { ...kept.labels },
    scores: { ...kept.scores },
    comment: kept.comment,
    source: kept.source,
    at: new Date(kept.at).toISOString(),
    reported_at: new Date(kept.recorded_at).toISOString(),
    reported_by: kept.recorded_by,
  };
}
