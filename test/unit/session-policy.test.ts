// Proves what a session decides itself: stop and ask, repeats, failures in a row, rules over its history, taint and facts, leases.
import { describe, expect, it } from "vitest";
import { amounts } from "../../src/core/budget/amounts.ts";
import { encodeExpression, parseExpression } from "../../src/core/policy/cel/expression.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import type { WorldInput } from "../../src/core/policy/cel/world.ts";
import type { StoredRule } from "../../src/core/policy/rules.ts";
import { termsOf } from "../../src/core/state/meter.ts";
import { nextWake, QUIET_MS, SESSION_RETENTION_MS } from "../../src/core/state/session-ledger.ts";
import { learntFrom, withLearnt } from "../../src/core/state/teaching.ts";
import { allowing, admit, Machine, ref } from "./session-machine.ts";

const T0 = 1_780_000_000_000;
const started = (): Machine => {
  const machine = new Machine();
  machine.now = T0;
  return machine;
};

/** What the people of these tests have approved. */
const byApprover = {
  requirements: [{ rule_id: "r", roles: ["approver"], count: 1 }],
  draft: { rule_id: "draft", roles: ["operator"], count: 1, expires_in_ms: 1_000 },
};

const world: Omit<WorldInput, "session"> = {
  args: {},
  argsSchema: { type: "object", properties: {} },
  tool: { name: "refund", effect: "write" },
  call: { confirmed: false, writes_pii: false, constraints: {} },
  actor: { name: "a", tier: "execute_with_limits", scopes: [] },
  principal: { key_id: "k", roles: ["agent"], scopes: [] },
  now: T0,
  local: { hour: 1, minute: 2, weekday: 3, date: "2026-05-28" },
};

function rule(when: string, effect: StoredRule["effect"], more: Partial<StoredRule> = {}): StoredRule {
  const parsed = parseExpression(when);
  if (!parsed.ok) throw new Error(parsed.fault.message);
  const approval = { roles: ["approver"], count: 1, expires_in_ms: 1_000 };
  const tree = encodeExpression(parsed.parsed);
  return { id: "r", effect, message: "the rule", approval, stop: false, when, tree, ...more };
}

describe("a session that stops and asks", () => {
  it("takes no call, model or tool, until a person resumes it", () => {
    const machine = started();
    const stop = { rule_id: "actor.min_confidence", effect: "deny", message: "unsure", stop_and_ask: true } as const;
    expect(machine.send(admit("h1", {}, { stop }))).toMatchObject({
      type: "session_paused",
      pause: { message: "unsure" },
    });
    expect(machine.send(admit("h2", {})).type).toBe("session_paused");
    expect(machine.charge("c1")).toMatchObject({ type: "session_paused", pause: { rule_id: "actor.min_confidence" } });
    expect(machine.send({ type: "resume" })).toMatchObject({ type: "resumed", was: { message: "unsure" } });
    expect(machine.charge("c1").type).toBe("charged");
    expect(machine.state.seq).toBe(1);
  });

  it("stays paused through a crash", () => {
    const machine = started();
    machine.send({ type: "pause", pause: { kind: "paused", rule_id: "person", message: "look" } });
    machine.kill();
    expect(machine.charge("c1").type).toBe("session_paused");
  });

  it("that a person ended is never resumed", () => {
    const machine = started();
    machine.charge("c1");
    machine.send({ type: "pause", pause: { kind: "paused", rule_id: "person", message: "look" } });
    machine.send({ type: "pause", pause: { kind: "ended", rule_id: "person", message: "enough" } });
    expect(machine.send({ type: "resume" })).toMatchObject({ type: "session_paused", pause: { kind: "ended" } });
    expect(machine.charge("c2")).toMatchObject({ type: "session_paused", pause: { kind: "ended" } });
  });

  it("that a person ended stays so for good, also when all others are forgotten", () => {
    const machine = started();
    machine.charge("c1");
    machine.send({ type: "pause", pause: { kind: "ended", rule_id: "person", message: "enough" } });
    machine.now += 10 * SESSION_RETENTION_MS;
    machine.send({ type: "tick", outboxDepth: 0 });
    expect(machine.state.pause).toMatchObject({ kind: "ended" });
    expect(nextWake(machine.state)).toBeNull();
  });

  it("counts identical calls, and counts anew once a person has looked", () => {
    const machine = started();
    const policy = { stopAndAsk: { repeated_calls: 3 } };
    const types = ["c1", "c2", "c3", "c4"].map((id) => machine.charge(id, { policy }).type);
    expect(types).toEqual(["charged", "charged", "session_paused", "session_paused"]);
    machine.now += 1;
    machine.send({ type: "resume" });
    expect(machine.charge("c5", { policy }).type).toBe("charged");
    expect(machine.charge("c6", { policy: { ...policy, fingerprint: "other" } }).type).toBe("charged");
  });

  it("counts failures in a row, unknown outcomes among them; a success begins anew", () => {
    const machine = started();
    const policy = { stopAndAsk: { consecutive_failures: 2 } };
    machine.charge("c1", { policy });
    machine.conclude("c1", "failed");
    machine.charge("c2", { policy });
    machine.conclude("c2", "succeeded");
    machine.charge("c3", { policy });
    machine.conclude("c3", "unknown");
    expect(machine.state.pause).toBeNull();
    machine.charge("c4", { policy });
    machine.conclude("c4", "failed");
    expect(machine.charge("c5", { policy })).toMatchObject({
      type: "session_paused",
      pause: { rule_id: "actor.consecutive_failures" },
    });
    machine.send({ type: "resume" });
    expect(machine.charge("c5", { policy }).type).toBe("charged");
  });

  it("asks once when its budget is nearly used, after a call that still fits", () => {
    const machine = started();
    const settings = { limits: { tool_calls: 4 }, policy: { stopAndAsk: { budget_used: 0.75 } } };
    expect(["c1", "c2", "c3"].map((id) => machine.charge(id, settings).type)).toEqual([
      "charged",
      "charged",
      "charged",
    ]);
    expect(machine.charge("c4", settings)).toMatchObject({
      type: "session_paused",
      pause: { rule_id: "actor.budget_used" },
    });
    machine.send({ type: "resume" });
    expect(machine.charge("c4", settings).type).toBe("charged");
    expect(machine.charge("c5", settings)).toMatchObject({ type: "budget_exceeded", dimension: "tool_calls" });
  });

  it("asks when its time or its task's budget is nearly used", () => {
    const timed = started();
    const settings = { limits: { wall_time_ms: 1_000 }, policy: { stopAndAsk: { budget_used: 0.5 } } };
    timed.charge("c1", settings);
    timed.now += 500;
    timed.charge("c2", settings);
    expect(timed.state.pause?.message).toContain("wall time");
  });

  it("stops at a rule's own wish, and charges nothing", () => {
    const machine = started();
    const policy = { world, rules: [rule("session.counters.tool_calls >= 1", "deny", { stop: true })] };
    expect(machine.charge("c1", { policy }).type).toBe("charged");
    expect(machine.charge("c2", { policy })).toMatchObject({ type: "session_paused", pause: { rule_id: "r" } });
    expect(machine.state.session?.used.tool_calls).toBe(1);
  });
});

describe("rules over a session", () => {
  it("count a call that is still running, and not one that surely failed", () => {
    const machine = started();
    const policy = { world, amount: 30_000_000, rules: [rule('session.sum_within("refund", "1h") > 5000', "deny")] };
    const parts = { policy, subject: "refund" };
    expect(machine.charge("c1", parts).type).toBe("charged");
    expect(machine.charge("c2", parts).type).toBe("charged");
    expect(machine.charge("c3", parts)).toMatchObject({
      type: "not_allowed",
      reasons: [{ rule_id: "r", effect: "deny" }],
    });
    machine.conclude("c2", "failed");
    expect(machine.charge("c3", parts).type).toBe("charged");
    machine.now += 3_600_001;
    expect(machine.charge("c4", parts).type).toBe("charged");
  });

  it("are not lifted by pushing calls out of sight", () => {
    const machine = started();
    const policy = { world, amount: 60_000_000, rules: [rule('session.sum_within("refund", "24h") > 5000', "deny")] };
    expect(machine.charge("c1", { policy, subject: "refund" }).type).toBe("charged");
    for (let at = 0; at < 600; at += 1) machine.charge(`r${at}`, { subject: "kb.search" });
    expect(machine.charge("c2", { policy, subject: "refund" }).type).toBe("not_allowed");
    const counts = { world, rules: [rule('session.count_within("*", "24h") > 600', "deny")] };
    expect(machine.charge("c3", { policy: counts }).type).toBe("not_allowed");
    const lists = { world, rules: [rule('session.history.exists(each, each.tool == "refund")', "deny")] };
    expect(machine.charge("c4", { policy: lists }).type).toBe("not_allowed");
  });

  it("ask for approval in place of running, and run once people have approved", () => {
    const machine = started();
    const policy = { world, rules: [rule('session.count_within("refund", "1h") >= 1', "require_approval")] };
    machine.charge("c1", { policy, subject: "refund" });
    const parts = { policy, subject: "refund" };
    expect(machine.charge("c2", parts).type).toBe("not_allowed");
    expect(machine.charge("c2", { ...parts, policy: { ...policy, approved: byApprover } }).type).toBe("charged");
  });

  it("that fail keep the call from running", () => {
    const machine = started();
    const policy = { world, rules: [rule("session.budget.usd.limit > 3", "allow")] };
    expect(machine.charge("c1", { policy })).toMatchObject({
      type: "not_allowed",
      reasons: [{ effect: "deny", error: true }],
    });
  });

  it("see where strangers' words came in, and what results have taught", () => {
    const machine = started();
    const capture = {
      tier: "customer.tier",
      list: "customer.all",
      "orders[result.order.id].status": "order.status",
      "orders[result.order.id].owner": "customer.id",
      "seen[args.customer_id]": "customer.id",
    };
    const result = { customer: { id: "c1", tier: "gold", all: [1] }, order: { id: "o-17", status: "delivered" } };
    const call = { tool: "crm.read", args: { customer_id: "c1" } };
    const learnt = learntFrom(call, { isUntrusted: true, capture }, { status: "succeeded", result, httpStatus: 200 });
    expect(learnt.facts.map(({ names, value }) => [names.join("/"), value])).toEqual([
      ["tier", "gold"],
      ["orders/o-17/status", "delivered"],
      ["orders/o-17/owner", "c1"],
      ["seen/c1", "c1"],
    ]);
    machine.charge("c1", { subject: "crm.read" });
    machine.conclude("c1", "succeeded", learnt);
    machine.kill();
    const delivered = (order: string): StoredRule =>
      rule(
        `size(session.taint) > 0 && !("${order}" in session.facts.orders && session.facts.orders["${order}"].status == "delivered")`,
        "deny",
      );
    expect(machine.charge("c2", { policy: { world, rules: [delivered("o-18")] } }).type).toBe("not_allowed");
    expect(machine.charge("c2", { policy: { world, rules: [delivered("o-17")] } }).type).toBe("charged");
  });

  it("learn taint from a failure's answer too, and nothing from silence", () => {
    const teaching = { isUntrusted: true, capture: { id: "id" } };
    const call = { tool: "t", args: {} };
    const failed = {
      status: "failed",
      code: "tool_failed",
      message: "no",
      httpStatus: 400,
      result: { id: "x" },
    } as const;
    expect(learntFrom(call, teaching, failed)).toEqual({ taint: "t", facts: [] });
    expect(learntFrom(call, teaching, { ...failed, result: null })).toEqual({ taint: null, facts: [] });
    expect(learntFrom(call, teaching, { status: "unknown", message: "lost" })).toEqual({ taint: null, facts: [] });
  });

  it("keep facts within a bound, the ones learnt last", () => {
    const none: { taint: readonly string[]; facts: JsonObject } = { taint: [], facts: {} };
    const known = Array.from({ length: 400 }, (_, at) => at).reduce(
      (all, at) =>
        withLearnt(all, { taint: null, facts: [{ names: ["orders", `o${at}`, "note"], value: "x".repeat(200) }] }),
      none,
    );
    expect(JSON.stringify(known.facts).length).toBeLessThanOrEqual(16_384);
    const orders = Object.keys((known.facts["orders"] ?? {}) as JsonObject);
    expect(orders.at(-1)).toBe("o399");
    expect(orders.length).toBeGreaterThan(40);
  });
});

describe("limits in a session", () => {
  const meter = {
    key: "limit:l:tenant=*",
    limit: "l",
    spec: { max: 10, window: { type: "calendar", unit: "day" }, zone: "UTC" },
    need: 1,
    unit: "calls",
  } as const;

  it("are drawn from a lease, asked for when there is none, and put back by a failure", () => {
    const machine = started();
    const policy = { meters: [meter] };
    expect(machine.charge("c1", { policy })).toEqual({ type: "needs_grants", shortages: [meter] });
    expect(machine.state.session).toBeNull();
    machine.send({
      type: "lease",
      grants: [
        { key: meter.key, grant: { leaseId: "9.l1", amount: 2, terms: termsOf(meter.spec), expiresAt: T0 + 1_000 } },
      ],
    });
    expect(machine.charge("c1", { policy, isGranted: true }).type).toBe("charged");
    expect(machine.charge("c2", { policy }).type).toBe("charged");
    expect(machine.charge("c3", { policy }).type).toBe("needs_grants");
    machine.conclude("c2", "failed");
    expect(machine.charge("c3", { policy }).type).toBe("charged");
    machine.conclude("c3", "failed");
    expect(machine.send({ type: "give_up", which: "all" })).toEqual({
      type: "given_up",
      unused: [{ key: meter.key, leaseId: "9.l1", unused: 1 }],
    });
    machine.kill();
    expect(machine.charge("c4", { policy }).type).toBe("needs_grants");
  });

  it("go back once the session is quiet, also where it made nothing but tool calls", () => {
    const machine = started();
    const grant = { leaseId: "9.l1", amount: 5, terms: termsOf(meter.spec), expiresAt: T0 + 30_000 };
    machine.send({ type: "lease", grants: [{ key: meter.key, grant }] });
    machine.charge("c1", { policy: { meters: [meter] } });
    expect(nextWake(machine.state)).toBe(T0 + QUIET_MS);
    machine.now += 30_000;
    machine.send({ type: "give_up", which: "returned" });
    // The same alarm states the call to the trace store.
    machine.send({ type: "tick", outboxDepth: 0 });
    expect(nextWake(machine.state)).toBe(T0 + SESSION_RETENTION_MS);
  });

  it("are never drawn from an expired lease, nor from one that was taken back", () => {
    const machine = started();
    const policy = { meters: [meter] };
    const grant = { leaseId: "9.l1", amount: 5, terms: termsOf(meter.spec), expiresAt: T0 + 1_000 };
    machine.send({ type: "lease", grants: [{ key: meter.key, grant }] });
    machine.charge("c1", { policy });
    expect(machine.send({ type: "reclaim", leaseId: "9.l1" })).toEqual({ type: "reclaimed", unused: 4 });
    expect(machine.send({ type: "reclaim", leaseId: "9.l1" })).toEqual({ type: "reclaimed", unused: 0 });
    expect(machine.charge("c2", { policy }).type).toBe("needs_grants");
    machine.send({ type: "lease", grants: [{ key: meter.key, grant: { ...grant, leaseId: "9.l2" } }] });
    machine.now += 1_000;
    expect(machine.charge("c2", { policy }).type).toBe("needs_grants");
  });

  it("take a turn at a rate for every call, and charge nothing for a refused one", () => {
    const machine = started();
    const rates = [{ key: "rate:tool:x:a", limit: "tool:x", spec: { requests: 1, per_ms: 1_000, burst: 1 } }];
    const policy = { rates };
    expect(machine.charge("c1", { policy })).toEqual({ type: "needs_grants", shortages: [] });
    expect(machine.charge("c1", { policy, isGranted: true }).type).toBe("charged");
    expect(machine.charge("c2", { policy }).type).toBe("needs_grants");
    expect(machine.state.session?.used).toEqual(amounts({ tool_calls: 1 }));
  });
});

describe("a charge whose reply was lost", () => {
  const orphan = (): Machine => {
    const machine = started();
    machine.charge("c1", { amounts: amounts({ tool_calls: 1, tool_usd: 1 }) });
    return machine;
  };

  it("is not charged again for the same call", () => {
    const machine = orphan();
    expect(machine.charge("c1", { amounts: amounts({ tool_calls: 1, tool_usd: 1 }) })).toMatchObject({ seq: 1 });
    expect(machine.state.session?.used).toMatchObject({ tool_calls: 1, tool_usd: 1 });
  });

  it("lets nothing through that the session would now keep back", () => {
    const ruled = { world, rules: [rule("session.counters.tool_calls >= 0", "require_approval")] };
    expect(orphan().charge("c1", { policy: ruled }).type).toBe("not_allowed");
    const paused = orphan();
    paused.send({ type: "pause", pause: { kind: "paused", rule_id: "person", message: "look" } });
    expect(paused.charge("c1").type).toBe("session_paused");
  });

  it("is given back where the key now names another call, which is charged as itself", () => {
    const machine = orphan();
    const other = { fingerprint: "other" };
    const limits = { tool_usd: 50 };
    const dear = { limits, amounts: amounts({ tool_calls: 1, tool_usd: 51 }), policy: other };
    expect(machine.charge("c1", dear)).toMatchObject({ type: "budget_exceeded", dimension: "tool_usd" });
    expect(machine.state.session?.used).toMatchObject({ tool_calls: 0, tool_usd: 0 });
    const fits = { ...dear, amounts: amounts({ tool_calls: 1, tool_usd: 50 }) };
    expect(machine.charge("c1", fits).type).toBe("charged");
    expect(machine.state.session?.used).toMatchObject({ tool_calls: 1, tool_usd: 50 });
  });
});

describe("a session's charge", () => {
  it("is refused where the edge's own reasons ask for people, unless they have approved", () => {
    const machine = started();
    const approval = { roles: ["approver"], count: 1, expires_in_ms: 1_000 };
    const asks = { rule_id: "r", effect: "require_approval", message: "ask", approval } as const;
    const policy = { reasons: [...allowing.reasons, asks] };
    expect(machine.charge("c1", { policy }).type).toBe("not_allowed");
    expect(machine.charge("c1", { policy: { ...policy, approved: byApprover } }).type).toBe("charged");
    const more = { ...asks, rule_id: "more", approval: { ...approval, count: 2 } } as const;
    const unforeseen = { reasons: [...policy.reasons, more], approved: byApprover };
    expect(machine.charge("c2", { policy: unforeseen }).type).toBe("not_allowed");
    const denies = { rule_id: "y", effect: "deny", message: "no" } as const;
    expect(machine.charge("c2", { policy: { reasons: [...policy.reasons, denies], approved: byApprover } }).type).toBe(
      "not_allowed",
    );
  });

  it("counts questions to people among identical calls, and bounds them", () => {
    const machine = started();
    const policy = { world, rules: [rule("session.age_s >= 0", "require_approval")] };
    const loop = { policy: { ...policy, stopAndAsk: { repeated_calls: 3 } } };
    expect(["c1", "c2", "c3"].map((id) => machine.charge(id, loop).type)).toEqual([
      "not_allowed",
      "not_allowed",
      "session_paused",
    ]);
    const flood = started();
    const types = Array.from(
      { length: 501 },
      (_, at) => flood.charge(`c${at}`, { policy: { ...policy, fingerprint: `f${at}` } }).type,
    );
    expect(types.slice(-2)).toEqual(["not_allowed", "too_many_calls"]);
  });

  it("takes a turn at the rate before people are asked", () => {
    const machine = started();
    const rates = [{ key: "rate:tool:x:a", limit: "tool:x", spec: { requests: 1, per_ms: 1_000, burst: 1 } }];
    const policy = { world, rates, rules: [rule("session.age_s >= 0", "require_approval")] };
    expect(machine.charge("c1", { policy }).type).toBe("needs_grants");
    expect(machine.charge("c1", { policy, isGranted: true }).type).toBe("not_allowed");
  });

  it("is kept for a task of any name", () => {
    const machine = started();
    for (const id of ["constructor", "__proto__", "toString"]) {
      const scopes = { session: {}, task: { id, limits: { calls: 1 } } };
      expect(machine.send(admit(`h-${id}`, {}, { scopes })).type).toBe("admitted");
      expect(machine.send(admit(`i-${id}`, {}, { scopes }))).toMatchObject({ type: "budget_exceeded", scope: "task" });
    }
  });

  it("is refused once the session has had all that rules can look back on", () => {
    const machine = started();
    machine.charge("c0");
    const [one] = machine.charges.values();
    if (one === undefined) throw new Error("nothing was charged");
    for (let at = 1; at < 10_000; at += 1) machine.charges.set(`c${at}`, { ...one, callId: `c${at}`, seq: at + 1 });
    expect(machine.charge("more")).toMatchObject({ type: "too_many_calls", limit: 10_000 });
  });
});

describe("an answer without a charge", () => {
  it("is not given in another actor's session, and pauses none of others", () => {
    const machine = started();
    machine.charge("c1");
    const pause = { kind: "paused", rule_id: "actor.repeated_calls", message: "loop" } as const;
    const scopes = { session: {}, task: null };
    const stranger = { ...ref, actor: "stranger" };
    expect(machine.send({ type: "revisit", ref: stranger, scopes, pause })).toEqual({ type: "other_actor" });
    expect(machine.state.pause).toBeNull();
  });

  it("that pauses a session never seen leaves one that a person can find and resume", () => {
    const machine = started();
    const pause = { kind: "paused", rule_id: "actor.repeated_calls", message: "loop" } as const;
    machine.send({ type: "revisit", ref, scopes: { session: {}, task: null }, pause });
    expect(machine.state).toMatchObject({ actor: "a", pause: { message: "loop" } });
    expect(machine.send({ type: "resume" })).toMatchObject({ type: "resumed" });
    expect(nextWake(machine.state)).not.toBeNull();
  });
});
