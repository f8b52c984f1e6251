// Touches an object's SQLite storage: one JSON state row, keyed JSON rows, and an outbox, all read and written synchronously.
import { linesThatFit } from "../src/core/trace/fit-line.ts";
import type { TraceRecord } from "../src/core/trace/record.ts";

/** Storage step 1. Tables are made with the first write, so that reading a session never seen stores nothing. */
const STEP_1 = [
  "CREATE TABLE IF NOT EXISTS state (k INTEGER PRIMARY KEY CHECK (k = 1), body TEXT NOT NULL)",
  "CREATE TABLE IF NOT EXISTS rows (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
  "CREATE TABLE IF NOT EXISTS outbox (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
];

/** Records sent to the queue at once. */
const OUTBOX_BATCH = 25;

/** The longest line that is kept as it is, in characters of at most three bytes. */
const MAX_ROW_LENGTH = 600_000;

/** Where an outbox sends its records. */
export interface RecordQueue {
  send(body: string, options: { readonly contentType: "text" }): Promise<unknown>;
}

/** Whether the queue took a row, made as small as it must be for that: one too large would be refused for ever. */
async function sendAll(queue: RecordQueue, body: string): Promise<boolean> {
  try {
    // A part that was taken before a refusal comes again with the row: what is stored twice is stored once.
    for (const line of body.split("\n").flatMap((each) => linesThatFit(each)))
      await queue.send(line, { contentType: "text" });
    return true;
  } catch {
    return false;
  }
}

/** One object's storage. Bodies are JSON texts that only their own object writes. */
export class SqlStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  #isReady: boolean;
  #depth: number | undefined;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#isReady =
      this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'state'").toArray().length > 0;
  }

  /** The state row, or `undefined` before the first write. */
  readState(): unknown {
    return this.#body("SELECT body FROM state WHERE k = 1");
  }

  /** Writes the state row: one row written. */
  writeState(state: unknown): void {
    this.#ready().exec(
      "INSERT INTO state (k, body) VALUES (1, ?) ON CONFLICT (k) DO UPDATE SET body = excluded.body",
      JSON.stringify(state),
    );
  }

  /** A keyed row, or `undefined`. */
  readRow(id: string): unknown {
    return this.#body("SELECT body FROM rows WHERE id = ?", id);
  }

  /** Writes a keyed row: one row written. */
  writeRow(id: string, body: unknown): void {
    this.#ready().exec(
      "INSERT INTO rows (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
      id,
      JSON.stringify(body),
    );
  }

  /** Every keyed row whose id begins so, by id. */
  allRows(prefix: string): readonly unknown[] {
    return this.rowsUnder(prefix).map((row) => row.body);
  }

  /** Every keyed row whose id begins so, with its id. */
  rowsUnder(prefix: string): readonly { readonly id: string; readonly body: unknown }[] {
    if (!this.#isReady) return [];
    return this.#sql
      .exec<{ id: string; body: string }>(
        "SELECT id, body FROM rows WHERE id >= ? AND id < ? ORDER BY id",
        prefix,
        `${prefix}\u{10ffff}`,
      )
      .toArray()
      .map((row) => ({ id: row.id, body: JSON.parse(row.body) as unknown }));
  }

  /** Deletes a keyed row. */
  deleteRow(id: string): void {
    if (this.#isReady) this.#sql.exec("DELETE FROM rows WHERE id = ?", id);
  }

  /** Records that wait for the queue. Counted once, then kept up to date: this object is the table's only writer. */
  outboxDepth(): number {
    this.#depth ??= this.#isReady ? this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM outbox").one().n : 0;
    return this.#depth;
  }

  /** Keeps a record until the queue has taken it; the same record twice is kept once. */
  addToOutbox(record: TraceRecord): void {
    this.addLine(`${record.index.trace_hex}/${record.index.span_id}`, JSON.stringify(record));
  }

  /** Keeps any line of the trace queue until that has taken it; the same id twice is kept once. */
  addLine(id: string, line: string): void {
    // A row holds two megabytes, and nothing here could send it whole.
    const kept = line.length > MAX_ROW_LENGTH ? linesThatFit(line).join("\n") : line;
    this.#depth = undefined;
    this.#ready().exec("INSERT INTO outbox (id, body) VALUES (?, ?) ON CONFLICT (id) DO NOTHING", id, kept);
  }

  /** Sends what waits; a record leaves the outbox only once the queue has taken it. Answers how many still wait. */
  async drainOutbox(queue: RecordQueue): Promise<number> {
    let after = "";
    while (this.outboxDepth() > 0) {
      const rows = this.#sql
        .exec<{ id: string; body: string }>(
          "SELECT id, body FROM outbox WHERE id > ? ORDER BY id LIMIT ?",
          after,
          OUTBOX_BATCH,
        )
        .toArray();
      for (const row of rows) {
        // One record that is refused does not hold up those behind it.
        after = row.id;
        const isTaken = await sendAll(queue, row.body);
        if (isTaken) this.#sql.exec("DELETE FROM outbox WHERE id = ?", row.id);
        this.#depth = undefined;
      }
      if (rows.length < OUTBOX_BATCH) break;
    }
    return this.outboxDepth();
  }

  /** Deletes everything, the alarm included. */
  forget(): void {
    this.#isReady = false;
    this.#depth = 0;
    void this.#storage.deleteAll();
  }

  #body(query: string, ...bindings: readonly string[]): unknown {
    if (!this.#isReady) return undefined;
    const row = this.#sql.exec<{ body: string }>(query, ...bindings).toArray()[0];
    return row === undefined ? undefined : (JSON.parse(row.body) as unknown);
  }

  #ready(): SqlStorage {
    if (!this.#isReady) for (const statement of STEP_1) this.#sql.exec(statement);
    this.#isReady = true;
    return this.#sql;
  }
}
