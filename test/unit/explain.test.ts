// Proves what an explanation tells of every kind of ending, that each sentence rests on a stored span, and that nothing from outside acts in its Markdown.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sha256Hex } from "../../src/core/json/digest.ts";
import { markdownOf } from "../../src/core/trace/explain/markdown.ts";
import { RECORD_KINDS, type TraceRecord } from "../../src/core/trace/record.ts";
import { explained, NOON, record, told } from "./story-fixture.ts";

const limit = {
  rule_id: "actor.max_amount_usd",
  effect: "deny",
  message: "75.00 is over the actor's cap",
  path: "tool_call.args.amount_usd",
  values: { amount_usd: "75.00", limit_usd: "50.00" },
};
const approval = {
  rule_id: "over-50",
  effect: "require_approval",
  message: "refunds over 50 need people",
  approval: { roles: ["approver"], count: 2, expires_in_ms: 86_400_000 },
};
const ask = { args: { to: "cus_1", amount_usd: 75 }, constraints: { max_amount_usd: 100 } };

function whole(records: readonly TraceRecord[], id: string): string {
  return told(explained(records), id).join("\n");
}

describe("a call that was", () => {
  test("denied is told with its rule, the values it saw, and what would have had to differ", () => {
    const denied = record({
      index: { status: "denied", decision: "deny", error_code: "policy_denied", call_id: null },
      reasons: [limit],
      attributes: { "interlock.refusal": "75.00 is over the actor's cap", "interlock.intent": "refund" },
      bodies: { ask },
    });
    const change = { path: "tool_call.args.amount_usd", at_most: "50.00" } as const;
    const story = explained([denied], {
      differing: new Map([
        [
          denied.index.span_id,
          {
            type: "told",
            counterfactuals: [{ effect: "allow", change, message: "allowed up to 50.00" }],
            assumed: ["quiet-hours"],
          },
        ],
      ]),
    });
    expect(told(story, "decided")).toEqual([
      "Call 1 was denied by policy version “v1-abc”.",
      "For call 1, rule “actor.max_amount_usd” says “deny”: “75.00 is over the actor's cap”; it saw “amount_usd” = “75.00”, “limit_usd” = “50.00”; it looked at “tool_call.args.amount_usd”.",
      "Recomputed from what is stored, call 1 would have been allowed with “tool_call.args.amount_usd” at most “50.00”, if “quiet-hours” had said the same.",
      "Call 1: The caller was told “policy_denied”: “75.00 is over the actor's cap”.",
    ]);
    expect(told(story, "asked")[0]).toContain(
      'asked for tool “pay” with arguments “{"to":"cus_1","amount_usd":75}”, declaring intent “refund”.',
    );
    expect(told(story, "asked")[1]).toBe('Call 1 narrowed itself to “{"max_amount_usd":100}”.');
    expect(told(story, "done")).toEqual(["Call 1: nothing was sent to the tool."]);
    expect(told(story, "outcome")[0]).toMatch(/^Call 1 was denied and had no effect \(“policy_denied”\), as of 2026-/);
  });

  test("drafted is told as a proposal that a person may still execute", () => {
    const drafted = record({
      index: { status: "drafted", decision: "draft" },
      reasons: [{ rule_id: "tier.draft_only", effect: "draft", message: "the actor may only propose" }],
    });
    expect(whole([drafted], "decided")).toContain("Call 1 was kept as a draft by policy version");
    expect(whole([drafted], "approved")).toContain("was kept as a draft that a person could execute");
    expect(whole([drafted], "unknown")).toContain("Call 1: Whether a person will execute it is open.");
  });

  test("pending names who has to approve it, and stays open", () => {
    const pending = record({
      index: { status: "pending_approval", decision: "require_approval" },
      attributes: { "interlock.approval.id": "ap_1" },
      reasons: [approval],
    });
    const story = explained([pending]);
    expect(told(story, "approved")[0]).toMatch(
      /^Call 1 needed 2 of “approver” for rule “over-50” within 24 hours; it waited from 2026-/,
    );
    expect(story.sections.find(({ id }) => id === "approved")?.sentences[0]?.links).toContainEqual({
      rel: "approval",
      href: "/v1/approvals/ap_1",
    });
    expect(told(story, "unknown")).toEqual(["Call 1: Whether people will approve it is open."]);
  });

  test("approved by two is told with each person, how, when and why, and with who was refused", () => {
    const call = { call_id: "tc_two" };
    const vote = (status: string, by: string, more: object = {}, error: string | null = null): TraceRecord =>
      record({
        index: { ...call, kind: "approval", status, error_code: error, decision: "require_approval" },
        attributes: { "interlock.approval.by": by, "interlock.approval.via": "api", ...more },
      });
    const story = explained([
      record({ index: { ...call, status: "pending_approval", decision: "require_approval" }, reasons: [approval] }),
      vote("refused", "key_agent", {}, "self_approval"),
      vote("approved", "key_ann", { "interlock.approval.comment": "the customer is right" }),
      vote("approved", "link:ben", { "interlock.approval.via": "link" }),
      record({
        index: { ...call, decision: "require_approval" },
        reasons: [approval],
        attempts: [
          { "http.response.status_code": 201, "interlock.outcome": "succeeded", "server.address": "bank.test" },
        ],
        bodies: { result: { status: "succeeded", result: { id: "re_1", order_id: 7, note: "x" }, httpStatus: 201 } },
      }),
    ]);
    expect(told(story, "approved").slice(1)).toEqual([
      expect.stringMatching(
        /^“key_agent” tried to decide on call 1 at .* through the api and was refused: “self_approval”\.$/,
      ),
      expect.stringMatching(/^“key_ann” approved call 1 at .* through the api, saying “the customer is right”\.$/),
      expect.stringMatching(/^“link:ben” approved call 1 at .* through the signed link, without a comment\.$/),
    ]);
    expect(story.calls).toBe(1);
    expect(told(story, "done")).toEqual([
      expect.stringMatching(
        /^Attempt 1 of call 1 went to “bank.test” at .* HTTP 201 came back, outcome “succeeded”\.$/,
      ),
      "The upstream names what it did for call 1: “id” “re_1”, “order_id” “7”.",
    ]);
    expect(told(story, "unknown")).toEqual([]);
    // The decision stood: it is told once.
    expect(told(story, "decided").filter((text) => text.includes("made to wait"))).toHaveLength(1);
  });

  test("left without an approval in time is told as expired", () => {
    const call = { call_id: "tc_late" };
    const story = explained([
      record({ index: { ...call, status: "pending_approval", decision: "require_approval" }, reasons: [approval] }),
      record({ index: { ...call, kind: "approval", status: "expired", error_code: "approval_expired" } }),
    ]);
    expect(told(story, "approved")[1]).toMatch(/^Nobody decided on call 1 in time: its approval expired at /);
    expect(told(story, "unknown")).toEqual([]);
  });

  test("failed after retries is told attempt by attempt", () => {
    const failed = record({
      index: { status: "failed", error_code: "tool_failed", upstream: "bank.test" },
      reasons: [{ rule_id: "actor.allowed_tools", effect: "allow", message: "the actor lists the tool" }],
      attributes: { "interlock.breaker.state": "open" },
      bodies: { result: { status: "failed", code: "tool_failed", message: "the tool answered 503", result: null } },
      attempts: [
        {
          "http.response.status_code": 503,
          "interlock.outcome": "failed",
          "error.type": "overloaded",
          "interlock.attempt.retry_after_ms": 20,
        },
        { "interlock.outcome": "failed", "error.type": "connect" },
      ],
    });
    expect(told(explained([failed]), "done")).toEqual([
      expect.stringContaining("HTTP 503 came back, outcome “failed” (“overloaded”); the upstream asked to wait 20 ms."),
      expect.stringMatching(
        /^Attempt 2 of call 1 went to “bank.test” .* no status came back, outcome “failed” \(“connect”\)\.$/,
      ),
      "Call 1 came to “failed”: “the tool answered 503”.",
      "The breaker of call 1's upstream was open, so that the upstream was left alone.",
    ]);
  });

  test("unknown, then found out by a probe, is told with the evidence", () => {
    const call = { call_id: "tc_lost" };
    const lost = record({ index: { ...call, status: "unknown", error_code: "outcome_unknown" } });
    expect(whole([lost], "unknown")).toBe("Call 1: Whether the effect of it happened is unknown.");
    const probe = record({
      index: { call_id: null, subject: "find" },
      attributes: { "interlock.probe.of": "tc_lost" },
    });
    const settled = record({
      index: call,
      attributes: { "interlock.resolution.by": "probe", "interlock.resolution.evidence": "find showed one payment" },
    });
    const story = explained([lost, probe, settled]);
    expect(story.calls).toBe(1);
    expect(told(story, "outcome")).toEqual([
      expect.stringMatching(/^Call 1 succeeded, as of /),
      expect.stringMatching(
        /^The outcome of call 1 was unknown until .*, when a probe settled it as “succeeded” on the evidence “find showed one payment”\.$/,
      ),
    ]);
    expect(told(story, "done").join()).toContain("To find out what became of call 1, tool “find” was asked at");
    expect(told(story, "unknown")).toEqual([]);
  });

  test("compensated is told from both sides, with who asked for it", () => {
    const paid = record({ index: { call_id: "tc_paid" } });
    const undoing = record({
      index: { call_id: "tc_undo", subject: "reverse" },
      attributes: { "interlock.compensates": "tc_paid" },
    });
    const undone = record({
      index: { call_id: "tc_paid", status: "compensated" },
      attributes: { "interlock.compensation.id": "tc_undo", "interlock.changed.by": "key_operator" },
    });
    expect(told(explained([paid, undoing, undone]), "undone")).toEqual([
      expect.stringMatching(
        /^Call 1 was to be undone by call 2, asked for by key “key_operator”; it is undone, as of 2026-.*\.$/,
      ),
      "Call 2 was made to undo call 1, and did so.",
    ]);
  });

  test("one of a saga that was undone only partly names what still stands", () => {
    const kept = record({ index: { call_id: "tc_kept" } });
    const failed = record({
      index: { call_id: "tc_last", status: "failed", error_code: "tool_failed", task_id: "trip" },
      attributes: {
        "interlock.saga.status": "partly_undone",
        "interlock.saga.not_undone": ["tc_kept", "tc_elsewhere"],
      },
    });
    expect(told(explained([kept, failed]), "undone")).toEqual([
      "What task “trip” had done together was undone only partly, because of call 2: call 1, tool call “tc_elsewhere” still stands.",
    ]);
  });

  test("replayed had one effect, and its answer was not fresh", () => {
    const call = { call_id: "tc_again" };
    const first = record({ index: call, bodies: { result: { status: "succeeded", result: { ok: true } } } });
    const again = record({ index: { ...call, status: "replayed" } });
    const story = explained([first, again]);
    expect(story.calls).toBe(1);
    expect(told(story, "seen")[1]).toMatch(/^A repeat of call 1 at .* was given this same answer: it was not fresh\.$/);
    expect(told(story, "done").join()).toContain("the first answer was given and nothing was sent");
  });

  test("refused for its budget was allowed by the policy, and is told so", () => {
    const refused = record({
      index: { status: "refused", error_code: "budget_exceeded", call_id: null },
      reasons: [{ rule_id: "actor.allowed_tools", effect: "allow", message: "the actor lists the tool" }],
      attributes: { "interlock.refusal": "the session's usd budget of 1.00 USD cannot cover this call" },
    });
    expect(whole([refused], "decided")).toContain("Call 1 was allowed by policy version");
    expect(whole([refused], "decided")).toContain(
      "Call 1: It was refused “budget_exceeded”: “the session's usd budget of 1.00 USD cannot cover this call”.",
    );
    expect(whole([refused], "outcome")).toContain("Call 1 was refused and had no effect");
  });
});

describe("what a caller declares", () => {
  test("is told apart from what a token says, and the user's words are quoted as the caller's", () => {
    const attributes = { "interlock.user": "u_1", "interlock.user.origin": "token" };
    const verified = record({ attributes, bodies: { ask: { args: {}, user_prompt: "refund\nall “now”" } } });
    const story = explained([verified]);
    expect(told(story, "who")).toContain(
      "It acted on behalf of end user “u_1”: a token of the tenant's issuer said so, and the gateway verified it.",
    );
    expect(told(story, "asked")[1]).toMatch(
      /^Call 1 came with its user's words, as the caller declared them: “refund.*all "now"”\.$/,
    );
    const declared = record({ attributes: { ...attributes, "interlock.user.origin": "declared" } });
    expect(told(explained([declared]), "who")[1]).toContain("the caller declared this, the gateway did not verify it");
  });
});

describe("a model call", () => {
  const chat = (more: Parameters<typeof record>[0] = {}): TraceRecord =>
    record({ ...more, index: { kind: "chat", subject: "m", call_id: null, ...more.index } });

  test("tells what it was shown, answered and asked for, and what it cost by whose count", () => {
    const answered = chat({
      index: {
        cost_micro_usd: 420,
        input_tokens: 12,
        output_tokens: 30,
        release: "r1",
        user: "u_1",
        policy_version: "v3-abc",
      },
      attributes: {
        "interlock.user": "u_1",
        "interlock.release": "r1",
        "interlock.caller_declared": ["user", "release"],
        "interlock.cost.basis": "usage",
        "interlock.reservation.micro_usd": 900,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 64,
        "gen_ai.response.model": "m-2026",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "http.response.status_code": 200,
        "gen_ai.provider.name": "openai",
      },
      bodies: {
        request: {
          model: "m",
          tools: [{ type: "function", function: { name: "pay" } }],
          messages: [
            { role: "system", content: "be kind" },
            { role: "user", content: [{ type: "text", text: "refund me" }, { type: "image_url" }] },
          ],
        },
        response: {
          choices: [
            { message: { content: null, tool_calls: [{ function: { name: "pay", arguments: '{"amount_usd":5}' } }] } },
          ],
        },
      },
    });
    const story = explained([answered], {
      versions: new Map([["v3-abc", { version: 3, publishedAt: NOON, publishedBy: "key_admin" }]]),
    });
    expect(told(story, "who")).toEqual([
      expect.stringMatching(/^Actor “agent” made 1 call in session “s1”, from .* with key “key_agent”\.$/),
      "It acted on behalf of end user “u_1”: the caller declared this, the gateway did not verify it.",
      "It ran as release “r1”: the caller declared this, the gateway did not verify it.",
      "Declared by the caller, and no more than that: “user”, “release”.",
      "Policy version “v3-abc” decided on 1 call; it was published at 2026-01-05T12:00:00.000Z by “key_admin”.",
    ]);
    expect(told(story, "asked").join("\n")).toContain("at most 64 output tokens granted, temperature “0.2”.");
    expect(told(story, "asked")[1]).toBe("Call 1 offered the model tools “pay”.");
    expect(told(story, "seen")).toEqual([
      "Call 1 showed the model 2 messages (1 “system”, 1 “user”); the last, from “user”, says “refund me [image_url]”.",
      'In call 1 the model wanted tool “pay” with “{"amount_usd":5}”.',
    ]);
    expect(told(story, "done")[0]).toBe(
      "Call 1 was sent to provider “openai”, which answered HTTP 200 within 40 ms, as model “m-2026”, under id “chatcmpl-1”, ending with “tool_calls”.",
    );
    expect(told(story, "cost")[0]).toBe(
      "Call 1 cost $0.00042, by the provider's own count of 12 input and 30 output tokens; $0.0009 had been held for it.",
    );
    expect(story.cost_usd).toBe("0.00042");
  });

  test("whose caller left, or whose stream was cut, says what of it stays unknown", () => {
    const left = chat({
      index: { status: "caller_left", cost_micro_usd: 900 },
      attributes: { "interlock.cost.basis": "hold" },
    });
    expect(whole([left], "outcome")).toContain("was given up by its caller before it was over");
    expect(whole([left], "cost")).toContain("the whole hold, because the provider's own count never came");
    expect(whole([left], "unknown")).toContain("What its provider would have answered in full is unknown");
    const frames = ['{"choices":[{"delta":{"content":"hel"}}]}', '{"choices":[{"delta":{"content":"lo"}}]}'];
    const cut = chat({
      index: { status: "failed", error_code: "upstream_failed" },
      attributes: { "interlock.refusal": "the stream broke off", "http.response.status_code": 200 },
      bodies: { response: frames.map((frame) => `data: ${frame}\n\n`).join("") },
    });
    expect(whole([cut], "seen")).toContain("In call 1 the model answered “hello”.");
    expect(whole([cut], "outcome")).toContain("Call 1 failed (“upstream_failed”)");
  });

  test("that was never settled is one call with its expired hold", () => {
    const held = chat({ index: { status: "failed", error_code: "internal" } });
    const expired = record({
      index: {
        kind: "ledger",
        subject: "m",
        status: "unknown",
        call_id: null,
        cost_micro_usd: 900,
        span_id: sha256Hex(`expired\n${held.index.span_id}`).slice(0, 16),
      },
    });
    const story = explained([held, expired]);
    expect(story.calls).toBe(1);
    expect(told(story, "cost").join()).toContain(
      "Call 1 was charged $0.0009: its whole hold, because it was never settled.",
    );
  });
});

describe("around the calls", () => {
  const act = (
    kind: TraceRecord["index"]["kind"],
    subject: string,
    status: string,
    attributes: object = {},
  ): TraceRecord =>
    record({
      index: { kind, subject, status, call_id: null, decision: "none", policy_version: "none" },
      attributes: { "interlock.act.by": "key_op", ...attributes },
    });

  test("switches, pauses and resumptions are told with who and why", () => {
    const story = explained([
      record(),
      act("switch", "halt", "set", { "interlock.act.reason": "incident 7", "interlock.switch.id": "sw_1" }),
      act("session", "session", "paused", { "interlock.session.pause.rule_id": "person" }),
      act("session", "session", "resumed"),
    ]);
    expect(told(story, "around")).toEqual([
      expect.stringMatching(
        /^Key “key_op” recorded switch “halt” as “set” at .*, saying “incident 7” \(“interlock.switch.id” “sw_1”\)\.$/,
      ),
      expect.stringMatching(
        /^Key “key_op” recorded the session as “paused” at .* \(“interlock.session.pause.rule_id” “person”\)\.$/,
      ),
      expect.stringMatching(/^Key “key_op” recorded the session as “resumed” at /),
    ]);
    expect(story.calls).toBe(1);
  });

  test("the agent's own spans are marked as its own, and later outcomes are told once", () => {
    const outcome = act("outcome", "escalated", "reported", {
      "interlock.outcome.id": "oc_1",
      "interlock.outcome.name": "escalated",
      "interlock.outcome.labels": '{"queue":"tier 2"}',
      "interlock.outcome.at": "2026-01-06T00:00:00.000Z",
    });
    const call = record();
    const agent = record({
      index: { kind: "otel", subject: "spans", call_id: null },
      attempts: [{ "gen_ai.operation.name": "invoke_agent" }],
    });
    const shared = { traceHex: call.index.trace_hex, labels: {}, scores: { csat: 2 }, source: "zendesk", by: "key_z" };
    const story = explained([call, agent, outcome], {
      outcomes: [
        { ...shared, id: "oc_1", name: "escalated", at: NOON },
        { ...shared, id: "oc_2", name: null, at: NOON },
      ],
    });
    expect(told(story, "reported")).toEqual([
      expect.stringMatching(/^The agent itself reported span “attempt pay” \(“invoke_agent”\), from /),
      "Key “key_op” reported the outcome “escalated” (“queue” = “tier 2”) as of 2026-01-06T00:00:00.000Z.",
      "Key “key_z” reported labels only (“csat” = “2”) as of 2026-01-05T12:00:00.000Z from “zendesk”.",
    ]);
  });

  test("what was only asked about is told as that, and the gateway's own pause with its rule", () => {
    const asked = record({
      index: {
        kind: "preflight",
        status: "would_refuse",
        decision: "deny",
        error_code: "policy_denied",
        call_id: null,
      },
      attributes: { "interlock.refusal": "over the cap" },
      reasons: [limit],
      bodies: { ask },
    });
    const story = explained([
      asked,
      act("session", "session", "paused", {
        "interlock.act.by": "gateway",
        "interlock.act.reason": "too many repeats",
      }),
    ]);
    expect(story.calls).toBe(0);
    expect(told(story, "around")).toEqual([
      expect.stringMatching(
        /^At .* it was asked what would become of tool “pay” with arguments “.*”: it would have been refused, because of rule “actor.max_amount_usd” \(“policy_denied”: “over the cap”\)\. Nothing was sent\.$/,
      ),
      expect.stringMatching(/^The gateway recorded the session as “paused” at .*, saying “too many repeats”\.$/),
    ]);
  });

  test("bodies that are not kept, gaps in a session's numbers and lost records are told as unknown", () => {
    const story = explained(
      [
        record({ index: { seq: 1 }, omitted: { result: "sampled out" } }),
        record({ index: { seq: 4 }, omitted: { result: "sampled out", arguments: "larger than 512 KiB" } }),
      ],
      {
        subject: { type: "session", id: "s1" },
        lost: [{ traceId: "tr_x", spanId: "0".repeat(16), kind: "chat", subject: "m" }],
        isTruncated: true,
      },
    );
    expect(told(story, "unknown")).toEqual([
      "Not kept of what the tool answered: 2 bodies, because it was “sampled out”.",
      "Not kept of the call as it was sent: one body of 600000 characters, because it was “larger than 512 KiB”; its SHA-256 is “5d41”.",
      expect.stringMatching(/^No record is stored under numbers 2 to 3 of the session/),
      "The index names a record of kind “chat” about “m” whose segment could not be read.",
      "More is stored than was read: this tells of 2 records only.",
    ]);
  });
});

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom(
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](https://evil.test/p.png)",
    "`` ` ```",
    "“quoted” ``",
    "\n# heading\n- item",
    "\u202eevil",
    "| a | b |",
    "@everyone #1 https://evil.test www.evil.test",
  ),
);
const outside = fc.record({
  kind: fc.constantFrom(...RECORD_KINDS),
  status: fc.oneof(
    text,
    fc.constantFrom("succeeded", "unknown", "replayed", "pending_approval", "approved", "compensated"),
  ),
  subject: text,
  actor: text,
  session: text,
  call: fc.option(fc.constantFrom("tc_a", "tc_b"), { nil: null }),
  value: text,
  seq: fc.option(fc.nat(9), { nil: null }),
});
const anyRecord = outside.map(({ kind, status, subject, actor, session, call, value, seq }) =>
  record({
    index: { kind, status, subject, actor, session_id: session, call_id: call, seq, error_code: value, user: value },
    attributes: {
      "interlock.refusal": value,
      "interlock.intent": value,
      "interlock.approval.comment": value,
      "interlock.act.reason": value,
      "interlock.resolution.by": value,
      "interlock.resolution.evidence": value,
      "interlock.compensates": value,
      "interlock.saga.status": value,
      "interlock.saga.not_undone": [value],
      "interlock.breaker.state": value,
      "interlock.tool.output_trust": value,
      "gen_ai.request.temperature": value,
    },
    reasons: [{ rule_id: value, effect: value, message: value, values: { [value]: value }, path: value }],
    attempts: [{ "error.type": value, "server.address": value, "interlock.outcome": value }],
    bodies: {
      request: { messages: [{ role: value, content: value }], tools: [{ function: { name: value } }] },
      response: {
        choices: [{ message: { content: value, tool_calls: [{ function: { name: value, arguments: value } }] } }],
      },
      ask: { args: { value }, constraints: { value } },
      result: { status: "succeeded", result: { id: value, [value]: value } },
    },
    omitted: { arguments: value },
  }),
);
const stories = fc.array(anyRecord, { minLength: 1, maxLength: 6 });

describe("whatever is recorded", () => {
  test("every sentence names at least one span that is stored, and links to evidence", () => {
    fc.assert(
      fc.property(stories, (records) => {
        const known = new Set(records.flatMap(({ spans }) => spans.map(({ span_id }) => span_id)));
        for (const { sentences } of explained(records, { subject: { type: "session", id: "s" } }).sections) {
          for (const { span_ids, links } of sentences) {
            expect(span_ids.length).toBeGreaterThan(0);
            for (const span of span_ids) expect(known.has(span)).toBe(true);
            expect(links.length).toBeGreaterThan(0);
            for (const { href } of links) expect(href).toMatch(/^\/v1\/[\w/.%~!*'()-]+[?=\w]*(#[0-9a-z]+)?$/);
          }
        }
      }),
    );
  });

  test("the order of the records and a second look change nothing", () => {
    fc.assert(
      fc.property(stories, (records) => {
        expect(explained(records.toReversed())).toEqual(explained(records));
      }),
    );
  });

  test("what comes from outside stands in code spans of one line, and nowhere else in the Markdown", () => {
    fc.assert(
      fc.property(stories, (records) => {
        const markdown = markdownOf(explained(records));
        for (const line of markdown.split("\n")) {
          expect(
            line === "" || /^(# What|## [A-Z]|- |\d+ calls? ?|\d+ call|Nothing of this|The stored)/.test(line),
          ).toBe(true);
          const bare = withoutCode(line);
          expect(bare).not.toMatch(/[“”]/);
          expect(bare.replaceAll(/\]\(<\/v1\/[^<>]*>\)/g, "]")).not.toMatch(
            /<|>|(?<!\\)`|(?<!\\)!|https?:|www\.|(?<!\\)@/,
          );
        }
      }),
    );
  });
});

/** A line without its code spans, found as CommonMark finds them (6.1): a run of backticks, to the next run of that length. */
function withoutCode(line: string): string {
  let out = "";
  for (let at = 0; at < line.length;) {
    const run = /^`+/.exec(line.slice(at))?.[0];
    if (run === undefined || line[at - 1] === "\\") {
      out += line[at] ?? "";
      at += 1;
      continue;
    }
    const end = [...line.slice(at + run.length).matchAll(/`+/g)].find(([close]) => close.length === run.length);
    if (end === undefined) return out + line.slice(at);
    at += run.length * 2 + end.index;
  }
  return out;
}
