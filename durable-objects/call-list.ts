// Touches the list of tool calls in D1: the row of a call that is or was more than simply done, written by its object.
import type { ToolCallRecord } from "../src/core/state/tool-call-record.ts";

/** A row tells of the latest change, whoever writes it and in whatever order it arrives. */
const PUT = `INSERT INTO tool_calls (tenant, id, status, actor, tool, session_id, task_id, trace_id, created_at, changed_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (tenant, id) DO UPDATE SET status = excluded.status, session_id = excluded.session_id, task_id = excluded.task_id,
  trace_id = excluded.trace_id, changed_at = excluded.changed_at WHERE excluded.changed_at >= tool_calls.changed_at`;

/** Makes the list show a call as its object has it. */
export async function showInList(database: D1Database, record: ToolCallRecord): Promise<void> {
  const { request, status, createdAt, changedAt } = record;
  const { actor, tool, session, task } = request.ask;
  await database
    .prepare(PUT)
    .bind(request.tenant, request.id, status, actor, tool, session, task, request.traceId, createdAt, changedAt)
    .run();
}
