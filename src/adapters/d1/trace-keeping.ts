// Touches the rows of the trace plane in D1 to end their life: those that are too old, and those of a subject that is erased.
import { candidateIds, firstIdAt } from "../../core/trace/row-id.ts";
import type { ErasureSubject } from "../../core/trace/erasure.ts";
import { facet } from "../../core/trace/facets.ts";
import type { IndexRow } from "../../core/trace/record.ts";
import type { AgeingRows, ErasedRows, NumberedRow, TraceKeeping } from "../../gateway/ports/trace-keeping.ts";
import { eraseAdmissions } from "./erased-admissions.ts";
import { COLUMNS, indexedRow, type CallRow } from "./trace-rows.ts";
import type { TraceShards } from "./trace-shards.ts";

/** Rows deleted by one statement. */
const AT_ONCE = 500;
/** Rows of traces and calls that are answered. */
const MAX_RELATED = 5_000;
/** Pages of the full-text index rewritten at once. */
const PAGES = 500;

/** The end of rows in D1. */
export function d1TraceKeeping(shards: TraceShards): TraceKeeping {
  const all = (tenant: string): readonly D1Database[] => shards.within(tenant, undefined, undefined);
  return {
    removeBefore: (tenant, rows, before) =>
      firstThatHas(all(tenant), (database) => removeIn(database, tenant, { rows, before })),
    rowsOf: async (tenant, subject, { before, limit }) => {
      const bound = { match: matchOf(tenant, subject), before, limit };
      return (await gathered(all(tenant), (database) => matching(database, bound))).slice(0, limit);
    },
    related: (tenant, { traces, calls }, before) => {
      const tokens = [
        ...traces.map((hex) => facet(tenant, "trace", hex)),
        ...calls.map((id) => facet(tenant, "call", id)),
      ];
      if (tokens.length === 0) return Promise.resolve([]);
      const bound = { match: `facets : (${tokens.join(" OR ")})`, before, limit: MAX_RELATED };
      return gathered(all(tenant), (database) => matching(database, bound));
    },
    rowsNamed: (tenant, records) => gathered(all(tenant), (database) => named(database, records)),
    latestOutcomes: async (tenant, traces) => {
      const rows = await gathered(all(tenant), async (database) => {
        const found = await database.prepare(OUTCOMES).bind(tenant, JSON.stringify(traces)).all<OutcomeRow>();
        return found.results;
      });
      return new Map(rows.toSorted((a, b) => a.at - b.at).map(({ trace_hex, ...joined }) => [trace_hex, joined]));
    },
    hasOthers: async (tenant, session, besides) => {
      const bound = {
        match: `facets : ${facet(tenant, "session", session)}`,
        before: Number.MAX_SAFE_INTEGER,
        limit: besides.length + 1,
      };
      const found = await gathered(all(tenant), (database) => matching(database, bound));
      return found.some(({ id }) => !besides.includes(id));
    },
    erase: (tenant, rows) => eraseIn(all(tenant), tenant, rows),
    callsListed: (tenant, asked) =>
      gathered(all(tenant), async (database) => {
        const { results } = await database
          .prepare(LISTED)
          .bind(tenant, asked.after, asked.before, asked.session, asked.limit)
          .all<{ readonly id: string }>();
        return results.map(({ id }) => id);
      }),
    eraseAdmissions: async (tenant, asked, isErased) => {
      let changed = 0;
      for (const database of all(tenant)) changed += await eraseAdmissions(database, tenant, { ...asked, isErased });
      return changed;
    },
    compact: async () => {
      let isDone = true;
      for (const database of new Set(shards.within("", undefined, undefined)))
        isDone = (await compactIn(database)) && isDone;
      return isDone;
    },
  };
}

async function eraseIn(
  databases: readonly D1Database[],
  tenant: string,
  rows: ErasedRows,
): ReturnType<TraceKeeping["erase"]> {
  const counts = { rows: 0, outcomes: 0, calls: 0, approvals: 0 };
  for (const database of databases) {
    const [, erased, outcomes, calls, approvals] = await database.batch(eraseStatements(database, tenant, rows));
    counts.rows += erased?.meta.changes ?? 0;
    counts.outcomes += outcomes?.meta.changes ?? 0;
    counts.calls += calls?.meta.changes ?? 0;
    counts.approvals += approvals?.meta.changes ?? 0;
  }
  return counts;
}

async function gathered<T>(
  databases: readonly D1Database[],
  found: (database: D1Database) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  return (await Promise.all(databases.map(found))).flat();
}

/** Works on one database after the other until one had something. */
async function firstThatHas(
  databases: readonly D1Database[],
  remove: (database: D1Database) => Promise<number>,
): Promise<number> {
  for (const database of databases) {
    const removed = await remove(database);
    if (removed > 0) return removed;
  }
  return 0;
}

const OLD_ADMISSIONS = `DELETE FROM admissions WHERE tenant = ?1 AND (hour, session_id, from_seq) IN (
  SELECT hour, session_id, from_seq FROM admissions WHERE tenant = ?1 AND hour < ?2 ORDER BY hour LIMIT ${AT_ONCE})`;
const OLD_OUTCOMES = `DELETE FROM outcomes WHERE tenant = ?1 AND (trace_hex, id) IN (
  SELECT trace_hex, id FROM outcomes WHERE tenant = ?1 AND recorded_at < ?2 LIMIT ${AT_ONCE})`;

const OLD_ROLLUPS = `DELETE FROM rollups WHERE tenant = ?1 AND day < CAST(?2 / 86400000 AS INTEGER)`;
const OLD = { admissions: OLD_ADMISSIONS, outcomes: OLD_OUTCOMES, rollups: OLD_ROLLUPS } as const;

async function removeIn(
  database: D1Database,
  tenant: string,
  { rows, before }: { readonly rows: AgeingRows; readonly before: number },
): Promise<number> {
  if (rows !== "calls") {
    const { meta } = await database.prepare(OLD[rows]).bind(tenant, before).run();
    return meta.changes;
  }
  const { results } = await database
    .prepare(
      "SELECT CAST(rowid AS TEXT) AS id FROM calls_text WHERE calls_text MATCH ?1 AND rowid < CAST(?2 AS INTEGER) ORDER BY rowid LIMIT ?3",
    )
    .bind(`facets : ${facet(tenant, "tenant", tenant)}`, String(firstIdAt(before)), AT_ONCE)
    .all<{ readonly id: string }>();
  if (results.length === 0) return 0;
  await database.batch(
    deleteRows(
      database,
      results.map(({ id }) => id),
    ),
  );
  return results.length;
}

const IDS = "(SELECT CAST(value AS INTEGER) FROM json_each(?1))";

/** Words and row go in one transaction: neither is ever found without the other. */
function deleteRows(database: D1Database, ids: readonly string[]): D1PreparedStatement[] {
  const bound = JSON.stringify(ids);
  return [
    database.prepare(`DELETE FROM calls_text WHERE rowid IN ${IDS}`).bind(bound),
    database.prepare(`DELETE FROM calls WHERE id IN ${IDS}`).bind(bound),
  ];
}

function eraseStatements(
  database: D1Database,
  tenant: string,
  { ids, traces, calls }: ErasedRows,
): D1PreparedStatement[] {
  const inList = (column: string): string => `${column} IN (SELECT value FROM json_each(?2))`;
  const drop = (table: string, column: string, values: readonly string[]): D1PreparedStatement =>
    database
      .prepare(`DELETE FROM ${table} WHERE tenant = ?1 AND ${inList(column)}`)
      .bind(tenant, JSON.stringify(values));
  return [
    ...deleteRows(database, ids),
    drop("outcomes", "trace_hex", traces),
    drop("tool_calls", "id", calls),
    drop("approvals", "tool_call_id", calls),
  ];
}

const OUTCOMES = `SELECT trace_hex, outcome, at FROM outcomes
WHERE tenant = ?1 AND trace_hex IN (SELECT value FROM json_each(?2)) AND outcome IS NOT NULL`;

interface OutcomeRow {
  readonly trace_hex: string;
  readonly outcome: string;
  readonly at: number;
}

const LISTED = `SELECT id FROM tool_calls WHERE tenant = ?1 AND id > ?2 AND created_at < ?3
  AND (?4 IS NULL OR session_id = ?4) ORDER BY id LIMIT ?5`;

function matchOf(tenant: string, { scope, subject }: ErasureSubject): string {
  return `facets : ${scope === "tenant" ? facet(tenant, "tenant", tenant) : facet(tenant, scope, subject ?? "")}`;
}

const SELECT = `SELECT CAST(calls.id AS TEXT) AS number, ${COLUMNS.map((column) => `calls.${column}`).join(", ")}`;

interface Bound {
  readonly match: string;
  readonly before: number;
  readonly limit: number;
}

async function matching(database: D1Database, { match, before, limit }: Bound): Promise<readonly NumberedRow[]> {
  const { results } = await database
    .prepare(
      `${SELECT} FROM calls_text JOIN calls ON calls.id = calls_text.rowid
       WHERE calls_text MATCH ?1 AND calls_text.rowid < CAST(?2 AS INTEGER) AND calls.kind <> 'erasure'
       ORDER BY calls_text.rowid LIMIT ?3`,
    )
    .bind(match, String(firstIdAt(before)), limit)
    .all<Selected>();
  return results.map(numberedRow);
}

async function named(database: D1Database, records: readonly IndexRow[]): Promise<readonly NumberedRow[]> {
  if (records.length === 0) return [];
  const names = new Set(records.map((row) => `${row.trace_hex}/${row.span_id}`));
  const ids = records.flatMap((row) => candidateIds(row).map(String));
  const { results } = await database
    .prepare(`${SELECT} FROM calls WHERE id IN ${IDS}`)
    .bind(JSON.stringify(ids))
    .all<Selected>();
  return results.filter((row) => names.has(`${row.trace_hex}/${row.span_id}`)).map(numberedRow);
}

/** A row as the database answers it, by its own columns' names. */
type Selected = IndexRowText & { readonly number: string };
type IndexRowText = Omit<IndexRow, "rules" | "kind"> & {
  readonly rules: string;
  readonly kind: string;
  readonly segment: string;
  readonly line: number;
};

function numberedRow({ number, ...row }: Selected): NumberedRow {
  const stored: CallRow = {
    ...row,
    traceHex: row.trace_hex,
    spanId: row.span_id,
    traceId: row.trace_id,
    startedAt: row.started_at,
    durationMs: row.duration_ms,
    sessionId: row.session_id,
    taskId: row.task_id,
    errorCode: row.error_code,
    policyVersion: row.policy_version,
    costMicroUsd: row.cost_micro_usd,
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    callId: row.call_id,
  };
  return { id: number, index: indexedRow(stored).index };
}

/** SQLite FTS5, "The 'merge' Command": a negative number goes on with a whole rewrite, which is over once it changes fewer than two rows. */
async function compactIn(database: D1Database): Promise<boolean> {
  const [, before, , after] = await database.batch<{ readonly n: number }>([
    database.prepare("SELECT 1"),
    database.prepare("SELECT total_changes() AS n"),
    database.prepare(`INSERT INTO calls_text(calls_text, rank) VALUES('merge', -${PAGES})`),
    database.prepare("SELECT total_changes() AS n"),
  ]);
  return (after?.results[0]?.n ?? 0) - (before?.results[0]?.n ?? 0) < 2;
}
