// Touches audits in D1: what people said is compared and set, so that two at the same time lose nothing.
import { and, count, desc, eq, isNotNull, lt, or, type SQL } from "drizzle-orm";
import { drizzle, type DrizzleD1Database } from "drizzle-orm/d1";
import * as z from "zod/mini";
import { AUDIT_STATUSES, type Audit, type AuditLabel } from "../../core/eval/audit/audit.ts";
import type { SettledPair } from "../../core/eval/judge/settled-pair.ts";
import type { EvalPeople } from "../../gateway/ports/eval-people.ts";
import { chunksOf } from "./chunks.ts";
import { d1EvalCalibrations } from "./eval-calibrations.ts";
import { evalAudits } from "./eval-schema.ts";

type Database = DrizzleD1Database;

const PER_INSERT = 200;

const INSERT = `INSERT OR IGNORE INTO eval_audits (tenant, id, run, case_id, side, repeat, judge, grader, judge_digest, rubric_version, judged, status, priority, is_random, created_at, labels)
SELECT json_extract(value, '$.tenant'), json_extract(value, '$.id'), json_extract(value, '$.run'), json_extract(value, '$.caseId'), json_extract(value, '$.side'),
  json_extract(value, '$.repeat'), json_extract(value, '$.judge'), json_extract(value, '$.grader'), json_extract(value, '$.judgeDigest'), json_extract(value, '$.rubricVersion'),
  json_extract(value, '$.judged'), json_extract(value, '$.status'), json_extract(value, '$.priority'), json_extract(value, '$.isRandom'), json_extract(value, '$.createdAt'), '[]'
FROM json_each(?1)`;

/** People's words in a D1 database. */
export function d1EvalPeople(database: D1Database): EvalPeople {
  const db = drizzle(database);
  return { ...asked(database, db), ...counted(db), ...d1EvalCalibrations(database) };
}

/** The audits themselves: asked for, listed, said something to. */
function asked(database: D1Database, db: Database): Pick<EvalPeople, "ask" | "list" | "get" | "save" | "ofRun"> {
  return {
    ask: async (audits) => {
      for (const chunk of chunksOf(audits, PER_INSERT))
        await database.prepare(INSERT).bind(JSON.stringify(chunk)).run();
    },
    list: async (tenant, { status, judge, after, limit }) => {
      const rows = await db
        .select()
        .from(evalAudits)
        .where(
          and(
            eq(evalAudits.tenant, tenant),
            status === undefined ? undefined : eq(evalAudits.status, status),
            judge === undefined ? undefined : eq(evalAudits.judge, judge),
            after === undefined
              ? undefined
              : or(
                  lt(evalAudits.priority, after.priority),
                  and(eq(evalAudits.priority, after.priority), lt(evalAudits.id, after.id)),
                ),
          ),
        )
        .orderBy(desc(evalAudits.priority), desc(evalAudits.id))
        .limit(limit);
      return rows.map(auditOf);
    },
    get: async (tenant, id) => {
      const [row] = await db
        .select()
        .from(evalAudits)
        .where(and(eq(evalAudits.tenant, tenant), eq(evalAudits.id, id)));
      return row === undefined ? undefined : auditOf(row);
    },
    save: async (was, { status, settled, settledAt, labels }) => {
      // Every word adds a label: whoever read another list of them has read too early.
      const isAsRead = eq(evalAudits.labels, JSON.stringify(was.labels));
      const { meta } = await db
        .update(evalAudits)
        .set({ status, settled, settledAt, labels: JSON.stringify(labels) })
        .where(and(eq(evalAudits.tenant, was.tenant), eq(evalAudits.id, was.id), isAsRead));
      return meta.changes > 0;
    },
    ofRun: async (tenant, run, limit) => {
      const rows = await db
        .select()
        .from(evalAudits)
        .where(and(eq(evalAudits.tenant, tenant), eq(evalAudits.run, run)))
        .limit(limit);
      return rows.map(auditOf);
    },
  };
}

/** What judges are held against. */
function counted(db: Database): Pick<EvalPeople, "settled" | "disputed"> {
  const ofJudge = (tenant: string, judge: string, digest: string): SQL | undefined =>
    and(eq(evalAudits.tenant, tenant), eq(evalAudits.judge, judge), eq(evalAudits.judgeDigest, digest));
  return {
    settled: async (tenant, judge, digest, limit) => {
      const rows = await db
        .select()
        .from(evalAudits)
        .where(and(ofJudge(tenant, judge, digest), isNotNull(evalAudits.settledAt)))
        .orderBy(desc(evalAudits.settledAt))
        .limit(limit);
      return rows.map(auditOf).flatMap(pairOf);
    },
    disputed: async (tenant, judge, digest) => {
      const [row] = await db
        .select({ disputed: count() })
        .from(evalAudits)
        .where(and(ofJudge(tenant, judge, digest), eq(evalAudits.status, "disputed")));
      return row?.disputed ?? 0;
    },
  };
}

const Status = z.enum(AUDIT_STATUSES);
const Side = z.enum(["candidate", "baseline"]);

function auditOf({ isRandom, status, side, labels, ...row }: typeof evalAudits.$inferSelect): Audit {
  return {
    ...row,
    side: Side.parse(side),
    status: Status.parse(status),
    isRandom: isRandom === 1,
    labels: JSON.parse(labels) as readonly AuditLabel[],
  };
}

function pairOf({ judged, settled, labels, isRandom, settledAt }: Audit): readonly SettledPair[] {
  if (settled === null) return [];
  const blind = labels.filter((each) => !each.is_adjudication).map(({ label }) => label);
  const [first, second] = blind;
  const two = first === undefined || second === undefined ? null : ([first, second] as const);
  return [{ judged, settled, blind: two, is_random: isRandom, at: settledAt ?? 0 }];
}
