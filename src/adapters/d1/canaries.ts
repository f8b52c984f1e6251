// Touches the trace index in D1 for the sessions of two releases, and what watches of canaries found.
import { and, desc, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import * as z from "zod/mini";
import type { ArmFigures } from "../../core/eval/canary/compare-arms.ts";
import { facet } from "../../core/trace/facets.ts";
import { firstIdAt } from "../../core/trace/row-id.ts";
import type { ArmAnswer, ArmQuestion, Canaries, KeptLook, WatchRow } from "../../gateway/ports/canaries.ts";
import { evalWatches } from "./eval-schema.ts";

/** Calls that one look reads: each is billed as two rows, three where outcomes are asked for. */
const MAX_CALLS = 300_000;
/** A session that was cut off by that is only counted if it was quiet for this long before. */
const QUIET_MS = 15 * 60_000;
/** Stands for sessions of both releases. */
const MIXED = "*";

/**
 * ?1 tenant, ?2 the facets of its model and tool calls, ?3 and ?4 the first number of the window and the first after it,
 * ?5 and ?6 the releases, ?7 the last instant of a quiet session, ?8 since when sessions are drawn as now, ?9 good outcomes.
 * ?10 how many calls are read.
 * The full-text index names the tenant's rows of the window; no other tenant's are read.
 */
const FIGURES = `WITH c AS MATERIALIZED (
  SELECT k.session_id, k.trace_hex, k.release, k.started_at, k.kind, k.status, k.decision, k.cost_micro_usd, k.duration_ms
  FROM calls_text t CROSS JOIN calls k ON k.id = t.rowid
  WHERE calls_text MATCH ?2 AND t.rowid >= CAST(?3 AS INTEGER) AND t.rowid < CAST(?4 AS INTEGER) AND k.tenant = ?1
  ORDER BY t.rowid LIMIT ?10),
seen AS (SELECT COUNT(*) AS calls, MAX(started_at) AS read_to FROM c),
s AS (
  SELECT session_id, MIN(release) AS release, MAX(release) AS other, MIN(started_at) AS first_at, MAX(started_at) AS last_at,
    MAX(status IN ('failed', 'unknown')) AS has_error, MAX(decision = 'deny') AS has_denial,
    SUM(cost_micro_usd) AS cost, AVG(CASE WHEN kind = 'chat' THEN duration_ms END) AS latency,
    MAX(?9 <> '[]' AND EXISTS (SELECT 1 FROM outcomes o WHERE o.tenant = ?1 AND o.trace_hex = c.trace_hex
      AND +o.outcome IN (SELECT value FROM json_each(?9)))) AS is_good
  FROM c WHERE (release IS NULL OR release IN (?5, ?6)) AND kind IN ('chat', 'execute_tool') AND status <> 'replayed'
  GROUP BY session_id HAVING MIN(release) IS NOT NULL)
SELECT CASE WHEN release = other THEN release ELSE '${MIXED}' END AS arm, seen.calls, seen.read_to,
  COUNT(s.session_id) AS sessions, SUM(first_at >= ?8) AS drawn, SUM(has_error) AS errors, SUM(has_denial) AS denials, SUM(is_good) AS good,
  SUM(cost > 0) AS cost_n, SUM(CASE WHEN cost > 0 THEN LN(cost) END) AS cost_sum, SUM(CASE WHEN cost > 0 THEN LN(cost) * LN(cost) END) AS cost_squares,
  SUM(latency > 0) AS latency_n, SUM(CASE WHEN latency > 0 THEN LN(latency) END) AS latency_sum, SUM(CASE WHEN latency > 0 THEN LN(latency) * LN(latency) END) AS latency_squares
FROM seen LEFT JOIN s ON s.last_at <= MIN(?7, CASE WHEN seen.calls < ?10 THEN ?7 ELSE seen.read_to - ${QUIET_MS} END)
GROUP BY arm`;

const count = z._default(z.nullable(z.number()), 0);
const Row = z.object({
  /** None for the row that tells of a window without sessions. */
  arm: z.string(),
  calls: z.number(),
  read_to: z.nullable(z.number()),
  sessions: z.number(),
  drawn: count,
  errors: count,
  denials: count,
  good: count,
  cost_n: count,
  cost_sum: count,
  cost_squares: count,
  latency_n: count,
  latency_sum: count,
  latency_squares: count,
});
type Row = z.infer<typeof Row>;

/** Canaries over a D1 database. */
export function d1Canaries(database: D1Database, maxCalls = MAX_CALLS): Canaries {
  const db = drizzle(database);
  return {
    figures: async (tenant, question) => {
      const { results } = await database
        .prepare(FIGURES)
        .bind(...boundTo(tenant, question), maxCalls)
        .all();
      const rows = results.map((row) => Row.parse(row));
      const calls = rows[0]?.calls ?? 0;
      return { ...answerOf(question, rows), calls, isFull: calls >= maxCalls };
    },
    watches: async (tenant, agent, limit) => {
      const rows = await db
        .select()
        .from(evalWatches)
        .where(and(eq(evalWatches.tenant, tenant), eq(evalWatches.agent, agent)))
        .orderBy(desc(evalWatches.startedAt), desc(evalWatches.generation))
        .limit(limit);
      // Of our own making: their shape is known.
      return rows.map(({ status, evidence, ...row }) => ({
        ...row,
        status: Status.parse(status),
        evidence: JSON.parse(evidence) as KeptLook,
      }));
    },
    keep: async ({ evidence, ...row }) => {
      const written = { ...row, evidence: JSON.stringify(evidence) };
      // An agent that was removed and published again counts its generations from 1: a new canary takes the old row's place.
      await db
        .insert(evalWatches)
        .values(written)
        .onConflictDoUpdate({ target: [evalWatches.tenant, evalWatches.agent, evalWatches.generation], set: written });
    },
  };
}

const Status = z.enum(["watching", "worse", "ended"] satisfies readonly WatchRow["status"][]);

function boundTo(
  tenant: string,
  { releases, from, to, quietAt, drawnFrom, good }: ArmQuestion,
): readonly (string | number)[] {
  const kinds = [facet(tenant, "kind", "chat"), facet(tenant, "kind", "execute_tool")];
  // Numbers of calls are larger than a double holds: they are bound as text.
  const window = [String(firstIdAt(from)), String(firstIdAt(to))];
  return [tenant, `facets : (${kinds.join(" OR ")})`, ...window, ...releases, quietAt, drawnFrom, JSON.stringify(good)];
}

function answerOf({ releases, from }: ArmQuestion, rows: readonly Row[]): Omit<ArmAnswer, "calls" | "isFull"> {
  const of = (arm: string): Row | undefined => rows.find((row) => row.arm === arm);
  return {
    arms: [figuresOf(releases[0], of(releases[0])), figuresOf(releases[1], of(releases[1]))],
    mixed: of(MIXED)?.sessions ?? 0,
    readTo: rows[0]?.read_to ?? from,
  };
}

function figuresOf(release: string, row: Row | undefined): ArmFigures {
  const sum = (name: "cost" | "latency"): ArmFigures["cost"] => ({
    n: row?.[`${name}_n`] ?? 0,
    sum: row?.[`${name}_sum`] ?? 0,
    sum_squares: row?.[`${name}_squares`] ?? 0,
  });
  return {
    release,
    sessions: row?.sessions ?? 0,
    drawn: row?.drawn ?? 0,
    errors: row?.errors ?? 0,
    denials: row?.denials ?? 0,
    good: row?.good ?? 0,
    cost: sum("cost"),
    latency: sum("latency"),
  };
}
