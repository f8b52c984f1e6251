// Proves that a session can be read back whole: every call, its decision and its bodies, found by filters, free of credentials.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ACTOR, type JsonRecord } from "./document.ts";
import { at, openStage, traceIdOf, until, type Answer, type Stage, type Tenant, type TracedCall } from "./harness.ts";

let stage: Stage;
let tenant: Tenant;

beforeAll(async () => {
  stage = await openStage();
  tenant = await stage.tenant();
});
afterAll(() => stage.close());

const MESSAGES = [{ role: "user", content: "hello" }];
const HEX = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

async function listed(query: string, key = tenant.auditor): Promise<readonly TracedCall[]> {
  const { status, text, json } = await tenant.get(`/v1/traces?${query}`, key);
  if (status !== 200) throw new Error(`${query} answered ${status}: ${text}`);
  return json["data"] as readonly TracedCall[];
}

describe("a session of model, tool and denied calls under one traceparent", () => {
  const headers = {
    traceparent: `00-${HEX}-${PARENT}-01`,
    "Interlock-Session": "story",
    "Interlock-Task": "t1",
    "Interlock-Intent": "issue_refund",
  };

  beforeAll(async () => {
    await tenant.chatAnswer({ model: "demo-large", messages: MESSAGES }, { headers });
    await tenant.chatAnswer({ model: "demo-small", messages: MESSAGES, stream: true }, { headers });
    await tenant.tool("billing.refund", { customer_id: "cus_123", amount_usd: 42 }, {}, { headers });
    await tenant.tool("billing.refund", { customer_id: "cus_123", amount_usd: 75 }, {}, { headers });
    await tenant.chatAnswer({ model: "unlisted", messages: MESSAGES }, { headers });
  });

  test("has every call, in the caller's trace and under the caller's span", async () => {
    const trace = await tenant.trace(`tr_${HEX}`, 5);
    expect(trace.trace_id).toBe(`tr_${HEX}`);
    expect(trace.sessions).toEqual(["story"]);
    expect(
      trace.calls.map((call) => `${call.kind} ${call.model ?? call.tool} ${call.decision} ${call.status}`).toSorted(),
    ).toEqual([
      "chat demo-large allow succeeded",
      "chat demo-small allow succeeded",
      "chat unlisted deny denied",
      "execute_tool billing.refund allow succeeded",
      "execute_tool billing.refund deny denied",
    ]);
    const seqs = trace.calls.flatMap((call) => (call.seq === null ? [] : [call.seq]));
    expect(seqs.toSorted((left, right) => left - right)).toEqual([1, 2, 3]);
    for (const call of trace.calls) {
      const span = trace.spans.find((each) => each.span_id === call.span_id);
      expect(span?.parent_span_id).toBe(PARENT);
      const below = trace.spans.filter((each) => each.parent_span_id === call.span_id);
      // What was sent to a tool has a span of its own.
      const sent = call.kind === "execute_tool" && call.status === "succeeded" ? ["attempt billing.refund"] : [];
      expect(below.map((each) => each.name)).toEqual(["policy.evaluate", ...sent]);
    }
  });

  test("names its spans and attributes after the GenAI conventions", async () => {
    const { spans } = await tenant.trace(`tr_${HEX}`, 5);
    const names = new Set(spans.map((span) => span.name));
    expect(names).toEqual(
      new Set([
        "attempt billing.refund",
        "chat demo-large",
        "chat demo-small",
        "chat unlisted",
        "execute_tool billing.refund",
        "policy.evaluate",
      ]),
    );
    const chat = spans.find((span) => span.name === "chat demo-large")?.attributes;
    expect(chat).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "demo-large",
      "gen_ai.response.model": "demo-large",
      "gen_ai.response.finish_reasons": ["stop"],
      "gen_ai.conversation.id": "story",
      "gen_ai.agent.name": ACTOR,
      "interlock.tenant": tenant.id,
      "interlock.task": "t1",
      "interlock.intent": "issue_refund",
      "interlock.caller_declared": ["intent"],
      "interlock.cost.basis": "usage",
    });
    expect(chat?.["gen_ai.usage.input_tokens"]).toBeGreaterThan(0);
    expect(chat?.["gen_ai.usage.output_tokens"]).toBeGreaterThan(0);
    const tool = spans.find((span) => span.name === "execute_tool billing.refund" && span.status === "ok")?.attributes;
    expect(tool).toMatchObject({
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": "billing.refund",
      "interlock.tool.effect": "write",
      "interlock.idempotency.replayed": false,
    });
    expect(tool?.["gen_ai.tool.call.id"]).toMatch(/^tc_/);
  });

  test("tells why each was allowed or denied, with the values", async () => {
    const { spans, calls } = await tenant.trace(`tr_${HEX}`, 5);
    const denied = calls.find((call) => call.tool === "billing.refund" && call.decision === "deny");
    const decision = spans.find((span) => span.parent_span_id === denied?.span_id);
    expect(decision?.attributes["interlock.decision.effect"]).toBe("deny");
    const reasons = (at(decision, "attributes") as { readonly "interlock.decision.reasons": readonly string[] })[
      "interlock.decision.reasons"
    ].map((reason) => JSON.parse(reason) as JsonRecord);
    expect(reasons).toContainEqual(
      expect.objectContaining({
        rule_id: "actor.max_amount_usd",
        effect: "deny",
        values: { amount_usd: "75.00", limit_usd: "50.00" },
      }),
    );
  });

  test("holds the bodies that were sent and seen", async () => {
    const { payloads, calls } = await tenant.trace(`tr_${HEX}`, 5);
    const bodiesOf = (call: TracedCall | undefined): Record<string, string | null> =>
      Object.fromEntries(
        payloads.filter((payload) => payload.span_id === call?.span_id).map((payload) => [payload.name, payload.body]),
      );
    const chat = bodiesOf(calls.find((call) => call.model === "demo-large"));
    expect(JSON.parse(chat["request"] ?? "")).toEqual({ model: "demo-large", messages: MESSAGES });
    expect(JSON.parse(chat["response"] ?? "")).toMatchObject({ object: "chat.completion" });
    expect(bodiesOf(calls.find((call) => call.model === "demo-small"))["response"]).toContain("data: [DONE]");
    const tool = bodiesOf(calls.find((call) => call.tool !== null && call.decision === "allow"));
    expect(at(JSON.parse(tool["arguments"] ?? ""), "tool_call.args.amount_usd")).toBe(42);
    expect(at(JSON.parse(tool["result"] ?? ""), "result.status")).toBe("succeeded");
    const denied = bodiesOf(calls.find((call) => call.tool !== null && call.decision === "deny"));
    expect(Object.keys(denied)).toEqual(["arguments", "ask"]);
  });

  test("adds up to what the session used", async () => {
    const trace = await tenant.trace(`tr_${HEX}`, 5);
    const { used } = await tenant.settled("story");
    expect(Math.round(Number(trace.cost_usd) * 1_000_000)).toBe(used);
  });

  const filters: readonly (readonly [string, number])[] = [
    ["session=story", 5],
    [`session=story&actor=${ACTOR}`, 5],
    ["session=story&actor=intern", 0],
    ["session=story&tool=billing.refund", 2],
    ["session=story&model=demo-large", 1],
    ["session=story&decision=deny", 2],
    ["session=story&status=succeeded", 3],
    ["session=story&status=denied&tool=billing.refund", 1],
    ["session=story&min_cost_usd=0.000001", 2],
    ["session=story&min_cost_usd=1", 0],
    ["session=story&from=2020-01-01T00:00:00Z&to=2200-01-01T00:00:00Z", 5],
    ["session=story&to=2020-01-01T00:00:00Z", 0],
    ["session=story&from=7000000000000", 0],
    ["session=nothing", 0],
  ];
  test.each(filters)("the filter %s finds %i", async (query, count) => {
    await tenant.trace(`tr_${HEX}`, 5);
    expect(await listed(query)).toHaveLength(count);
  });

  test("from and to are inclusive", async () => {
    await tenant.trace(`tr_${HEX}`, 5);
    const [newest] = await listed("session=story&limit=1");
    const startedAt = Date.parse(String(at(newest, "started_at")));
    expect((await listed(`session=story&from=${startedAt}&to=${startedAt}`)).map((call) => call.span_id)).toContain(
      newest?.span_id,
    );
  });

  test.each(["limit=0", "limit=201", "limit=x", "cursor=!", "from=yesterday", "min_cost_usd=-1", "tool=a&model=b"])(
    "?%s is refused",
    async (query) => {
      const answer = await tenant.get(`/v1/traces?${query}`, tenant.auditor);
      expect([answer.status, answer.json["code"]]).toEqual([400, "invalid_request"]);
    },
  );

  test("is nobody else's: another tenant finds nothing, an agent's key may not look", async () => {
    await tenant.trace(`tr_${HEX}`, 5);
    const other = await stage.tenant();
    expect(await listed("session=story", other.auditor)).toHaveLength(0);
    expect((await other.get(`/v1/traces/tr_${HEX}`, other.auditor)).status).toBe(404);
    expect((await tenant.get(`/v1/traces/tr_${HEX}`)).status).toBe(403);
  });
});

describe("trace ids", () => {
  test("of the caller's own spelling find the same trace, per tenant", async () => {
    const answer = await tenant.tool("crm.get_customer", { customer_id: "cus_123" }, { trace_id: "tr_custom-name" });
    expect(traceIdOf(answer)).toBe("tr_custom-name");
    const trace = await tenant.trace("tr_custom-name");
    expect(trace.calls).toHaveLength(1);
    const other = await stage.tenant();
    expect((await other.get("/v1/traces/tr_custom-name", other.auditor)).status).toBe(404);
  });

  test("that are no ids are 400, unknown ones 404", async () => {
    expect((await tenant.get("/v1/traces/nonsense", tenant.auditor)).status).toBe(400);
    expect((await tenant.get(`/v1/traces/tr_${"0".repeat(32)}`, tenant.auditor)).status).toBe(400);
    expect((await tenant.get(`/v1/traces/tr_${"1".repeat(32)}`, tenant.auditor)).status).toBe(404);
  });

  test("a traceparent that is invalid starts a fresh trace", async () => {
    const headers = { traceparent: `00-${"0".repeat(32)}-${PARENT}-01` };
    const answer = await tenant.chatAnswer({ model: "demo-small", messages: MESSAGES }, { headers });
    expect(answer.status).toBe(200);
    expect(traceIdOf(answer)).toMatch(/^tr_(?!0{32})[0-9a-f]{32}$/);
  });
});

describe("pages", () => {
  test("have no gap and no repeat, whatever their size", async () => {
    const paged = await stage.tenant();
    const CALLS = 23;
    await Promise.all(
      Array.from({ length: CALLS }, () =>
        paged.tool("crm.get_customer", { customer_id: "cus_123" }, { session_id: "many" }),
      ),
    );
    await until(
      "all to be stored",
      async () => (await listed("session=many", paged.auditor)).length === CALLS || undefined,
    );
    for (const size of [1, 4, 23, 50]) {
      const seen: string[] = [];
      let cursor: unknown = null;
      do {
        const next = typeof cursor === "string" ? `&cursor=${encodeURIComponent(cursor)}` : "";
        const page: Answer = await paged.get(`/v1/traces?session=many&limit=${size}${next}`, paged.auditor);
        const data = page.json["data"] as readonly TracedCall[];
        expect(data.length).toBeLessThanOrEqual(size);
        seen.push(...data.map((call) => call.span_id));
        cursor = page.json["next_cursor"];
      } while (cursor !== null && seen.length < 100);
      expect(seen).toHaveLength(CALLS);
      expect(new Set(seen).size).toBe(CALLS);
    }
  });
});

describe("credentials", () => {
  test("stand in no trace, no stored byte and no log, wherever a caller puts them", async () => {
    const canary = await stage.tenant();
    const { modelToken, billingToken } = stage.gateway.secrets;
    const planted = [canary.agent, modelToken, billingToken];
    const first = await canary.chatAnswer(
      { model: "demo-large", messages: [{ role: "user", content: `my key is ${canary.agent}` }] },
      { headers: { "Interlock-Session": "canary", "Interlock-Intent": `use ${canary.agent}` } },
    );
    const streamed = await canary.chatAnswer(
      { model: "demo-large", stream: true, messages: [{ role: "user", content: `${modelToken} and ${canary.agent}` }] },
      { headers: { "Interlock-Session": "canary" } },
    );
    const echoed = await canary.tool("billing.echo", { memo: billingToken }, { session_id: "canary" });
    const noted = await canary.tool(
      "crm.note",
      { customer_id: "cus_123", text: `key ${canary.agent}` },
      { session_id: "canary" },
    );
    const denied = await canary.tool(
      "crm.forbidden",
      { customer_id: "cus_123" },
      { session_id: "canary", intent: canary.agent },
    );
    const ids = [first, streamed, echoed, noted, denied].map(traceIdOf);
    const traces = await Promise.all([...new Set(ids)].map((id) => canary.trace(id)));
    await until(
      "all five to be stored",
      async () => (await listed("session=canary", canary.auditor)).length === 5 || undefined,
    );
    const shown = JSON.stringify(traces);
    for (const secret of planted) expect(shown).not.toContain(secret);

    const files = ["r2", "d1"].flatMap((kind) => filesUnder(stage.stateDir, kind));
    expect(files.length).toBeGreaterThan(3);
    let unzipped = 0;
    for (const file of files) {
      const bytes = readFileSync(file);
      const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
      unzipped += isGzip ? 1 : 0;
      const text = (isGzip ? gunzipSync(bytes) : bytes).toString("latin1");
      for (const secret of planted) expect(text.includes(secret), path.basename(file)).toBe(false);
    }
    expect(unzipped).toBeGreaterThan(0);
    const logs = stage.logs.join("\n");
    for (const secret of planted) expect(logs).not.toContain(secret);
  });
});

/** Every file below the folders of this name, the write-ahead logs of databases included. */
function filesUnder(root: string, kind: string): readonly string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) =>
      path
        .relative(root, file)
        .split(path.sep)
        .some((part) => part === kind || part.startsWith(`${kind}-`)),
    );
}
