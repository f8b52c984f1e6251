// Touches the trace index in D1: everything that a batch of records adds is one transaction, so that nothing of it is ever added twice.
import type { TraceRecord } from "../../core/trace/record.ts";
import { facetsOf } from "../../core/trace/facets.ts";
import { candidateIds } from "../../core/trace/row-id.ts";
import { searchableText } from "../../core/trace/searchable.ts";
import type { StoredRecord, TraceIndex } from "../../gateway/ports/trace-store.ts";
import { chunksOf } from "./chunks.ts";
import { COLUMNS } from "./trace-rows.ts";
import { searchIn } from "./trace-search.ts";
import type { TraceShards } from "./trace-shards.ts";

/**
 * What else is written in the transaction that adds records to the index. It is asked once for the records that are new
 * to the index, and again when the transaction has to be built anew.
 */
export type Companion = (tenant: string, fresh: readonly TraceRecord[]) => Promise<readonly D1PreparedStatement[]>;

/** Rows bound into one statement, as one JSON parameter: with all their words they stay below the 2 MB that a value may have. */
const ROWS_PER_STATEMENT = 50;
/** Transactions that another consumer's was faster than are built anew so often. */
const TRIES = 6;

/** The trace index in D1. */
export function d1TraceIndex(shards: TraceShards, companions: readonly Companion[] = []): TraceIndex {
  return {
    insert: async (tenant, stored) => {
      const byShard = Map.groupBy(stored, ({ record }) => shards.of(tenant, record.index.started_at));
      const added: StoredRecord[] = [];
      for (const [database, records] of byShard)
        added.push(...(await insertInto(database, { tenant, companions }, records)));
      return added;
    },
    ...searchIn(shards),
  };
}

interface Batch {
  readonly tenant: string;
  readonly companions: readonly Companion[];
}

async function insertInto(
  database: D1Database,
  { tenant, companions }: Batch,
  stored: readonly StoredRecord[],
): Promise<readonly StoredRecord[]> {
  for (let attempt = 1; ; attempt += 1) {
    const numbered = await freshOf(database, stored);
    if (numbered.length === 0) return [];
    const fresh = numbered.map(({ stored: { record } }) => record);
    const also = await Promise.all(companions.map((companion) => companion(tenant, fresh)));
    try {
      await database.batch([...rowStatements(database, numbered), ...also.flat()]);
      return numbered.map((each) => each.stored);
    } catch (error) {
      if (!isConflict(error) || attempt === TRIES) throw error;
    }
  }
}

/** Whether another transaction has added one of the rows first. */
function isConflict(error: unknown): boolean {
  return error instanceof Error && /UNIQUE constraint|constraint failed/i.test(error.message);
}

interface Numbered {
  readonly id: bigint;
  readonly stored: StoredRecord;
}

/** The records that the index does not have yet, each with its number. */
async function freshOf(database: D1Database, stored: readonly StoredRecord[]): Promise<readonly Numbered[]> {
  const candidates = stored.map((each) => ({ stored: each, ids: candidateIds(each.record.index) }));
  const taken = await takenIds(
    database,
    candidates.flatMap(({ ids }) => ids.map(String)),
  );
  return candidates.flatMap(({ stored: each, ids }) => {
    const name = nameOf(each.record.index);
    const id = ids.find((candidate) => (taken.get(String(candidate)) ?? name) === name);
    if (id === undefined) throw new Error("no number is free for a record");
    if (taken.has(String(id))) return [];
    taken.set(String(id), name);
    return [{ id, stored: each }];
  });
}

async function takenIds(database: D1Database, ids: readonly string[]): Promise<Map<string, string>> {
  const { results } = await database.prepare(TAKEN).bind(JSON.stringify(ids)).all<Taken>();
  return new Map(results.map((row) => [row.id, nameOf(row)]));
}

interface Taken {
  readonly id: string;
  readonly tenant: string;
  readonly trace_hex: string;
  readonly span_id: string;
}

const TAKEN = `SELECT CAST(id AS TEXT) AS id, tenant, trace_hex, span_id FROM calls
WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(?1))`;

function nameOf({ tenant, trace_hex, span_id }: Omit<Taken, "id">): string {
  return `${tenant}\n${trace_hex}\n${span_id}`;
}

const ROW_ID = "CAST(json_extract(value, '$.id') AS INTEGER)";
const INSERT_TEXT = `INSERT INTO calls_text (rowid, facets, body)
SELECT ${ROW_ID}, json_extract(value, '$.facets'), json_extract(value, '$.body') FROM json_each(?1)`;
const INSERT_ROWS = `INSERT INTO calls (id, ${COLUMNS.join(", ")})
SELECT ${ROW_ID}, ${COLUMNS.map((column) => `json_extract(value, '$.${column}')`).join(", ")} FROM json_each(?1)`;

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

function rowStatements(database: D1Database, numbered: readonly Numbered[]): readonly D1PreparedStatement[] {
  return chunksOf(numbered, ROWS_PER_STATEMENT).flatMap((chunk) => {
    const rows = chunk.map(({ id, stored: { record, segment, line } }) => {
      const { rules, ...index } = record.index;
      return { id: String(id), ...index, rules: JSON.stringify(rules), segment, line };
    });
    const texts = chunk.map(({ id, stored: { record } }) => ({
      id: String(id),
      facets: facetsOf(record.index),
      body: searchableText(record),
    }));
    const bound = (statement: string, value: unknown): D1PreparedStatement =>
      database.prepare(statement).bind(JSON.stringify(value));
    return [bound(INSERT_TEXT, texts), bound(INSERT_ROWS, rows), bound(LIST_CALLS, rows)];
  });
}
