// Builds the record of a call that was refused before it had a context: a key that asked to act as an actor it may not be.
import type { Refusal } from "../core/errors.ts";
import type { Principal } from "../core/principal.ts";
import { ATTR } from "../core/trace/attributes.ts";
import { isCallerId } from "../core/units/identifier.ts";
import { NO_CALLER, type IndexRow } from "../core/trace/record.ts";
import type { Ports, Recorder } from "./ports.ts";
import { buildRecord } from "./record.ts";

/** What was called: the kind of record its calls have, and the name of the tool or model. */
export interface CalledSurface {
  readonly kind: "chat" | "execute_tool";
  readonly subject: string;
}

/** Who asked for what. */
export interface ForbiddenCall {
  readonly principal: Principal;
  /** The actor as asked. */
  readonly actor: string;
  readonly surface: CalledSurface;
  readonly credentials: readonly string[];
}

/** Stands for an actor whose name is none. */
const NO_ID = "(not an id)";

/** Records who tried to act as whom, in a trace and session of its own: the caller's are not looked at. No body is kept. */
export function recordForbidden(
  ports: Pick<Ports, "system">,
  recorder: Recorder,
  { principal, actor, surface, credentials }: ForbiddenCall,
  refusal: Refusal,
): void {
  const now = ports.system.now();
  const hex = ports.system.randomHex(16);
  const asked = isCallerId(actor) ? actor : NO_ID;
  const index: IndexRow = {
    tenant: principal.tenant,
    trace_hex: hex,
    span_id: ports.system.randomHex(8),
    trace_id: `tr_${hex}`,
    started_at: now,
    duration_ms: 0,
    kind: surface.kind,
    session_id: `tr_${hex}`,
    task_id: null,
    actor: asked,
    subject: surface.subject,
    status: "refused",
    decision: "deny",
    error_code: refusal.code,
    policy_version: "none",
    cost_micro_usd: 0,
    input_tokens: 0,
    output_tokens: 0,
    seq: null,
    call_id: null,
    ...NO_CALLER,
  };
  const span = {
    span_id: index.span_id,
    parent_span_id: null,
    name: `${surface.kind} ${surface.subject}`,
    kind: "internal",
    start_ms: now,
    end_ms: now,
    status: "error",
    attributes: {
      [ATTR.tenant]: principal.tenant,
      [ATTR.keyId]: principal.keyId,
      [ATTR.actor]: asked,
      [ATTR.operation]: surface.kind,
      [ATTR.outcome]: index.status,
      [ATTR.errorType]: refusal.code,
      [ATTR.refusal]: refusal.detail,
      [ATTR.decisionEffect]: index.decision,
    },
  } as const;
  recorder.write(buildRecord(index, [span], []), credentials);
}
