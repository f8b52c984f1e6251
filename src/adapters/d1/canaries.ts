// Touches the trace index in D1 for the sessions of two releases, and what watches of canaries found.
import { and, desc, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import * as z from "zod/mini";
import type { ArmFigures, CanaryLook } from "../../core/eval/canary/compare-arms.ts";
import { firstIdAt } from "../../core/trace/row-id.ts";
import type { Canaries } from "../../gateway/ports/canaries.ts";
import { evalWatches } from "./eval-schema.ts";

/** ?1 tenant, ?2 first number of the window, ?3 and ?4 the releases, ?5 the last instant, ?6 good outcomes. One look at each row of the window. */
const FIGURES = `WITH s AS (
  SELECT session_id, MIN(release) AS release, MAX(release) AS other, MAX(started_at) AS last_at, MIN(seq) AS first_seq,
    MAX(status = 'failed' OR status = 'unknown') AS has_error, MAX(decision = 'deny') AS has_denial,
    SUM(cost_micro_usd) AS cost, AVG(CASE WHEN kind = 'chat' THEN duration_ms END) AS latency,
    MAX(EXISTS (SELECT 1 FROM outcomes o WHERE o.tenant = ?1 AND o.trace_hex = c.trace_hex AND o.outcome IN (SELECT value FROM json_each(?6)))) AS is_good
  FROM calls c WHERE c.tenant = ?1 AND c.id >= CAST(?2 AS INTEGER) AND c.kind IN ('chat', 'execute_tool') AND c.status <> 'replayed'
  GROUP BY session_id)
SELECT release, COUNT(*) AS sessions, SUM(has_error) AS errors, SUM(has_denial) AS denials, SUM(is_good) AS good,
  SUM(cost > 0) AS cost_n, SUM(CASE WHEN cost > 0 THEN LN(cost) ELSE 0 END) AS cost_sum, SUM(CASE WHEN cost > 0 THEN LN(cost) * LN(cost) ELSE 0 END) AS cost_squares,
  SUM(latency > 0) AS latency_n, SUM(CASE WHEN latency > 0 THEN LN(latency) ELSE 0 END) AS latency_sum, SUM(CASE WHEN latency > 0 THEN LN(latency) * LN(latency) ELSE 0 END) AS latency_squares
FROM s WHERE release = other AND release IN (?3, ?4) AND last_at <= ?5 AND (first_seq IS NULL OR first_seq = 1) GROUP BY release`;

const Sum = z._default(z.nullable(z.number()), 0);
const Row = z.object({
  release: z.string(),
  sessions: z.number(),
  errors: z.number(),
  denials: z.number(),
  good: z.number(),
  cost_n: Sum,
  cost_sum: Sum,
  cost_squares: Sum,
  latency_n: Sum,
  latency_sum: Sum,
  latency_squares: Sum,
});

const NOTHING = { n: 0, sum: 0, squares: 0 };

/** Canaries over a D1 database. */
export function d1Canaries(database: D1Database): Canaries {
  const db = drizzle(database);
  return {
    figures: async (tenant, { releases, from, to, good }) => {
      const bound = [tenant, String(firstIdAt(from)), releases[0], releases[1], to, JSON.stringify(good)];
      const { results } = await database
        .prepare(FIGURES)
        .bind(...bound)
        .all();
      const found = new Map(results.map((row) => Row.parse(row)).map((row) => [row.release, figuresOf(row)]));
      const of = (release: string): ArmFigures =>
        found.get(release) ?? { release, sessions: 0, errors: 0, denials: 0, good: 0, cost: NOTHING, latency: NOTHING };
      return [of(releases[0]), of(releases[1])];
    },
    watches: async (tenant, agent, limit) => {
      const rows = await db
        .select()
        .from(evalWatches)
        .where(and(eq(evalWatches.tenant, tenant), eq(evalWatches.agent, agent)))
        .orderBy(desc(evalWatches.generation))
        .limit(limit);
      // Of our own making: their shape is known.
      return rows.map(({ status, evidence, ...row }) => ({
        ...row,
        status: Status.parse(status),
        evidence: JSON.parse(evidence) as CanaryLook,
      }));
    },
    keep: async ({ evidence, ...row }) => {
      const written = { ...row, evidence: JSON.stringify(evidence) };
      const { status, lookedAt } = row;
      await db
        .insert(evalWatches)
        .values(written)
        .onConflictDoUpdate({
          target: [evalWatches.tenant, evalWatches.agent, evalWatches.generation],
          set: { status, lookedAt, evidence: written.evidence },
        });
    },
  };
}

const Status = z.enum(["watching", "worse", "ended"]);

function figuresOf(row: z.infer<typeof Row>): ArmFigures {
  const sum = (name: "cost" | "latency"): ArmFigures["cost"] => ({
    n: row[`${name}_n`] ?? 0,
    sum: row[`${name}_sum`] ?? 0,
    squares: row[`${name}_squares`] ?? 0,
  });
  return {
    release: row.release,
    sessions: row.sessions,
    errors: row.errors,
    denials: row.denials,
    good: row.good,
    cost: sum("cost"),
    latency: sum("latency"),
  };
}
