// Decides how a tool call reads on the API: its decision, its approval, its result or its error.
import * as z from "zod/mini";
import type { ActiveConfig } from "../../core/config/published.ts";
import type { Refusal } from "../../core/errors.ts";
import { isJsonObject } from "../../core/json/canonical.ts";
import type { Decision as PolicyDecision, Effect, Reason } from "../../core/policy/decision.ts";
import type { Principal } from "../../core/principal.ts";
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

function approvalOf({ approval }: ToolCallRecord): Pick<z.infer<typeof ToolCallView>, "approval"> {
  if (approval === null) return {};
  const { id, kind, status, expiresAt } = approval;
  return { approval: { id, kind, status, expires_at: new Date(expiresAt).toISOString() } };
}

/** How much of a decision its reader is told: all of it, or the effect and which rules spoke. */
export type Explain = "full" | "effect";

/**
 * What a caller is told: everything, unless its key is an agent's alone and the tenant keeps amounts, thresholds and
 * its rules' words from agents (`policy.explain_to_agents: effect`), who could otherwise search for the limit.
 */
export function explainTo(principal: Principal, config: ActiveConfig | undefined): Explain {
  return isAgentOnly(principal) ? (config?.published.document.policy.explain_to_agents ?? "full") : "full";
}

/** Whether a key is an agent's and nobody else's. */
export function isAgentOnly({ roles, isRoot }: Principal): boolean {
  return !isRoot && roles.every((role) => role === "agent");
}

/** A decision with all its reasons, told as far as its reader may know. */
export function decisionView(decision: PolicyDecision, explain: Explain = "full"): z.infer<typeof Decision> {
  const reasons = explain === "full" ? decision.reasons : decision.reasons.map(withoutFigures);
  return {
    ...decision,
    reasons: reasons.map(({ rule_id, effect, message, path, values, approval, stop_and_ask }) => ({
      rule_id,
      effect,
      message,
      ...(path === undefined ? {} : { path }),
      ...(values === undefined ? {} : { values }),
      ...(approval === undefined ? {} : { approval: { roles: [...approval.roles], count: approval.count } }),
      ...(stop_and_ask === undefined ? {} : { stop_and_ask }),
    })),
    obligations: [...decision.obligations],
  };
}

/** Reasons whose words hold no figure of the tenant's policy: names, scopes, a person's switch, the caller's own constraints. */
const TELLS_NO_FIGURE =
  /^(actor\.(known|allowed_tools|pii_write_allowed)|envelope\..*|scopes|switch\..*|tier\..*|default|tool\..*)$/;

const SAYS_EFFECT: Readonly<Record<Effect, string>> = {
  allow: "it allows this call",
  draft: "it keeps this call as a draft",
  require_approval: "it asks for a person's approval",
  deny: "it denies this call",
};

function withoutFigures({ rule_id, effect, message, stop_and_ask }: Reason): Reason {
  const shown = TELLS_NO_FIGURE.test(rule_id) ? message : SAYS_EFFECT[effect];
  return { rule_id, effect, message: shown, ...(stop_and_ask === undefined ? {} : { stop_and_ask }) };
}

/** A refusal as far as its caller may know: without figures its sentence names the rules that spoke, and no threshold. */
export function refusalFor(refusal: Refusal, explain: Explain): Refusal {
  const { decision, ...rest } = refusal.extensions ?? {};
  const known = isDecision(decision) ? decision : undefined;
  const told = known === undefined ? rest : { ...rest, decision: decisionView(known, explain) };
  if (explain === "full") return refusal.extensions === undefined ? refusal : { ...refusal, extensions: told };
  const { detail, extensions } = withoutThreshold(refusal, told, known);
  const { extensions: _, ...kept } = refusal;
  return { ...kept, detail, ...(Object.keys(extensions).length === 0 ? {} : { extensions }) };
}

/** Codes whose sentence is made of the decision's reasons. */
const SAYS_REASONS: ReadonlySet<string> = new Set(["policy_denied", "scope_missing", "approval_required", "halted"]);

type Extensions = Readonly<Record<string, unknown>>;

function withoutThreshold(
  { code, detail }: Refusal,
  told: Extensions,
  decision: PolicyDecision | undefined,
): { readonly detail: string; readonly extensions: Extensions } {
  if (decision !== undefined && SAYS_REASONS.has(code)) {
    const against = decision.reasons.filter((reason) => reason.effect === decision.effect).map(withoutFigures);
    return { detail: against.map(({ rule_id, message }) => `${rule_id}: ${message}`).join("; "), extensions: told };
  }
  const { limit, pause, ...rest } = told;
  if (code === "limit_exceeded" && isJsonObject(limit)) {
    const { id = "", reset_at } = limit;
    const shown = { id, ...(reset_at === undefined ? {} : { reset_at }) };
    return {
      detail: `limit "${typeof id === "string" ? id : ""}" cannot cover this call now`,
      extensions: { ...rest, limit: shown },
    };
  }
  if ((code === "session_paused" || code === "session_ended") && isJsonObject(pause)) {
    const { kind, rule_id, at } = pause;
    const how = code === "session_paused" ? "waits for a person" : "was ended by a person; start another one";
    return { detail: `the session ${how}`, extensions: { ...rest, pause: { kind, rule_id, at } } };
  }
  return { detail, extensions: told };
}

function isDecision(value: unknown): value is PolicyDecision {
  return isJsonObject(value) && Array.isArray(value["reasons"]) && typeof value["effect"] === "string";
}
