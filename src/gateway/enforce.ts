// The one enforcement point's shared steps: ledger references, ledger refusals and decisions turned into refusals.
import type { CallContext } from "../core/call.ts";
import { refuse, type Refusal } from "../core/errors.ts";
import type { ActiveConfig } from "../core/config/published.ts";
import type { Decision } from "../core/policy/decision.ts";
import type { CallRef, Scopes, SessionReply } from "../core/state/session-messages.ts";
import { formatUsd } from "../core/units/money.ts";

/** The limits a call is admitted under: its actor's, per session and per task. */
export function scopesOf(config: ActiveConfig, context: CallContext): Scopes {
  const limits = config.limits(context.actor);
  return { session: limits.session, task: context.task === null ? null : { id: context.task, limits: limits.task } };
}

/** What the ledger keeps of a call so that an orphan can still be told. */
export function refOf(config: ActiveConfig, context: CallContext, spanId: string, subject: string): CallRef {
  return {
    tenant: context.principal.tenant,
    session: context.session,
    actor: context.actor,
    traceHex: context.trace.hex,
    spanId,
    subject,
    policyVersion: config.policyVersion,
  };
}

/** A decision that is not `allow`, as the refusal its caller gets: every reason is in it. */
export function refusalOf(decision: Decision): Refusal {
  const against = decision.reasons.filter((reason) => reason.effect === decision.effect);
  const detail = against.map((reason) => reason.message).join("; ");
  const code =
    decision.effect === "require_approval"
      ? "approval_required"
      : against.every((each) => each.rule_id === "scopes")
        ? "scope_missing"
        : "policy_denied";
  return refuse(code, detail, { extensions: { decision } });
}

/** Whether a refusal is the policy's own: what `refusalOf` makes of a decision. */
export function isDenial({ code }: Refusal): boolean {
  return code === "policy_denied" || code === "scope_missing" || code === "approval_required";
}

/** What the ledger refused, as the refusal its caller gets; `undefined` when it admitted. */
export function ledgerRefusal(reply: SessionReply): Refusal | undefined {
  switch (reply.type) {
    case "budget_exceeded":
      return budgetRefusal(reply);
    case "other_actor":
      return refuse(
        "session_forbidden",
        "this session was opened by another actor; use a session id of its own for each actor",
      );
    case "outbox_full":
      return refuse("trace_store_down", "too many records wait to be stored; calls resume once they are", {
        retryAfterS: 5,
      });
    case "too_many_tasks":
      return refuse("budget_exceeded", `the session already has ${reply.limit} tasks; start a new session`);
    case "unknown_hold":
    case "admitted":
    case "settled":
    case "charged":
    case "given_back":
    case "ticked":
      return undefined;
    default:
      return reply satisfies never;
  }
}

function budgetRefusal(reply: SessionReply & { type: "budget_exceeded" }): Refusal {
  const isMoney = reply.dimension === "usd" || reply.dimension === "tool_usd";
  const shown = (value: number): string =>
    isMoney ? `${formatUsd(value)} USD` : reply.dimension === "wall_time" ? `${value} ms` : String(value);
  const detail =
    `the ${reply.scope}'s ${reply.dimension} budget of ${shown(reply.limit)} cannot cover this call: ` +
    `${shown(reply.used)} used, ${shown(reply.held)} held by running calls, ${shown(reply.needed)} needed`;
  const { scope, dimension, limit, used, held, needed } = reply;
  return refuse("budget_exceeded", detail, {
    extensions: { budget: { scope, dimension, limit, used, held, needed, unit: isMoney ? "micro_usd" : dimension } },
  });
}
