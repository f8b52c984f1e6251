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

const REFUSALS: { readonly [T in SessionRefusal["type"]]: (reply: SessionRefusal & { readonly type: T }) => Refusal } =
  {
    budget_exceeded: budgetRefusal,
    other_actor: () =>
      refuse(
        "session_forbidden",
        "this session was opened by another actor; send an Interlock-Session of its own for each actor (without one, the trace id is the session)",
      ),
    outbox_full: () =>
      refuse("trace_store_down", "too many records wait to be stored; calls resume once they are", { retryAfterS: 5 }),
    too_many_tasks: ({ limit }) =>
      refuse("budget_exceeded", `the session already has ${limit} tasks; start a new session`),
    too_many_calls: ({ limit, what }) =>
      refuse("budget_exceeded", `the session already has ${limit} ${what}; start a new session`),
    session_paused: ({ pause }) => pausedRefusal(pause),
    saga_closed: ({ task }) =>
      refuse("saga_closed", `the saga of task "${task}" is being undone, or was; use another task`),
    limit_exceeded: limitRefusal,
    rate_limited: rateRefusal,
    concurrency_limited: concurrencyRefusal,
    tool_unavailable: unavailableRefusal,
  };

function isRefused(reply: SessionReply): reply is SessionRefusal {
  return Object.hasOwn(REFUSALS, reply.type);
}

function refusalIn(reply: SessionRefusal): Refusal {
  // Each entry takes the reply of its own name: the table's type says so, which a look-up by name forgets.
  const tell = REFUSALS[reply.type] as (reply: SessionRefusal) => Refusal;
  return tell(reply);
}

function rateRefusal({ limit, retryAfterMs, resetAt }: SessionRefusal & { type: "rate_limited" }): Refusal {
  const retryAfterS = Math.ceil(retryAfterMs / 1000);
  return refuse("rate_limited", `the rate of ${limit} is used up; the next call fits in ${retryAfterS} s`, {
    retryAfterS,
    extensions: { rate: { limit, reset_at: iso(resetAt) } },
  });
}

function concurrencyRefusal({ tool, max }: SessionRefusal & { type: "concurrency_limited" }): Refusal {
  return refuse(
    "concurrency_limited",
    `${max} ${max === 1 ? "call" : "calls"} of "${tool}" may run at once, and as many do; nothing was sent`,
    { retryAfterS: 1, extensions: { concurrency: { tool, max } } },
  );
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
