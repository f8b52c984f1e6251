// Proves that an agent that is told effects only learns no figure of the policy from a refusal.
import { describe, expect, it } from "vitest";
import { decide, type Reason } from "../../src/core/policy/decision.ts";
import { isAgentOnly, toldDecision, toldRefusal } from "../../src/core/policy/disclosure.ts";
import { ledgerRefusal, refusalOf } from "../../src/gateway/enforce.ts";
import type { SessionReply } from "../../src/core/state/session-messages.ts";

const over: Reason = {
  rule_id: "actor.max_amount_usd",
  effect: "deny",
  message: "75.00 USD is over the actor's limit of 4321.00 USD",
  path: "tool_call.args.amount_usd",
  values: { limit_usd: "4321.00" },
};
const ofARule: Reason = {
  rule_id: "refund.large",
  effect: "deny",
  message: "over 4321 dollars",
  values: { "args.n": 4321 },
};
const listed: Reason = { rule_id: "actor.allowed_tools", effect: "deny", message: 'actor "a" does not list tool "x"' };

describe("an agent that is told effects only", () => {
  it("learns which rules spoke, and no figure", () => {
    const told = toldRefusal(refusalOf(decide({ reasons: [over, ofARule, listed], standby: null }, "v1")), "effect");
    expect(JSON.stringify(told)).not.toContain("4321");
    expect(told.detail).toContain("refund.large");
    expect(told.detail).toContain("does not list tool");
  });

  const replies: readonly SessionReply[] = [
    {
      type: "budget_exceeded",
      scope: "session",
      dimension: "tool_usd",
      limit: 4_321_000_000,
      used: 4_321_000_000,
      held: 0,
      needed: 1,
    },
    {
      type: "limit_exceeded",
      limit: "cap",
      max: 4_321_000_000,
      used: 4_321_000_000,
      need: 1,
      unit: "amount",
      resetAt: 1_780_000_000_000,
    },
    {
      type: "session_paused",
      pause: { kind: "paused", rule_id: "r", message: "more than 4321 dollars", at: 1_780_000_000_000 },
    },
  ];
  it.each(replies.map((reply) => [reply.type, reply] as const))("learns none from %s", (_, reply) => {
    const refusal = ledgerRefusal(reply);
    if (refusal === undefined) throw new Error("it was not refused");
    expect(JSON.stringify(refusal)).toContain("4321");
    const told = toldRefusal(refusal, "effect");
    expect(JSON.stringify(told)).not.toContain("4321");
    expect(told.code).toBe(refusal.code);
  });

  it("is only one whose key is an agent's alone", () => {
    const principal = { tenant: "t", keyId: "k", scopes: [], actors: [] };
    expect(isAgentOnly({ ...principal, roles: ["agent"], isRoot: false })).toBe(true);
    expect(isAgentOnly({ ...principal, roles: ["agent", "operator"], isRoot: false })).toBe(false);
    expect(isAgentOnly({ ...principal, roles: [], isRoot: true })).toBe(false);
  });

  it("everyone else is told everything", () => {
    const decision = decide({ reasons: [over], standby: null }, "v1");
    expect(toldDecision(decision, "full")).toBe(decision);
  });
});
