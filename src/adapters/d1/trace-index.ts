// Touches the trace index in D1: rows in one statement per batch, pages by a stable cursor.
import { and, desc, eq, gte, lt, lte, or, sql, type SQL } from "drizzle-orm";
import { drizzle, type DrizzleD1Database } from "drizzle-orm/d1";
import * as z from "zod/mini";
import type { IndexRow } from "../../core/trace/record.ts";
import type { IndexedRow, TraceFilter, TraceIndex } from "../../gateway/ports/trace-store.ts";
import { appendStatement, isTaken } from "../audit/store.ts";
import { calls } from "./schema.ts";

/** Rows bound into one statement, as one JSON parameter. */
const ROWS_PER_STATEMENT = 500;

/** The trace index in a D1 database. */
export function d1TraceIndex(database: D1Database): TraceIndex {
  const db = drizzle(database);
  return {
    known: async (tenant, rows) => {
      const asked = JSON.stringify(rows.map(({ trace_hex, span_id }) => ({ trace_hex, span_id })));
      const { results } = await database
        .prepare(KNOWN)
        .bind(tenant, asked)
        .all<{ trace_hex: string; span_id: string }>();
      return new Set(results.map((each) => `${tenant}/${each.trace_hex}/${each.span_id}`));
    },
    insert: async (rows, audit) => {
      const statements = chunksOf(rows, ROWS_PER_STATEMENT).flatMap((chunk) =>
        [INSERT, LIST_CALLS].map((statement) => database.prepare(statement).bind(JSON.stringify(chunk))),
      );
      if (audit !== undefined) statements.push(appendStatement(database, audit));
      if (statements.length === 0) return true;
      try {
        await database.batch(statements);
        return true;
      } catch (error) {
        if (isTaken(error)) return false;
        throw error;
      }
    },
    list: (tenant, filter) => listPage(db, tenant, filter),
    ofTrace: async (tenant, traceHex) => {
      const found = await db
        .select()
        .from(calls)
        .where(and(eq(calls.tenant, tenant), eq(calls.traceHex, traceHex)))
        .orderBy(calls.startedAt, calls.spanId);
      return found.map(indexedRow);
    },
  };
}

const KNOWN =
  "SELECT trace_hex, span_id FROM calls WHERE tenant = ?1 AND (trace_hex, span_id) IN (SELECT json_extract(value, '$.trace_hex'), json_extract(value, '$.span_id') FROM json_each(?2))";

const COLUMNS = [
  "tenant",
  "trace_hex",
  "span_id",
  "trace_id",
  "started_at",
  "duration_ms",
  "kind",
  "session_id",
  "task_id",
  "actor",
  "subject",
  "status",
  "decision",
  "error_code",
  "policy_version",
  "cost_micro_usd",
  "input_tokens",
  "output_tokens",
  "seq",
  "call_id",
  "segment",
  "line",
] as const;

/** A record that arrives twice keeps its first row: queues deliver at least once. */
const INSERT = `INSERT OR IGNORE INTO calls (${COLUMNS.join(", ")}) SELECT ${COLUMNS.map((column) => `json_extract(value, '$.${column}')`).join(", ")} FROM json_each(?1)`;

/**
 * The same rows in the list of calls: what each came to. A repeat is no call, and what was refused before it had an id
 * is none; a row never tells of an earlier change than it does already.
 */
const LIST_CALLS = `INSERT INTO tool_calls (tenant, id, status, actor, tool, session_id, task_id, trace_id, created_at, changed_at)
SELECT ${["tenant", "call_id", "status", "actor", "subject", "session_id", "task_id", "trace_id", "started_at"].map((column) => `json_extract(value, '$.${column}')`).join(", ")},
  json_extract(value, '$.started_at') + json_extract(value, '$.duration_ms') FROM json_each(?1)
WHERE json_extract(value, '$.kind') = 'execute_tool' AND json_extract(value, '$.call_id') IS NOT NULL
  AND json_extract(value, '$.status') NOT IN ('replayed', 'refused')
ON CONFLICT (tenant, id) DO UPDATE SET status = excluded.status, changed_at = excluded.changed_at
  WHERE excluded.changed_at >= tool_calls.changed_at`;

function chunksOf<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}

async function listPage(db: DrizzleD1Database, tenant: string, filter: TraceFilter): ReturnType<TraceIndex["list"]> {
  const found = await db
    .select()
    .from(calls)
    .where(and(eq(calls.tenant, tenant), ...conditions(filter)))
    .orderBy(desc(calls.startedAt), desc(calls.spanId))
    .limit(filter.limit + 1);
  const rows = found.slice(0, filter.limit).map((row) => {
    const { index, segment, line } = indexedRow(row);
    return { ...index, segment, line };
  });
  const last = rows.at(-1);
  return { rows, nextCursor: found.length > filter.limit && last !== undefined ? cursorOf(last) : null };
}

function conditions(filter: TraceFilter): readonly SQL[] {
  const given = <T>(value: T | undefined, condition: (value: T) => SQL): readonly SQL[] =>
    value === undefined ? [] : [condition(value)];
  return [
    ...given(filter.actor, (value) => eq(calls.actor, value)),
    ...given(filter.session, (value) => eq(calls.sessionId, value)),
    ...given(
      filter.tool,
      (value) => sql`${calls.kind} IN ('execute_tool', 'approval') AND ${calls.subject} = ${value}`,
    ),
    ...given(filter.model, (value) => sql`${calls.kind} = 'chat' AND ${calls.subject} = ${value}`),
    ...given(filter.decision, (value) => eq(calls.decision, value)),
    ...given(filter.status, (value) => eq(calls.status, value)),
    ...given(filter.from, (value) => gte(calls.startedAt, value)),
    ...given(filter.to, (value) => lte(calls.startedAt, value)),
    ...given(filter.minCostMicro, (value) => gte(calls.costMicroUsd, value)),
    ...given(filter.cursor, afterCursor),
  ];
}

const Cursor = z.tuple([z.int(), z.string()]);

function cursorOf(row: IndexRow): string {
  return btoa(JSON.stringify([row.started_at, row.span_id]));
}

function readCursor(text: string): readonly [number, string] | undefined {
  try {
    const parsed = Cursor.safeParse(JSON.parse(atob(text)));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

function afterCursor(text: string): SQL {
  const [startedAt, spanId] = readCursor(text) ?? [0, ""];
  return or(lt(calls.startedAt, startedAt), and(eq(calls.startedAt, startedAt), lt(calls.spanId, spanId))) ?? sql`0`;
}

const Kind = z.enum(["chat", "execute_tool", "approval", "switch", "session", "ledger", "config", "key", "secret"]);

function indexedRow(row: typeof calls.$inferSelect): IndexedRow {
  return {
    segment: row.segment,
    line: row.line,
    index: {
      tenant: row.tenant,
      trace_hex: row.traceHex,
      span_id: row.spanId,
      trace_id: row.traceId,
      started_at: row.startedAt,
      duration_ms: row.durationMs,
      kind: Kind.parse(row.kind),
      session_id: row.sessionId,
      task_id: row.taskId,
      actor: row.actor,
      subject: row.subject,
      status: row.status,
      decision: row.decision,
      error_code: row.errorCode,
      policy_version: row.policyVersion,
      cost_micro_usd: row.costMicroUsd,
      input_tokens: row.inputTokens,
      output_tokens: row.outputTokens,
      seq: row.seq,
      call_id: row.callId,
    },
  };
}
