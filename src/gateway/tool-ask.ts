// Prepares a tool call for its decision: finds the tool, holds the arguments against its schema, and decides as far as the edge can.
import type { ToolCall } from "../core/call.ts";
import { amounts, NOTHING } from "../core/budget/amounts.ts";
import type { ActiveConfig, ResolvedTool } from "../core/config/published.ts";
import { accept, refuse, type Outcome } from "../core/errors.ts";
import { digestOf } from "../core/json/digest.ts";
import type { ToolCallAsk } from "../core/policy/ask.ts";
import { amountOf } from "../core/policy/built-in.ts";
import { countedValues } from "../core/policy/earlier-calls.ts";
import { narrow } from "../core/policy/constraints.ts";
import { decide, type Decision } from "../core/policy/decision.ts";
import { decideAtEdge } from "../core/policy/evaluate.ts";
import type { PolicyFacts } from "../core/policy/policy-facts.ts";
import type { Switch } from "../core/policy/switches.ts";
import { upstreamNeeds } from "../core/policy/upstream.ts";
import type { ListedBreaker } from "../core/state/breaker.ts";
import type { CallRef, LedgerPolicy } from "../core/state/session-messages.ts";
import type { ToolCallRequest } from "../core/state/tool-call-record.ts";
import { usdFromJson } from "../core/units/money.ts";
import { scopesOf } from "./enforce.ts";
import type { LedgerAsk } from "./ports.ts";

/** A call ready to be decided on by its session and to be made. */
export interface PreparedCall {
  readonly tool: ResolvedTool;
  readonly facts: PolicyFacts;
  /** The decision as far as the edge can tell. */
  readonly decision: Decision;
  readonly policy: LedgerPolicy;
}

/** Everything the caller of a tool brought, as the policy decides on it. */
export function askOf(call: ToolCall): ToolCallAsk {
  const { context } = call;
  const byHeader = context.allowedTools === undefined ? {} : { allowed_tools: [...context.allowedTools] };
  const { keyId, roles, scopes } = context.principal;
  return {
    actor: context.actor,
    principal: { key_id: keyId, roles, scopes },
    tool: call.toolName,
    args: call.args,
    constraints: narrow(call.constraints, byHeader),
    session: context.session,
    task: context.task,
    intent: context.intent,
    confidence: context.confidence,
    user: context.endUser,
    user_origin: context.endUserOrigin,
    user_prompt: context.userPrompt,
    release: context.release,
    confirmed: context.isConfirmed,
  };
}

/**
 * Finds the tool, holds the arguments against its schema and decides: the same for a live call, for one that people
 * approved, and for one only asked about. Refuses `unknown_tool` and `invalid_arguments`.
 */
export function prepareCall(
  config: ActiveConfig,
  ask: ToolCallAsk,
  around: {
    readonly switches: readonly Switch[];
    readonly breakers: readonly ListedBreaker[];
    readonly now: number;
  },
): Outcome<PreparedCall> {
  const tool = config.tool(ask.tool);
  if (tool === undefined)
    return refuse("unknown_tool", `no tool "${ask.tool}" in the tenant's config`, {
      mistakes: [{ path: "tool_call.name", message: "expected a configured tool" }],
    });
  const mistakes = tool.check(ask.args);
  if (mistakes.length > 0) {
    const shown = mistakes.map((mistake) => ({
      ...mistake,
      path: ["tool_call.args", mistake.path].filter((part) => part !== "").join("."),
    }));
    return refuse("invalid_arguments", shown.map((mistake) => `${mistake.path}: ${mistake.message}`).join("; "), {
      mistakes: shown,
    });
  }
  const facts = config.facts(tool, ask, around);
  const edge = decideAtEdge(facts);
  const decision = decide(edge, config.policyVersion);
  return accept({ tool, facts, decision, policy: ledgerPolicy(facts, edge) });
}

function ledgerPolicy(facts: PolicyFacts, edge: ReturnType<typeof decideAtEdge>): LedgerPolicy {
  const { tool, ask, actor } = facts;
  return {
    version: facts.policyVersion,
    reasons: edge.reasons,
    standby: edge.standby,
    rules: tool.sessionRules,
    world: edge.world,
    approved: null,
    stopAndAsk: actor?.stop_and_ask ?? null,
    meters: edge.needs.meters,
    rates: edge.needs.rates,
    upstream: upstreamNeeds(tool.name, tool.entry, facts),
    fingerprint: digestOf([ask.tool, ask.args]),
    values: countedValues(tool.trackedPaths, ask.args),
    amount: tool.entry.amount === undefined ? null : amountOf(tool.entry, ask.args),
  };
}

/** How a prepared call asks its session. */
export function ledgerAsk(config: ActiveConfig, { tool, facts, policy }: PreparedCall, ref: CallRef): LedgerAsk {
  const { ask } = facts;
  return {
    scopes: scopesOf(config, ask),
    amounts: amounts({
      tool_calls: 1,
      usd: usdFromJson(tool.entry.cost_usd) ?? 0,
      tool_usd: amountOf(tool.entry, ask.args),
    }),
    ref,
    policy,
  };
}

/** What the ledger keeps of a stored call. */
export function storedRef({ tenant, ask, traceHex }: ToolCallRequest, policyVersion: string, spanId: string): CallRef {
  const { session, actor, tool } = ask;
  return { tenant, session, actor, traceHex, spanId, subject: tool, policyVersion };
}

/** What asks nothing of the session: it cannot lead to an effect. */
export function nothingAsked(ref: CallRef): LedgerAsk {
  return {
    scopes: { session: {}, task: null },
    amounts: NOTHING,
    ref,
    policy: {
      version: ref.policyVersion,
      reasons: [],
      standby: null,
      rules: [],
      world: null,
      approved: null,
      stopAndAsk: null,
      meters: [],
      rates: [],
      fingerprint: "",
      values: {},
      amount: null,
    },
  };
}
