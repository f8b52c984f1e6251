// Decides the record of what somebody did to the gateway itself: a switch, a session, the config, a key, a credential.
import type { PublishedConfig } from "../config/published.ts";
import { sha256Hex } from "../json/digest.ts";
import type { SwitchRecord } from "../state/tenant-ledger.ts";
import { ATTR } from "./attributes.ts";
import { NO_CALLER, type Attributes, type IndexRow, type RecordKind, type TraceRecord } from "./record.ts";

/** Attribute names of acts. What the audit chain tells of an act stands under `interlock.<kind>.`. */
export const ACT_ATTR = {
  by: "interlock.act.by",
  reason: "interlock.act.reason",
  switchId: "interlock.switch.id",
  switchScope: "interlock.switch.scope",
  switchExpiresAt: "interlock.switch.expires_at",
  pauseRule: "interlock.session.pause.rule_id",
  pauseReason: "interlock.session.pause.reason",
  pausedBy: "interlock.session.pause.caused_by",
  configVersion: "interlock.config.version",
  configDigest: "interlock.config.digest",
  configPrevious: "interlock.config.previous_digest",
  configRolledBackTo: "interlock.config.rolled_back_to",
  configServer: "interlock.config.accepted_server",
  configSet: "interlock.config.accepted_set",
  configTools: "interlock.config.accepted_tools",
  configFlags: "interlock.config.accepted_flags",
  keyId: "interlock.key.subject",
  keyRoles: "interlock.key.roles",
  keyActors: "interlock.key.actors",
  keyScopes: "interlock.key.scopes",
  secretName: "interlock.secret.name",
  secretDataKey: "interlock.secret.data_key",
  secretResealed: "interlock.secret.resealed",
  releaseLive: "interlock.release.live",
  releaseGeneration: "interlock.release.generation",
  releasePrevious: "interlock.release.previous",
  releasePreviousDigest: "interlock.release.previous_digest",
  releaseCanary: "interlock.release.canary",
  releaseCanaryDigest: "interlock.release.canary_digest",
  releaseCanaryWeight: "interlock.release.canary_weight",
  evalRun: "interlock.eval.run",
  evalAgent: "interlock.eval.agent",
  evalDataset: "interlock.eval.dataset",
  evalDatasetDigest: "interlock.eval.dataset_digest",
  evalCases: "interlock.eval.cases",
  evalCandidate: "interlock.eval.candidate",
  evalCandidateDigest: "interlock.eval.candidate_digest",
  evalBaseline: "interlock.eval.baseline",
  evalSuiteDigest: "interlock.eval.suite_digest",
  evalVerdict: "interlock.eval.verdict",
  evalAudit: "interlock.eval.audit",
  evalJudgeDigest: "interlock.eval.judge_digest",
  evalCalibration: "interlock.eval.calibration",
  releaseEvidence: "interlock.release.evidence",
  releaseBreakGlass: "interlock.release.break_glass",
  releaseMissing: "interlock.release.evidence_missing",
  releaseWorse: "interlock.release.worse",
  releaseWatched: "interlock.release.watched_sessions",
} as const;

/** Kinds of acts on the gateway. */
export type ActKind = Exclude<
  RecordKind,
  "chat" | "replay" | "execute_tool" | "preflight" | "approval" | "ledger" | "otel"
>;

/** One act. `null` is "concerns all of them". */
export interface Act {
  readonly tenant: string;
  readonly kind: ActKind;
  readonly traceHex: string;
  readonly session: string | null;
  readonly actor: string | null;
  /** What was acted on: the kind of the switch, a key's id, `config`. */
  readonly subject: string;
  /** What became of it, such as `set` or `resumed`. */
  readonly status: string;
  /** The id of the key. */
  readonly by: string;
  readonly reason: string | null;
  /** The release that it makes live. */
  readonly release?: string;
  readonly attributes?: Attributes;
}

/**
 * Under which span id an act is told, and as of when (epoch ms). Both are chosen before the act: whoever tells of it,
 * the gateway or the object that did it, tells the same record, and it is stored once.
 */
export interface ToldAt {
  readonly spanId: string;
  readonly now: number;
}

/** Stands in a column for "all of them". */
const EVERY = "*";

/** The trace of everything that was done to one thing: it reads as one story. */
export function actTrace(kind: ActKind, tenant: string, what: string): string {
  return sha256Hex(`${kind}\n${tenant}\n${what}`).slice(0, 32);
}

/** The record of an act. */
export function actRecord(act: Act, { spanId, now }: ToldAt): TraceRecord {
  const index: IndexRow = {
    tenant: act.tenant,
    trace_hex: act.traceHex,
    span_id: spanId,
    trace_id: `tr_${act.traceHex}`,
    started_at: now,
    duration_ms: 0,
    kind: act.kind,
    session_id: act.session ?? EVERY,
    task_id: null,
    actor: act.actor ?? EVERY,
    subject: act.subject,
    status: act.status,
    decision: "none",
    error_code: null,
    policy_version: "none",
    cost_micro_usd: 0,
    input_tokens: 0,
    output_tokens: 0,
    seq: null,
    call_id: null,
    ...NO_CALLER,
    release: act.release ?? null,
  };
  return {
    v: 1,
    index,
    spans: [
      {
        span_id: spanId,
        parent_span_id: null,
        name: `${act.kind} ${act.subject} ${act.status}`,
        kind: "internal",
        start_ms: now,
        end_ms: now,
        status: "ok",
        attributes: {
          [ATTR.tenant]: act.tenant,
          [ATTR.keyId]: act.by,
          [ATTR.actor]: act.actor ?? undefined,
          [ATTR.conversation]: act.session ?? undefined,
          [ATTR.outcome]: act.status,
          [ATTR.release]: act.release,
          [ACT_ATTR.by]: act.by,
          [ACT_ATTR.reason]: act.reason ?? undefined,
          ...act.attributes,
        },
      },
    ],
    payloads: [],
  };
}

/** The act of setting or clearing a switch. */
export function switchAct(tenant: string, record: SwitchRecord, reason: string | null): Act {
  const { scope } = record;
  return {
    tenant,
    kind: "switch",
    traceHex: actTrace("switch", tenant, record.id),
    session: scope.session ?? null,
    actor: scope.actor ?? null,
    subject: record.kind,
    status: record.cleared_at === null ? "set" : "cleared",
    by: record.cleared_by ?? record.set_by,
    reason,
    attributes: {
      [ACT_ATTR.switchId]: record.id,
      [ACT_ATTR.switchScope]: JSON.stringify(scope),
      [ACT_ATTR.switchExpiresAt]: record.expires_at ?? undefined,
    },
  };
}

/** The act of publishing a version, or of rolling back to one. */
export function configAct(config: PublishedConfig, previousDigest: string | null): Act {
  const { tenant, version, digest, published_by, rolled_back, accepted } = config;
  return {
    tenant,
    kind: "config",
    traceHex: actTrace("config", tenant, String(version)),
    session: null,
    actor: null,
    subject: "config",
    status: accepted !== undefined ? "accepted" : rolled_back === undefined ? "published" : "rolled_back",
    by: published_by,
    reason: accepted?.reason ?? null,
    attributes: {
      [ACT_ATTR.configVersion]: version,
      [ACT_ATTR.configDigest]: digest,
      [ACT_ATTR.configPrevious]: previousDigest ?? undefined,
      [ACT_ATTR.configRolledBackTo]: rolled_back?.to,
      [ACT_ATTR.configServer]: accepted?.server,
      [ACT_ATTR.configSet]: accepted?.set,
      [ACT_ATTR.configTools]: accepted?.tools,
      [ACT_ATTR.configFlags]: accepted?.flags,
    },
  };
}

/** The act of creating a tenant: the first of its chain. */
export function tenantAct(tenant: string, by: string): Act {
  const traceHex = actTrace("config", tenant, "tenant");
  const subject = "tenant";
  return { tenant, kind: "config", traceHex, session: null, actor: null, subject, status: "created", by, reason: null };
}

/** The record of an act that was begun and of which nobody knows what it came to. */
export function unfinishedAct(record: TraceRecord): TraceRecord {
  return {
    ...record,
    index: { ...record.index, status: "unknown", error_code: "outcome_unknown" },
    spans: record.spans.map((span) => ({
      ...span,
      status: "error",
      attributes: { ...span.attributes, [ATTR.outcome]: "unknown", [ATTR.errorType]: "outcome_unknown" },
    })),
  };
}
