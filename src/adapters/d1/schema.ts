// Decides the D1 tables; `drizzle-kit generate` turns a change here into a numbered migration.
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/**
 * One row per recorded call: what it is shown by, and where its record lies. `id` is the time it started, then 22 bits of
 * a digest of its name, so that ids are in order of time; every other way to find a row is a facet in `calls_text`.
 */
export const calls = sqliteTable("calls", {
  id: integer("id").primaryKey(),
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
  release: text("release"),
  user: text("user"),
  /** Rule ids, as a JSON array. */
  rules: text("rules").notNull(),
  upstream: text("upstream"),
  attempts: integer("attempts"),
  masked: integer("masked").notNull(),
  segment: text("segment").notNull(),
  line: integer("line").notNull(),
});

/** One row per statement of a session's ledger: which calls it admitted within an hour. */
export const admissions = sqliteTable(
  "admissions",
  {
    tenant: text("tenant").notNull(),
    /** Epoch milliseconds of the hour's start. */
    hour: integer("hour").notNull(),
    sessionId: text("session_id").notNull(),
    fromSeq: integer("from_seq").notNull(),
    toSeq: integer("to_seq").notNull(),
    /** 1 where the ledger stopped before it could say which of these it admitted. */
    isUncertain: integer("is_uncertain").notNull(),
    /** The calls, as a JSON array. */
    calls: text("calls").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.hour, table.sessionId, table.fromSeq] })],
);

/** One row per outcome that somebody reported of a trace. */
export const outcomes = sqliteTable(
  "outcomes",
  {
    tenant: text("tenant").notNull(),
    traceHex: text("trace_hex").notNull(),
    id: text("id").notNull(),
    outcome: text("outcome"),
    labels: text("labels").notNull(),
    scores: text("scores").notNull(),
    comment: text("comment"),
    source: text("source"),
    /** When it came about, and when it was reported. */
    at: integer("at").notNull(),
    recordedAt: integer("recorded_at").notNull(),
    recordedBy: text("recorded_by").notNull(),
    digest: text("digest").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.traceHex, table.id] }),
    index("outcomes_by_name").on(table.tenant, table.outcome, table.at),
  ],
);

/**
 * One row per tenant, UTC day, kind, subject, release, status and decision: how many records there were and what they
 * came to. Written in the transaction that adds the records to the index.
 */
export const rollups = sqliteTable(
  "rollups",
  {
    tenant: text("tenant").notNull(),
    /** Counted from 1970-01-01. */
    day: integer("day").notNull(),
    kind: text("kind").notNull(),
    subject: text("subject").notNull(),
    /** Empty where the caller named none. */
    release: text("release").notNull(),
    status: text("status").notNull(),
    decision: text("decision").notNull(),
    calls: integer("calls").notNull(),
    costMicroUsd: integer("cost_micro_usd").notNull(),
    inputTokens: integer("input_tokens").notNull(),
    outputTokens: integer("output_tokens").notNull(),
    durationMs: integer("duration_ms").notNull(),
    attempts: integer("attempts").notNull(),
    masked: integer("masked").notNull(),
    maskedCalls: integer("masked_calls").notNull(),
    /** Histograms, as JSON arrays of counts per bucket. */
    latency: text("latency").notNull(),
    cost: text("cost").notNull(),
    input: text("input").notNull(),
    output: text("output").notNull(),
  },
  (table) => [
    primaryKey({
      columns: [table.tenant, table.day, table.kind, table.subject, table.release, table.status, table.decision],
    }),
  ],
);

/** One row per finding of drift, and one without a name per week that was looked at. */
export const driftFindings = sqliteTable(
  "drift_findings",
  {
    tenant: text("tenant").notNull(),
    /** The first day of the week, counted from 1970-01-01. */
    week: integer("week").notNull(),
    id: text("id").notNull(),
    foundAt: integer("found_at").notNull(),
    deliveredAt: integer("delivered_at"),
    /** The finding, as JSON. */
    finding: text("finding").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.week, table.id] })],
);

/** One row per batch of audit events: where they lie, and the signed state of the chain after them. */
export const auditSegments = sqliteTable(
  "audit_segments",
  {
    tenant: text("tenant").notNull(),
    firstSeq: integer("first_seq").notNull(),
    lastSeq: integer("last_seq").notNull(),
    firstAt: integer("first_at").notNull(),
    lastAt: integer("last_at").notNull(),
    prevHash: text("prev_hash").notNull(),
    lastHash: text("last_hash").notNull(),
    object: text("object").notNull(),
    /** The signed checkpoint, as JSON. */
    checkpoint: text("checkpoint").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.firstSeq] })],
);

/** Every public key that has signed a checkpoint. */
export const auditKeys = sqliteTable("audit_keys", {
  id: text("id").primaryKey(),
  publicKey: text("public_key").notNull(),
  firstUsedAt: integer("first_used_at").notNull(),
});

/** One row per erasure: what was asked, how far it is, and its receipt. */
export const erasures = sqliteTable(
  "erasures",
  {
    tenant: text("tenant").notNull(),
    id: text("id").notNull(),
    scope: text("scope").notNull(),
    subject: text("subject"),
    reason: text("reason"),
    status: text("status").notNull(),
    requestedAt: integer("requested_at").notNull(),
    requestedBy: text("requested_by").notNull(),
    finishedAt: integer("finished_at"),
    /** Where the work goes on, and what was removed so far, as JSON. */
    progress: text("progress").notNull(),
    receipt: text("receipt").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.id] })],
);

/** One row per exporter of a tenant: what it has taken and what it has not, in spans. */
export const exportFigures = sqliteTable(
  "export_figures",
  {
    tenant: text("tenant").notNull(),
    exporter: text("exporter").notNull(),
    sent: integer("sent").notNull(),
    failed: integer("failed").notNull(),
    lastFailure: text("last_failure"),
    changedAt: integer("changed_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.exporter] })],
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
