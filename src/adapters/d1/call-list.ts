// Touches the list of tool calls in D1: pages by a stable cursor. Rows are written by the calls' objects and by the trace consumer.
import { and, desc, eq, inArray, lt, or, sql, type SQL } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import * as z from "zod/mini";
import { TOOL_CALL_STATUSES } from "../../core/state/tool-call-record.ts";
import type { CallFilter, CallLine, CallList } from "../../gateway/ports/call-list.ts";
import { toolCalls } from "./schema.ts";

const FORGOTTEN_AT_ONCE = 1_000;
const FORGET = `DELETE FROM tool_calls WHERE tenant = ?1 AND id IN (
  SELECT id FROM tool_calls WHERE tenant = ?1 AND changed_at < ?2
  AND status NOT IN ('held', 'executing', 'unknown', 'compensating', 'pending_approval', 'drafted') LIMIT ?3)`;

/** The list of tool calls in a D1 database. */
export function d1CallList(database: D1Database): CallList {
  const db = drizzle(database);
  return {
    list: async (tenant, filter) => {
      const found = await db
        .select()
        .from(toolCalls)
        .where(and(eq(toolCalls.tenant, tenant), ...conditions(filter)))
        .orderBy(desc(toolCalls.createdAt), desc(toolCalls.id))
        .limit(filter.limit + 1);
      const lines = found.slice(0, filter.limit).map(lineOf);
      const last = lines.at(-1);
      const hasMore = found.length > filter.limit && last !== undefined;
      return { lines, nextCursor: hasMore ? `${last.created_at}.${last.id}` : null };
    },
    forget: async (tenant, changedBefore) => {
      const { meta } = await database.prepare(FORGET).bind(tenant, changedBefore, FORGOTTEN_AT_ONCE).run();
      return meta.changes;
    },
  };
}

function conditions({ status, actors, tool, cursor }: CallFilter): readonly (SQL | undefined)[] {
  return [
    status === undefined ? undefined : eq(toolCalls.status, status),
    actors === undefined ? undefined : inArray(toolCalls.actor, [...actors]),
    tool === undefined ? undefined : eq(toolCalls.tool, tool),
    cursor === undefined ? undefined : afterCursor(cursor),
  ];
}

/** What comes after a cursor, which is the time and the id of a page's last line; nothing after one that is none. */
function afterCursor(cursor: string): SQL | undefined {
  const [, time, id] = /^(\d{1,15})\.(tc_[0-9a-f]{32})$/.exec(cursor) ?? [];
  if (time === undefined || id === undefined) return sql`0`;
  const at = Number(time);
  return or(lt(toolCalls.createdAt, at), and(eq(toolCalls.createdAt, at), lt(toolCalls.id, id)));
}

const Status = z.enum(TOOL_CALL_STATUSES);

function lineOf(row: typeof toolCalls.$inferSelect): CallLine {
  return {
    id: row.id,
    status: Status.parse(row.status),
    actor: row.actor,
    tool: row.tool,
    session_id: row.sessionId,
    task_id: row.taskId,
    trace_id: row.traceId,
    created_at: row.createdAt,
    changed_at: row.changedAt,
  };
}
