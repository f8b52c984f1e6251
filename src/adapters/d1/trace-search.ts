// Touches the trace index in D1 to find calls: every filter is a facet or a word of one full-text match, pages go by number.
import { and, asc, desc, gte, sql, type SQL } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { integer, sqliteTable } from "drizzle-orm/sqlite-core";
import { costFacetsFrom, facet, type FacetName } from "../../core/trace/facets.ts";
import { firstIdAt } from "../../core/trace/row-id.ts";
import type { IndexedRow, TraceFilter, TraceIndex, TracePage } from "../../gateway/ports/trace-store.ts";
import { calls } from "./schema.ts";
import { indexedRow, SELECTED } from "./trace-rows.ts";
import type { TraceShards } from "./trace-shards.ts";

/** The full-text table; its rows are written and deleted with those of `calls`. */
const callsText = sqliteTable("calls_text", { rowid: integer("rowid") });

/** Traces of one outcome that are looked for by name; with more of them, every call found is compared. */
const NAMED_TRACES = 400;
/** Rows of one trace that are answered. */
const MAX_TRACE_ROWS = 5_000;

/** The reading half of the trace index. */
export function searchIn(shards: TraceShards): Pick<TraceIndex, "list" | "ofTrace"> {
  return {
    list: async (tenant, filter) => {
      const databases = shards.within(tenant, filter.from, filter.to);
      const found = await Promise.all(databases.map((database) => findIn(database, tenant, filter)));
      return pageOf(found.flat(), filter);
    },
    ofTrace: async (tenant, traceHex) => {
      const filter = { trace: traceHex, limit: MAX_TRACE_ROWS };
      const databases = shards.within(tenant, undefined, undefined);
      const found = await Promise.all(databases.map((database) => findIn(database, tenant, filter)));
      return found
        .flat()
        .map(({ row }) => row)
        .toSorted(
          (left, right) =>
            left.index.started_at - right.index.started_at || left.index.span_id.localeCompare(right.index.span_id),
        );
    },
  };
}

interface Found {
  readonly id: bigint;
  readonly row: IndexedRow;
}

function pageOf(found: readonly Found[], { limit, order }: TraceFilter): TracePage {
  const rising = found.toSorted((left, right) => (left.id > right.id ? 1 : left.id < right.id ? -1 : 0));
  const sorted = order === "oldest" ? rising : rising.toReversed();
  const shown = sorted.slice(0, limit);
  const last = shown.at(-1);
  return {
    rows: shown.map(({ row: { index, segment, line } }) => ({ ...index, segment, line })),
    nextCursor: sorted.length > limit && last !== undefined ? String(last.id) : null,
  };
}

type Filter = TraceFilter & { readonly trace?: string };

async function findIn(database: D1Database, tenant: string, filter: Filter): Promise<readonly Found[]> {
  const byOutcome = filter.outcome === undefined ? NO_OUTCOME : await outcomeTerms(database, tenant, filter.outcome);
  if (byOutcome === undefined) return [];
  const found = await drizzle(database)
    .select({ ...SELECTED, id: sql<string>`CAST(${callsText.rowid} AS TEXT)` })
    .from(callsText)
    .innerJoin(calls, sql`${calls.id} = ${callsText.rowid}`)
    .where(
      and(
        sql`calls_text MATCH ${matchOf(tenant, filter, byOutcome.traces)}`,
        ...idConditions(filter),
        filter.minCostMicro === undefined ? undefined : gte(calls.costMicroUsd, filter.minCostMicro),
        byOutcome.condition,
      ),
    )
    .orderBy(filter.order === "oldest" ? asc(callsText.rowid) : desc(callsText.rowid))
    .limit(filter.limit + 1);
  return found.map(({ id, ...row }) => ({ id: BigInt(id), row: indexedRow(row) }));
}

const FACETS = [
  "session",
  "task",
  "actor",
  "user",
  "tool",
  "model",
  "kind",
  "decision",
  "status",
  "release",
  "rule",
  "trace",
] as const satisfies readonly (FacetName & keyof Filter)[];

/** One match expression: every facet asked for, and every word. Facets are hexadecimal and terms are quoted: nothing in them is syntax. */
function matchOf(tenant: string, filter: Filter, traces: readonly string[]): string {
  const all = FACETS.flatMap((name) => {
    const value = filter[name];
    return value === undefined ? [] : [facet(tenant, name, value)];
  });
  const any = [
    filter.minCostMicro === undefined ? [] : costFacetsFrom(tenant, filter.minCostMicro),
    traces.map((hex) => facet(tenant, "trace", hex)),
  ].flatMap((tokens) => (tokens.length === 0 ? [] : [`(${tokens.join(" OR ")})`]));
  // A row has its tenant in each of its facets: the tenant's own is needed only where no other is asked for.
  const facets = all.length === 0 ? [facet(tenant, "tenant", tenant), ...any] : [...all, ...any];
  const words = (filter.terms ?? []).map((term) => `body : ${term}`);
  return [`facets : (${facets.join(" AND ")})`, ...words].join(" AND ");
}

function idConditions({ from, to, cursor, order }: Filter): readonly SQL[] {
  const bound = (id: bigint): SQL => sql`CAST(${String(id)} AS INTEGER)`;
  return [
    ...(from === undefined ? [] : [sql`${callsText.rowid} >= ${bound(firstIdAt(from))}`]),
    ...(to === undefined ? [] : [sql`${callsText.rowid} < ${bound(firstIdAt(to + 1))}`]),
    ...(cursor === undefined
      ? []
      : [
          order === "oldest"
            ? sql`${callsText.rowid} > ${bound(readCursor(cursor))}`
            : sql`${callsText.rowid} < ${bound(readCursor(cursor))}`,
        ]),
  ];
}

/** The number that a cursor names; a cursor that is none stands before everything. */
function readCursor(text: string): bigint {
  return /^\d{1,19}$/.test(text) ? BigInt(text) : 0n;
}

interface OutcomeTerms {
  readonly traces: readonly string[];
  readonly condition: SQL | undefined;
}

const NO_OUTCOME: OutcomeTerms = { traces: [], condition: undefined };

/** How the calls of an outcome are found: by their few traces, else by comparing each; `undefined` where there is none. */
async function outcomeTerms(database: D1Database, tenant: string, outcome: string): Promise<OutcomeTerms | undefined> {
  const { results } = await database
    .prepare("SELECT trace_hex FROM outcomes INDEXED BY outcomes_by_name WHERE tenant = ?1 AND outcome = ?2 LIMIT ?3")
    .bind(tenant, outcome, NAMED_TRACES + 1)
    .all<{ readonly trace_hex: string }>();
  if (results.length === 0) return undefined;
  if (results.length <= NAMED_TRACES)
    return { traces: [...new Set(results.map((row) => row.trace_hex))], condition: undefined };
  // The plus keeps the planner from the index by outcome: it would walk all of them for every call.
  const condition = sql`EXISTS (SELECT 1 FROM outcomes o WHERE o.tenant = ${tenant} AND o.trace_hex = ${calls.traceHex} AND +o.outcome = ${outcome})`;
  return { traces: [], condition };
}
