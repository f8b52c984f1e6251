// Touches the daily counts in D1: added to within the index's own transaction, read by day.
import * as z from "zod/mini";
import { MEASURES } from "../../core/trace/histogram.ts";
import { rollupRows, type RollupRow } from "../../core/trace/rollup.ts";
import type { Rollups } from "../../gateway/ports/reports.ts";
import type { Companion } from "./trace-index.ts";

const KEY = ["tenant", "day", "kind", "subject", "release", "status", "decision"] as const;
const SUMS = [
  "calls",
  "cost_micro_usd",
  "input_tokens",
  "output_tokens",
  "duration_ms",
  "attempts",
  "masked",
  "masked_calls",
] as const;
const ROWS_PER_STATEMENT = 200;
const MAX_ROWS = 50_000;

const extracted = [...KEY, ...SUMS, ...MEASURES].map((column) => `json_extract(value, '$.${column}')`).join(", ");
const added = [
  ...SUMS.map((column) => `${column} = ${column} + excluded.${column}`),
  ...MEASURES.map(
    (column) => `${column} = (SELECT json_group_array(old.value + COALESCE(new.value, 0) ORDER BY old.key)
    FROM json_each(rollups.${column}) old LEFT JOIN json_each(excluded.${column}) new ON new.key = old.key)`,
  ),
].join(",\n  ");

/** Adds rows to what is counted already, as one JSON parameter. */
const ADD = `INSERT INTO rollups (${[...KEY, ...SUMS, ...MEASURES].join(", ")})
SELECT ${extracted} FROM json_each(?1) WHERE true
ON CONFLICT (${KEY.join(", ")}) DO UPDATE SET ${added}`;

/** What new records add to the daily counts, in the transaction that adds them to the index: one row for each key. */
export function rollupCompanion(database: D1Database): Companion {
  return (_, fresh) => {
    const rows = rollupRows(fresh.map((record) => record.index));
    const chunks = Array.from({ length: Math.ceil(rows.length / ROWS_PER_STATEMENT) }, (_each, at) =>
      rows.slice(at * ROWS_PER_STATEMENT, (at + 1) * ROWS_PER_STATEMENT),
    );
    return Promise.resolve(chunks.map((chunk) => database.prepare(ADD).bind(JSON.stringify(chunk))));
  };
}

/** Reads the rows of some days by the table's own order. */
export const READ = `SELECT * FROM rollups WHERE tenant = ?1 AND day >= ?2 AND day < ?3 ORDER BY calls DESC LIMIT ${MAX_ROWS}`;

/** The daily counts of a D1 database. */
export function d1Rollups(database: D1Database): Rollups {
  return {
    between: async (tenant, fromDay, toDay) => {
      const { results } = await database.prepare(READ).bind(tenant, fromDay, toDay).all();
      return results.map((row) => Row.parse(row));
    },
  };
}

const histogram = z.pipe(
  z.string(),
  z.transform((json: string) => z.array(z.int()).parse(JSON.parse(json))),
);

const Row: z.ZodMiniType<RollupRow> = z.object({
  tenant: z.string(),
  day: z.int(),
  kind: z.string(),
  subject: z.string(),
  release: z.string(),
  status: z.string(),
  decision: z.string(),
  calls: z.int(),
  cost_micro_usd: z.number(),
  input_tokens: z.number(),
  output_tokens: z.number(),
  duration_ms: z.int(),
  attempts: z.int(),
  masked: z.int(),
  masked_calls: z.int(),
  latency: histogram,
  cost: histogram,
  input: histogram,
  output: histogram,
});
