// Proves the tool-call state machine: one execution per key, stable replays, approvals that bind one call, unknown instead of silence.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide, type ApprovalTerms, type Decision, type Reason } from "../../src/core/policy/decision.ts";
import { isGranted, type DraftTerms, type Vote } from "../../src/core/state/approval.ts";
import { conclusionOf, NO_CALL, nextWake, RETENTION_MS, transition } from "../../src/core/state/tool-call.ts";
import type { ToolOutcome } from "../../src/core/policy/tool-outcome.ts";
import type {
  ToolCallCommand,
  ToolCallRecord,
  ToolCallReply,
  ToolCallRequest,
  ToolCallState,
} from "../../src/core/state/tool-call-record.ts";

const NOTHING_TAUGHT = { isUntrusted: false, capture: {} };
const request = (fingerprint = "f1", more: Partial<ToolCallRequest> = {}): ToolCallRequest => ({
  id: `tc_${"0".repeat(32)}`,
  tenant: "t",
  ask: {
    actor: "a",
    principal: { key_id: "key-of-the-agent", roles: ["agent"], scopes: [] },
    tool: "billing.refund",
    args: { amount_usd: 60 },
    constraints: {},
    session: "s",
    task: null,
    intent: null,
    confidence: null,
    user: null,
    user_origin: "declared",
    user_prompt: null,
    release: null,
    confirmed: false,
  },
  traceId: "tr_x",
  traceHex: "a".repeat(32),
  spanId: "b".repeat(16),
  definitionDigest: "d1",
  effect: "write",
  teaching: NOTHING_TAUGHT,
  fingerprint,
  isKeyDerived: false,
  abandonAfterMs: 990,
  holdMs: 0,
  settle: "person",
  retentionMs: RETENTION_MS,
  isInSaga: false,
  compensates: null,
  ...more,
});

const EXPIRES_MS = 1_000;
const terms = (count = 1, roles: readonly string[] = ["approver"]): ApprovalTerms => ({
  roles,
  count,
  expires_in_ms: EXPIRES_MS,
});
const draft: DraftTerms = { rule_id: "draft", ...terms(1, ["operator"]) };
const decided = (reason: Partial<Reason>, version = "v1"): Decision =>
  decide({ reasons: [{ rule_id: "r", effect: "allow", message: "ok", ...reason }], standby: null }, version);
const allow = decided({});
const deny = decided({ effect: "deny" });
const ask = (count = 1, version = "v1"): Decision =>
  decided({ effect: "require_approval", approval: terms(count) }, version);
const done: ToolOutcome = { status: "succeeded", result: { id: "re_1" }, httpStatus: 201 };
const refusedByTool: ToolOutcome = {
  status: "failed",
  code: "tool_failed",
  message: "no",
  httpStatus: 422,
  result: null,
};

/** Stands for the digest that is shown when the vote is given. */
const JUST_READ = "just read";

/** A vote on what the person has just read, unless it says otherwise. */
function asSeen(command: ToolCallCommand, { record }: ToolCallState): ToolCallCommand {
  if (command.type !== "vote" || command.digest !== JUST_READ) return command;
  return { ...command, digest: record?.approval?.digest ?? "" };
}

function run(commands: readonly (ToolCallCommand | readonly [ToolCallCommand, number])[]): {
  state: ToolCallState;
  replies: ToolCallReply[];
  types: string[];
  effects: string[];
} {
  let state: ToolCallState = NO_CALL;
  const replies: ToolCallReply[] = [];
  const effects: string[] = [];
  for (const each of commands) {
    const [command, now] = "type" in each ? [each, 10] : each;
    const result = transition(state, asSeen(command, state), now);
    state = result.next;
    replies.push(result.reply);
    effects.push(...result.effects.map((effect) => effect.type));
  }
  return { state, replies, types: replies.map((reply) => reply.type), effects };
}

const begin = (fingerprint?: string, decision = allow): ToolCallCommand => ({
  type: "begin",
  request: request(fingerprint),
  decision,
});
const admitted = (decision = allow): ToolCallCommand => ({ type: "admitted", seq: 1, decision });
const waits = (decision = ask()): ToolCallCommand => ({ type: "decided", decision, draft });
/** A call that waits for people. */
const pending = (decision = ask()): readonly ToolCallCommand[] => [begin("f1", decision), waits(decision)];
const ballot = (by: string, more: Partial<Vote> = {}): Vote => ({
  by,
  verdict: "approve",
  comment: null,
  at: 10,
  via: "api",
  roles: ["approver"],
  ...more,
});
const votes = (
  by: string,
  more: Partial<Vote> = {},
  decision = ask(),
  definitionDigest = "d1",
): ToolCallCommand & { type: "vote" } => ({
  type: "vote",
  vote: ballot(by, more),
  digest: JUST_READ,
  redecided: { decision, definition: { definitionDigest, teaching: NOTHING_TAUGHT } },
  draft,
});
const denies = (by: string): ToolCallCommand => ({
  ...votes(by, { verdict: "deny", comment: "not this one" }),
  redecided: null,
});
/** What the session says to an approved call: its rules ask, people have approved, it is charged. */
const granted = (decision = ask()): readonly ToolCallCommand[] => [admitted(decision)];

describe("a tool call", () => {
  it("asks the ledger, executes once it is admitted, and is durable before that", () => {
    const { types, effects } = run([begin(), admitted()]);
    expect(types).toEqual(["ask_ledger", "execute"]);
    expect(effects).toEqual(["persist"]);
  });

  it("answers repeats: in flight while it runs, the first answer afterwards, a conflict for another body", () => {
    const finish: ToolCallCommand = { type: "finish", outcome: done };
    const { types } = run([
      begin(),
      begin(),
      admitted(),
      begin(),
      begin("f2"),
      finish,
      begin(),
      begin("f2"),
      begin("f1", deny),
    ]);
    expect(types).toEqual([
      "ask_ledger",
      "in_flight",
      "execute",
      "in_flight",
      "reused",
      "finished",
      "replay",
      "reused",
      "denied",
    ]);
  });

  it("may run after a denial once the policy allows it, under the same key", () => {
    expect(run([begin("f1", deny), begin("f2", deny), begin("f1")]).types).toEqual(["denied", "denied", "ask_ledger"]);
  });

  it("that is denied and stops its session asks the ledger, but discloses no stored answer", () => {
    const stop = decided({ effect: "deny", stop_and_ask: true });
    expect(run([begin("f1", stop)]).types).toEqual(["ask_ledger"]);
    expect(run([begin(), admitted(), { type: "finish", outcome: done }, begin("f1", stop)]).types.at(-1)).toBe(
      "denied",
    );
  });

  it("becomes unknown at its deadline, reported once, and a late answer is still evidence", () => {
    const { state, effects } = run([
      begin(),
      admitted(),
      [{ type: "tick" }, 999],
      [{ type: "tick" }, 1_000],
      [{ type: "tick" }, 1_001],
    ]);
    expect(state.record?.status).toBe("unknown");
    expect(effects).toEqual(["persist", "persist", "report_abandoned"]);
    expect(transition(state, { type: "finish", outcome: done }, 2_000).next.record?.status).toBe("succeeded");
    expect(transition(state, begin(), 2_000).reply.type).toBe("replay");
  });

  it("owes the session its outcome until that is told", () => {
    const { state } = run([begin(), admitted(), { type: "finish", outcome: refusedByTool }]);
    expect(nextWake(state)).toBe(5_010);
    const paid = transition(state, { type: "concluded" }, 11).next;
    expect(paid.record?.owesConclusion).toBe(false);
    expect(nextWake(paid)).toBe(10 + RETENTION_MS);
  });

  it("is forgotten after its retention, but never while its outcome is unknown", () => {
    const finished = run([begin(), admitted(), { type: "finish", outcome: done }, { type: "concluded" }]).state;
    expect(transition(finished, { type: "tick" }, 10 + RETENTION_MS).effects).toEqual([{ type: "forget" }]);
    const unknown = run([begin(), admitted(), [{ type: "tick" }, 1_000]]).state;
    expect(transition(unknown, { type: "tick" }, 1_000 + 10 * RETENTION_MS).effects).toEqual([]);
  });
});

describe("an approval", () => {
  it("opens with the rule's terms, to be shown and told", () => {
    const { state, types } = run(pending(ask(2)));
    expect(types).toEqual(["ask_ledger", "waiting"]);
    expect(state.record).toMatchObject({
      status: "pending_approval",
      owesInbox: true,
      owesNotice: true,
      approval: {
        id: `ap_${"0".repeat(32)}`,
        kind: "approval",
        status: "pending",
        requirements: [{ rule_id: "r", roles: ["approver"], count: 2 }],
        expiresAt: 10 + EXPIRES_MS,
      },
    });
    expect(nextWake(state)).toBe(1_010);
  });

  it("executes with the vote that was the last one needed, after the session was told who has approved what", () => {
    const { state, types, replies } = run([...pending(), votes("ann"), ...granted()]);
    expect(types).toEqual(["ask_ledger", "waiting", "ask_ledger", "execute"]);
    expect(replies[0]).toMatchObject({ approved: null });
    expect(replies[2]).toMatchObject({ approved: { requirements: [{ rule_id: "r", roles: ["approver"], count: 1 }] } });
    expect(state.record?.approval).toMatchObject({ status: "approved", resolvedAt: 10, votes: [{ by: "ann" }] });
  });

  it("needs two distinct people where two are asked for", () => {
    const two = ask(2);
    const { types, state } = run([
      ...pending(two),
      votes("ann", {}, two),
      votes("ann", {}, two),
      votes("ben", {}, two),
      ...granted(two),
    ]);
    expect(types.slice(2)).toEqual(["voted", "vote_refused", "ask_ledger", "execute"]);
    expect(state.record?.approval?.votes.map((each) => each.by)).toEqual(["ann", "ben"]);
  });

  it("does not add up a link and a key: both may be one person's", () => {
    const two = ask(2);
    const mixed = run([...pending(two), votes("link:ann", {}, two), votes("key-of-ann", {}, two)]);
    expect(mixed.types.slice(2)).toEqual(["voted", "voted"]);
    const byLinks = run([...pending(two), votes("link:ann", {}, two), votes("link:ben", {}, two)]);
    expect(byLinks.types.slice(2)).toEqual(["voted", "ask_ledger"]);
  });

  it.each([
    { what: "of the requester", command: votes("key-of-the-agent"), why: "is_requester" },
    { what: "of nobody addressed", command: votes("ann", { roles: ["operator"] }), why: "not_addressed" },
    { what: "after its time", command: [votes("ann"), 1_010] as const, why: "expired" },
    { what: "to deny without a comment", command: votes("ann", { verdict: "deny" }), why: "comment_missing" },
  ])("counts no vote $what", ({ command, why }) => {
    expect(run([...pending(), command]).replies.at(-1)).toMatchObject({ type: "vote_refused", why });
  });

  it("is over once it is denied, withdrawn or expired, each told apart", () => {
    const denied = run([...pending(), denies("ann"), votes("ben"), begin("f1", ask())]);
    expect(denied.types.slice(2)).toEqual(["voted", "vote_refused", "replay"]);
    expect(denied.state.record).toMatchObject({ status: "approval_denied", approval: { status: "denied" } });
    const withdrawn = run([...pending(), { type: "withdraw" }, votes("ben"), { type: "withdraw" }]);
    expect(withdrawn.types.slice(2)).toEqual(["withdrawn", "vote_refused", "vote_refused"]);
    expect(withdrawn.state.record?.status).toBe("approval_withdrawn");
    const expired = run([...pending(), [{ type: "withdraw" }, 1_010], [begin("f1", ask()), 1_011]]);
    expect(expired.replies.at(-2)).toMatchObject({ type: "vote_refused", why: "expired" });
    expect(expired.replies.at(-1)).toMatchObject({ type: "replay", record: { status: "approval_expired" } });
    expect(expired.effects).toEqual(["persist", "persist", "report_expired"]);
  });

  it("starts anew under another policy version: votes are void, and what is bound is another digest", () => {
    const two = ask(2);
    const { state, types } = run([...pending(two), votes("ann", {}, two), votes("ben", {}, ask(2, "v2"))]);
    expect(types.slice(2)).toEqual(["voted", "stale"]);
    expect(state.record?.approval).toMatchObject({ status: "pending", votes: [], expiresAt: 1_010 });
    expect(state.record?.owesNotice).toBe(true);
    const first = run(pending(two)).state.record?.approval?.digest;
    expect(state.record?.approval?.digest).not.toBe(first);
  });

  it("counts no vote on anything but what its voter saw", () => {
    const { state } = run(pending());
    const { next, reply, effects } = transition(state, { ...votes("ann"), digest: "of an earlier question" }, 11);
    expect([reply.type, effects]).toEqual(["stale", []]);
    expect(next).toEqual(state);
  });

  it("starts anew under another definition of the tool, and the call names that definition", () => {
    const { state, types } = run([...pending(), votes("ann", {}, ask(), "d2")]);
    expect(types.at(-1)).toBe("stale");
    expect(state.record?.request.definitionDigest).toBe("d2");
    expect(transition(state, asSeen(votes("ann", {}, ask(), "d2"), state), 11).reply.type).toBe("ask_ledger");
  });

  it("starts anew where a switch asks for people whom nobody asked, and lets go of none it had", () => {
    const forced = decide(
      {
        reasons: [
          ...ask().reasons,
          {
            rule_id: "switch.force_approvals",
            effect: "require_approval",
            message: "all",
            approval: terms(1, ["boss"]),
          },
        ],
        standby: null,
      },
      "v1",
    );
    const { state, types } = run([...pending(), votes("ann", {}, forced)]);
    expect(types.at(-1)).toBe("stale");
    expect(state.record?.approval?.requirements.map((each) => each.rule_id)).toEqual(["r", "switch.force_approvals"]);
    const first = transition(state, asSeen(votes("ann", {}, forced), state), 11);
    expect(first.reply.type).toBe("voted");
    expect(transition(first.next, asSeen(votes("cy", { roles: ["boss"] }, forced), first.next), 12).reply.type).toBe(
      "ask_ledger",
    );
  });

  it("waits on where the session asks for people whom nobody asked", () => {
    const tainted = decided({ rule_id: "tainted", effect: "require_approval", approval: terms(1, ["security"]) });
    const { state, types } = run([...pending(), votes("ann"), waits(tainted)]);
    expect(types.at(-1)).toBe("stale");
    expect(state.record).toMatchObject({ status: "pending_approval", owesNotice: true, approval: { votes: [] } });
    expect(state.record?.approval?.requirements.map((each) => each.rule_id)).toEqual(["r", "tainted"]);
  });

  it("ends with a denial of the policy, which is not a person's", () => {
    const { state } = run([...pending(), votes("ann", {}, decided({ effect: "deny" }, "v2"))]);
    expect(state.record).toMatchObject({ status: "denied", approval: { status: "superseded" } });
  });

  it("keeps its terms under a policy that would now allow the call outright", () => {
    const free = decided({}, "v2");
    const { state, types } = run([...pending(), votes("ann", {}, free)]);
    expect(types.at(-1)).toBe("stale");
    expect(state.record?.approval?.requirements).toEqual([{ rule_id: "r", roles: ["approver"], count: 1 }]);
    expect(transition(state, asSeen(votes("ann", {}, free), state), 11).reply.type).toBe("ask_ledger");
  });

  it("takes no vote while the last one is carried out, and waits on if that fails", () => {
    const { state, replies } = run([...pending(), votes("ann"), denies("ben"), { type: "withdraw" }]);
    expect(replies.slice(-2)).toMatchObject([{ why: "busy" }, { why: "busy" }]);
    const calm = transition(state, { type: "not_admitted" }, 11).next;
    expect(calm.record?.approval).toMatchObject({ status: "pending", votes: [] });
  });

  it("of a draft executes it, under the terms of drafts", () => {
    const kept = decided({ effect: "draft" });
    const { state, types } = run(pending(kept));
    expect(state.record).toMatchObject({ status: "drafted", owesNotice: false, approval: { kind: "draft" } });
    expect(types.at(-1)).toBe("waiting");
    const executed = run([...pending(kept), votes("op", { roles: ["operator"] }, kept), ...granted(kept)]);
    expect(executed.types.at(-1)).toBe("execute");
  });
});

describe("whatever the order of commands", () => {
  const asks = fc.constantFrom(ask(1), ask(2));
  const decision = fc.oneof(
    { weight: 6, arbitrary: asks },
    { weight: 1, arbitrary: fc.constantFrom(allow, deny, ask(2, "v2"), decided({ effect: "draft" })) },
    { weight: 1, arbitrary: fc.constant(decided({ effect: "deny", stop_and_ask: true })) },
  );
  const person = fc.constantFrom("key-of-the-agent", "ann", "ben", "cy");
  const roles = fc.constantFrom(["approver"], ["approver", "operator"], ["agent"]);
  const definition = fc.oneof({ weight: 9, arbitrary: fc.constant("d1") }, { weight: 1, arbitrary: fc.constant("d2") });
  const command: fc.Arbitrary<ToolCallCommand> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .tuple(person, roles, decision, definition, fc.constantFrom(JUST_READ, JUST_READ, JUST_READ, "something else"))
        .map(([by, mine, each, named, digest]) => ({ ...votes(by, { roles: mine }, each, named), digest })),
    },
    { weight: 4, arbitrary: decision.map(waits) },
    { weight: 4, arbitrary: decision.map(admitted) },
    {
      weight: 2,
      arbitrary: fc.tuple(fc.constantFrom("f1", "f2"), decision).map(([print, each]) => begin(print, each)),
    },
    {
      weight: 1,
      arbitrary: fc.oneof(
        person.map(denies),
        fc.constantFrom(done, refusedByTool).map((outcome): ToolCallCommand => ({ type: "finish", outcome })),
        fc.constantFrom<ToolCallCommand>({ type: "not_admitted" }, { type: "withdraw" }, { type: "concluded" }),
        fc.constantFrom<ToolCallCommand>({ type: "inbox_shown" }, { type: "notified" }, { type: "tick" }),
      ),
    },
  );
  const commands = fc
    .tuple(asks, fc.array(fc.tuple(command, fc.nat(40)), { maxLength: 40, size: "max" }))
    .map(([first, rest]) => [...pending(first).map((each) => [each, 0] as const), ...rest]);
  /** What happened at each step, time going on. */
  const played = (
    steps: readonly (readonly [ToolCallCommand, number])[],
  ): readonly { before: ToolCallState; command: ToolCallCommand; reply: ToolCallReply }[] => {
    let state: ToolCallState = NO_CALL;
    let now = 0;
    return steps.map(([each, passed]) => {
      now += passed;
      const before = state;
      const { next, reply } = transition(state, asSeen(each, state), now);
      state = next;
      return { before, command: each, reply };
    });
  };

  it("a call executes at most once, and its definite answer never changes", () => {
    fc.assert(
      fc.property(commands, (steps) => {
        const replies = played(steps).map((step) => step.reply);
        expect(replies.filter((reply) => reply.type === "execute").length).toBeLessThanOrEqual(1);
        const answers = replies.flatMap((reply) =>
          reply.type === "replay" && reply.record.outcome !== null && reply.record.status !== "unknown"
            ? [JSON.stringify(reply.record.outcome)]
            : [],
        );
        expect(new Set(answers).size).toBeLessThanOrEqual(1);
      }),
      { numRuns: 2_000 },
    );
  });

  it("a call that waited executes only with enough distinct people, none of them its requester, and never after its end", () => {
    const seen = { executed: 0 };
    fc.assert(
      fc.property(commands, (steps) => {
        const ended: ToolCallRecord["status"][] = ["approval_denied", "approval_expired", "approval_withdrawn"];
        for (const { before, reply } of played(steps)) {
          if (reply.type !== "execute") continue;
          expect(ended).not.toContain(before.record?.status);
          const { approval } = reply.record;
          if (approval === null) {
            expect(["pending_approval", "drafted"]).not.toContain(before.record?.status);
            continue;
          }
          seen.executed += 1;
          expect(isGranted(approval)).toBe(true);
          expect(approval.votes.map((each) => each.by)).not.toContain("key-of-the-agent");
          expect(new Set(approval.votes.map((each) => each.by)).size).toBe(approval.votes.length);
          expect(approval.votes.every((each) => each.verdict === "approve")).toBe(true);
        }
      }),
      { numRuns: 3_000 },
    );
    // The property has looked at something.
    expect(seen.executed).toBeGreaterThan(80);
  });
});

describe("a server that asks for input first", () => {
  const asks: ToolOutcome = { status: "failed", code: "input_required", message: "asks", httpStatus: 200, result: {} };
  const begin: ToolCallCommand = { type: "begin", request: request(), decision: allow };
  const admitted: ToolCallCommand = { type: "admitted", seq: 1, decision: allow };
  const asked: readonly ToolCallCommand[] = [begin, admitted, { type: "finish", outcome: asks }];

  it("has done nothing: the charge is given back, and the same call runs again under its key, once", () => {
    const first = run(asked);
    expect(first.state.record && conclusionOf(first.state.record)).toBe("withdrawn");
    // Until the session has it back, a second one may not charge.
    expect(run([...asked, begin]).types.at(-1)).toBe("in_flight");
    const again = run([...asked, { type: "concluded" }, begin, admitted]);
    expect(again.types.slice(-2)).toEqual(["ask_ledger", "execute"]);
    expect(run([...asked, { type: "concluded" }, begin, admitted, begin]).types.at(-1)).toBe("in_flight");
  });

  it("answers repeats once it is done, and another body stays another call", () => {
    const whole = [...asked, { type: "concluded" }, begin, admitted, { type: "finish", outcome: done }] as const;
    expect(run([...whole, begin]).replies.at(-1)).toMatchObject({ type: "replay", record: { outcome: done } });
    expect(run([...asked, { type: "concluded" }, { ...begin, request: request("f2") }]).types.at(-1)).toBe(
      "ask_ledger",
    );
  });

  it("is not forgotten while its outcome is open: an unknown one is replayed, never sent again", () => {
    const open: ToolOutcome = { status: "unknown", message: "lost" };
    const lost = [...asked, { type: "concluded" }, begin, admitted, { type: "finish", outcome: open }] as const;
    expect(run([...lost, begin]).types.at(-1)).toBe("replay");
  });
});
