// Keeps the faults armed for coming tool requests and decides which one a request consumes.

/** A fault that the next `times` requests under a path will meet. */
export interface ArmedFault {
  readonly pathPrefix: string;
  readonly fault: string;
  readonly times: number;
}

/** Creates the table of armed faults. */
export function createArmedFaults(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS armed_faults (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, path_prefix TEXT NOT NULL, fault TEXT NOT NULL, remaining INTEGER NOT NULL)`);
}

/** Arms a fault behind those already armed. */
export function armFault(sql: SqlStorage, { pathPrefix, fault, times }: ArmedFault): void {
  sql.exec("INSERT INTO armed_faults (path_prefix, fault, remaining) VALUES (?, ?, ?)", pathPrefix, fault, times);
}

/** Uses up one round of the oldest fault armed for this path and answers it. */
export function takeFault(sql: SqlStorage, path: string): string | undefined {
  const oldest = `UPDATE armed_faults SET remaining = remaining - 1 WHERE seq = (
    SELECT seq FROM armed_faults WHERE remaining > 0 AND substr(?, 1, length(path_prefix)) = path_prefix ORDER BY seq LIMIT 1)
    RETURNING fault`;
  return sql.exec<{ fault: string }>(oldest, path).toArray()[0]?.fault;
}
