// Touches datasets in D1, with their cases in R2: a version's own row is written last, and is what makes it be there.
import { and, desc, eq, gt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import * as z from "zod/mini";
import { RISKS, type EvalCase } from "../../core/eval/case.ts";
import { sha256Hex } from "../../core/json/digest.ts";
import type { ErasureSubject } from "../../core/trace/erasure.ts";
import type { Dataset } from "../../core/eval/dataset-row.ts";
import type { CasePlace, CaseRow, EvalDatasets } from "../../gateway/ports/evals.ts";
import type { EvalBodies } from "../r2/eval-bodies.ts";
import { chunksOf } from "./chunks.ts";
import { evalCases, evalDatasets } from "./eval-schema.ts";

/** Rows that one statement inserts: their text stays below what D1 binds. */
const PER_INSERT = 500;

/** Datasets in a D1 database and a bucket. */
export function d1EvalDatasets(database: D1Database, bodies: EvalBodies): EvalDatasets {
  const db = drizzle(database);
  const ofName = (tenant: string, name: string): ReturnType<typeof and> =>
    and(eq(evalDatasets.tenant, tenant), eq(evalDatasets.name, name));
  const versions = async (tenant: string, name: string): Promise<readonly Dataset[]> => {
    const rows = await db.select().from(evalDatasets).where(ofName(tenant, name)).orderBy(desc(evalDatasets.version));
    return rows.map(datasetOf);
  };
  return {
    create: (tenant, dataset) => create(database, bodies, { tenant, dataset }),
    list: async (tenant) => {
      const rows = await db
        .select()
        .from(evalDatasets)
        .where(eq(evalDatasets.tenant, tenant))
        .orderBy(evalDatasets.name, desc(evalDatasets.version));
      const newest = new Map<string, (typeof rows)[number]>();
      for (const row of rows) if (!newest.has(row.name)) newest.set(row.name, row);
      return [...newest.values()].map(datasetOf);
    },
    versions,
    get: async (tenant, name, version) => {
      const all = await versions(tenant, name);
      return version === undefined ? all[0] : all.find((each) => each.version === version);
    },
    rows: async (tenant, { name, version }, { after, only, limit }) => {
      const rows = await db
        .select()
        .from(evalCases)
        .where(
          and(
            eq(evalCases.tenant, tenant),
            eq(evalCases.dataset, name),
            eq(evalCases.version, version),
            only === undefined ? gt(evalCases.id, after) : eq(evalCases.id, only),
          ),
        )
        .orderBy(evalCases.id)
        .limit(limit);
      return rows.map(rowOf);
    },
    erase: (tenant, who, limit) => erase(database, bodies, { tenant, who, limit }),
    read: (tenant, places) => bodies.readCases(tenant, places),
    remove: (tenant, name, version) => remove(database, bodies, { tenant, name, version }),
  };
}

interface Removing {
  readonly tenant: string;
  readonly name: string;
  readonly version: number;
}

const Segment = z.object({ segment: z.string() });

/** Segments that no other version has go with their rows. */
async function remove(database: D1Database, bodies: EvalBodies, { tenant, name, version }: Removing): Promise<boolean> {
  const one = [tenant, name, version] as const;
  const own = await database
    .prepare("SELECT DISTINCT segment FROM eval_cases WHERE tenant = ?1 AND dataset = ?2 AND version = ?3")
    .bind(...one)
    .all();
  const [removed] = await database.batch([
    database.prepare("DELETE FROM eval_datasets WHERE tenant = ?1 AND name = ?2 AND version = ?3").bind(...one),
    database.prepare("DELETE FROM eval_cases WHERE tenant = ?1 AND dataset = ?2 AND version = ?3").bind(...one),
  ]);
  const segments = own.results.map((row) => Segment.parse(row).segment);
  const shared = await database
    .prepare(
      "SELECT DISTINCT segment FROM eval_cases WHERE tenant = ?1 AND segment IN (SELECT value FROM json_each(?2))",
    )
    .bind(tenant, JSON.stringify(segments))
    .all();
  const kept = new Set(shared.results.map((row) => Segment.parse(row).segment));
  await bodies.remove(
    tenant,
    segments.filter((segment) => !kept.has(segment)),
  );
  return (removed?.meta.changes ?? 0) > 0;
}

interface Erasing {
  readonly tenant: string;
  readonly who: ErasureSubject;
  readonly limit: number;
}

const Erased = z.object({
  dataset: z.string(),
  version: z.number(),
  id: z.string(),
  segment: z.string(),
  line: z.number(),
});
const Kept = z.object({ episodes: z.nullable(z.string()) });

/** Bodies go first: what is left after a stop still has its row, and is found again. */
async function erase(database: D1Database, bodies: EvalBodies, { tenant, who, limit }: Erasing): Promise<number> {
  const column = who.scope === "session" ? "session_id" : '"user"';
  const own = who.scope === "tenant" ? "" : ` AND ${column} = ?3`;
  const bound = [tenant, limit, ...(who.scope === "tenant" ? [] : [who.subject ?? ""])];
  const { results } = await database
    .prepare(`SELECT dataset, version, id, segment, line FROM eval_cases WHERE tenant = ?1${own} LIMIT ?2`)
    .bind(...bound)
    .all();
  const rows = results.map((row) => Erased.parse(row));
  if (rows.length === 0) return 0;
  for (const [segment, lines] of Map.groupBy(rows, (row) => row.segment))
    await bodies.blankCases(tenant, segment, new Set(lines.map(({ line }) => line)));
  const ids = JSON.stringify([...new Set(rows.map(({ id }) => id))]);
  const said = await database
    .prepare(
      "SELECT episodes FROM eval_results WHERE tenant = ?1 AND id IN (SELECT value FROM json_each(?2)) AND episodes IS NOT NULL",
    )
    .bind(tenant, ids)
    .all();
  await bodies.remove(
    tenant,
    said.results.flatMap((row) => Kept.parse(row).episodes ?? []),
  );
  await database.batch([
    database
      .prepare("UPDATE eval_results SET episodes = NULL WHERE tenant = ?1 AND id IN (SELECT value FROM json_each(?2))")
      .bind(tenant, ids),
    database.prepare(DELETE_CASES).bind(tenant, JSON.stringify(rows)),
  ]);
  return rows.length;
}

const DELETE_CASES = `DELETE FROM eval_cases WHERE tenant = ?1 AND (dataset, version, id) IN (
  SELECT json_extract(value, '$.dataset'), json_extract(value, '$.version'), json_extract(value, '$.id') FROM json_each(?2))`;

type Made = Parameters<EvalDatasets["create"]>[1];

async function create(
  database: D1Database,
  bodies: EvalBodies,
  { tenant, dataset }: { readonly tenant: string; readonly dataset: Made },
): Promise<Dataset> {
  const { name, cases, createdAt, createdBy, origin } = dataset;
  const places = await bodies.putCases(tenant, name, cases);
  // Segments are named by what is in them.
  const digest = sha256Hex([...new Set(places.map(({ segment }) => segment))].join("\n"));
  const clusters = new Set(cases.map(({ cluster }) => cluster)).size;
  const next = await database
    .prepare("SELECT COALESCE(MAX(version), 0) + 1 AS version FROM eval_datasets WHERE tenant = ?1 AND name = ?2")
    .bind(tenant, name)
    .first<{ version: number }>();
  const version = next?.version ?? 1;
  const rows = cases.map((each, at) => caseRow(each, places[at]));
  const statements = [
    // Rows of a version that never came to be are of nobody.
    database
      .prepare("DELETE FROM eval_cases WHERE tenant = ?1 AND dataset = ?2 AND version = ?3")
      .bind(tenant, name, version),
    ...chunksOf(rows, PER_INSERT).map((chunk) =>
      database.prepare(INSERT).bind(tenant, name, version, JSON.stringify(chunk)),
    ),
    database
      .prepare(INSERT_DATASET)
      .bind(tenant, name, version, createdAt, createdBy, cases.length, clusters, digest, JSON.stringify(origin)),
  ];
  await database.batch(statements);
  return { tenant, name, version, createdAt, createdBy, cases: cases.length, clusters, digest, origin };
}

const INSERT = `INSERT INTO eval_cases (tenant, dataset, version, id, cluster, trace_id, session_id, "user", tags, risk, is_adversarial, segment, line)
SELECT ?1, ?2, ?3, json_extract(value, '$.id'), json_extract(value, '$.cluster'), json_extract(value, '$.trace_id'), json_extract(value, '$.session_id'),
  json_extract(value, '$.user'), json_extract(value, '$.tags'), json_extract(value, '$.risk'), json_extract(value, '$.is_adversarial'),
  json_extract(value, '$.segment'), json_extract(value, '$.line') FROM json_each(?4)`;

const INSERT_DATASET = `INSERT INTO eval_datasets (tenant, name, version, created_at, created_by, cases, clusters, digest, origin)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`;

function caseRow(each: EvalCase, place: CasePlace | undefined): object {
  return {
    id: each.id,
    cluster: each.cluster,
    trace_id: each.source?.trace_id ?? null,
    session_id: each.source?.session ?? null,
    user: each.source?.user ?? null,
    tags: JSON.stringify(each.tags),
    risk: each.risk,
    is_adversarial: each.injection === null ? 0 : 1,
    segment: place?.segment ?? "",
    line: place?.line ?? 0,
  };
}

const Texts = z.array(z.string());
const Origin = z.record(z.string(), z.unknown());
const RiskName = z.enum(RISKS);

function datasetOf({ origin, ...row }: typeof evalDatasets.$inferSelect): Dataset {
  return { ...row, origin: Origin.parse(JSON.parse(origin)) };
}

function rowOf(row: typeof evalCases.$inferSelect): CaseRow {
  return {
    id: row.id,
    cluster: row.cluster,
    trace_id: row.traceId,
    tags: Texts.parse(JSON.parse(row.tags)),
    risk: RiskName.parse(row.risk),
    is_adversarial: row.isAdversarial === 1,
    segment: row.segment,
    line: row.line,
  };
}
