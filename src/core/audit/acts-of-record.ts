// Decides which acts a trace record tells of: a decision, an approval, a switch, a change of config, keys or secrets.
import { digestOf, sha256Hex } from "../json/digest.ts";
import { ATTR } from "../trace/attributes.ts";
import type { Attributes, AttributeValue, TraceRecord } from "../trace/record.ts";
import type { AuditAct, AuditFact, AuditKind } from "./event.ts";

/** Who did what no person did. */
const GATEWAY = "gateway";
/** Longer texts stand as their digest: a fact is an id or a figure. */
const MAX_FACT = 256;
const BY = "interlock.act.by";

/** What a record's own kind stands for in the chain; kinds that are missing are no acts. */
const KIND_OF: Readonly<Record<string, AuditKind>> = {
  chat: "decision",
  embeddings: "decision",
  count_tokens: "decision",
  execute_tool: "decision",
  approval: "approval",
  switch: "switch",
  release: "release",
  session: "session",
  config: "config",
  key: "key",
  secret: "secret",
  outcome: "outcome",
  reveal: "reveal",
  erasure: "erasure",
  eval: "eval",
};

/**
 * The acts that a record tells of, in the order in which they are appended: at most one today. Total: whatever text a
 * record holds, it has an event, or none. Deterministic, so that a record read again gives the same event.
 */
export function auditActsOf(record: TraceRecord): readonly AuditAct[] {
  const { index } = record;
  const root = record.spans.find((span) => span.span_id === index.span_id)?.attributes ?? {};
  const kind = kindOf(record, root);
  if (kind === undefined) return [];
  return [
    {
      v: 1,
      tenant: index.tenant,
      at: index.started_at,
      kind,
      who: text(whoOf(kind, root)),
      on: onOf(record, root),
      what: whatOf(record, kind, root),
      record: recordDigest(record),
    },
  ];
}

/**
 * The digest of a record: its index row, its spans, and each body by its own digest, so that a body which was moved
 * elsewhere, or deleted for good with its digest left behind, does not change it. SHA-256 over canonical JSON.
 */
export function recordDigest({ index, spans, payloads }: TraceRecord): string {
  const bodies = payloads.map(({ name, span_id, body, digest }) => ({
    name,
    span_id,
    digest: body === null ? digest : sha256Hex(body),
  }));
  return digestOf(wellFormed({ index, spans, bodies }));
}

/** A call that a person settled or took back is an act of that person; a repeat of it is the gateway's decision again. */
function kindOf({ index }: TraceRecord, root: Attributes): AuditKind | undefined {
  const kind = KIND_OF[index.kind];
  const isResolved = kind === "decision" && root[ATTR.resolutionKey] !== undefined && index.status !== "replayed";
  return isResolved ? "resolution" : kind;
}

function whoOf(kind: AuditKind, root: Attributes): string {
  const named: readonly (AttributeValue | undefined)[] =
    kind === "approval"
      ? [root[ATTR.approvalBy]]
      : kind === "resolution"
        ? [root[ATTR.resolutionKey]]
        : [root[BY], root[ATTR.keyId]];
  return named.find((each) => typeof each === "string") ?? GATEWAY;
}

function onOf({ index }: TraceRecord, root: Attributes): AuditAct["on"] {
  const ids: Readonly<Record<string, unknown>> = {
    trace: index.trace_id,
    span: index.span_id,
    session: index.session_id,
    actor: index.actor,
    subject: index.subject,
    task: index.task_id,
    call: index.call_id,
    approval: root[ATTR.approvalId],
    switch: root["interlock.switch.id"],
  };
  return Object.fromEntries(
    Object.entries(ids).flatMap(([name, id]) => (typeof id === "string" && id !== "" ? [[name, text(id)]] : [])),
  );
}

/** Acts on the gateway itself say what was changed in attributes of their own: `interlock.<kind>.*`. */
const TOLD_BY_PREFIX: ReadonlySet<AuditKind> = new Set([
  "switch",
  "release",
  "config",
  "key",
  "secret",
  "outcome",
  "reveal",
  "erasure",
  "eval",
]);
/** The caller's key stands in `who`. */
const NOT_TOLD: ReadonlySet<string> = new Set([ATTR.keyId, "interlock.switch.id"]);

function whatOf({ index, spans }: TraceRecord, kind: AuditKind, root: Attributes): AuditAct["what"] {
  const facts: Record<string, AuditFact | null | undefined> = { status: index.status, error: index.error_code };
  if (kind === "decision" || kind === "approval" || kind === "resolution") {
    facts["effect"] = index.decision;
    facts["policy"] = index.policy_version;
    facts["release"] = root[ATTR.release];
    facts["release_digest"] = root[ATTR.releaseDigest];
    facts["tool_definition"] = root[ATTR.definitionDigest];
    facts["rules"] = spans.flatMap((span) => rulesIn(span.attributes[ATTR.decisionReasons]));
    facts["cost_micro_usd"] = index.cost_micro_usd;
  }
  if (kind === "approval") facts["via"] = root[ATTR.approvalVia];
  if (kind === "resolution") facts["by"] = root[ATTR.resolutionBy];
  if (kind === "session") facts["rule"] = root["interlock.session.pause.rule_id"];
  const prefix = `interlock.${kind}.`;
  for (const [name, value] of Object.entries(root))
    if (TOLD_BY_PREFIX.has(kind) && name.startsWith(prefix) && !NOT_TOLD.has(name))
      facts[text(name.slice(prefix.length))] = value;
  return Object.fromEntries(
    Object.entries(facts).flatMap(([name, value]) => (isTold(value) ? [[name, fact(value)]] : [])),
  );
}

function isTold(value: AuditFact | null | undefined): value is AuditFact {
  return value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0);
}

function fact(value: AuditFact): AuditFact {
  if (typeof value === "string") return text(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  return typeof value === "boolean" ? value : value.map(text);
}

/** The rules that spoke, each once, as the decision's span lists them. */
function rulesIn(reasons: AttributeValue | undefined): readonly string[] {
  if (!Array.isArray(reasons)) return [];
  const ids = reasons.flatMap((reason: unknown) => {
    const [, id] = /"rule_id":"((?:[^"\\]|\\.){1,256})"/.exec(String(reason)) ?? [];
    return id === undefined ? [] : [text(id)];
  });
  return [...new Set(ids)];
}

function text(value: string): string {
  const safe = value.toWellFormed();
  return safe.length <= MAX_FACT ? safe : `sha256:${sha256Hex(safe)}`;
}

/** A value whose texts have a UTF-8 form and whose numbers are finite: what is not could not be hashed. */
function wellFormed(value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name.toWellFormed(), wellFormed(each)]));
}
