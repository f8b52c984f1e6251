// Proves what a tool call is to its caller: the envelope, the decision, constraints that only narrow, and budgets.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ACTOR, refundTool, type JsonRecord } from "./document.ts";
import { at, openStage, until, type Answer, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(() => stage.reset());

const REFUND = { customer_id: "cus_123", amount_usd: 42 };

/** The rule ids that spoke against a call, with their effects. */
function against(answer: Answer): readonly string[] {
  const reasons = at(answer.json, "decision.reasons") as readonly { rule_id: string; effect: string }[];
  return reasons.filter((reason) => reason.effect !== "allow").map((reason) => `${reason.rule_id}:${reason.effect}`);
}

describe("the envelope", () => {
  test("of the design works verbatim, and the answer is the whole call", async () => {
    const tenant = await stage.tenant();
    const answer = await stage.send(
      "POST",
      "/v1/tool-calls",
      `{ "trace_id": "tr_9c12", "actor": "support_agent_v4", "intent": "issue_refund",
        "constraints": { "max_amount_usd": 50, "requires_human_approval_over_usd": 50, "pii_write_allowed": false, "allowed_tools": ["billing.refund", "crm.note"] },
        "tool_call": { "name": "billing.refund", "args": { "customer_id": "cus_123", "amount_usd": 42.00 } } }`,
      { key: tenant.agent },
    );
    expect(answer.status, answer.text).toBe(200);
    expect(answer.json).toMatchObject({
      trace_id: "tr_9c12",
      session_id: "tr_9c12",
      task_id: null,
      actor: ACTOR,
      intent: "issue_refund",
      tool: { name: "billing.refund" },
      status: "succeeded",
      decision: { effect: "allow", obligations: [] },
      result: { customer_id: "cus_123", amount_usd: 42, status: "succeeded" },
      replayed: false,
      attempts: 1,
    });
    expect(answer.json["id"]).toMatch(/^tc_[0-9a-f]{32}$/);
    expect(at(answer.json, "tool.definition_digest")).toMatch(/^[0-9a-f]{64}$/);
    expect(at(answer.json, "decision.policy_version")).toBe(answer.headers.get("interlock-policy-version"));
    expect(at(answer.json, "decision.reasons.0")).toMatchObject({ rule_id: "actor.allowed_tools", effect: "allow" });
    expect(Date.parse(String(answer.json["created_at"]))).toBeLessThanOrEqual(
      Date.parse(String(answer.json["finished_at"])),
    );
    expect(answer.headers.get("interlock-trace-id")).toBe("tr_9c12");
    expect(answer.headers.get("interlock-session")).toBe("tr_9c12");
    expect((await stage.effects()).refunds).toBe(1);
    const read = await tenant.get(`/v1/tool-calls/${String(answer.json["id"])}`);
    expect(read.json).toEqual(answer.json);
  });

  test("session_id, task_id and confidence may stand in it, and win over the headers", async () => {
    const tenant = await stage.tenant();
    const answer = await tenant.tool(
      "crm.get_customer",
      { customer_id: "cus_123" },
      { session_id: "mine", task_id: "t", confidence: 0.9 },
      { headers: { "Interlock-Session": "other" } },
    );
    expect(answer.json).toMatchObject({ session_id: "mine", task_id: "t", status: "succeeded" });
  });

  test("dry_run tells the decision and has no effect", async () => {
    const tenant = await stage.tenant();
    const dry = await tenant.tool("billing.refund", { ...REFUND, amount_usd: 75 }, { dry_run: true });
    expect(dry.status).toBe(200);
    expect(dry.json).toMatchObject({ dry_run: true, decision: { effect: "deny" } });
    const allowed = await tenant.tool("billing.refund", REFUND, { dry_run: true });
    expect(allowed.json).toMatchObject({ dry_run: true, decision: { effect: "allow" } });
    expect((await stage.effects()).refunds).toBe(0);
  });

  const wrongArgs: readonly (readonly [string, JsonRecord, string])[] = [
    ["a wrong type", { customer_id: "cus_123", amount_usd: "42" }, "tool_call.args.amount_usd"],
    ["out of range", { customer_id: "cus_123", amount_usd: 0 }, "tool_call.args.amount_usd"],
    ["a third decimal", { customer_id: "cus_123", amount_usd: 1.234 }, "tool_call.args.amount_usd"],
    ["not the pattern", { customer_id: "../admin", amount_usd: 1 }, "tool_call.args.customer_id"],
    ["a missing one", { customer_id: "cus_123" }, "tool_call.args"],
    ["one too many", { ...REFUND, memo: "x" }, "tool_call.args"],
  ];
  test.each(wrongArgs)("arguments with %s are refused by name, and nothing is sent", async (_, args, path) => {
    const tenant = await stage.tenant();
    const answer = await tenant.tool("billing.refund", args);
    expect([answer.status, answer.json["code"]]).toEqual([400, "invalid_arguments"]);
    const errors = answer.json["errors"] as readonly { path: string }[];
    expect(errors[0]?.path).toContain(path);
    expect((await stage.effects()).refunds).toBe(0);
  });

  const wrongEnvelopes: readonly (readonly [unknown, string])[] = [
    [{ tool_call: { name: "crm.get_customer", args: {} }, actr: "x" }, "actr"],
    [{ tool_call: { name: "crm.get_customer", arguments: {} } }, "tool_call.arguments"],
    [{ tool_call: { name: "crm.get_customer" }, constraints: { max_amount: 5 } }, "constraints.max_amount"],
    [{ tool_call: { name: "crm.get_customer" }, constraints: { max_amount_usd: -1 } }, "constraints.max_amount_usd"],
    [
      { tool_call: { name: "crm.get_customer" }, constraints: { max_amount_usd: "1.0000001" } },
      "constraints.max_amount_usd",
    ],
    [{ tool_call: { name: "crm.get_customer", args: [] } }, "tool_call.args"],
    [{ tool_call: { name: "" } }, "tool_call.name"],
    [{ tool_call: { name: "crm.get_customer" }, confidence: 2 }, "confidence"],
    [{ tool_call: { name: "crm.get_customer" }, trace_id: "9c12" }, "trace_id"],
    [{ tool_call: { name: "crm.get_customer" }, session_id: "a b" }, "Interlock-Session"],
    [{}, "tool_call"],
  ];
  test.each(wrongEnvelopes)("%j is refused at %s", async (envelope, path) => {
    const tenant = await stage.tenant();
    const answer = await stage.send("POST", "/v1/tool-calls", envelope, { key: tenant.agent });
    expect([answer.status, answer.json["code"]]).toEqual([400, "invalid_request"]);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect((answer.json["errors"] as readonly { path: string }[]).map((error) => error.path)).toContain(path);
  });

  test.each([
    ["9007199254740993", 400],
    ["0.1000000000000000055511151231257827", 400],
    ["1e400", 400],
    ["42.00", 200],
    ["4.2e1", 200],
    ['"42"', 400],
  ])("the amount %s answers %i: no digit is lost between reading and sending", async (source, status) => {
    const tenant = await stage.tenant();
    const body = `{"tool_call":{"name":"billing.refund","args":{"customer_id":"cus_123","amount_usd":${source}}}}`;
    const answer = await stage.send("POST", "/v1/tool-calls", body, { key: tenant.agent });
    expect(answer.status, answer.text).toBe(status);
    expect((await stage.effects()).refunds).toBe(status === 200 ? 1 : 0);
  });

  test("an argument named twice is not read in two ways", async () => {
    const tenant = await stage.tenant();
    const body = `{"tool_call":{"name":"billing.refund","args":{"customer_id":"cus_123","amount_usd":9999,"amount_usd":1}}}`;
    const answer = await stage.send("POST", "/v1/tool-calls", body, { key: tenant.agent });
    if (answer.status === 200) expect(at(answer.json, "result.amount_usd")).toBe(1);
    else expect(answer.status).toBe(400);
  });

  test("an unknown tool is 404, a body over 1 MiB 413, not JSON 400", async () => {
    const tenant = await stage.tenant();
    const unknown = await tenant.tool("billing.steal", {});
    expect([unknown.status, unknown.json["code"]]).toEqual([404, "unknown_tool"]);
    expect(unknown.json["errors"]).toMatchObject([{ path: "tool_call.name" }]);
    for (const name of ["__proto__", "constructor", "toString"]) expect((await tenant.tool(name, {})).status).toBe(404);
    const big = await tenant.tool("crm.note", { customer_id: "cus_123", text: "x".repeat(1_100_000) });
    expect([big.status, big.json["code"]]).toEqual([413, "body_too_large"]);
    const text = await stage.send("POST", "/v1/tool-calls", "{", { key: tenant.agent });
    expect([text.status, text.json["code"]]).toEqual([400, "invalid_request"]);
  });
});

describe("the decision", () => {
  test("over the actor's cap is 403 with every reason, the values it saw, and no effect", async () => {
    const tenant = await stage.tenant();
    const answer = await tenant.tool("billing.refund", { ...REFUND, amount_usd: 50.01 });
    expect([answer.status, answer.json["code"]]).toEqual([403, "policy_denied"]);
    expect(answer.headers.get("x-should-retry")).toBe("false");
    expect(against(answer)).toEqual(["actor.max_amount_usd:deny"]);
    expect(at(answer.json, "decision.reasons.1")).toMatchObject({
      path: "tool_call.args.amount_usd",
      values: { amount_usd: "50.01", limit_usd: "50.00" },
    });
    expect(at(answer.json, "tool_call.status")).toBe("denied");
    expect((await tenant.tool("billing.refund", { ...REFUND, amount_usd: 50 })).status).toBe(200);
    expect((await stage.effects()).refunds).toBe(1);
  });

  const narrowed: readonly (readonly [string, JsonRecord, JsonRecord, string])[] = [
    ["max_amount_usd", { constraints: { max_amount_usd: 41.99 } }, {}, "envelope.max_amount_usd:deny"],
    ["max_amount_usd as text", { constraints: { max_amount_usd: "41.99" } }, {}, "envelope.max_amount_usd:deny"],
    ["allowed_tools", { constraints: { allowed_tools: ["crm.*"] } }, {}, "envelope.allowed_tools:deny"],
    ["an empty allowed_tools", { constraints: { allowed_tools: [] } }, {}, "envelope.allowed_tools:deny"],
    ["the header", {}, { "Interlock-Allowed-Tools": "crm.note, crm.get_customer" }, "envelope.allowed_tools:deny"],
    ["an empty header", {}, { "Interlock-Allowed-Tools": " " }, "envelope.allowed_tools:deny"],
    [
      "header and envelope that do not meet",
      { constraints: { allowed_tools: ["billing.refund"] } },
      { "Interlock-Allowed-Tools": "crm.note" },
      "envelope.allowed_tools:deny",
    ],
  ];
  test.each(narrowed)("is narrowed by %s", async (_, more, headers, reason) => {
    const tenant = await stage.tenant();
    const answer = await tenant.tool("billing.refund", REFUND, more, { headers: headers as Record<string, string> });
    expect([answer.status, answer.json["code"]]).toEqual([403, "policy_denied"]);
    expect(against(answer)).toEqual([reason]);
    expect((await stage.effects()).refunds).toBe(0);
  });

  test("pii_write_allowed false stops a write of personal data and nothing else", async () => {
    const tenant = await stage.tenant();
    const constraints = { pii_write_allowed: false };
    const note = await tenant.tool("crm.note", { customer_id: "cus_123", text: "hi" }, { constraints });
    expect([note.status, ...against(note)]).toEqual([403, "envelope.pii_write_allowed:deny"]);
    expect((await tenant.tool("billing.refund", REFUND, { constraints })).status).toBe(200);
    const open = await tenant.tool("crm.note", { customer_id: "cus_123", text: "hi" });
    expect(open.status).toBe(200);
  });

  test("is not widened by anything a caller may say", async () => {
    const tenant = await stage.tenant();
    const constraints = {
      max_amount_usd: 1_000_000,
      requires_human_approval_over_usd: 1_000_000,
      pii_write_allowed: true,
      allowed_tools: ["*"],
    };
    const headers = { "Interlock-Allowed-Tools": "*", "Interlock-Confirmed": "true" };
    const over = await tenant.tool("billing.refund", { ...REFUND, amount_usd: 51 }, { constraints }, { headers });
    expect([over.status, ...against(over)]).toEqual([403, "actor.max_amount_usd:deny"]);
    const unlisted = await tenant.tool("crm.forbidden", { customer_id: "cus_123" }, { constraints }, { headers });
    expect([unlisted.status, ...against(unlisted)]).toEqual([403, "actor.allowed_tools:deny"]);
  });

  test("may carry its user's words, which rules see and records mask", async () => {
    const rules = [
      { id: "words", when: 'has(call.user_prompt) && call.user_prompt.contains("größte")', effect: "deny" },
      { id: "verified", when: 'has(call.user) && call.user_origin == "token"', effect: "deny" },
    ];
    const tenant = await stage.tenant({ sections: { policy: { rules } } });
    const say = (prompt: string): Promise<Answer> =>
      tenant.tool(
        "crm.get_customer",
        { customer_id: "cus_123" },
        {},
        {
          headers: { "Interlock-User": "u_1", "Interlock-User-Prompt": prompt },
        },
      );
    const denied = await say(encodeURIComponent("die größte\nErstattung"));
    expect([denied.status, ...against(denied)]).toEqual([403, "words:deny"]);
    const allowed = await say(encodeURIComponent("write to jo.doe@example.com"));
    expect(allowed.status, allowed.text).toBe(200);
    const { spans, payloads } = await tenant.trace(String(allowed.json["trace_id"]), 1);
    expect(spans.find(({ name }) => name.startsWith("execute_tool"))?.attributes).toMatchObject({
      "interlock.caller_declared": ["user", "user_prompt"],
      "interlock.user.origin": "declared",
    });
    const kept = JSON.stringify({ spans, payloads });
    expect(kept).toContain("write to ");
    expect(kept).not.toContain("jo.doe");
    for (const [prompt, why] of [
      ["100%", "two hex digits"],
      ["%ff", "not UTF-8"],
      ["a".repeat(8_193), "at most 8192 bytes"],
    ] as const) {
      const refused = await say(prompt);
      expect([refused.status, at(refused.json, "errors.0.path")]).toEqual([400, "Interlock-User-Prompt"]);
      expect(at(refused.json, "errors.0.message")).toContain(why);
    }
    expect((await say("%F0%9F%98%80".repeat(2_048))).status).toBe(200);
  });

  test("above the caller's approval threshold waits for a person, and deny beats it", async () => {
    const tenant = await stage.tenant();
    const constraints = { requires_human_approval_over_usd: 40 };
    const asks = await tenant.tool("billing.refund", REFUND, { constraints });
    expect([asks.status, asks.json["status"]]).toEqual([202, "pending_approval"]);
    expect(at(asks.json, "decision.effect")).toBe("require_approval");
    expect(against(asks)).toEqual(["envelope.requires_human_approval_over_usd:require_approval"]);
    const denied = await tenant.tool("billing.refund", { ...REFUND, amount_usd: 60 }, { constraints });
    expect(denied.json["code"]).toBe("policy_denied");
    expect(against(denied)).toHaveLength(2);
    expect((await tenant.tool("billing.refund", { ...REFUND, amount_usd: 40 }, { constraints })).status).toBe(200);
    expect((await stage.effects()).refunds).toBe(1);
  });

  test("needs every scope on the key and on the actor", async () => {
    const tenant = await stage.tenant();
    const onActor = await tenant.tool("audit.export", { customer_id: "cus_123" });
    expect([onActor.status, onActor.json["code"]]).toEqual([403, "scope_missing"]);
    const { key } = await stage.key(tenant.id, ["agent"], { scopes: ["crm:read"], actors: [ACTOR] });
    const onKey = await tenant.tool("billing.refund", REFUND, {}, { key });
    expect([onKey.status, onKey.json["code"], ...against(onKey)]).toEqual([403, "scope_missing", "scopes:deny"]);
    expect((await tenant.tool("crm.get_customer", { customer_id: "cus_123" }, {}, { key })).status).toBe(200);
  });

  test("another actor than the key's, and an actor without an entry, are refused", async () => {
    const tenant = await stage.tenant();
    const foreign = await tenant.tool("crm.get_customer", { customer_id: "cus_123" }, { actor: "intern" });
    expect([foreign.status, foreign.json["code"]]).toEqual([403, "actor_forbidden"]);
    const { key } = await stage.key(tenant.id, ["agent"], { scopes: ["*"], actors: ["*"] });
    const unnamed = await tenant.tool("crm.get_customer", { customer_id: "cus_123" }, {}, { key });
    expect([unnamed.status, unnamed.json["code"]]).toEqual([400, "invalid_request"]);
    const ghost = await tenant.tool("crm.get_customer", { customer_id: "cus_123" }, { actor: "ghost" }, { key });
    expect([ghost.status, against(ghost)[0]]).toEqual([403, "actor.known:deny"]);
  });

  test("a denial is told again under the same key, and stays open for a policy that allows", async () => {
    const tenant = await stage.tenant();
    const headers = { "Idempotency-Key": "k1" };
    const big = { ...REFUND, amount_usd: 60 };
    expect((await tenant.tool("billing.refund", big, {}, { headers })).status).toBe(403);
    expect((await tenant.tool("billing.refund", big, {}, { headers })).status).toBe(403);
    expect((await stage.effects()).refunds).toBe(0);
  });
});

describe("a tool's budget", () => {
  test("tool_calls and tool_usd stop the call that would pass them", async () => {
    const tenant = await stage.tenant({ session: { tool_calls: 3, tool_usd: 100 } });
    const refund = (amount_usd: number, session_id: string): Promise<Answer> =>
      tenant.tool("billing.refund", { ...REFUND, amount_usd }, { session_id });
    expect((await refund(50, "a")).status).toBe(200);
    expect((await refund(49.5, "a")).status).toBe(200);
    const over = await refund(0.51, "a");
    expect([over.status, over.json["code"]]).toEqual([429, "budget_exceeded"]);
    expect(over.json["budget"]).toMatchObject({ dimension: "tool_usd", limit: 100_000_000, used: 99_500_000 });
    expect((await refund(0.5, "a")).status).toBe(200);
    const fourth = await tenant.tool("crm.get_customer", { customer_id: "cus_123" }, { session_id: "a" });
    expect(fourth.json["budget"]).toMatchObject({ dimension: "tool_calls", limit: 3, used: 3 });
    expect((await stage.effects()).refunds).toBe(3);
  });

  test("is given back by a call that surely had no effect, and kept by one in doubt", async () => {
    const tenant = await stage.tenant();
    const failed = await tenant.tool(
      "billing.refund",
      { customer_id: "cus_nobody", amount_usd: 5 },
      { session_id: "a" },
    );
    expect(failed.status).toBe(502);
    const after = await until("the give-back", async () => {
      const figures = await tenant.session("a");
      return figures.toolCallsUsed === 0 ? figures : undefined;
    });
    expect(after.toolUsdUsed).toBe(0);
    expect((await tenant.tool("billing.refund_500", REFUND, { session_id: "b" })).status).toBe(504);
    expect(await tenant.session("b")).toMatchObject({ toolCallsUsed: 1, toolUsdUsed: 42_000_000 });
  });

  test("a tool's own cost is charged to the dollar budget", async () => {
    const tools = { "billing.refund": refundTool("", { cost_usd: "0.25" }) };
    const tenant = await stage.tenant({ session: { usd: "0.4" }, tools });
    expect((await tenant.tool("billing.refund", REFUND, { session_id: "a" })).status).toBe(200);
    expect((await tenant.session("a")).used).toBe(250_000);
    const second = await tenant.tool("billing.refund", { ...REFUND, amount_usd: 1 }, { session_id: "a" });
    expect(at(second.json, "budget.dimension")).toBe("usd");
  });
});

describe("reading", () => {
  test("GET /v1/tools lists what the key's actor may call", async () => {
    const tenant = await stage.tenant();
    const { json } = await tenant.get("/v1/tools");
    const names = (json["data"] as readonly { name: string }[]).map((tool) => tool.name);
    expect(names).toContain("billing.refund");
    expect(names).not.toContain("crm.forbidden");
  });

  test("GET /v1/tools shows what the caller may use at this instant, and what it hides is refused", async () => {
    const rules = [
      { id: "known-users", phase: "list", tools: ["billing.*"], when: "!has(call.user)", effect: "deny" },
      { id: "never", tools: ["crm.note"], effect: "deny" },
    ];
    const tenant = await stage.tenant({ sections: { policy: { rules } } });
    const listed = async (headers: Readonly<Record<string, string>> = {}): Promise<readonly string[]> => {
      const { json, status } = await stage.send("GET", "/v1/tools", undefined, { key: tenant.agent, headers });
      expect(status).toBe(200);
      return (json["data"] as readonly { name: string }[]).map((tool) => tool.name);
    };
    const user = { "Interlock-User": "u_1" };
    const [anonymous, known] = [await listed(), await listed(user)];
    expect(anonymous).toContain("crm.get_customer");
    expect(anonymous.filter((name) => name.startsWith("billing.") || name === "crm.note")).toEqual([]);
    expect(known).toEqual(known.toSorted());
    expect(known).toContain("billing.refund");
    expect(await listed({ ...user, "Interlock-Allowed-Tools": "billing.refund, crm.note" })).toEqual([
      "billing.refund",
    ]);
    expect(await listed({ "Interlock-Actor": ACTOR })).toEqual(anonymous);
    const hidden = await tenant.tool("billing.refund", REFUND);
    expect([hidden.status, ...against(hidden)]).toEqual([403, "known-users:deny"]);
    expect((await tenant.tool("billing.refund", REFUND, {}, { headers: user })).status).toBe(200);
    const { json: foreseen } = await stage.send(
      "POST",
      "/v1/tool-calls/preflight",
      { tool_call: { name: "billing.refund", args: REFUND } },
      { key: tenant.agent },
    );
    expect(JSON.stringify(foreseen)).toContain("known-users");
    const foreign = await stage.send("GET", "/v1/tools", undefined, {
      key: tenant.agent,
      headers: { "Interlock-Actor": "intern" },
    });
    expect([foreign.status, foreign.json["code"]]).toEqual([403, "actor_forbidden"]);
    const malformed = await stage.send("GET", "/v1/tools", undefined, {
      key: tenant.agent,
      headers: { "Interlock-User": "no id" },
    });
    expect([malformed.status, at(malformed.json, "errors.0.path")]).toEqual([400, "Interlock-User"]);
  });

  test("a call is shown to its own actor, not to another actor's key, never to another tenant", async () => {
    const [mine, other] = [await stage.tenant(), await stage.tenant()];
    const id = String((await mine.tool("billing.refund", REFUND)).json["id"]);
    expect((await mine.get(`/v1/tool-calls/${id}`)).status).toBe(200);
    expect((await mine.get(`/v1/tool-calls/${id}`, mine.auditor)).status).toBe(200);
    const { key } = await stage.key(mine.id, ["agent"], { actors: ["intern"] });
    for (const foreign of [key, other.agent, other.auditor])
      expect((await mine.get(`/v1/tool-calls/${id}`, foreign)).status).toBe(404);
    expect((await mine.get("/v1/tool-calls/tc_nothing")).status).toBe(404);
  });

  test("two tenants with the same key and body have two calls", async () => {
    const [one, two] = [await stage.tenant(), await stage.tenant()];
    const headers = { "Idempotency-Key": "same" };
    const call = (tenant: Tenant): Promise<Answer> =>
      tenant.tool("billing.refund", REFUND, { session_id: "s" }, { headers });
    const [first, second] = [await call(one), await call(two)];
    expect(first.json["id"]).not.toBe(second.json["id"]);
    expect(second.json["replayed"]).toBe(false);
    expect((await stage.effects()).refunds).toBe(2);
  });
});
