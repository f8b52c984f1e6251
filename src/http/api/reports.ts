// Routes of reports: the ready questions over recorded calls, and what drifted in a week.
import * as z from "zod/mini";
import { didYouMean } from "../../core/config/mistakes.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { dayAt, lastClosedWeek, readWeek, type Week } from "../../core/drift/week.ts";
import { REPORT_NAMES, type Questions } from "../../core/report/questions.ts";
import { REPORTS, reportRows } from "../../core/report/report.ts";
import { readDrift } from "../../gateway/read-drift.ts";
import type { HttpContext } from "../context.ts";
import { problem } from "./errors.ts";
import { readInstant, unknownParameters } from "./page-query.ts";
import { pathParameter, refusedFor, type ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const DAY_MS = 86_400_000;
const MAX_DAYS = 92;
const DEFAULT_DAYS = 7;
const MAX_ROWS = 200;
const DEFAULT_ROWS = 20;

const cell = z.union([z.string(), z.number(), z.null(), z.array(z.string())]);
const Shown = z.object({
  report: z.string(),
  question: z.string(),
  /** What the answer is computed from, and how. */
  basis: z.string(),
  from: z.string(),
  to: z.string(),
  columns: z.array(z.object({ name: z.string(), title: z.string() })),
  /** Each row's cells by the names of the columns, and `traces`: where the calls behind it are found. */
  rows: z.array(z.catchall(z.object({ traces: z.array(z.string()) }), cell)),
  /** Whether there are more rows than `limit`. */
  has_more: z.boolean(),
});

const Distance = z.optional(z.object({ value: z.number(), threshold: z.number() }));
const Finding = z.object({
  id: z.string(),
  week: z.string(),
  against: z.string(),
  release: z.nullable(z.string()),
  kind: z.string(),
  subject: z.string(),
  metric: z.string(),
  calls: z.object({ before: z.int(), now: z.int() }),
  psi: Distance,
  ks: Distance,
  rate: z.optional(
    z.object({ before: z.number(), now: z.number(), low: z.number(), high: z.number(), threshold: z.number() }),
  ),
  drifted: z.boolean(),
});
const ShownDrift = z.object({
  week: z.string(),
  compared: z.array(Finding),
  too_few: z.array(z.object({ release: z.nullable(z.string()), kind: z.string(), subject: z.string() })),
});

/** The routes. */
export const reportRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/reports/drift",
    operationId: "readDrift",
    summary: "Compare a week's tokens, cost, latency, tool mix, refusals and masked data with the week before",
    tag: "reports",
    permission: "reports.read",
    parameters: [
      {
        name: "week",
        in: "query",
        description: "Such as `2026-W48`, or a date in it; the last closed week when left out",
      },
    ],
    responses: { 200: { description: "What was compared, what drifted first", schema: ShownDrift } },
    answer: (c) => drift(c),
  },
  {
    method: "GET",
    path: "/v1/reports/:name",
    operationId: "readReport",
    summary: `Answer a ready question: ${REPORT_NAMES.join(", ")}`,
    tag: "reports",
    permission: "reports.read",
    parameters: [
      { name: "name", in: "path", description: `One of ${REPORT_NAMES.join(", ")}`, required: true },
      { name: "from", in: "query", description: "RFC 3339 time; seven days before `to` when left out" },
      {
        name: "to",
        in: "query",
        description: "RFC 3339 time, excluded; now when left out. At most 92 days after `from`",
      },
      { name: "limit", in: "query", description: "Rows, 1 to 200; 20 when left out" },
    ],
    responses: {
      200: { description: "The question and its answer", schema: Shown },
      404: { description: "No such report" },
    },
    answer: (c) => report(c),
  },
];

async function report(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const asked = pathParameter(c, "name");
  const name = REPORT_NAMES.find((each) => each === asked);
  if (name === undefined) {
    const names = [...REPORT_NAMES, "drift"];
    return problem(
      refuse("not_found", `no report "${asked}"${didYouMean(asked, names)}; there are ${names.join(", ")}`),
    );
  }
  const { ports } = c.var.runtime;
  const window = readWindow(c, ports.system.now());
  return window.ok ? answer(c, name, { tenant: tenant.value, ...window.value }) : problem(window);
}

interface Window {
  readonly from: number;
  readonly to: number;
  readonly limit: number;
}

async function answer(
  c: HttpContext,
  name: keyof Questions,
  { tenant, from, to, limit }: Window & { readonly tenant: string },
): Promise<Response> {
  // One row more than is shown says whether there are more.
  const found = await c.var.runtime.ports.reports.ask(name, { tenant, from, to, limit: limit + 1 });
  const { question, basis, columns } = REPORTS[name];
  const rows = reportRows(name, found.slice(0, limit), { from, to });
  return Response.json({
    report: name,
    question,
    basis,
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    columns,
    rows: rows.map(({ cells, traces }) => ({ ...cells, traces })),
    has_more: found.length > limit,
  });
}

function readWindow(c: HttpContext, now: number): Outcome<Window> {
  const mistakes = unknownParameters(c, ["from", "to", "limit", "tenant"]);
  const to = readInstant(c, "to", { fallback: now, mistakes });
  const from = readInstant(c, "from", { fallback: to - DEFAULT_DAYS * DAY_MS, mistakes });
  const text = c.req.query("limit") ?? String(DEFAULT_ROWS);
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_ROWS)
    mistakes.push({ path: "limit", message: `expected a whole number from 1 to ${MAX_ROWS}` });
  if (from >= to) mistakes.push({ path: "from", message: "expected a time before `to`" });
  if (to - from > MAX_DAYS * DAY_MS)
    mistakes.push({ path: "from", message: `expected at most ${MAX_DAYS} days before \`to\`` });
  return mistakes.length === 0 ? accept({ from, to, limit }) : refusedFor(mistakes);
}

async function drift(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const week = weekOf(c);
  if (!week.ok) return problem(week);
  return Response.json(await readDrift(c.var.runtime.ports, tenant.value, week.value));
}

function weekOf(c: HttpContext): Outcome<Week> {
  const mistakes = unknownParameters(c, ["week", "tenant"]);
  const now = c.var.runtime.ports.system.now();
  const text = c.req.query("week");
  const week = text === undefined ? lastClosedWeek(now) : readWeek(text);
  if (week === undefined) mistakes.push({ path: "week", message: "expected a week such as `2026-W48`, or a date" });
  else if (week.firstDay > dayAt(now)) mistakes.push({ path: "week", message: "expected a week that has begun" });
  return week !== undefined && mistakes.length === 0 ? accept(week) : refusedFor(mistakes);
}
