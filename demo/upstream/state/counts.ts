// Keeps every counter of the demo: one row per kind and label.

/** What is counted. `by_key` counts effects per idempotency key; `once` marks keys already used. */
export type CountKind =
  | "model_calls"
  | "completed"
  | "cancelled"
  | "cut"
  | "failed"
  | "prompt_tokens"
  | "completion_tokens"
  | "reversals"
  | "notes"
  | "notes_deleted"
  | "tickets_closed"
  | "tickets_deleted"
  | "by_key"
  | "once";

/** Creates the table of counters. */
export function createCounts(sql: SqlStorage): void {
  sql.exec(
    "CREATE TABLE IF NOT EXISTS counts (kind TEXT, label TEXT, n INTEGER NOT NULL, PRIMARY KEY (kind, label)) WITHOUT ROWID",
  );
}

/** Adds `by` to a counter and answers its new value. */
export function bump(sql: SqlStorage, kind: CountKind, label: string, by = 1): number {
  const statement = "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n RETURNING n";
  return sql.exec<{ n: number }>(statement, kind, label, by).one().n;
}

/** All counters of a kind by label. */
export function countsOf(sql: SqlStorage, kind: CountKind): Record<string, number> {
  const rows = sql
    .exec<{ label: string; n: number }>("SELECT label, n FROM counts WHERE kind = ? ORDER BY label", kind)
    .toArray();
  return Object.fromEntries(rows.map(({ label, n }) => [label, n]));
}

/** The sum of a kind over all labels. */
export function totalOf(sql: SqlStorage, kind: CountKind): number {
  return sql.exec<{ n: number }>("SELECT coalesce(sum(n), 0) AS n FROM counts WHERE kind = ?", kind).one().n;
}
