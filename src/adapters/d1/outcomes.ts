// Touches reported outcomes in D1.
import { and, asc, eq, inArray } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import * as z from "zod/mini";
import { OUTCOMES, type ReportedOutcome } from "../../core/trace/outcome.ts";
import type { Outcomes } from "../../gateway/ports/outcomes.ts";
import { chunksOf } from "./chunks.ts";
import { outcomes } from "./schema.ts";

/** D1 binds at most 100 values to a statement. */
const TRACES_PER_STATEMENT = 90;
const MAX_OF_TRACE = 1_000;

/** Reported outcomes in a D1 database. */
export function d1Outcomes(database: D1Database): Outcomes {
  const db = drizzle(database);
  return {
    put: async (reported) => {
      const { tenant, trace_hex: traceHex, id } = reported;
      const kept = db
        .select()
        .from(outcomes)
        .where(and(eq(outcomes.tenant, tenant), eq(outcomes.traceHex, traceHex), eq(outcomes.id, id)));
      const [, [row]] = await db.batch([db.insert(outcomes).values(rowOf(reported)).onConflictDoNothing(), kept]);
      return row === undefined ? reported : reportedOf(row);
    },
    outcomesOf: async (tenant, traceHexes) => {
      const hexes = [...new Set(traceHexes)];
      const found = await Promise.all(
        chunksOf(hexes, TRACES_PER_STATEMENT).map((chunk) =>
          db
            .select()
            .from(outcomes)
            .where(and(eq(outcomes.tenant, tenant), inArray(outcomes.traceHex, chunk)))
            .orderBy(asc(outcomes.at), asc(outcomes.id))
            .limit(MAX_OF_TRACE * chunk.length),
        ),
      );
      return Map.groupBy(found.flat().map(reportedOf), (each) => each.trace_hex);
    },
  };
}

function rowOf(reported: ReportedOutcome): typeof outcomes.$inferInsert {
  return {
    tenant: reported.tenant,
    traceHex: reported.trace_hex,
    id: reported.id,
    outcome: reported.outcome,
    labels: JSON.stringify(reported.labels),
    scores: JSON.stringify(reported.scores),
    comment: reported.comment,
    source: reported.source,
    at: reported.at,
    recordedAt: reported.recorded_at,
    recordedBy: reported.recorded_by,
    digest: reported.digest,
  };
}

const Outcome = z.nullable(z.enum(OUTCOMES));
const Labels = z.record(z.string(), z.string());
const Scores = z.record(z.string(), z.number());

function reportedOf(row: typeof outcomes.$inferSelect): ReportedOutcome {
  return {
    tenant: row.tenant,
    trace_hex: row.traceHex,
    id: row.id,
    outcome: Outcome.parse(row.outcome),
    labels: Labels.parse(JSON.parse(row.labels)),
    scores: Scores.parse(JSON.parse(row.scores)),
    comment: row.comment,
    source: row.source,
    at: row.at,
    recorded_at: row.recordedAt,
    recorded_by: row.recordedBy,
    digest: row.digest,
  };
}
