// Proves exports against a strict OTLP receiver: once each, in both encodings, through failures, with nothing that must not leave.
import { afterAll, afterEach, beforeAll, describe, expect, test, vi, type MockInstance } from "vitest";
import { startStrictReceiver, type ReceivedSpan, type StrictReceiver } from "../otlp/strict-receiver.ts";
import type { JsonRecord } from "./document.ts";
import { openStage, until, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;
const receivers: StrictReceiver[] = [];

beforeAll(async () => {
  stage = await openStage();
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const receiver of receivers.splice(0)) await receiver.stop();
});
afterAll(() => stage.close());

const SECRET = "exporter-credential-5f1c0f";
const MESSAGES = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "hello" },
];

async function receiver(encoding: "protobuf" | "json" = "protobuf"): Promise<StrictReceiver> {
  const started = await startStrictReceiver(encoding);
  receivers.push(started);
  return started;
}

function to({ origin }: StrictReceiver, more: JsonRecord = {}): JsonRecord {
  return {
    url: `${origin}/v1/traces`,
    headers: { "x-team": "payments", authorization: { secret: "exporter", prefix: "Bearer " } },
    ...more,
  };
}

async function tenantWith(exports: Readonly<Record<string, JsonRecord>>): Promise<Tenant> {
  return stage.tenant({ sections: { trace: { exports } }, hosts: ["127.0.0.1"] }, { exporter: SECRET });
}

async function work(tenant: Tenant, session: string): Promise<void> {
  const headers = { "Interlock-Session": session };
  const body = { model: "demo-small", messages: MESSAGES, temperature: 1, top_p: 0.9, max_tokens: 50, seed: 7 };
  await tenant.chatAnswer(body, { headers });
  await tenant.chatAnswer({ ...body, stream: true }, { headers });
  await tenant.chatAnswer({ model: "fault-400", messages: MESSAGES }, { headers });
  await tenant.tool("billing.refund", { customer_id: "cus_123", amount_usd: 42 }, {}, { headers });
  await tenant.tool("billing.refund", { customer_id: "cus_123", amount_usd: 75 }, {}, { headers });
}

/** Every span that the gateway has stored of a session. */
async function storedSpans(tenant: Tenant, session: string, calls: number): Promise<readonly string[]> {
  const rows = await until(`${calls} calls of ${session}`, async () => {
    const { json } = await tenant.get(`/v1/traces?session=${session}`, tenant.auditor);
    const data = json["data"] as readonly { readonly trace_id: string }[];
    return data.length >= calls ? data : undefined;
  });
  const ids = new Set(rows.map((row) => row.trace_id));
  const traces = await Promise.all([...ids].map((id) => tenant.trace(id)));
  return traces.flatMap((trace) => trace.spans.map((span) => span.span_id)).toSorted();
}

function idsOf(spans: readonly ReceivedSpan[]): readonly string[] {
  return spans.map((span) => span.spanId).toSorted();
}

/** What the Worker has logged; the local runtime hands it to our own console. */
function logged(told: MockInstance<typeof console.error>): string {
  return told.mock.calls.flat().map(String).join("\n");
}

async function figures(tenant: Tenant): Promise<readonly JsonRecord[]> {
  const { json } = await tenant.get("/v1/exports", tenant.auditor);
  return json["data"] as readonly JsonRecord[];
}

describe.each(["protobuf", "json"] as const)("in %s", (encoding) => {
  test("every span arrives once, with what the conventions ask for", async () => {
    const there = await receiver(encoding);
    const tenant = await tenantWith({ backend: to(there, { encoding }) });
    await work(tenant, "once");
    const stored = await storedSpans(tenant, "once", 5);
    await until("all spans", async () => there.spans.length >= stored.length);
    expect(idsOf(there.spans)).toEqual(stored);
    expect(there.mistakes).toEqual([]);
    expect(there.requests[0]?.headers).toMatchObject({ "x-team": "payments", authorization: `Bearer ${SECRET}` });
    const chat = there.spans.find((span) => span.name === "chat demo-small");
    expect(chat?.resource).toEqual({ "service.name": "interlock", "interlock.tenant": tenant.id });
    expect(chat?.attributes).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.conversation.id": "once",
      "gen_ai.request.temperature": 1,
      "gen_ai.request.top_p": 0.9,
      "gen_ai.request.seed": 7,
      "gen_ai.response.model": "demo-small",
      "server.address": expect.any(String),
    });
    expect(there.spans.find((span) => span.name === "chat fault-400")?.status["code"]).toBe(2);
    // Content stays at home unless it is asked for.
    for (const span of there.spans)
      expect(Object.keys(span.attributes).join()).not.toMatch(/messages|arguments|result/);
    expect(await figures(tenant)).toMatchObject([
      { name: "backend", encoding, sent_spans: stored.length, failed_spans: 0, last_failure: null },
    ]);
  });

  test("content goes along where the config says so, as GenAI messages", async () => {
    const there = await receiver(encoding);
    const resource = { "wandb.project": "support", "service.name": "gateway" };
    const tenant = await tenantWith({ backend: to(there, { encoding, content: true, resource }) });
    await work(tenant, "content");
    const stored = await storedSpans(tenant, "content", 5);
    await until("all spans", async () => there.spans.length >= stored.length);
    expect(there.mistakes).toEqual([]);
    const chats = there.spans.filter((span) => span.name === "chat demo-small");
    expect(chats).toHaveLength(2);
    expect(chats[0]?.resource).toEqual({ ...resource, "interlock.tenant": tenant.id });
    for (const { attributes } of chats) {
      expect(JSON.parse(String(attributes["gen_ai.input.messages"]))).toEqual([
        { role: "system", parts: [{ type: "text", content: "Be brief." }] },
        { role: "user", parts: [{ type: "text", content: "hello" }] },
      ]);
      expect(JSON.parse(String(attributes["gen_ai.output.messages"]))).toMatchObject([
        {
          role: "assistant",
          parts: [{ type: "text", content: expect.stringContaining("hello") }],
          finish_reason: "stop",
        },
      ]);
    }
    const tool = there.spans.find((span) => span.name === "execute_tool billing.refund" && span.status["code"] === 1);
    expect(JSON.parse(String(tool?.attributes["gen_ai.tool.call.arguments"]))).toMatchObject({ amount_usd: 42 });
    expect(JSON.parse(String(tool?.attributes["gen_ai.tool.call.result"]))).toBeTypeOf("object");
  });
});

describe("failures", () => {
  test("503 with Retry-After waits as long as asked, then every span arrives once", async () => {
    const there = await receiver();
    there.replies.push({ status: 503, headers: { "retry-after": "2" } });
    const tenant = await tenantWith({ backend: to(there) });
    await tenant.chatAnswer({ model: "demo-small", messages: MESSAGES }, { headers: { "Interlock-Session": "later" } });
    const stored = await storedSpans(tenant, "later", 1);
    await until("the second try", async () => there.spans.length > 0, 20_000);
    expect(idsOf(there.spans)).toEqual(stored);
    const [first, second] = there.requests;
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1_900);
    expect(there.mistakes).toEqual([]);
    expect(await figures(tenant)).toMatchObject([{ sent_spans: stored.length, failed_spans: 0 }]);
  });

  test("400 is dropped, counted and told, and not sent again", async () => {
    const told = vi.spyOn(console, "error").mockReturnValue();
    const there = await receiver();
    there.replies.push({ status: 400 });
    const tenant = await tenantWith({ backend: to(there) });
    await tenant.chatAnswer({ model: "demo-small", messages: MESSAGES });
    const [figure] = await until("the failure to be counted", async () => {
      const all = await figures(tenant);
      return Number(all[0]?.["failed_spans"]) > 0 ? all : undefined;
    });
    expect(figure).toMatchObject({ sent_spans: 0, failed_spans: 2, last_failure: "status_400" });
    await tenant.chatAnswer({ model: "demo-small", messages: MESSAGES });
    await until("the next call", async () => there.spans.length === 2);
    expect(there.requests).toHaveLength(2);
    expect(logged(told)).toContain('"event":"export_dropped"');
  });

  test("spans that the exporter rejects are counted, and the others are not", async () => {
    const there = await receiver("json");
    there.replies.push({ status: 200, body: '{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}' });
    const tenant = await tenantWith({ backend: to(there, { encoding: "json" }) });
    await tenant.chatAnswer({ model: "demo-small", messages: MESSAGES });
    const [figure] = await until("the figures", async () => {
      const all = await figures(tenant);
      return Number(all[0]?.["sent_spans"]) > 0 ? all : undefined;
    });
    expect(figure).toMatchObject({ sent_spans: 1, failed_spans: 1, last_failure: "too old" });
  });

  test("one exporter that is down keeps nothing from the other, and nothing is sent to that one twice", async () => {
    const [up, down] = [await receiver("json"), await receiver()];
    down.replies.push(...Array.from({ length: 3 }, () => ({ status: 503, headers: { "retry-after": "1" } })));
    const tenant = await tenantWith({ up: to(up, { encoding: "json" }), down: to(down) });
    await work(tenant, "two");
    const stored = await storedSpans(tenant, "two", 5);
    await until("the one that is up", async () => up.spans.length >= stored.length);
    await until("the other, once it is up again", async () => down.spans.length >= stored.length, 30_000);
    expect(idsOf(up.spans)).toEqual(stored);
    expect(idsOf(down.spans)).toEqual(stored);
    expect([...up.mistakes, ...down.mistakes]).toEqual([]);
  });
});

describe("what is sent", () => {
  test("only the kinds and actors that the export names; agents' spans where it names them, with their resource", async () => {
    const there = await receiver();
    const tenant = await tenantWith({ backend: to(there, { only: { kinds: ["otel"] } }) });
    const now = Date.now();
    const span = {
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
      name: "invoke_agent billing",
      kind: 1,
      startTimeUnixNano: `${now - 5}000000`,
      endTimeUnixNano: `${now}123456`,
      attributes: [{ key: "interlock.tenant", value: { stringValue: "forged" } }],
      events: [{ timeUnixNano: `${now}000000`, name: "thought", attributes: [] }],
      status: { code: 2, message: "gave up" },
    };
    const resource = { attributes: [{ key: "service.name", value: { stringValue: "billing-agent" } }] };
    await tenant.chatAnswer({ model: "demo-small", messages: MESSAGES });
    const sent = await stage.send(
      "POST",
      "/v1/traces",
      { resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }] },
      { key: tenant.agent },
    );
    expect(sent.status).toBe(200);
    await until("the agent's spans", async () => there.spans.length >= 2);
    expect(there.mistakes).toEqual([]);
    expect(there.spans.map((each) => each.name).toSorted()).toEqual(["invoke_agent billing", "otlp.receive"]);
    const told = there.spans.find((each) => each.name === "invoke_agent billing");
    expect(told?.resource).toEqual({ "service.name": "billing-agent", "interlock.tenant": tenant.id });
    expect(told?.status).toEqual({ code: 2, message: "gave up" });
    expect(told?.events).toMatchObject([{ name: "thought" }]);
    expect(told?.attributes).toEqual({
      "caller.interlock.tenant": "forged",
      "interlock.caller_declared": ["span"],
    });
  });

  test("what is masked in the store is masked on its way out, in content and in attributes", async () => {
    const there = await receiver();
    const tenant = await tenantWith({ backend: to(there, { content: true }) });
    const address = "canary.of.an.export@example.com";
    const headers = { "Interlock-Session": "masked", "Interlock-Intent": `write to ${address}` };
    const messages = [{ role: "user", content: `my address is ${address}` }];
    await tenant.chatAnswer({ model: "demo-small", messages, stop: [address] }, { headers });
    await tenant.tool("billing.refund", { customer_id: "cus_123", amount_usd: 1, note: address }, {}, { headers });
    const stored = await storedSpans(tenant, "masked", 2);
    await until("all spans", async () => there.spans.length >= stored.length);
    expect(there.mistakes).toEqual([]);
    const text = JSON.stringify(there.spans);
    expect(text).toContain("my address is");
    expect(text).not.toContain(address);
  });

  test("no credential of an exporter is stored, logged or shown", async () => {
    const told = vi.spyOn(console, "error").mockReturnValue();
    const there = await receiver();
    const tenant = await tenantWith({ backend: to(there) });
    there.replies.push({ status: 400 });
    await tenant.chatAnswer({ model: "demo-small", messages: MESSAGES });
    await until("the failure", async () => Number((await figures(tenant))[0]?.["failed_spans"]) > 0);
    expect(logged(told)).toContain("export_dropped");
    expect(logged(told) + stage.logs.join("")).not.toContain(SECRET);
    const { text } = await tenant.get("/v1/config", tenant.auditor);
    expect(text).toContain("exporter");
    expect(text).not.toContain(SECRET);
    expect(JSON.stringify(await figures(tenant))).not.toContain(SECRET);
  });

  test.each([
    ["a host that is not allowed", { url: "https://elsewhere.example/v1/traces" }, "trace.exports.backend.url"],
    [
      "a secret that is not stored",
      { url: "http://127.0.0.1:4318/v1/traces", headers: { authorization: { secret: "nowhere" } } },
      "trace.exports.backend.headers.authorization.secret",
    ],
    [
      "a header of the exporter's own",
      { url: "http://127.0.0.1:4318/v1/traces", headers: { "Content-Encoding": "br" } },
      "trace.exports.backend.headers",
    ],
  ])("%s is refused when the config is published", async (_, entry, path) => {
    const published = tenantWith({ backend: entry });
    await expect(published).rejects.toThrow(path);
  });
});
