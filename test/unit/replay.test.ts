// Proves a policy's replay: what would change, on a session rebuilt from the record, the same every time, with no tool in reach.
import { describe, expect, it } from "vitest";
import type { ActiveConfig } from "../../src/core/config/published.ts";
import { readAsk } from "../../src/core/policy/replay/read-ask.ts";
import type { RecordedCall } from "../../src/core/policy/replay/recorded-call.ts";
import { replay } from "../../src/core/policy/replay/replay.ts";
import type { ReplayReport } from "../../src/core/policy/replay/replay-report.ts";
import { replayPolicy, type ReplayPorts } from "../../src/gateway/replay-policy.ts";
import { NO_CALLER, type TraceRecord } from "../../src/core/trace/record.ts";
import { published } from "./policy-fixture.ts";

const NOW = Date.parse("2026-01-05T12:00:00Z");
const MINUTE = 60_000;

function configWith(policy: object, more: { readonly actor?: object; readonly tool?: object } = {}): ActiveConfig {
  return published(documentWith(policy, more));
}

function documentWith(
  policy: object,
  { actor = {}, tool = {} }: { readonly actor?: object; readonly tool?: object } = {},
): object {
  const pay = {
    kind: "http",
    method: "POST",
    url: "https://x.test/",
    effect: "write",
    amount: { field: "amount_usd", currency: "USD" },
    input_schema: {
      type: "object",
      properties: { amount_usd: { type: "number" }, to: { type: "string" } },
      required: ["amount_usd"],
    },
  };
  return {
    egress: { allow: ["x.test"] },
    tools: {
      pay: { ...pay, ...tool },
      look: { ...pay, effect: "read", amount: undefined, capture: { country: "country" } },
    },
    actors: { a: { allowed_tools: ["*"], max_amount_usd: 100, ...actor } },
    policy,
  };
}

let count = 0;
function call(
  minute: number,
  amount_usd: number,
  more: Partial<RecordedCall> & { readonly to?: string; readonly tool?: string } = {},
): RecordedCall {
  count += 1;
  const { to = "x", tool = "pay", ...rest } = more;
  return {
    callId: `tc_${count}`,
    traceId: `tr_${count}`,
    startedAt: NOW + minute * MINUTE,
    endedAt: NOW + minute * MINUTE + 500,
    status: "succeeded",
    effect: "allow",
    outcome: null,
    ask: {
      actor: "a",
      principal: { key_id: "k", roles: ["agent"], scopes: ["*"] },
      tool,
      args: { amount_usd, to },
      constraints: {},
      session: "s1",
      task: null,
      intent: null,
      confidence: null,
      user: null,
      user_origin: "declared",
      user_prompt: null,
      release: null,
      confirmed: false,
    },
    ...rest,
  };
}

const OPEN = configWith({});
function replayed(candidate: ActiveConfig, calls: readonly RecordedCall[], active = OPEN): ReplayReport {
  return replay({ active, candidate, calls, modelCalls: [], unreadable: {} });
}
const transitions = ({ transitions: all }: ReplayReport): readonly string[] =>
  all.map(({ from, to, count: n, amount_usd }) => `${from} → ${to}: ${n}, $${amount_usd}`);

describe("a replay", () => {
  it("changes nothing for the same policy, and finds no drift", () => {
    const report = replayed(OPEN, [call(0, 10), call(1, 150, { status: "denied", effect: "deny" })]);
    expect(report).toMatchObject({ evaluated: 2, changed: 0, transitions: [], drift: { count: 0 } });
  });

  it("tells what a stricter rule stops, with the rule and its values and not the arguments", () => {
    const stricter = configWith({
      rules: [{ id: "big", tools: ["pay"], when: "call.amount_minor > 2000", effect: "deny" }],
    });
    const report = replayed(stricter, [call(0, 20), call(1, 20.01, { to: "someone private" }), call(2, 50)]);
    expect(transitions(report)).toEqual(["allow → deny: 2, $70.01"]);
    expect(report.by_rule).toEqual([{ rule_id: "big (deny)", appears: 2, disappears: 0 }]);
    expect(report.by_tool).toEqual([{ tool: "pay", evaluated: 3, changed: 2 }]);
    expect(report.newly_allowed_writes.count).toBe(0);
    const [example] = report.transitions[0]?.examples ?? [];
    expect(example).toMatchObject({ amount_usd: "20.01", before: { effect: "allow" }, after: { effect: "deny" } });
    expect(example?.after.reasons).toContainEqual({
      rule_id: "big",
      effect: "deny",
      values: { "call.amount_minor": 2001 },
    });
    expect(JSON.stringify(report)).not.toContain("someone private");
  });

  it("lists newly allowed writes apart; a newly allowed read is none", () => {
    const raised = configWith({}, { actor: { max_amount_usd: 500 } });
    const denied = { status: "denied", effect: "deny" };
    const report = replayed(raised, [call(0, 300, denied), call(1, 10)]);
    expect(report.newly_allowed_writes).toMatchObject({ count: 1, amount_usd: "300.00" });
    const read = configWith({}, { actor: { max_amount_usd: 500 }, tool: { effect: "read" } });
    expect(replayed(read, [call(0, 300, denied)]).newly_allowed_writes.count).toBe(0);
  });

  it("sees of a session what ran before: failures and denials not, calls in flight and unknown ones", () => {
    const third = configWith({
      rules: [{ id: "third", when: 'session.count_within("pay", "1h") >= 2', effect: "deny" }],
    });
    const before = (...statuses: readonly string[]): ReplayReport =>
      replayed(third, [...statuses.map((status, at) => call(at, 1, { status })), call(30, 5)]);
    expect(before("succeeded", "unknown").changed).toBe(1);
    expect(before("succeeded", "failed").changed).toBe(0);
    expect(before("succeeded", "denied", "refused", "pending_approval").changed).toBe(0);
    const inFlight = replayed(third, [
      call(0, 1),
      call(1, 1, { status: "failed", endedAt: NOW + 40 * MINUTE }),
      call(30, 5),
    ]);
    expect(inFlight.changed).toBe(1);
    const others = { ...call(0, 1).ask, session: "s2" };
    expect(replayed(third, [call(0, 1, { ask: others }), call(1, 1, { ask: others }), call(30, 5)]).changed).toBe(0);
  });

  it("adds up amounts, distinct values, facts and failures of the session", () => {
    const rules = [
      {
        id: "sum",
        tools: ["pay"],
        when: 'session.sum_within("pay", "1h") + call.amount_minor > 10000',
        effect: "deny",
      },
      {
        id: "distinct",
        tools: ["pay"],
        when: 'session.count_distinct_within("pay", "args.to", "1h") >= 2',
        effect: "require_approval",
      },
      {
        id: "country",
        tools: ["pay"],
        when: 'has(session.facts.country) && session.facts.country == "XX"',
        effect: "deny",
      },
      { id: "failing", tools: ["pay"], when: "session.counters.consecutive_failures >= 2", effect: "deny" },
    ];
    const candidate = configWith({ rules });
    const spoke = (calls: readonly RecordedCall[]): readonly string[] =>
      replayed(candidate, calls).by_rule.map((each) => each.rule_id);
    expect(spoke([call(0, 60), call(1, 40)])).toEqual([]);
    expect(spoke([call(0, 60), call(1, 40.01)])).toEqual(["sum (deny)"]);
    expect(spoke([call(0, 1, { to: "p" }), call(1, 1, { to: "q" }), call(2, 1)])).toEqual([
      "distinct (require_approval)",
    ]);
    const outcome = { status: "succeeded", result: { country: "XX" }, httpStatus: 200 } as const;
    expect(spoke([call(0, 0, { tool: "look", outcome }), call(1, 1)])).toEqual(["country (deny)"]);
    const failed = { status: "failed" };
    expect(spoke([call(0, 1, failed), call(1, 1, failed), call(2, 1)])).toEqual(["failing (deny)"]);
    expect(spoke([call(0, 1, failed), call(1, 1), call(2, 1, failed), call(3, 1)])).toEqual([]);
  });

  it("counts a candidate's limits over the window, sliding and by the calendar, and its rates", () => {
    const sliding = configWith({
      limits: [{ id: "cap", tools: ["pay"], sum: "amount_usd", per: "actor", window: "1h", max: 100 }],
    });
    expect(transitions(replayed(sliding, [call(0, 60), call(1, 60), call(61, 60)]))).toEqual([
      "allow → deny: 1, $60.00",
    ]);
    const daily = configWith({ limits: [{ id: "cap", count: true, per: "tenant", window: "day", max: 1 }] });
    expect(transitions(replayed(daily, [call(0, 1), call(1, 2), call(24 * 60, 1)]))).toEqual([
      "allow → deny: 1, $2.00",
    ]);
    const rate = configWith({}, { tool: { rate_limit: { requests: 1, per: "1m" } } });
    expect(transitions(replayed(rate, [call(0, 1), call(0.5, 2), call(1.5, 4)]))).toEqual(["allow → deny: 1, $2.00"]);
  });

  it("does not count what it denied against the limit, and counts what people let run", () => {
    const limits = [{ id: "cap", tools: ["pay"], sum: "amount_usd", window: "1h", max: 100 }];
    const rules = [{ id: "ask", tools: ["pay"], when: "call.amount_minor >= 9000", effect: "require_approval" }];
    const candidate = configWith({ limits, rules });
    expect(transitions(replayed(candidate, [call(0, 90), call(1, 20)]))).toEqual([
      "allow → require_approval: 1, $90.00",
      "allow → deny: 1, $20.00",
    ]);
    const denied = [call(0, 90, { status: "approval_denied" }), call(1, 20)];
    expect(transitions(replayed(candidate, denied))).toEqual(["allow → require_approval: 1, $90.00"]);
  });

  it("says what it could not decide again, and why", () => {
    const narrower = configWith(
      {},
      {
        tool: {
          input_schema: {
            type: "object",
            properties: { amount_usd: { type: "number", maximum: 5 } },
            required: ["amount_usd"],
          },
        },
      },
    );
    const report = replay({
      active: OPEN,
      candidate: narrower,
      calls: [call(0, 10), call(1, 1), call(2, 1, { tool: "gone" })],
      modelCalls: [],
      unreadable: { ask_too_large: 2 },
    });
    expect(report.evaluated).toBe(1);
    expect(report.not_replayed).toEqual([
      { why: "arguments_do_not_fit_candidate", count: 1 },
      { why: "ask_too_large", count: 2 },
      { why: "tool_unknown_in_active", count: 1 },
    ]);
  });

  it("decides a call once, whatever it was recorded as again: repeats and approved calls are one", () => {
    const id = { callId: "tc_same" };
    const report = replayed(OPEN, [
      call(0, 1, { ...id, status: "pending_approval", effect: "require_approval" }),
      call(1, 1, { ...id, effect: "require_approval" }),
      call(2, 1, { ...id, status: "replayed" }),
    ]);
    expect(report).toMatchObject({
      evaluated: 1,
      drift: { count: 1, examples: [{ recorded: "require_approval", now: "allow" }] },
    });
  });

  it("gives the same report every time, in whatever order the record is read", () => {
    const candidate = configWith({
      rules: [{ id: "third", when: 'session.count_within("pay", "1h") >= 2', effect: "deny" }],
      limits: [{ id: "cap", tools: ["pay"], sum: "amount_usd", window: "1h", max: 40 }],
    });
    const calls = Array.from({ length: 12 }, (_, at) => call(at * 7, at));
    const first = JSON.stringify(replayed(candidate, calls));
    expect(JSON.stringify(replayed(candidate, calls))).toBe(first);
    expect(JSON.stringify(replayed(candidate, calls.toReversed()))).toBe(first);
  });
});

describe("the sequence of a replay", () => {
  const calls = Array.from({ length: 25 }, (_, at) => call(-at, at + 1));
  const rows = calls.map((each, at) => ({
    tenant: "t",
    trace_hex: `${at}`.padStart(32, "0"),
    span_id: `${at}`.padStart(16, "0"),
    trace_id: each.traceId,
    started_at: each.startedAt,
    duration_ms: 500,
    kind: "execute_tool" as const,
    session_id: "s1",
    task_id: null,
    actor: "a",
    subject: "pay",
    status: "succeeded",
    decision: "allow",
    error_code: null,
    policy_version: "v1",
    cost_micro_usd: 0,
    input_tokens: 0,
    output_tokens: 0,
    seq: 40 - at,
    call_id: each.callId,
    ...NO_CALLER,
    segment: `seg${at % 3}`,
    line: at,
  }));
  const recordOf = (at: number): TraceRecord => {
    const row = rows[at];
    if (row === undefined) throw new Error(`no row ${at}`);
    const { segment: _, line: __, ...index } = row;
    const text = JSON.stringify(calls[at]?.ask);
    const ask = {
      name: "ask" as const,
      span_id: index.span_id,
      content_type: "application/json",
      digest: "",
      bytes: 1,
    };
    const body = at === 3 ? { body: null, omitted: "larger than 512 KiB" } : { body: text };
    return { v: 1, index, spans: [], payloads: at === 4 ? [] : [{ ...ask, ...body }] };
  };
  const PAGE = 10;
  const ports = {
    system: { now: () => NOW + 1, randomHex: () => "" },
    configs: { active: async () => OPEN, version: async () => undefined },
    index: {
      list: async (
        _tenant: string,
        filter: { readonly from: number; readonly to: number; readonly cursor?: string },
      ) => {
        const from = Number(filter.cursor ?? 0);
        const found = rows.filter((row) => row.started_at >= filter.from && row.started_at <= filter.to);
        return {
          rows: found.slice(from, from + PAGE),
          nextCursor: from + PAGE < found.length ? String(from + PAGE) : null,
        };
      },
    },
    segments: { read: async (_tenant: string, _segment: string, lines: readonly number[]) => lines.map(recordOf) },
  } as unknown as ReplayPorts;
  const candidate = {
    document: documentWith({
      rules: [{ id: "ten", tools: ["pay"], when: "call.amount_minor > 1000", effect: "deny" }],
    }),
  };

  it("reads every page of the window, and every ask once", async () => {
    const outcome = await replayPolicy(ports, "t", { candidate });
    expect(outcome).toMatchObject({
      ok: true,
      value: {
        read: 25,
        evaluated: 23,
        changed: 15,
        truncated: false,
        sessions_cut: 1,
        from: NOW + 1 - 864e5,
        not_replayed: [
          {
            why: "ask_missing",
            count: 1,
          },
          {
            why: "ask_too_large",
            count: 1,
          },
        ],
      },
    });
  });

  it("keeps to its limit and says so", async () => {
    const outcome = await replayPolicy(ports, "t", { candidate, limit: 12 });
    expect(outcome).toMatchObject({ ok: true, value: { read: 12, truncated: true, from: rows[11]?.started_at } });
  });

  it("refuses a candidate with mistakes, and a version that is not there", async () => {
    expect(await replayPolicy(ports, "t", { candidate: { document: { policy: { rules: 1 } } } })).toMatchObject({
      code: "invalid_config",
    });
    expect(await replayPolicy(ports, "t", { candidate: { version: 9 } })).toMatchObject({ code: "not_found" });
  });
});

describe("a stored ask", () => {
  it("of an earlier version has no words of its user, and whom it named the caller declared", () => {
    const { user_origin: _origin, user_prompt: _prompt, ...earlier } = { ...call(0, 1).ask, user: "u_1" };
    expect(readAsk(JSON.stringify(earlier))).toEqual({ ...earlier, user_origin: "declared", user_prompt: null });
  });

  it("is decided again by list rules too", () => {
    const rules = [{ id: "hidden", phase: "list", when: "!has(call.user)", effect: "deny" }];
    const [anonymous, named] = [call(0, 1), call(1, 2)];
    const calls = [anonymous, { ...named, ask: { ...named.ask, user: "u_1" } }];
    const report = replay({
      active: configWith({}),
      candidate: configWith({ rules }),
      calls,
      modelCalls: [],
      unreadable: {},
    });
    expect(report.by_rule.find(({ rule_id }) => rule_id.startsWith("hidden"))?.appears).toBe(1);
  });

  it("is read back as it was written, and nothing else is one", () => {
    const { ask } = call(0, 1);
    expect(readAsk(JSON.stringify(ask))).toEqual(ask);
    for (const other of ["", "null", "{}", JSON.stringify({ ...ask, args: [] }), JSON.stringify({ ...ask, actor: 1 })])
      expect(readAsk(other)).toBeUndefined();
  });
});
