// Decides how a tool call reads on the API: its decision, its approval, its result or its error.
import * as z from "zod/mini";
import type { Refusal } from "../../core/errors.ts";
import type { Decision as PolicyDecision } from "../../core/policy/decision.ts";
import { isDecision, toldDecision, toldRefusal, type Explain } from "../../core/policy/disclosure.ts";
import type { Compensation, Resolution } from "../../core/state/tool-call-after.ts";
import type { ToolCallRecord } from "../../core/state/tool-call-record.ts";

const Reason = z.object({
  rule_id: z.string(),
  effect: z.string(),
  message: z.string(),
  path: z.optional(z.string()),
  values: z.optional(z.record(z.string(), z.unknown())),
  approval: z.optional(z.object({ roles: z.array(z.string()), count: z.int() })),
  stop_and_ask: z.optional(z.boolean()),
});
/** A decision, as it is shown. */
export const Decision = z.object({
  effect: z.string(),
  reasons: z.array(Reason),
  obligations: z.array(z.unknown()),
  policy_version: z.string(),
});
/** A tool call, as it is shown. */
export const ToolCallView = z.object({
  id: z.string(),
  trace_id: z.string(),
  session_id: z.string(),
  task_id: z.nullable(z.string()),
  actor: z.string(),
  intent: z.nullable(z.string()),
  tool: z.object({ name: z.string(), definition_digest: z.string() }),
  status: z.string(),
  decision: Decision,
  result: z.optional(z.unknown()),
  error: z.optional(
    z.object({
      code: z.string(),
      message: z.string(),
      upstream_status: z.nullable(z.int()),
      upstream_body: z.optional(z.unknown()),
    }),
  ),
  /** When a held call is sent; until then it can be withdrawn. */
  held_until: z.optional(z.string()),
  /** The call that undoes this one. */
  compensation: z.optional(
    z.object({ id: z.string(), tool: z.string(), status: z.string(), message: z.optional(z.string()) }),
  ),
  /** The call that this one undoes. */
  compensates: z.optional(z.string()),
  /** Who found out what became of a call whose outcome was unknown, and on what evidence. */
  resolution: z.optional(
    z.object({ by: z.string(), evidence: z.string(), key_id: z.optional(z.string()), at: z.string() }),
  ),
  /** What became of the saga that was undone with this call. */
  saga: z.optional(
    z.object({
      task_id: z.string(),
      status: z.string(),
      members: z.array(
        z.object({ tool_call_id: z.string(), tool: z.string(), status: z.string(), message: z.optional(z.string()) }),
      ),
      not_undone: z.array(z.string()),
    }),
  ),
  approval: z.optional(z.object({ id: z.string(), kind: z.string(), status: z.string(), expires_at: z.string() })),
  replayed: z.boolean(),
  attempts: z.int(),
  created_at: z.string(),
  finished_at: z.optional(z.string()),
});

/** A tool call as it stands, told as far as its reader may know. */
export function viewOf(
  record: ToolCallRecord,
  isReplay: boolean,
  explain: Explain = "full",
): z.infer<typeof ToolCallView> {
  const { request, outcome } = record;
  return {
    id: request.id,
    trace_id: request.traceId,
    session_id: request.ask.session,
    task_id: request.ask.task,
    actor: request.ask.actor,
    intent: request.ask.intent,
    tool: { name: request.ask.tool, definition_digest: request.definitionDigest },
    status: record.status,
    decision: decisionView(record.decision, explain),
    ...approvalOf(record),
    ...(outcome?.status === "succeeded" ? { result: outcome.result } : {}),
    ...errorOf(record),
    ...afterwards(record),
    replayed: isReplay,
    attempts: record.attempts,
    created_at: new Date(record.createdAt).toISOString(),
    ...(record.finishedAt === null ? {} : { finished_at: new Date(record.finishedAt).toISOString() }),
  };
}

function errorOf({ outcome }: ToolCallRecord): Pick<z.infer<typeof ToolCallView>, "error"> | Record<string, never> {
  if (outcome === null || outcome.status === "succeeded") return {};
  if (outcome.status === "unknown")
    return { error: { code: "outcome_unknown", message: outcome.message, upstream_status: null } };
  return {
    error: {
      code: outcome.code,
      message: outcome.message,
      upstream_status: outcome.httpStatus,
      ...(outcome.result === null ? {} : { upstream_body: outcome.result }),
    },
  };
}

/** What has come of the call since its answer, or will. */
function afterwards({
  request,
  status,
  heldUntil,
  compensation,
  resolution,
  saga,
}: ToolCallRecord): Partial<z.infer<typeof ToolCallView>> {
  return {
    ...(status === "held" && heldUntil !== null ? { held_until: new Date(heldUntil).toISOString() } : {}),
    ...(request.compensates === null ? {} : { compensates: request.compensates }),
    ...(compensation === null ? {} : { compensation: compensationView(compensation) }),
    ...(resolution === null ? {} : { resolution: resolutionView(resolution) }),
    ...(saga === null
      ? {}
      : { saga: { ...saga, members: saga.members.map((each) => ({ ...each })), not_undone: [...saga.not_undone] } }),
  };
}

function compensationView({ id, tool, status, message }: Compensation): z.infer<typeof ToolCallView>["compensation"] {
  return { id, tool, status, ...(message === null ? {} : { message }) };
}

function resolutionView({ by, evidence, keyId, at }: Resolution): z.infer<typeof ToolCallView>["resolution"] {
  return { by, evidence, ...(keyId === null ? {} : { key_id: keyId }), at: new Date(at).toISOString() };
}

function approvalOf({ approval }: ToolCallRecord): Pick<z.infer<typeof ToolCallView>, "approval"> {
  if (approval === null) return {};
  const { id, kind, status, expiresAt } = approval;
  return { approval: { id, kind, status, expires_at: new Date(expiresAt).toISOString() } };
}

/** A decision with all its reasons, told as far as its reader may know. */
export function decisionView(decision: PolicyDecision, explain: Explain = "full"): z.infer<typeof Decision> {
  const told = toldDecision(decision, explain);
  return {
    ...told,
    reasons: told.reasons.map(({ rule_id, effect, message, path, values, approval, stop_and_ask }) => ({
      rule_id,
      effect,
      message,
      ...(path === undefined ? {} : { path }),
      ...(values === undefined ? {} : { values }),
      ...(approval === undefined ? {} : { approval: { roles: [...approval.roles], count: approval.count } }),
      ...(stop_and_ask === undefined ? {} : { stop_and_ask }),
    })),
    obligations: [...told.obligations],
  };
}

/** A refusal as far as its caller may know, its decision as it is shown. */
export function refusalFor(refusal: Refusal, explain: Explain): Refusal {
  const told = toldRefusal(refusal, explain);
  const { decision, ...rest } = told.extensions ?? {};
  return isDecision(decision) ? { ...told, extensions: { ...rest, decision: decisionView(decision) } } : told;
}
