// Touches the approvals inbox in D1: pages by a stable cursor. Its rows are written by the objects that own the calls.
import { and, desc, eq, gt, lt, lte, or, sql, type SQL } from "drizzle-orm";
import { drizzle, type DrizzleD1Database } from "drizzle-orm/d1";
import * as z from "zod/mini";
import { APPROVAL_STATUSES, type ApprovalStatus } from "../../core/state/approval.ts";
import type { ApprovalInbox, InboxLine } from "../../gateway/ports/approvals.ts";
import { approvals } from "./schema.ts";

/** The approvals inbox in a D1 database. */
export function d1ApprovalInbox(database: D1Database): ApprovalInbox {
  const db = drizzle(database);
  return {
    list: (tenant, filter) => listPage(db, tenant, filter),
    forget: async (tenant, { requestedBefore, now }) => {
      const { meta } = await database.prepare(FORGET).bind(tenant, requestedBefore, now, FORGOTTEN_AT_ONCE).run();
      return meta.changes;
    },
  };
}

const FORGOTTEN_AT_ONCE = 1_000;
const FORGET = `DELETE FROM approvals WHERE tenant = ?1 AND id IN (
  SELECT id FROM approvals WHERE tenant = ?1 AND requested_at < ?2 AND expires_at < ?3 ORDER BY requested_at LIMIT ?4)`;

type Filter = Parameters<ApprovalInbox["list"]>[1];

async function listPage(db: DrizzleD1Database, tenant: string, filter: Filter): ReturnType<ApprovalInbox["list"]> {
  const { status, cursor, limit, now } = filter;
  const found = await db
    .select()
    .from(approvals)
    .where(
      and(
        eq(approvals.tenant, tenant),
        status === undefined ? undefined : hasStatus(status, now),
        cursor === undefined ? undefined : afterCursor(cursor),
      ),
    )
    .orderBy(desc(approvals.requestedAt), desc(approvals.id))
    .limit(limit + 1);
  const lines = found.slice(0, limit).map((row) => lineOf(row, now));
  const last = lines.at(-1);
  const hasMore = found.length > limit && last !== undefined;
  return { lines, nextCursor: hasMore ? `${last.requested_at}.${last.id}` : null };
}

/** One whose time is over has expired, whether or not its object has woken yet. */
function hasStatus(status: ApprovalStatus, now: number): SQL | undefined {
  if (status === "pending") return and(eq(approvals.status, "pending"), gt(approvals.expiresAt, now));
  if (status !== "expired") return eq(approvals.status, status);
  return or(eq(approvals.status, "expired"), and(eq(approvals.status, "pending"), lte(approvals.expiresAt, now)));
}

/** What comes after a cursor, which is the time and the id of a page's last line; nothing after one that is none. */
function afterCursor(cursor: string): SQL | undefined {
  const [, time, id] = /^(\d{1,15})\.(ap_[0-9a-f]{32})$/.exec(cursor) ?? [];
  if (time === undefined || id === undefined) return sql`0`;
  const at = Number(time);
  return or(lt(approvals.requestedAt, at), and(eq(approvals.requestedAt, at), lt(approvals.id, id)));
}

const Status = z.enum(APPROVAL_STATUSES);
const Kind = z.enum(["approval", "draft"]);

function lineOf(row: typeof approvals.$inferSelect, now: number): InboxLine {
  const status = Status.parse(row.status);
  const isOver = status === "pending" && now >= row.expiresAt;
  return {
    id: row.id,
    tool_call_id: row.toolCallId,
    status: isOver ? "expired" : status,
    kind: Kind.parse(row.kind),
    actor: row.actor,
    tool: row.tool,
    session_id: row.sessionId,
    requested_by: row.requestedBy,
    requested_at: row.requestedAt,
    expires_at: row.expiresAt,
    resolved_at: isOver ? row.expiresAt : row.resolvedAt,
  };
}
