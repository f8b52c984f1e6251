// Proves that rows written by 0.1.0 are read in today's shape, and live on as they would have.
import { describe, expect, it } from "vitest";
import { amounts } from "../../src/core/budget/amounts.ts";
import { decide } from "../../src/core/policy/decision.ts";
import type { ToolCallStatus } from "../../src/core/state/tool-call-record.ts";
import { storedCharge, storedToolCall } from "../../src/core/state/stored-shapes.ts";
import { nextWake, transition } from "../../src/core/state/tool-call.ts";
import { abandonedCallRecord } from "../../src/core/trace/orphan.ts";
import { allowing, Machine, ref } from "./session-machine.ts";

/** A tool call as 0.1.0 stored it. */
const first = (status: ToolCallStatus, more: object = {}): Parameters<typeof storedToolCall>[0] => ({
  request: {
    id: `tc_${"0".repeat(32)}`,
    tenant: "t",
    actor: "a",
    session: "s",
    task: null,
    intent: "refund",
    traceId: "tr_1",
    traceHex: "a".repeat(32),
    spanId: "b".repeat(16),
    toolName: "refund",
    definitionDigest: "d",
    effect: "write",
    args: { amount_usd: 5 },
    fingerprint: "f",
    deadlineAt: 35_000,
  },
  status,
  decision: decide(allowing, "v1"),
  seq: 1,
  outcome: null,
  attempts: 1,
  owesGiveBack: false,
  createdAt: 1_000,
  finishedAt: null,
  ...more,
});

describe("a tool call of 0.1.0", () => {
  it("that was running is abandoned at its deadline, not before, and told", () => {
    const state = { record: storedToolCall(first("executing")), admitting: null };
    expect(nextWake(state)).toBe(35_000);
    expect(transition(state, { type: "tick" }, 34_999).next).toEqual(state);
    const { next, effects } = transition(state, { type: "tick" }, 35_000);
    expect(next.record?.status).toBe("unknown");
    expect(effects.map((effect) => effect.type)).toEqual(["persist", "report_abandoned"]);
    const told = next.record === null ? undefined : abandonedCallRecord(next.record, 35_000);
    expect(told?.index).toMatchObject({ session_id: "s", actor: "a", subject: "refund" });
  });

  it("that owed a give-back still owes it", () => {
    const record = storedToolCall(first("failed", { owesGiveBack: true, finishedAt: 2_000 }));
    expect(record).toMatchObject({ owesConclusion: true, approval: null, request: { ask: { tool: "refund" } } });
  });

  it("takes no vote", () => {
    const state = { record: storedToolCall(first("succeeded")), admitting: null };
    expect(transition(state, { type: "withdraw" }, 3_000).reply.type).toBe("nothing");
  });

  it("of 0.6.0 gets what callers could not say yet", () => {
    const today = storedToolCall(first("succeeded"));
    const { user_origin: _origin, user_prompt: _prompt, ...ask } = { ...today.request.ask, user: "u_1" };
    const stored = { ...today, request: { ...today.request, ask } } as typeof today;
    expect(storedToolCall(stored).request.ask).toEqual({ ...ask, user_origin: "declared", user_prompt: null });
  });

  it("of today is left as it is", () => {
    const today = storedToolCall(first("succeeded"));
    expect(storedToolCall(today)).toBe(today);
  });
});

describe("a charge of 0.1.0", () => {
  it("is concluded and given back like any other", () => {
    const machine = new Machine();
    machine.charge("c1", { amounts: amounts({ tool_calls: 1, tool_usd: 7 }) });
    const charge = { callId: "c1", seq: 1, task: null, amounts: amounts({ tool_calls: 1, tool_usd: 7 }), at: 1, ref };
    machine.charges.set("c1", storedCharge({ ...charge, status: "charged" }));
    machine.conclude("c1", "failed");
    expect(machine.state.session?.used).toMatchObject({ tool_calls: 0, tool_usd: 0 });
  });
});
