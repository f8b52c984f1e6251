// Touches what ledgers stated in D1, and compares it with the index of recorded calls hour by hour.
import * as z from "zod/mini";
import { HOUR_MS } from "../../core/trace/admissions.ts";
import type { AdmittedIn, HourFacts, Uncertain } from "../../core/trace/coverage.ts";
import { facet } from "../../core/trace/facets.ts";
import { firstIdAt } from "../../core/trace/row-id.ts";
import type { Admissions } from "../../gateway/ports/coverage.ts";
import { chunksOf } from "./chunks.ts";
import type { TraceShards } from "./trace-shards.ts";

/** Calls without a record near their hour that are looked for elsewhere, and answered. */
const MAX_MISSING = 10_000;
/** Sessions looked up with one full-text match. */
const SESSIONS_PER_MATCH = 200;
/** Statements bound into one insert. */
const PER_INSERT = 100;
/** A call starts this long before its hour at most, or is one that waited for people: those are looked for by session. */
const AROUND_MS = 15 * 60_000;

/** Admissions in D1; statements lie where the index rows of their hour do. */
export function d1Admissions(shards: TraceShards): Admissions {
  return {
    insert: async (statements) => {
      const byShard = Map.groupBy(statements, ({ tenant, hour }) => shards.of(tenant, hour));
      for (const [database, group] of byShard) {
        const chunks = chunksOf(group, PER_INSERT).map((chunk) => database.prepare(INSERT).bind(JSON.stringify(chunk)));
        await database.batch(chunks);
      }
    },
    hour: (tenant, hour) => factsOf(shards, tenant, hour),
  };
}

const value = (name: string): string => `json_extract(value, '$.${name}')`;

/** A statement that arrives twice says the same. */
const INSERT = `INSERT OR IGNORE INTO admissions (tenant, hour, session_id, from_seq, to_seq, is_uncertain, calls)
SELECT ${["tenant", "hour", "session", "from_seq", "to_seq", "is_uncertain", "calls"].map(value).join(", ")} FROM json_each(?1)`;

/** Records that stand for an admitted call. An approval is none, and a repeat has the number of the call it repeats. */
const STANDS =
  "seq IS NOT NULL AND kind IN ('chat', 'embeddings', 'count_tokens', 'replay', 'execute_tool', 'ledger') AND status <> 'replayed'";

const ADMITTED = `SELECT a.session_id, c.value AS call, json_extract(c.value, '$.seq') AS seq
FROM admissions a, json_each(a.calls) c WHERE a.tenant = ?1 AND a.hour = ?2 AND a.is_uncertain = 0`;

const COUNT = `SELECT count(*) AS n FROM (${ADMITTED})`;

/** Admitted calls without a record near their hour; one that was erased was stored. Neither half looks anything up in the other: one is made a set first. */
const UNSEEN = `SELECT session_id, call, count(*) OVER () AS total FROM (${ADMITTED})
WHERE json_extract(call, '$.erased') IS NULL AND (session_id, seq) NOT IN (
  SELECT k.session_id, k.seq FROM calls_text t JOIN calls k ON k.id = t.rowid
  WHERE calls_text MATCH ?3 AND t.rowid >= CAST(?4 AS INTEGER) AND t.rowid < CAST(?5 AS INTEGER) AND ${STANDS})
ORDER BY session_id, seq LIMIT ?6`;

const UNCERTAIN =
  "SELECT session_id, from_seq, to_seq FROM admissions WHERE tenant = ?1 AND hour = ?2 AND is_uncertain = 1";

const OF_SESSIONS = `SELECT DISTINCT k.session_id, k.seq FROM calls_text t JOIN calls k ON k.id = t.rowid
WHERE calls_text MATCH ?1 AND ${STANDS}`;

const Call = z.object({
  seq: z.number(),
  kind: z.enum(["chat", "execute_tool"]),
  span_id: z.string(),
  trace_hex: z.string(),
  call_id: z.nullable(z.string()),
  at: z.number(),
});

type Seen = ReadonlyMap<string, ReadonlySet<number>>;

async function factsOf(shards: TraceShards, tenant: string, hour: number): Promise<HourFacts> {
  const database = shards.of(tenant, hour);
  const { admitted, unseen, unseenCount, uncertain } = await statedIn(database, tenant, hour);
  const sessions = new Set([...unseen, ...uncertain].map((each) => each.session_id));
  const seen = await recordedIn(shards, tenant, [...sessions]);
  const missing = unseen.filter((each) => seen.get(each.session_id)?.has(each.seq) !== true);
  return {
    hour,
    admitted,
    missing,
    missingCount: unseenCount - (unseen.length - missing.length),
    uncertain: uncertain.map((each) => ({ ...each, recorded: countIn(seen.get(each.session_id), each) })),
  };
}

interface Stated {
  readonly admitted: number;
  readonly unseen: readonly AdmittedIn[];
  readonly unseenCount: number;
  readonly uncertain: readonly Omit<Uncertain, "recorded">[];
}

async function statedIn(database: D1Database, tenant: string, hour: number): Promise<Stated> {
  const near = [hour - AROUND_MS, hour + HOUR_MS + AROUND_MS].map((at) => String(firstIdAt(at)));
  const match = `facets : ${facet(tenant, "tenant", tenant)}`;
  const [counted, unseen, uncertain] = await Promise.all([
    database.prepare(COUNT).bind(tenant, hour).first<number>("n"),
    database
      .prepare(UNSEEN)
      .bind(tenant, hour, match, ...near, MAX_MISSING)
      .all<{ readonly session_id: string; readonly call: string; readonly total: number }>(),
    database.prepare(UNCERTAIN).bind(tenant, hour).all<Omit<Uncertain, "recorded">>(),
  ]);
  return {
    admitted: counted ?? 0,
    unseen: unseen.results.map((row) => ({ session_id: row.session_id, ...Call.parse(JSON.parse(row.call)) })),
    unseenCount: unseen.results[0]?.total ?? 0,
    uncertain: uncertain.results,
  };
}

/** The numbers that have a record, by session, whenever that began. */
async function recordedIn(shards: TraceShards, tenant: string, sessions: readonly string[]): Promise<Seen> {
  const seen = new Map<string, Set<number>>();
  for (const database of shards.within(tenant, undefined, undefined)) {
    for (const chunk of chunksOf(sessions, SESSIONS_PER_MATCH)) {
      const match = `facets : (${chunk.map((session) => facet(tenant, "session", session)).join(" OR ")})`;
      const { results } = await database
        .prepare(OF_SESSIONS)
        .bind(match)
        .all<{ readonly session_id: string; readonly seq: number }>();
      for (const row of results) {
        const numbers = seen.get(row.session_id) ?? new Set();
        seen.set(row.session_id, numbers.add(row.seq));
      }
    }
  }
  return seen;
}

function countIn(numbers: ReadonlySet<number> | undefined, range: Omit<Uncertain, "recorded">): number {
  return [...(numbers ?? [])].filter((seq) => seq >= range.from_seq && seq <= range.to_seq).length;
}
