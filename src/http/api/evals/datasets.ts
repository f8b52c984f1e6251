// Routes of datasets: cut from recorded work, imported, read, exported, removed.
import * as z from "zod/mini";
import { OUTCOMES } from "../../../core/trace/outcome.ts";
import type { Dataset } from "../../../core/eval/dataset-row.ts";
import { exportCases, IMPORT_FORMATS } from "../../../core/eval/dataset/import.ts";
import { ALLOCATIONS, SAMPLE_KEYS } from "../../../core/eval/dataset/sample.ts";
import { refuse, type Outcome } from "../../../core/errors.ts";
import { EFFECTS } from "../../../core/policy/decision.ts";
import { readTerms } from "../../../core/trace/full-text.ts";
import { userToken } from "../../../gateway/user-token.ts";
import { cutVersion, importVersion, removeVersion } from "../../../gateway/evals/make-dataset.ts";
import { deferOf, type HttpContext } from "../../context.ts";
import { MAX_MODEL_BODY, readBodyText } from "../../middleware/body.ts";
import { problem } from "../errors.ts";
import { pathParameter, readBody, refusedFor, type ApiRoute, type Parameter } from "../route.ts";
import { tenantOf } from "../tenant.ts";

const name = z
  .string()
  .check(
    z.regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, "expected a letter, then up to 63 letters, digits, `_`, `.` or `-`"),
  );
const text = z.string().check(z.minLength(1), z.maxLength(256));
const instant = z.iso.datetime({ offset: true, error: "expected an RFC 3339 time" });
const seed = z._default(z.int().check(z.gte(0), z.lte(2_147_483_647)), 1);

const Cut = z.strictObject({
  name,
  /** Which calls a session must have, to be cut. */
  filter: z.prefault(
    z.strictObject({
      actor: z.optional(text),
      session: z.optional(text),
      tool: z.optional(text),
      model: z.optional(text),
      release: z.optional(text),
      decision: z.optional(z.enum(EFFECTS)),
      status: z.optional(text),
      outcome: z.optional(z.enum(OUTCOMES)),
      rule: z.optional(text),
      user: z.optional(text),
      from: z.optional(instant),
      to: z.optional(instant),
      q: z.optional(text),
    }),
    {},
  ),
  /** Cases are cut from whole sessions, or from traces alone. */
  unit: z._default(z.enum(["session", "trace"]), "session"),
  sample: z.prefault(
    z.strictObject({
      size: z._default(
        z.int().check(z.gte(1, "expected from 1 to 5000"), z.lte(5_000, "expected from 1 to 5000")),
        200,
      ),
      by: z._default(z.array(z.enum(SAMPLE_KEYS)), ["tool", "outcome", "decision"]),
      allocation: z._default(z.enum(ALLOCATIONS), "proportional"),
      min_per_stratum: z._default(z.int().check(z.gte(0), z.lte(1_000)), 3),
      seed,
    }),
    {},
  ),
  /** Attacks placed into what tools answered in each case. */
  adversarial: z.optional(
    z.strictObject({
      per_case: z._default(z.int().check(z.gte(1, "expected from 1 to 10"), z.lte(10, "expected from 1 to 10")), 1),
      seed,
    }),
  ),
  /** Proposes what was recorded as what is expected. */
  label_from_recording: z._default(z.boolean(), false),
});

const DatasetView = z.object({
  name: z.string(),
  version: z.int(),
  cases: z.int(),
  clusters: z.int(),
  digest: z.string(),
  origin: z.record(z.string(), z.unknown()),
  created_at: z.string(),
  created_by: z.string(),
});
const CaseView = z.object({
  id: z.string(),
  cluster: z.string(),
  trace_id: z.nullable(z.string()),
  tags: z.array(z.string()),
  risk: z.string(),
  adversarial: z.boolean(),
});

const NAME: Parameter = { name: "name", in: "path", description: "A dataset", required: true };
const VERSION: Parameter = { name: "version", in: "query", description: "A version; the newest when left out" };
const MADE = {
  201: { description: "The new version", schema: DatasetView },
  400: { description: "A field or a line is wrong, or nothing comes to a case" },
} as const;
const PAGE = 200;

/** The routes. */
export const datasetRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/evals/datasets",
    operationId: "listDatasets",
    summary: "List datasets, each with its newest version",
    tag: "evals",
    permission: "evals.read",
    responses: { 200: { description: "The datasets", schema: z.object({ data: z.array(DatasetView) }) } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const found = await c.var.runtime.ports.evalDatasets.list(tenant.value);
      return Response.json({ data: found.map(view) });
    },
  },
  {
    method: "POST",
    path: "/v1/evals/datasets",
    operationId: "cutDataset",
    summary:
      "Cut a new version of a dataset from recorded work: found by filters, deduplicated, drawn in strata, masked",
    tag: "evals",
    permission: "evals.write",
    body: Cut,
    responses: MADE,
    answer: (c) => cut(c),
  },
  {
    method: "POST",
    path: "/v1/evals/datasets/:name/import",
    operationId: "importDataset",
    summary:
      "Import a new version from JSONL: cases of ours, OpenAI evals samples, or promptfoo tests; masked before it is kept",
    tag: "evals",
    permission: "evals.write",
    parameters: [
      NAME,
      { name: "format", in: "query", description: `One of ${IMPORT_FORMATS.join(", ")}; cases when left out` },
      { name: "prompt", in: "query", description: "The prompt that promptfoo's variables fill" },
    ],
    responses: { ...MADE, 413: { description: "The body is larger than 16 MiB" } },
    answer: (c) => importText(c),
  },
  {
    method: "GET",
    path: "/v1/evals/datasets/:name",
    operationId: "getDataset",
    summary: "Read a dataset: its versions, and the cases of one",
    tag: "evals",
    permission: "evals.read",
    parameters: [NAME, VERSION, { name: "cursor", in: "query", description: "The `next_cursor` of the page before" }],
    responses: {
      200: {
        description: "The version, its cases by id, and all versions",
        schema: z.object({
          ...DatasetView.shape,
          versions: z.array(DatasetView),
          data: z.array(CaseView),
          next_cursor: z.nullable(z.string()),
        }),
      },
      404: { description: "No such dataset or version" },
    },
    answer: (c) => read(c),
  },
  {
    method: "GET",
    path: "/v1/evals/datasets/:name/export",
    operationId: "exportDataset",
    summary: "Export a version as JSONL, one case a line: what comes out can be imported again",
    tag: "evals",
    permission: "evals.read",
    parameters: [NAME, VERSION],
    responses: { 200: { description: "application/x-ndjson" }, 404: { description: "No such dataset or version" } },
    answer: (c) => exportLines(c),
  },
  {
    method: "DELETE",
    path: "/v1/evals/datasets/:name/:version",
    operationId: "removeDataset",
    summary: "Remove a version of a dataset; runs keep what they found",
    tag: "evals",
    permission: "evals.write",
    parameters: [NAME, { name: "version", in: "path", description: "The version", required: true }],
    responses: {
      200: { description: "What was removed", schema: DatasetView },
      404: { description: "No such version" },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const { runtime, principal } = c.var;
      const ask = { tenant: tenant.value, name: pathParameter(c, "name"), by: principal.keyId };
      const removed = await removeVersion(
        runtime.ports,
        ask,
        Number(pathParameter(c, "version")),
        runtime.recorder(deferOf(c)),
      );
      return removed.ok ? Response.json(view(removed.value)) : problem(removed);
    },
  },
];

async function cut(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const body = await readBody(c, Cut);
  if (!body.ok) return problem(body);
  const { filter, unit, sample, adversarial, label_from_recording: labelFromRecording } = body.value;
  const { from, to, q, user, ...named } = filter;
  const { runtime, principal } = c.var;
  const terms = q === undefined ? undefined : readTerms(q);
  if (q !== undefined && terms === undefined)
    return problem(refusedFor([{ path: "filter.q", message: "expected at least one word" }]));
  const asked = {
    ...defined(named),
    ...(from === undefined ? {} : { from: Date.parse(from) }),
    ...(to === undefined ? {} : { to: Date.parse(to) }),
    ...(terms === undefined ? {} : { terms }),
    ...(user === undefined ? {} : { user: await userToken(runtime.ports, tenant.value, user) }),
  };
  const made = await cutVersion(
    runtime.ports,
    { tenant: tenant.value, name: body.value.name, by: principal.keyId },
    {
      filter: asked,
      unit,
      sample: {
        size: sample.size,
        by: sample.by,
        seed: sample.seed,
        allocation: sample.allocation,
        minPerStratum: sample.min_per_stratum,
      },
      adversarial: adversarial === undefined ? undefined : { perCase: adversarial.per_case, seed: adversarial.seed },
      labelFromRecording,
    },
    runtime.recorder(deferOf(c)),
  );
  return answerMade(made);
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Defined<T>;
}

async function importText(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const parsed = name.safeParse(pathParameter(c, "name"));
  const format = IMPORT_FORMATS.find((each) => each === (c.req.query("format") ?? "cases"));
  if (!parsed.success)
    return problem(
      refusedFor([{ path: "name", message: "expected a letter, then up to 63 letters, digits, `_`, `.` or `-`" }]),
    );
  if (format === undefined)
    return problem(refusedFor([{ path: "format", message: `expected one of ${IMPORT_FORMATS.join(", ")}` }]));
  const body = await readBodyText(c, MAX_MODEL_BODY);
  if (!body.ok) return problem(body);
  const { runtime, principal } = c.var;
  const made = await importVersion(
    runtime.ports,
    { tenant: tenant.value, name: parsed.data, by: principal.keyId },
    { text: body.value.text, format, prompt: c.req.query("prompt") ?? null },
    runtime.recorder(deferOf(c)),
  );
  return answerMade(made);
}

function answerMade(made: Outcome<Dataset>): Response {
  return made.ok ? Response.json(view(made.value), { status: 201 }) : problem(made);
}

async function named(c: HttpContext): Promise<Outcome<Dataset>> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return tenant;
  const asked = c.req.query("version");
  const wanted = asked === undefined ? undefined : Number(asked);
  const dataset = pathParameter(c, "name");
  const found = await c.var.runtime.ports.evalDatasets.get(tenant.value, dataset, wanted);
  if (found !== undefined) return { ok: true, value: found };
  return refuse(
    "not_found",
    asked === undefined ? `no dataset "${dataset}"` : `no version ${asked} of a dataset "${dataset}"`,
  );
}

async function read(c: HttpContext): Promise<Response> {
  const found = await named(c);
  if (!found.ok) return problem(found);
  const { ports } = c.var.runtime;
  const [versions, rows] = await Promise.all([
    ports.evalDatasets.versions(found.value.tenant, found.value.name),
    ports.evalDatasets.rows(found.value.tenant, found.value, { after: c.req.query("cursor") ?? "", limit: PAGE }),
  ]);
  return Response.json({
    ...view(found.value),
    versions: versions.map(view),
    data: rows.map(({ id, cluster, trace_id, tags, risk, is_adversarial }) => ({
      id,
      cluster,
      trace_id,
      tags,
      risk,
      adversarial: is_adversarial,
    })),
    next_cursor: rows.length < PAGE ? null : (rows.at(-1)?.id ?? null),
  });
}

async function exportLines(c: HttpContext): Promise<Response> {
  const found = await named(c);
  if (!found.ok) return problem(found);
  const { evalDatasets } = c.var.runtime.ports;
  const { tenant } = found.value;
  let after: string | null = "";
  const stream = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      if (after === null) return controller.close();
      const rows = await evalDatasets.rows(tenant, found.value, { after, limit: PAGE });
      const cases = await evalDatasets.read(tenant, rows);
      controller.enqueue(new TextEncoder().encode(exportCases(cases)));
      after = rows.length < PAGE ? null : (rows.at(-1)?.id ?? null);
    },
  });
  return new Response(stream, { headers: { "content-type": "application/x-ndjson" } });
}

function view({
  name: dataset,
  version,
  cases,
  clusters,
  digest,
  origin,
  createdAt,
  createdBy,
}: Dataset): z.infer<typeof DatasetView> {
  return {
    name: dataset,
    version,
    cases,
    clusters,
    digest,
    origin: { ...origin },
    created_at: new Date(createdAt).toISOString(),
    created_by: createdBy,
  };
}
