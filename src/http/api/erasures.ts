// Routes of erasures: asked for by an admin, carried out behind the answer, each with a receipt.
import * as z from "zod/mini";
import { ERASED_KINDS, ERASURE_SCOPES, ERASURE_STATUSES, type Erasure } from "../../core/trace/erasure.ts";
import { requestErasure } from "../../gateway/erasing/request-erasure.ts";
import { deferOf } from "../context.ts";
import { notFound, problem } from "./errors.ts";
import { pathParameter, readBody, type ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const text = z.string().check(z.minLength(1), z.maxLength(256));
const NewErasure = z.strictObject({
  scope: z.enum(ERASURE_SCOPES),
  session: z.optional(text),
  /** In clear, as `Interlock-User` names them. */
  user: z.optional(text),
  reason: z.optional(z.string().check(z.maxLength(1_000))),
});
const Receipt = z.object({
  id: z.string(),
  scope: z.enum(ERASURE_SCOPES),
  /** The session or the masked user; a digest of it once all is erased. */
  subject: z.nullable(z.string()),
  reason: z.nullable(z.string()),
  status: z.enum(ERASURE_STATUSES),
  requested_at: z.string(),
  requested_by: z.string(),
  finished_at: z.nullable(z.string()),
  pass: z.int(),
  next_pass_at: z.nullable(z.string()),
  counts: z.partialRecord(z.enum(ERASED_KINDS), z.int()),
  left: z.array(z.object({ kind: z.string(), id: z.string(), why: z.string(), until: z.optional(z.string()) })),
});

/** The routes. */
export const erasureRoutes: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/v1/erasures",
    operationId: "createErasure",
    summary: "Erase the records of a tenant, a session or an end user that began before now",
    tag: "erasures",
    permission: "traces.erase",
    body: NewErasure,
    responses: { 202: { description: "It is written down and will be carried out", schema: Receipt } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const body = await readBody(c, NewErasure);
      if (!body.ok) return problem(body);
      const { runtime } = c.var;
      const { reason = null, ...asked } = body.value;
      const ask = { ...asked, reason, tenant: tenant.value, by: c.var.principal.keyId };
      const erasure = await requestErasure(runtime.ports, runtime.recorder(deferOf(c)), ask);
      return erasure.ok ? Response.json(shown(erasure.value), { status: 202 }) : problem(erasure);
    },
  },
  {
    method: "GET",
    path: "/v1/erasures",
    operationId: "listErasures",
    summary: "List the tenant's erasures, newest first",
    tag: "erasures",
    permission: "traces.erase",
    responses: { 200: { description: "At most 200 erasures", schema: z.object({ data: z.array(Receipt) }) } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      return Response.json({ data: (await c.var.runtime.ports.erasures.list(tenant.value)).map(shown) });
    },
  },
  {
    method: "GET",
    path: "/v1/erasures/:id",
    operationId: "getErasure",
    summary: "Read an erasure's receipt",
    tag: "erasures",
    permission: "traces.erase",
    parameters: [{ name: "id", in: "path", description: "The erasure's id, `er_…`", required: true }],
    responses: { 200: { description: "The receipt", schema: Receipt }, 404: { description: "No such erasure" } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const id = pathParameter(c, "id");
      const erasure = await c.var.runtime.ports.erasures.get(tenant.value, id);
      return erasure === undefined ? notFound(`erasure "${id}"`) : Response.json(shown(erasure));
    },
  },
];

function shown(erasure: Erasure): z.infer<typeof Receipt> {
  const { progress, receipt, finishedAt } = erasure;
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    id: erasure.id,
    scope: erasure.scope,
    subject: erasure.subject,
    reason: erasure.reason,
    status: erasure.status,
    requested_at: time(erasure.requestedAt),
    requested_by: erasure.requestedBy,
    finished_at: finishedAt === null ? null : time(finishedAt),
    pass: progress.pass,
    next_pass_at: erasure.status === "waiting" ? time(progress.not_before) : null,
    counts: receipt.counts,
    left: receipt.left.map(({ until, ...rest }) => (until === undefined ? rest : { ...rest, until: time(until) })),
  };
}
