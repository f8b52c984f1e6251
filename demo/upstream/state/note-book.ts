// Keeps the CRM notes. Writing one is deliberately not idempotent: two requests are two notes.
import { bump } from "./counts.ts";
import { newId } from "./new-id.ts";

/** A note on a customer's record. */
export type Note = { id: string; customer_id: string; text: string };

/** What a caller writes; a key is only counted, never used to tell duplicates apart. */
export interface NoteDraft {
  readonly customerId: string;
  readonly text: string;
  readonly idempotencyKey: string | null;
}

/** Creates the table of notes. */
export function createNoteBook(sql: SqlStorage): void {
  sql.exec("CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, customer_id TEXT NOT NULL, text TEXT NOT NULL)");
}

/** Writes a note. */
export function writeNote(sql: SqlStorage, draft: NoteDraft): Note {
  const note: Note = { id: newId("note"), customer_id: draft.customerId, text: draft.text };
  sql.exec("INSERT INTO notes VALUES (?, ?, ?)", note.id, note.customer_id, note.text);
  bump(sql, "notes", "");
  if (draft.idempotencyKey !== null) bump(sql, "by_key", draft.idempotencyKey);
  return note;
}

/** The notes on a customer, or on all, oldest first, at most 1000. */
export function listNotes(sql: SqlStorage, customerId: string | null): Note[] {
  const statement =
    "SELECT id, customer_id, text FROM notes WHERE customer_id = coalesce(?, customer_id) ORDER BY rowid LIMIT 1000";
  return sql.exec<Note>(statement, customerId).toArray();
}

/** Removes a note; false when there is none with this id. */
export function deleteNote(sql: SqlStorage, id: string): boolean {
  const isGone = sql.exec("DELETE FROM notes WHERE id = ? RETURNING id", id).toArray().length === 1;
  if (isGone) bump(sql, "notes_deleted", "");
  return isGone;
}
