// Builds the record of what a person did to the gateway itself: set a switch, let a session go on, ended one.
import { ATTR } from "../core/trace/attributes.ts";
import { NO_CALLER, type Attributes, type IndexRow, type RecordKind, type Span } from "../core/trace/record.ts";
import type { Ports, Recorder } from "./ports.ts";
import { buildRecord } from "./record.ts";

/** Attribute names of acts. */
export const ACT_ATTR = {
  by: "interlock.act.by",
  reason: "interlock.act.reason",
  switchId: "interlock.switch.id",
  switchScope: "interlock.switch.scope",
  pauseRule: "interlock.session.pause.rule_id",
  pauseReason: "interlock.session.pause.reason",
} as const;

/** One act. `null` is "concerns all of them". */
export interface Act {
  readonly tenant: string;
  readonly kind: Exclude<RecordKind, "chat" | "execute_tool" | "approval" | "ledger" | "otel">;
  readonly traceHex: string;
  readonly session: string | null;
  readonly actor: string | null;
  /** What was acted on: the kind of the switch, or `session`. */
  readonly subject: string;
  /** What became of it, such as `set` or `resumed`. */
  readonly status: string;
  /** The id of the key. */
  readonly by: string;
  readonly reason: string | null;
  readonly attributes?: Attributes;
  /** The record's own id and time, for an act that may be recorded twice and counts once; made up when left out. */
  readonly name?: { readonly spanId: string; readonly at: number };
}

/** Stands in a column for "all of them". */
const EVERY = "*";

/** Records a person's act: who, what, why. Best effort in the store; what it did is durable with its owner. */
export function recordAct(ports: Ports, recorder: Recorder, act: Act): void {
  const now = act.name?.at ?? ports.system.now();
  const spanId = act.name?.spanId ?? ports.system.randomHex(8);
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
  };
  const span: Span = {
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
      [ACT_ATTR.by]: act.by,
      [ACT_ATTR.reason]: act.reason ?? undefined,
      ...act.attributes,
    },
  };
  recorder.write(buildRecord(index, [span], []), []);
}
