// Proves the tool-call state machine: one execution per key, stable replays, unknown instead of silence.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide, type Decision } from "../../src/core/policy/decision.ts";
import {
  NO_CALL,
  nextWake,
  RETENTION_MS,
  transition,
  type ToolCallCommand,
  type ToolCallReply,
  type ToolCallRequest,
  type ToolCallState,
  type ToolOutcome,
} from "../../src/core/state/tool-call.ts";

const request = (fingerprint = "f1"): ToolCallRequest => ({
  id: `tc_${"0".repeat(32)}`,
  tenant: "t",
  actor: "a",
  session: "s",
  task: null,
  intent: null,
  traceId: "tr_x",
  traceHex: "a".repeat(32),
  spanId: "b".repeat(16),
  toolName: "billing.refund",
  definitionDigest: "d",
  effect: "write",
  args: {},
  fingerprint,
  deadlineAt: 1_000,
});
const allow: Decision = decide([{ rule_id: "r", effect: "allow", message: "ok" }], "v1");
const deny: Decision = decide([{ rule_id: "r", effect: "deny", message: "no" }], "v1");
const done: ToolOutcome = { status: "succeeded", result: { id: "re_1" }, httpStatus: 201 };
const refusedByTool: ToolOutcome = {
  status: "failed",
  code: "tool_failed",
  message: "no",
  httpStatus: 422,
  result: null,
};

function run(commands: readonly (ToolCallCommand | [ToolCallCommand, number])[]): {
  state: ToolCallState;
  replies: ToolCallReply[];
  effects: string[];
} {
  let state: ToolCallState = NO_CALL;
  const replies: ToolCallReply[] = [];
  const effects: string[] = [];
  for (const each of commands) {
    const [command, now] = Array.isArray(each) ? each : [each, 10];
    const result = transition(state, command, now);
    state = result.next;
    replies.push(result.reply);
    effects.push(...result.effects.map((effect) => effect.type));
  }
  return { state, replies, effects };
}

const begin = (fingerprint?: string, decision = allow): ToolCallCommand => ({
  type: "begin",
  request: request(fingerprint),
  decision,
});

describe("a tool call", () => {
  it("asks the ledger, executes once it is admitted, and is durable before that", () => {
    const { replies, effects } = run([begin(), { type: "admitted", seq: 3 }]);
    expect(replies.map((reply) => reply.type)).toEqual(["ask_ledger", "execute"]);
    expect(effects).toEqual(["persist"]);
  });

  it("answers repeats: in flight while it runs, the first answer afterwards, a conflict for another body", () => {
    const { replies } = run([
      begin(),
      begin(),
      { type: "admitted", seq: 1 },
      begin(),
      begin("f2"),
      { type: "finish", outcome: done },
      begin(),
      begin("f2"),
    ]);
    expect(replies.map((reply) => reply.type)).toEqual([
      "ask_ledger",
      "in_flight",
      "execute",
      "in_flight",
      "reused",
      "finished",
      "replay",
      "reused",
    ]);
  });

  it("may run after a denial once the policy allows it, under the same key", () => {
    const { replies } = run([begin("f1", deny), begin("f2", deny), begin("f1")]);
    expect(replies.map((reply) => reply.type)).toEqual(["denied", "denied", "ask_ledger"]);
  });

  it("becomes unknown at its deadline, reported once, and a late answer is still evidence", () => {
    const { state, effects } = run([
      begin(),
      { type: "admitted", seq: 1 },
      [{ type: "tick" }, 999],
      [{ type: "tick" }, 1_000],
      [{ type: "tick" }, 1_001],
    ]);
    expect(state.record?.status).toBe("unknown");
    expect(effects).toEqual(["persist", "persist", "report_abandoned"]);
    expect(transition(state, { type: "finish", outcome: done }, 2_000).next.record?.status).toBe("succeeded");
    expect(transition(state, begin(), 2_000).reply.type).toBe("replay");
  });

  it("owes the session its charge after a sure failure, until that is given back", () => {
    const { state, effects } = run([begin(), { type: "admitted", seq: 1 }, { type: "finish", outcome: refusedByTool }]);
    expect(effects).toEqual(["persist", "persist", "give_back"]);
    expect(nextWake(state)).toBe(5_010);
    expect(transition(state, { type: "tick" }, 5_010).effects.map((effect) => effect.type)).toEqual(["give_back"]);
    const paid = transition(state, { type: "gave_back" }, 11).next;
    expect(paid.record?.owesGiveBack).toBe(false);
    expect(nextWake(paid)).toBe(10 + RETENTION_MS);
  });

  it("is forgotten after its retention, but never while its outcome is unknown", () => {
    const finished = run([begin(), { type: "admitted", seq: 1 }, { type: "finish", outcome: done }]).state;
    expect(transition(finished, { type: "tick" }, 10 + RETENTION_MS).effects).toEqual([{ type: "forget" }]);
    const unknown = run([begin(), { type: "admitted", seq: 1 }, [{ type: "tick" }, 1_000]]).state;
    expect(transition(unknown, { type: "tick" }, 1_000 + 10 * RETENTION_MS).effects).toEqual([]);
  });

  it("executes at most once, whatever the order of commands", () => {
    const command: fc.Arbitrary<ToolCallCommand> = fc.oneof(
      fc.constantFrom("f1", "f2").map((fingerprint) => begin(fingerprint)),
      fc.constant<ToolCallCommand>({ type: "admitted", seq: 1 }),
      fc.constant<ToolCallCommand>({ type: "not_admitted" }),
      fc.constantFrom(done, refusedByTool).map((outcome): ToolCallCommand => ({ type: "finish", outcome })),
      fc.constant<ToolCallCommand>({ type: "gave_back" }),
      fc.constant<ToolCallCommand>({ type: "tick" }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(command, fc.nat(3_000)), { maxLength: 40 }), (commands) => {
        const { replies } = run(commands.map(([each, now]) => [each, now]));
        expect(replies.filter((reply) => reply.type === "execute").length).toBeLessThanOrEqual(1);
        const answers = replies.flatMap((reply) =>
          reply.type === "replay" && reply.record.status !== "unknown" ? [JSON.stringify(reply.record.outcome)] : [],
        );
        expect(new Set(answers).size).toBeLessThanOrEqual(1);
      }),
      { numRuns: 500 },
    );
  });
});
