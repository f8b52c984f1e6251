// Touches audits and calibrations in D1: what people said is compared and set, so that two at the same time lose nothing.
import { and, desc, eq, isNotNull, lt, or } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import * as z from "zod/mini";
import { AUDIT_STATUSES, type Audit, type AuditLabel } from "../../core/eval/audit/audit.ts";
import type { Calibration, SettledPair } from "../../core/eval/judge/calibration.ts";
import type { EvalPeople } from "../../gateway/ports/eval-people.ts";
import { chunksOf } from "./chunks.ts";
import { evalAudits, evalCalibrations } from "./eval-schema.ts";

const PER_INSERT = 200;

const INSERT = `INSERT OR IGNORE INTO eval_audits (tenant, id, run, case_id, side, repeat, judge, grader, judge_digest, rubric_version, judged, status, priority, is_random, created_at, labels)
SELECT json_extract(value, '$.tenant'), json_extract(value, '$.id'), json_extract(value, '$.run'), json_extract(value, '$.caseId'), json_extract(value, '$.side'),
  json_extract(value, '$.repeat'), json_extract(value, '$.judge'), json_extract(value, '$.grader'), json_extract(value, '$.judgeDigest'), json_extract(value, '$.rubricVersion'),
  json_extract(value, '$.judged'), json_extract(value, '$.status'), json_extract(value, '$.priority'), json_extract(value, '$.isRandom'), json_extract(value, '$.createdAt'), '[]'
FROM json_each(?1)`;

/** People's words in a D1 database. */
export function d1EvalPeople(database: D1Database): EvalPeople {
  const db = drizzle(database);
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
      const { meta } = await db
        .update(evalAudits)
        .set({ status, settled, settledAt, labels: JSON.stringify(labels) })
        .where(
          and(
            eq(evalAudits.tenant, was.tenant),
            eq(evalAudits.id, was.id),
            eq(evalAudits.labels, JSON.stringify(was.labels)),
          ),
        );
      return meta.changes > 0;
    },
    settled: async (tenant, judge, digest, limit) => {
      const rows = await db
        .select()
        .from(evalAudits)
        .where(
          and(
            eq(evalAudits.tenant, tenant),
            eq(evalAudits.judge, judge),
            eq(evalAudits.judgeDigest, digest),
            isNotNull(evalAudits.settledAt),
          ),
        )
        .orderBy(desc(evalAudits.settledAt))
        .limit(limit);
      return rows.map(auditOf).flatMap(pairOf);
    },
    ofRun: async (tenant, run, limit) => {
      const rows = await db
        .select()
        .from(evalAudits)
        .where(and(eq(evalAudits.tenant, tenant), eq(evalAudits.run, run)))
        .limit(limit);
      return rows.map(auditOf);
    },
    keepCalibration: async (tenant, judge, calibration) => {
      const { at, judge_digest: judgeDigest, rubric_version: rubricVersion, status } = calibration;
      await db
        .insert(evalCalibrations)
        .values({ tenant, judge, at, judgeDigest, rubricVersion, status, calibration: JSON.stringify(calibration) })
        .onConflictDoNothing();
    },
    calibrations: async (tenant, judge, limit) => {
      const rows = await db
        .select({ calibration: evalCalibrations.calibration })
        .from(evalCalibrations)
        .where(and(eq(evalCalibrations.tenant, tenant), eq(evalCalibrations.judge, judge)))
        .orderBy(desc(evalCalibrations.at))
        .limit(limit);
      // Of our own making: their shape is known.
      return rows.map(({ calibration }) => JSON.parse(calibration) as Calibration);
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
