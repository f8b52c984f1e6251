// Keeps what became of the help desk's tickets: the tickets themselves are seeded, closing and deleting is remembered.
import { bump } from "./counts.ts";

/** A ticket as the help desk shows it. */
export type Ticket = {
  id: string;
  customer_id: string;
  subject: string;
  status: "open" | "closed";
  resolution: string | null;
};

/** The tickets that there are when nothing has happened yet. */
const TICKETS: readonly Ticket[] = [
  { id: "tic_101", customer_id: "cus_123", subject: "The mug arrived broken", status: "open", resolution: null },
  { id: "tic_102", customer_id: "cus_456", subject: "Where is my parcel?", status: "open", resolution: null },
  { id: "tic_103", customer_id: "cus_789", subject: "I cannot sign in", status: "open", resolution: null },
];

type ChangeRow = { id: string; status: "closed" | "deleted"; resolution: string | null };

/** Creates the table of what became of tickets. */
export function createTicketBook(sql: SqlStorage): void {
  sql.exec("CREATE TABLE IF NOT EXISTS tickets (id TEXT PRIMARY KEY, status TEXT NOT NULL, resolution TEXT)");
}

/** The ticket with this id; undefined once it was deleted. */
export function findTicket(sql: SqlStorage, id: string): Ticket | undefined {
  const seeded = TICKETS.find((ticket) => ticket.id === id);
  const [change] = sql.exec<ChangeRow>("SELECT id, status, resolution FROM tickets WHERE id = ?", id).toArray();
  if (seeded === undefined || change?.status === "deleted") return undefined;
  return change === undefined ? seeded : { ...seeded, status: "closed", resolution: change.resolution };
}

/** Closes a ticket; closed once more, it keeps the newest resolution. Undefined when there is none. */
export function closeTicket(sql: SqlStorage, id: string, resolution: string): Ticket | undefined {
  if (findTicket(sql, id) === undefined) return undefined;
  write(sql, { id, status: "closed", resolution });
  bump(sql, "tickets_closed", "");
  return findTicket(sql, id);
}

/** Deletes a ticket for good; false when there is none. */
export function deleteTicket(sql: SqlStorage, id: string): boolean {
  if (findTicket(sql, id) === undefined) return false;
  write(sql, { id, status: "deleted", resolution: null });
  bump(sql, "tickets_deleted", "");
  return true;
}

function write(sql: SqlStorage, { id, status, resolution }: ChangeRow): void {
  sql.exec("INSERT OR REPLACE INTO tickets VALUES (?, ?, ?)", id, status, resolution);
}
