// Routes of suites and their runs: start one, see how far it is, read its report in every form, look at one case.
import * as z from "zod/mini";
import { suiteDigest } from "../../../core/eval/suite-digest.ts";
import { htmlOf } from "../../../core/eval/report/html.ts";
import { junitOf } from "../../../core/eval/report/junit.ts";
import { markdownOf } from "../../../core/eval/report/markdown.ts";
import type { RunReport } from "../../../core/eval/report/run-report.ts";
import { refuse, type Outcome } from "../../../core/errors.ts";
import { cancelRun, readRun, readRunCase, readRunDetails, type SeenRun } from "../../../gateway/evals/read-run.ts";
import { startRun } from "../../../gateway/evals/start-run.ts";
import { runAct } from "../../../core/trace/eval-act.ts";
import { recordAct } from "../../../gateway/record-act.ts";
import { deferOf, type HttpContext } from "../../context.ts";
import { problem } from "../errors.ts";
import { readPageQuery } from "../page-query.ts";
import { pathParameter, readBody, type ApiRoute, type Parameter } from "../route.ts";
import { tenantOf } from "../tenant.ts";
import { ProgressView, progressView, RunView, runView } from "./run-view.ts";

const text = z.string().check(z.minLength(1), z.maxLength(128));
const Start = z.strictObject({
  suite: text,
  candidate: z.prefault(
    z.strictObject({
      /** A release of the suite's agent, `live` or `canary`; live when left out. */
      release: z.optional(text),
      model: z.optional(text),
      route: z.optional(text),
      /** A version of a prompt, as `prompt@version`. */
      prompt: z.optional(text),
      /** A system text that no config has yet. */
      prompt_text: z.optional(z.string().check(z.minLength(1), z.maxLength(65_536))),
      tools: z.optional(z.array(text)),
      /** A published version, or a document, whose policy and tools are tested. */
      config_version: z.optional(z.int().check(z.gte(1))),
      config: z.optional(z.record(z.string(), z.unknown())),
    }),
    {},
  ),
  /** `recorded`, `live`, `previous` or a release; chosen by the candidate when left out. */
  baseline: z.optional(text),
  reason: z.optional(z.string().check(z.maxLength(500))),
  max_cases: z.optional(z.int().check(z.gte(1), z.lte(20_000))),
});

const Whole = z.object({
  ...RunView.shape,
  progress: ProgressView,
  report: z.nullable(z.record(z.string(), z.unknown())),
});
const ID: Parameter = { name: "id", in: "path", description: "A run", required: true };
const RUN_FOUND = { 200: { description: "The run", schema: Whole }, 404: { description: "No such run" } } as const;
const REPORT_OR_NOT = { 404: { description: "No such run" }, 409: { description: "The run is not over" } } as const;

/** The routes. */
export const runRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/evals/suites",
    operationId: "listSuites",
    summary: "List the suites of the active config, each with its newest run",
    tag: "evals",
    permission: "evals.read",
    responses: {
      200: { description: "The suites", schema: z.object({ data: z.array(z.record(z.string(), z.unknown())) }) },
    },
    answer: (c) => listSuites(c),
  },
  {
    method: "POST",
    path: "/v1/evals/runs",
    operationId: "startRun",
    summary: "Run a suite: replay its cases with a candidate and a baseline, grade both, and decide",
    tag: "evals",
    permission: "evals.write",
    body: Start,
    responses: {
      202: { description: "It was begun; `Location` says where it is seen", schema: RunView },
      400: { description: "A side comes to nothing, or both to the same; the field is named" },
      404: { description: "No such suite, dataset or config version" },
    },
    answer: (c) => start(c),
  },
  {
    method: "GET",
    path: "/v1/evals/runs",
    operationId: "listRuns",
    summary: "List runs, newest first",
    tag: "evals",
    permission: "evals.read",
    parameters: [
      { name: "suite", in: "query", description: "Of this suite alone" },
      { name: "cursor", in: "query", description: "The `next_cursor` of the page before" },
      { name: "limit", in: "query", description: "1 to 200; 50 when left out" },
    ],
    responses: {
      200: {
        description: "The runs",
        schema: z.object({ data: z.array(RunView), next_cursor: z.nullable(z.string()) }),
      },
    },
    answer: (c) => list(c),
  },
  {
    method: "GET",
    path: "/v1/evals/runs/:id",
    operationId: "getRun",
    summary: "Read a run: how far it is, and its report once it is over; as HTML or Markdown by `Accept`",
    tag: "evals",
    permission: "evals.read",
    parameters: [ID],
    responses: RUN_FOUND,
    answer: (c) => read(c),
  },
  {
    method: "GET",
    path: "/v1/evals/runs/:id/junit",
    operationId: "getRunJunit",
    summary: "Read a finished run as JUnit XML",
    tag: "evals",
    permission: "evals.read",
    parameters: [ID],
    responses: { 200: { description: "application/xml" }, ...REPORT_OR_NOT },
    answer: async (c) =>
      rendered(await finished(c), ({ run }, report) => ({
        type: "application/xml; charset=utf-8",
        text: junitOf(run, report),
      })),
  },
  {
    method: "GET",
    path: "/v1/evals/runs/:id/markdown",
    operationId: "getRunMarkdown",
    summary: "Read a finished run as Markdown, for a pull request",
    tag: "evals",
    permission: "evals.read",
    parameters: [ID],
    responses: { 200: { description: "text/markdown" }, ...REPORT_OR_NOT },
    answer: async (c) =>
      rendered(await finished(c), ({ run }, report) => ({
        type: "text/markdown; charset=utf-8",
        text: markdownOf(run, report),
      })),
  },
  {
    method: "GET",
    path: "/v1/evals/runs/:id/html",
    operationId: "getRunHtml",
    summary: "Read a finished run as one HTML file with charts, and the worst cases side by side",
    tag: "evals",
    permission: "evals.read",
    parameters: [ID],
    responses: { 200: { description: "text/html" }, ...REPORT_OR_NOT },
    answer: (c) => html(c),
  },
  {
    method: "GET",
    path: "/v1/evals/runs/:id/cases/:case",
    operationId: "getRunCase",
    summary: "Read one case of a run: what was recorded, and what both sides did and were graded",
    tag: "evals",
    permission: "evals.read",
    parameters: [ID, { name: "case", in: "path", description: "A finished case", required: true }],
    responses: {
      200: {
        description: "The case",
        schema: z.object({ id: z.string(), recorded: z.unknown(), candidate: z.unknown(), baseline: z.unknown() }),
      },
      404: { description: "No such finished case" },
    },
    answer: (c) => readCase(c),
  },
  {
    method: "POST",
    path: "/v1/evals/runs/:id/cancel",
    operationId: "cancelRun",
    summary: "End a run before its time: what is done of it stays",
    tag: "evals",
    permission: "evals.write",
    parameters: [ID],
    responses: { 200: { description: "How it stands", schema: RunView }, 404: { description: "No such run" } },
    answer: (c) => cancel(c),
  },
];

async function listSuites(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const { ports } = c.var.runtime;
  const config = await ports.configs.current(tenant.value);
  const document = config?.document;
  const suites = Object.entries(document?.evals.suites ?? {});
  const data = await Promise.all(
    suites.map(async ([suite, { description = null, agent, actor, dataset, mode, repeats, schedule, graders }]) => {
      const [last] = await ports.evalRuns.list(tenant.value, { suite, limit: 1 });
      return {
        name: suite,
        description,
        agent,
        actor,
        dataset,
        mode,
        repeats,
        graders: graders.map(({ id, kind, gate }) => ({ id, kind, gate })),
        schedule: schedule ?? null,
        digest: document === undefined ? null : (suiteDigest(document, suite) ?? null),
        last_run: last === undefined ? null : runView(last),
      };
    }),
  );
  return Response.json({ data });
}

async function start(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const body = await readBody(c, Start);
  if (!body.ok) return problem(body);
  const { runtime, principal } = c.var;
  const started = await startRun(runtime.ports, tenant.value, { ...body.value, trigger: "api", by: principal.keyId });
  if (!started.ok) return problem(started);
  recordAct(runtime.ports, runtime.recorder(deferOf(c)), runAct(started.value, "started", principal.keyId));
  return Response.json(runView(started.value), {
    status: 202,
    headers: { location: `/v1/evals/runs/${started.value.id}` },
  });
}

async function list(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const query = readPageQuery(c, { known: ["suite", "cursor", "limit"], statuses: [] });
  if (!query.ok) return problem(query);
  const { limit } = query.value;
  const suite = c.req.query("suite");
  const cursor = c.req.query("cursor");
  const runs = await c.var.runtime.ports.evalRuns.list(tenant.value, {
    limit,
    ...(suite === undefined ? {} : { suite }),
    ...(cursor === undefined ? {} : { before: Number(cursor) }),
  });
  return Response.json({
    data: runs.map(runView),
    next_cursor: runs.length < limit ? null : String(runs.at(-1)?.createdAt ?? ""),
  });
}

async function seen(c: HttpContext): Promise<Outcome<SeenRun>> {
  const tenant = await tenantOf(c);
  return tenant.ok ? readRun(c.var.runtime.ports, tenant.value, pathParameter(c, "id")) : tenant;
}

async function read(c: HttpContext): Promise<Response> {
  const accept = c.req.header("accept") ?? "";
  if (accept.startsWith("text/html")) return html(c);
  if (accept.startsWith("text/markdown"))
    return rendered(await finished(c), ({ run }, report) => ({
      type: "text/markdown; charset=utf-8",
      text: markdownOf(run, report),
    }));
  const found = await seen(c);
  if (!found.ok) return problem(found);
  const { run, progress, report } = found.value;
  return Response.json({ ...runView(run), progress: progressView(progress), report });
}

/** A run that is over, with its report. */
async function finished(c: HttpContext): Promise<Outcome<SeenRun & { readonly whole: RunReport }>> {
  const found = await seen(c);
  if (!found.ok) return found;
  const { run, report } = found.value;
  if (run.status !== "finished" || report === null)
    return refuse("run_not_over", `the run is ${run.status}: it has no report`);
  // Of our own making: its shape is known.
  return { ok: true, value: { ...found.value, whole: report as RunReport } };
}

function rendered(
  found: Outcome<SeenRun & { readonly whole: RunReport }>,
  render: (seen: SeenRun, report: RunReport) => { readonly type: string; readonly text: string },
): Response {
  if (!found.ok) return problem(found);
  const { type, text: body } = render(found.value, found.value.whole);
  return new Response(body, { headers: { "content-type": type, "x-content-type-options": "nosniff" } });
}

async function html(c: HttpContext): Promise<Response> {
  const found = await finished(c);
  if (!found.ok) return problem(found);
  const { run, whole } = found.value;
  const details = await readRunDetails(c.var.runtime.ports, run, whole);
  return new Response(htmlOf(run, whole, details), {
    headers: {
      "content-type": "text/html; charset=utf-8",
      // What models said stands in it as text: nothing of it may run, or be fetched.
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
    },
  });
}

async function readCase(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const found = await readRunCase(c.var.runtime.ports, tenant.value, {
    run: pathParameter(c, "id"),
    case: pathParameter(c, "case"),
  });
  if (!found.ok) return problem(found);
  const { finished: one, recorded, graded } = found.value;
  return Response.json({
    id: one.id,
    risk: one.risk,
    tags: one.tags,
    lost: one.result.lost,
    recorded: recorded ?? null,
    candidate: graded?.candidate ?? null,
    baseline: graded?.baseline ?? null,
  });
}

async function cancel(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const { runtime, principal } = c.var;
  const ended = await cancelRun(runtime.ports, tenant.value, pathParameter(c, "id"));
  if (!ended.ok) return problem(ended);
  if (ended.value.status === "cancelled")
    recordAct(runtime.ports, runtime.recorder(deferOf(c)), runAct(ended.value, "cancelled", principal.keyId));
  return Response.json(runView(ended.value));
}
