// The one enforcement point's shared steps: ledger references, ledger refusals and decisions turned into refusals.
import type { CallContext } from "../core/call.ts";
import { refuse, type ErrorCode, type Refusal } from "../core/errors.ts";
import type { ActiveConfig } from "../core/config/published.ts";
import type { Decision, Reason } from "../core/policy/decision.ts";
import type { Unavailable } from "../core/policy/upstream.ts";
import type { CallRef, Scopes, SessionPause, SessionRefusal, SessionReply } from "../core/state/session-messages.ts";
import { formatUsd } from "../core/units/money.ts";

/** The limits a call is admitted under: its actor's, per session and per task. */
export function scopesOf(config: ActiveConfig, { actor, task }: Pick<CallContext, "actor" | "task">): Scopes {
  const limits = config.limits(actor);
  return { session: limits.session, task: task === null ? null : { id: task, limits: limits.task } };
}

/** What the ledger keeps of a call so that an orphan can still be told. */
export function refOf(
  config: ActiveConfig,
  context: CallContext,
  { spanId, subject }: { readonly spanId: string; readonly subject: string },
): CallRef {
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

/** A decision that denies, as the refusal its caller gets: every reason is in it. */
export function refusalOf(decision: Decision): Refusal {
  const against = decision.reasons.filter((reason) => reason.effect === decision.effect);
  return refuse(codeOf(decision, against), against.map((reason) => reason.message).join("; "), {
    extensions: { decision },
  });
}

function codeOf({ effect }: Decision, against: readonly Reason[]): ErrorCode {
  if (effect === "require_approval" || effect === "draft") return "approval_required";
  if (against.some((each) => each.rule_id === "switch.halt")) return "halted";
  return against.every((each) => each.rule_id === "scopes") ? "scope_missing" : "policy_denied";
}

/** Whether a refusal is the policy's own: what `refusalOf` makes of a decision. */
export function isDenial({ code }: Refusal): boolean {
  return ["policy_denied", "scope_missing", "approval_required", "halted"].includes(code);
}

/** What the ledger refused, as the refusal its caller gets; `undefined` when it admitted. */
export function ledgerRefusal(reply: SessionReply): Refusal | undefined {
  return isRefused(reply) ? refusalIn(reply) : undefined;
}

const REFUSALS: Readonly<Record<SessionRefusal["type"], true>> = {
  budget_exceeded: true,
  other_actor: true,
  outbox_full: true,
  too_many_tasks: true,
  too_many_calls: true,
  session_paused: true,
  saga_closed: true,
  limit_exceeded: true,
  rate_limited: true,
  concurrency_limited: true,
  tool_unavailable: true,
};

function isRefused(reply: SessionReply): reply is SessionRefusal {
  return Object.hasOwn(REFUSALS, reply.type);
}

function refusalIn(reply: SessionRefusal): Refusal {
  switch (reply.type) {
    case "budget_exceeded":
      return budgetRefusal(reply);
    case "other_actor":
      return refuse(
        "session_forbidden",
        "this session was opened by another actor; send an Interlock-Session of its own for each actor (without one, the trace id is the session)",
      );
    case "outbox_full":
      return refuse("trace_store_down", "too many records wait to be stored; calls resume once they are", {
        retryAfterS: 5,
      });
    case "too_many_tasks":
      return refuse("budget_exceeded", `the session already has ${reply.limit} tasks; start a new session`);
    case "too_many_calls":
      return refuse("budget_exceeded", `the session already has ${reply.limit} ${reply.what}; start a new session`);
    case "session_paused":
      return pausedRefusal(reply.pause);
    case "saga_closed":
      return refuse("saga_closed", `the saga of task "${reply.task}" is being undone, or was; use another task`);
    case "limit_exceeded":
      return limitRefusal(reply);
    case "rate_limited":
      return refuse(
        "rate_limited",
        `the rate of ${reply.limit} is used up; the next call fits in ${Math.ceil(reply.retryAfterMs / 1000)} s`,
        {
          retryAfterS: Math.ceil(reply.retryAfterMs / 1000),
          extensions: { rate: { limit: reply.limit, reset_at: iso(reply.resetAt) } },
        },
      );
    case "concurrency_limited":
      return refuse(
        "concurrency_limited",
        `${reply.max} ${reply.max === 1 ? "call" : "calls"} of "${reply.tool}" may run at once, and as many do; nothing was sent`,
        { retryAfterS: 1, extensions: { concurrency: { tool: reply.tool, max: reply.max } } },
      );
    case "tool_unavailable":
      return unavailableRefusal(reply);
    default:
      return reply satisfies never;
  }
}

function unavailableRefusal({ upstream, retryAfterMs }: Unavailable): Refusal {
  const retryAfterS = Math.max(1, Math.ceil(retryAfterMs / 1000));
  return refuse(
    "tool_unavailable",
    `"${upstream}" keeps failing and is left alone; nothing was sent, try again in ${retryAfterS} s`,
    { retryAfterS },
  );
}

/** A paused or ended session, as the refusal its callers get. */
export function pausedRefusal(pause: SessionPause): Refusal {
  const { rule_id, message } = pause;
  const extensions = { pause: { kind: pause.kind, rule_id, reason: message, at: iso(pause.at) } };
  return pause.kind === "ended"
    ? refuse("session_ended", `a person ended this session: ${message}; start another one`, { extensions })
    : refuse("session_paused", `the session waits for a person: ${message}; nothing more is done in it until then`, {
        extensions,
      });
}

function limitRefusal(reply: SessionReply & { type: "limit_exceeded" }): Refusal {
  const shown = (value: number): string => (reply.unit === "amount" ? formatUsd(value) : String(value));
  const { limit, max, used, need, resetAt } = reply;
  return refuse(
    "limit_exceeded",
    `limit "${limit}" of ${shown(max)} cannot cover this call: ${shown(used)} used or held, ${shown(need)} needed; it fits again from ${iso(resetAt)}`,
    {
      extensions: {
        limit: { id: limit, max: shown(max), used: shown(used), needed: shown(need), reset_at: iso(resetAt) },
      },
    },
  );
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
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
