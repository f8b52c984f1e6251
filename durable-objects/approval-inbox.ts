// Touches the approvals inbox in D1: one row per approval, written by the object that owns the call.
import type { ToolCallRecord } from "../src/core/state/tool-call-record.ts";

/** The whole row again: a call that is asked anew under its old key is a new question under its old id. */
const PUT = `INSERT OR REPLACE INTO approvals (tenant, id, tool_call_id, status, kind, actor, tool, session_id, requested_by, requested_at, expires_at, resolved_at, digest)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)`;

/** Makes the inbox show an approval as its call's object has it: one row and its index entry written. */
export async function showInInbox(database: D1Database, record: ToolCallRecord): Promise<void> {
  const { approval, request } = record;
  if (approval === null) return;
  await database
    .prepare(PUT)
    .bind(
      request.tenant,
      approval.id,
      request.id,
      approval.status,
      approval.kind,
      request.ask.actor,
      request.ask.tool,
      request.ask.session,
      request.ask.principal.key_id,
      approval.requestedAt,
      approval.expiresAt,
      approval.resolvedAt,
      approval.digest,
    )
    .run();
}
