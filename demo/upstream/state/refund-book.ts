// Keeps the refunds: decides whether a request makes a new one, repeats an old one or misuses a key.
import { dollarsNumber } from "../money.ts";
import { bump } from "./counts.ts";
import { newId } from "./new-id.ts";

/** A refund as the API shows it. */
export interface Refund {
  readonly id: string;
  readonly customer_id: string;
  readonly amount_usd: number;
  readonly status: "succeeded" | "reversed";
}

/** What a caller asks for; whole cents. */
export interface RefundOrder {
  readonly customerId: string;
  readonly cents: number;
  readonly idempotencyKey: string | null;
}

/** A refund and whether this very request brought it about. */
export interface RefundReply {
  readonly outcome: "made" | "replayed" | "key_reused";
  readonly refund: Refund;
}

type RefundRow = {
  id: string;
  idempotency_key: string | null;
  customer_id: string;
  cents: number;
  status: string;
};

/** Creates the table of refunds. */
export function createRefundBook(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS refunds (
    id TEXT PRIMARY KEY, idempotency_key TEXT UNIQUE, customer_id TEXT NOT NULL, cents INTEGER NOT NULL, status TEXT NOT NULL)`);
}

/**
 * Makes a refund, at most one per idempotency key: the same order again is `replayed`, another order
 * under the same key is `key_reused`, and neither has an effect. Synchronous, so duplicates cannot interleave.
 */
export function makeRefund(sql: SqlStorage, order: RefundOrder): RefundReply {
  const { customerId, cents, idempotencyKey } = order;
  const [earlier] = idempotencyKey === null ? [] : rowsByKey(sql, idempotencyKey);
  if (earlier !== undefined) {
    const isSame = earlier.customer_id === customerId && earlier.cents === cents;
    return { outcome: isSame ? "replayed" : "key_reused", refund: show(earlier) };
  }
  const row: RefundRow = {
    id: newId("re"),
    idempotency_key: idempotencyKey,
    customer_id: customerId,
    cents,
    status: "succeeded",
  };
  sql.exec(
    "INSERT INTO refunds VALUES (?, ?, ?, ?, ?)",
    row.id,
    row.idempotency_key,
    row.customer_id,
    row.cents,
    row.status,
  );
  if (idempotencyKey !== null) bump(sql, "by_key", idempotencyKey);
  return { outcome: "made", refund: show(row) };
}

/** The refund with this id. */
export function findRefund(sql: SqlStorage, id: string): Refund | undefined {
  return sql.exec<RefundRow>("SELECT * FROM refunds WHERE id = ?", id).toArray().map(show)[0];
}

/** The refunds made under a key (none or one), or without a key all of them, oldest first, at most 1000. */
export function listRefunds(sql: SqlStorage, idempotencyKey: string | null): Refund[] {
  const rows =
    idempotencyKey === null
      ? sql.exec<RefundRow>("SELECT * FROM refunds ORDER BY rowid LIMIT 1000").toArray()
      : rowsByKey(sql, idempotencyKey);
  return rows.map(show);
}

/** Takes a refund back. Doing it again is `replayed` and has no effect. */
export function reverseRefund(sql: SqlStorage, id: string): RefundReply | undefined {
  const refund = findRefund(sql, id);
  if (refund === undefined) return undefined;
  if (refund.status === "reversed") return { outcome: "replayed", refund };
  sql.exec("UPDATE refunds SET status = 'reversed' WHERE id = ?", id);
  bump(sql, "reversals", "");
  return { outcome: "made", refund: { ...refund, status: "reversed" } };
}

/** How many refunds were ever made and their sum in cents; reversing takes nothing off. */
export function totalRefunds(sql: SqlStorage): { readonly n: number; readonly cents: number } {
  return sql
    .exec<{ n: number; cents: number }>("SELECT count(*) AS n, coalesce(sum(cents), 0) AS cents FROM refunds")
    .one();
}

function rowsByKey(sql: SqlStorage, key: string): RefundRow[] {
  return sql.exec<RefundRow>("SELECT * FROM refunds WHERE idempotency_key = ?", key).toArray();
}

function show(row: RefundRow): Refund {
  const status = row.status === "reversed" ? "reversed" : "succeeded";
  return { id: row.id, customer_id: row.customer_id, amount_usd: dollarsNumber(row.cents), status };
}
