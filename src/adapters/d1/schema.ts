// Decides the D1 tables; `drizzle-kit generate` turns a change here into a numbered migration.
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row per recorded call: what it is found by, and where its segment lies. */
export const calls = sqliteTable(
  "calls",
  {
    tenant: text("tenant").notNull(),
    traceHex: text("trace_hex").notNull(),
    spanId: text("span_id").notNull(),
    traceId: text("trace_id").notNull(),
    startedAt: integer("started_at").notNull(),
    durationMs: integer("duration_ms").notNull(),
    kind: text("kind").notNull(),
    sessionId: text("session_id").notNull(),
    taskId: text("task_id"),
    actor: text("actor").notNull(),
    subject: text("subject").notNull(),
    status: text("status").notNull(),
    decision: text("decision").notNull(),
    errorCode: text("error_code"),
    policyVersion: text("policy_version").notNull(),
    costMicroUsd: integer("cost_micro_usd").notNull(),
    inputTokens: integer("input_tokens").notNull(),
    outputTokens: integer("output_tokens").notNull(),
    seq: integer("seq"),
    callId: text("call_id"),
    segment: text("segment").notNull(),
    line: integer("line").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.traceHex, table.spanId] }),
    index("calls_by_time").on(table.tenant, table.startedAt, table.spanId),
  ],
);

/** One row per tool call: by which status it is found. Its object writes the row where it is more than simply done. */
export const toolCalls = sqliteTable(
  "tool_calls",
  {
    tenant: text("tenant").notNull(),
    id: text("id").notNull(),
    status: text("status").notNull(),
    actor: text("actor").notNull(),
    tool: text("tool").notNull(),
    sessionId: text("session_id").notNull(),
    taskId: text("task_id"),
    traceId: text("trace_id").notNull(),
    createdAt: integer("created_at").notNull(),
    changedAt: integer("changed_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.id] }),
    index("tool_calls_by_status").on(table.tenant, table.status, table.createdAt, table.id),
    index("tool_calls_by_time").on(table.tenant, table.createdAt, table.id),
  ],
);

/** One row per approval: what the inbox lists. The call's object owns the approval and writes the row. */
export const approvals = sqliteTable(
  "approvals",
  {
    tenant: text("tenant").notNull(),
    id: text("id").notNull(),
    toolCallId: text("tool_call_id").notNull(),
    status: text("status").notNull(),
    kind: text("kind").notNull(),
    actor: text("actor").notNull(),
    tool: text("tool").notNull(),
    sessionId: text("session_id").notNull(),
    requestedBy: text("requested_by").notNull(),
    requestedAt: integer("requested_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    resolvedAt: integer("resolved_at"),
    digest: text("digest").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.id] }),
    index("approvals_by_time").on(table.tenant, table.requestedAt, table.id),
  ],
);

/** One row per segment of an audit chain: what its checkpoint signs. The key says that nobody appends twice in one place. */
export const auditSegments = sqliteTable(
  "audit_segments",
  {
    tenant: text("tenant").notNull(),
    firstSeq: integer("first_seq").notNull(),
    lastSeq: integer("last_seq").notNull(),
    prevHash: text("prev_hash").notNull(),
    hash: text("hash").notNull(),
    at: integer("at").notNull(),
    keyId: text("key_id").notNull(),
    signature: text("signature").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.firstSeq] })],
);

/** Every public key that has signed a checkpoint. */
export const auditKeys = sqliteTable("audit_keys", {
  kid: text("kid").primaryKey(),
  x: text("x").notNull(),
  createdAt: integer("created_at").notNull(),
});
