// Routes of people's words: the queue of audits, labels, adjudication; and how judges stand against them.
import * as z from "zod/mini";
import { AUDIT_STATUSES, type Audit } from "../../../core/eval/audit/audit.ts";
import { readAudit, sayToAudit, type SeenAudit } from "../../../gateway/evals/audits.ts";
import { calibrateJudge, namedJudge, readStanding } from "../../../gateway/evals/judge-standing.ts";
import { deferOf, type HttpContext } from "../../context.ts";
import { problem } from "../errors.ts";
import { readPageQuery } from "../page-query.ts";
import { pathParameter, readBody, refusedFor, type ApiRoute, type Parameter } from "../route.ts";
import { tenantOf } from "../tenant.ts";

const Label = z.strictObject({
  label: z.string().check(z.minLength(1), z.maxLength(64)),
  note: z.optional(z.string().check(z.minLength(1), z.maxLength(2_000))),
});

const Adjudication = z.strictObject({
  label: Label.shape.label,
  note: z.string().check(z.trim(), z.minLength(1, "expected a reason"), z.maxLength(2_000)),
});

const AuditView = z.object({
  id: z.string(),
  run: z.string(),
  case: z.string(),
  judge: z.string(),
  rubric_version: z.string(),
  status: z.enum(AUDIT_STATUSES),
  priority: z.int(),
  random: z.boolean(),
  labels: z.int(),
  settled: z.nullable(z.string()),
  created_at: z.string(),
  settled_at: z.nullable(z.string()),
});
const ID: Parameter = { name: "id", in: "path", description: "An audit", required: true };
const JUDGE: Parameter = { name: "id", in: "path", description: "A judge of the config", required: true };
const SAID = {
  200: { description: "How the audit stands", schema: AuditView },
  400: { description: "The rubric has no such label" },
  404: { description: "No such audit" },
  409: { description: "It is settled, or takes another person's word" },
} as const;

/** The routes. */
export const peopleRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/evals/audits",
    operationId: "listAudits",
    summary: "List judgements that people are asked about, the most urgent first",
    tag: "evals",
    permission: "evals.read",
    parameters: [
      { name: "status", in: "query", description: AUDIT_STATUSES.join(", ") },
      { name: "judge", in: "query", description: "Of this judge alone" },
      { name: "cursor", in: "query", description: "The `next_cursor` of the page before" },
      { name: "limit", in: "query", description: "1 to 200; 50 when left out" },
    ],
    responses: {
      200: {
        description: "The audits",
        schema: z.object({ data: z.array(AuditView), next_cursor: z.nullable(z.string()) }),
      },
      400: { description: "A parameter is unknown or out of range" },
    },
    answer: (c) => list(c),
  },
  {
    method: "GET",
    path: "/v1/evals/audits/:id",
    operationId: "getAudit",
    summary:
      "Read an audit: the rubric and what is to be judged; what people said once it is disputed, what the judge said once it is settled",
    tag: "evals",
    permission: "evals.read",
    parameters: [ID],
    responses: {
      200: {
        description: "The audit",
        schema: z.object({
          ...AuditView.shape,
          rubric: z.string(),
          choices: z.array(z.string()),
          shown: z.nullable(z.string()),
          judged: z.nullable(z.string()),
          said: z.array(z.object({ label: z.string(), note: z.nullable(z.string()), is_adjudication: z.boolean() })),
        }),
      },
      404: { description: "No such audit" },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const found = await readAudit(c.var.runtime.ports, tenant.value, pathParameter(c, "id"));
      return found.ok ? Response.json(whole(found.value)) : problem(found);
    },
  },
  {
    method: "POST",
    path: "/v1/evals/audits/:id/labels",
    operationId: "labelAudit",
    summary: "Say your word on a judgement, without having seen the judge's: two people who agree settle it",
    tag: "evals",
    permission: "evals.label",
    parameters: [ID],
    body: Label,
    responses: SAID,
    answer: (c) => say(c, false),
  },
  {
    method: "POST",
    path: "/v1/evals/audits/:id/adjudicate",
    operationId: "adjudicateAudit",
    summary: "Settle what two people dispute, as a third, and say why",
    tag: "evals",
    permission: "evals.label",
    parameters: [ID],
    body: Adjudication,
    responses: SAID,
    answer: (c) => say(c, true),
  },
  {
    method: "GET",
    path: "/v1/evals/judges",
    operationId: "listJudges",
    summary: "List the judges of the active config, and how each stands",
    tag: "evals",
    permission: "evals.read",
    responses: {
      200: { description: "The judges", schema: z.object({ data: z.array(z.record(z.string(), z.unknown())) }) },
    },
    answer: (c) => listJudges(c),
  },
  {
    method: "GET",
    path: "/v1/evals/judges/:id/calibration",
    operationId: "getCalibration",
    summary: "Read how a judge stands, and what it was calibrated to",
    tag: "evals",
    permission: "evals.read",
    parameters: [JUDGE],
    responses: {
      200: {
        description: "Its standing and its calibrations, newest first",
        schema: z.record(z.string(), z.unknown()),
      },
      404: { description: "No such judge" },
    },
    answer: (c) => readCalibration(c),
  },
  {
    method: "POST",
    path: "/v1/evals/judges/:id/calibration",
    operationId: "calibrateJudge",
    summary: "Calibrate a judge on what people have settled of it",
    tag: "evals",
    permission: "evals.write",
    parameters: [JUDGE],
    responses: {
      200: {
        description: "Kappa with its interval, the confusion matrix, rates",
        schema: z.record(z.string(), z.unknown()),
      },
      404: { description: "No such judge" },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const { runtime, principal } = c.var;
      const asked = { tenant: tenant.value, judge: pathParameter(c, "id"), by: principal.keyId };
      const done = await calibrateJudge(runtime.ports, asked, runtime.recorder(deferOf(c)));
      return done.ok ? Response.json(done.value) : problem(done);
    },
  },
];

async function list(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const query = readPageQuery(c, { known: ["status", "judge", "cursor", "limit", "tenant"], statuses: AUDIT_STATUSES });
  if (!query.ok) return problem(query);
  const { limit, status } = query.value;
  const judge = c.req.query("judge");
  const cursor = c.req.query("cursor");
  const after = cursor === undefined ? undefined : placeOf(cursor);
  if (cursor !== undefined && after === undefined)
    return problem(refusedFor([{ path: "cursor", message: "expected the `next_cursor` of a page" }]));
  const audits = await c.var.runtime.ports.evalPeople.list(tenant.value, {
    limit,
    ...(status === undefined ? {} : { status }),
    ...(judge === undefined ? {} : { judge }),
    ...(after === undefined ? {} : { after }),
  });
  const last = audits.at(-1);
  return Response.json({
    data: audits.map(view),
    next_cursor: audits.length < limit || last === undefined ? null : `${last.priority}~${last.id}`,
  });
}

function placeOf(cursor: string): { readonly priority: number; readonly id: string } | undefined {
  const [, priority, id] = /^(\d{1,4})~(aud_[0-9a-f]{1,64})$/.exec(cursor) ?? [];
  return priority === undefined || id === undefined ? undefined : { priority: Number(priority), id };
}

async function say(c: HttpContext, isAdjudication: boolean): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const body = await readBody(c, isAdjudication ? Adjudication : Label);
  if (!body.ok) return problem(body);
  const { runtime, principal } = c.var;
  const { label, note = null } = body.value;
  const said = { tenant: tenant.value, id: pathParameter(c, "id"), by: principal.keyId, label, note, isAdjudication };
  const audit = await sayToAudit(runtime.ports, said, runtime.recorder(deferOf(c)));
  return audit.ok ? Response.json(view(audit.value)) : problem(audit);
}

async function listJudges(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const { ports } = c.var.runtime;
  const config = await ports.configs.current(tenant.value);
  const names = Object.keys(config?.document.evals.judges ?? {});
  const data = await Promise.all(
    names.map(async (judge) => {
      const named = await namedJudge(ports, tenant.value, judge);
      if (!named.ok) return { judge };
      const { entry, digest } = named.value;
      const { standing } = await readStanding(ports, tenant.value, { judge, entry, digest });
      const { status, may_gate, says } = standing;
      return { judge, models: entry.models, rubric_version: entry.rubric.version, digest, status, may_gate, says };
    }),
  );
  return Response.json({ data });
}

async function readCalibration(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const { ports } = c.var.runtime;
  const judge = pathParameter(c, "id");
  const named = await namedJudge(ports, tenant.value, judge);
  if (!named.ok) return problem(named);
  const { standing } = await readStanding(ports, tenant.value, {
    judge,
    entry: named.value.entry,
    digest: named.value.digest,
  });
  const calibrations = await ports.evalPeople.calibrations(tenant.value, judge, 20);
  return Response.json({ ...standing, digest: named.value.digest, calibrations });
}

function view(audit: Audit): z.infer<typeof AuditView> {
  return {
    id: audit.id,
    run: audit.run,
    case: audit.caseId,
    judge: audit.judge,
    rubric_version: audit.rubricVersion,
    status: audit.status,
    priority: audit.priority,
    random: audit.isRandom,
    labels: audit.labels.length,
    settled: audit.settled,
    created_at: new Date(audit.createdAt).toISOString(),
    settled_at: audit.settledAt === null ? null : new Date(audit.settledAt).toISOString(),
  };
}

function whole({ audit, disclosed, labels, rubric, shown }: SeenAudit): object {
  // Neither side of the comparison is named: whoever labels must not know which one it is.
  return { ...view(audit), rubric, choices: labels, shown, ...disclosed };
}
