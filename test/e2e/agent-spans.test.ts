// Proves that agents' own spans join the trace: both encodings, the official SDK, bounded, marked as the sender's word, never in our place.
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { gzipSync } from "node:zlib";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeOfficialAnswer, encodeOfficial, type OtlpJson } from "../otlp/official.ts";
import { ACTOR, type JsonRecord } from "./document.ts";
import { openStage, until, type Stage, type Tenant, type Trace } from "./harness.ts";

let stage: Stage;
let tenant: Tenant;

beforeAll(async () => {
  stage = await openStage();
  tenant = await stage.tenant();
});
afterAll(() => stage.close());

const hex = (bytes: number): string => randomBytes(bytes).toString("hex");
const nano = (ms = Date.now()): string => `${ms}000000`;
const attribute = (key: string, value: string): OtlpJson => ({ key, value: { stringValue: value } });

function span(traceId: string, more: OtlpJson = {}): OtlpJson {
  return {
    traceId,
    spanId: hex(8),
    name: "plan",
    kind: 1,
    startTimeUnixNano: nano(Date.now() - 20),
    endTimeUnixNano: nano(),
    ...more,
  };
}

function exported(...spans: readonly OtlpJson[]): OtlpJson {
  const resource = { attributes: [attribute("service.name", "billing-agent")] };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "agent", version: "1.2" }, spans }] }] };
}

interface Sending {
  readonly headers?: Readonly<Record<string, string>>;
  readonly key?: string;
}

function post(
  body: string | Uint8Array,
  type: string,
  { headers = {}, key = tenant.agent }: Sending = {},
): Promise<Response> {
  return fetch(`${stage.gateway.url}/v1/traces`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": type, ...headers },
    body: typeof body === "string" ? body : new Uint8Array(body),
  });
}

const asJson = (body: OtlpJson, sending?: Sending): Promise<Response> =>
  post(JSON.stringify(body), "application/json", sending);
const asProtobuf = (body: OtlpJson, sending?: Sending): Promise<Response> =>
  post(encodeOfficial(body), "application/x-protobuf", sending);

function stored(traceId: string, spans: number, of = tenant): Promise<Trace> {
  return until(`${spans} spans of ${traceId}`, async () => {
    const { status, json } = await of.get(`/v1/traces/tr_${traceId}`, of.auditor);
    const trace = json as unknown as Trace;
    return status === 200 && trace.spans.length >= spans ? trace : undefined;
  });
}

describe.each([
  ["application/json", asJson],
  ["application/x-protobuf", asProtobuf],
])("%s", (type, send) => {
  test("is taken whole, and answered empty in the same encoding", async () => {
    const traceId = hex(16);
    const root = span(traceId, { name: "invoke_agent billing" });
    const child = span(traceId, {
      parentSpanId: root["spanId"],
      attributes: [
        attribute("gen_ai.conversation.id", "conv-7"),
        { key: "retries", value: { intValue: "3" } },
        { key: "ratio", value: { doubleValue: 0.5 } },
        { key: "tags", value: { arrayValue: { values: [{ stringValue: "a" }, { stringValue: "b" }] } } },
        attribute("gen_ai.input.messages", '[{"role":"user","parts":[{"type":"text","content":"where is my money"}]}]'),
      ],
      events: [{ timeUnixNano: nano(), name: "exception", attributes: [attribute("exception.type", "Timeout")] }],
      links: [{ traceId: hex(16), spanId: hex(8) }],
      status: { code: 2, message: "gave up" },
    });
    const answer = await send(exported(root, child));
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, type]);
    expect(await answer.text()).toBe(type === "application/json" ? "{}" : "");
    const trace = await stored(traceId, 3);
    expect(trace.sessions).toEqual(["conv-7"]);
    expect(trace.calls).toMatchObject([{ kind: "otel", status: "succeeded", decision: "none", cost_usd: "0.00" }]);
    const told = trace.spans.find((each) => each.span_id === child["spanId"]);
    expect(told).toMatchObject({
      parent_span_id: root["spanId"],
      name: "plan",
      status: "error",
      attributes: {
        retries: 3,
        ratio: 0.5,
        tags: ["a", "b"],
        "otel.scope.name": "agent",
        "otel.status_description": "gave up",
        "interlock.caller_declared": ["span"],
      },
    });
    expect(told?.attributes["otel.events"]).toEqual([expect.stringContaining('{"exception.type":"Timeout"}')]);
    expect(told?.attributes["otel.links"]).toHaveLength(1);
    expect(told?.attributes["gen_ai.input.messages"]).toBeUndefined();
    const content = trace.payloads.find((payload) => payload.span_id === child["spanId"]);
    expect(JSON.parse(content?.body ?? "null")).toEqual({
      "gen_ai.input.messages": [{ role: "user", parts: [{ type: "text", content: "where is my money" }] }],
    });
    expect(trace.spans.find((each) => each.name === "otlp.receive")).toMatchObject({
      parent_span_id: root["spanId"],
      attributes: {
        "interlock.tenant": tenant.id,
        "interlock.actor": ACTOR,
        "interlock.otlp.spans": 2,
        "resource.service.name": "billing-agent",
      },
    });
  });

  test("gzip is undone", async () => {
    const traceId = hex(16);
    const body = exported(span(traceId));
    const bytes = type === "application/json" ? Buffer.from(JSON.stringify(body)) : encodeOfficial(body);
    const answer = await post(gzipSync(bytes), type, { headers: { "content-encoding": "gzip" } });
    expect(answer.status).toBe(200);
    await stored(traceId, 2);
  });

  test("spans that are none are counted, and the others taken", async () => {
    const traceId = hex(16);
    const bad = [
      span("0".repeat(32)),
      span("ab"),
      span(traceId, { spanId: "0".repeat(16) }),
      span(traceId, { startTimeUnixNano: "0" }),
      span(traceId, {
        startTimeUnixNano: nano(Date.now() + 86_400_000),
        endTimeUnixNano: nano(Date.now() + 86_400_000),
      }),
    ];
    const answer = await send(exported(span(traceId), ...bad));
    expect(answer.status).toBe(200);
    const told = (
      type === "application/json"
        ? await answer.json()
        : decodeOfficialAnswer(new Uint8Array(await answer.arrayBuffer()))
    ) as { readonly partialSuccess: { readonly rejectedSpans: string; readonly errorMessage: string } };
    expect(told.partialSuccess.rejectedSpans).toBe("5");
    expect(told.partialSuccess.errorMessage).toContain("2: a trace id is not 16 bytes");
    expect((await stored(traceId, 2)).spans).toHaveLength(2);
  });

  test("what cannot be read is a google.rpc.Status in that encoding, not to be sent again", async () => {
    const answer = await post(Buffer.from([0x0a, 0xff, 0xff]), type);
    expect([answer.status, answer.headers.get("content-type"), answer.headers.get("retry-after")]).toEqual([
      400,
      type,
      null,
    ]);
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (type === "application/json") expect(JSON.parse(bytes.toString())).toMatchObject({ code: 3 });
    else expect([...bytes.subarray(0, 3)]).toEqual([0x08, 3, 0x12]);
  });

  test("a caller without the right is told in that encoding", async () => {
    for (const [key, status, code] of [
      ["ilk_nobody", 401, 16],
      [tenant.auditor, 403, 7],
    ] as const) {
      const answer = await post(Buffer.from([]), type, { key });
      const bytes = Buffer.from(await answer.arrayBuffer());
      expect([answer.status, answer.headers.get("content-type")]).toEqual([status, type]);
      if (type === "application/json") expect(JSON.parse(bytes.toString())).toMatchObject({ code });
      else expect([...bytes.subarray(0, 2)]).toEqual([0x08, code]);
    }
  });
});

describe("the OpenTelemetry SDK", () => {
  test.each([
    ["protobuf", ProtobufExporter],
    ["JSON", JsonExporter],
  ])("its own exporter delivers in %s", async (_, Exporter) => {
    const headers = { authorization: `Bearer ${tenant.agent}`, "Interlock-Session": "sdk" };
    const exporter = new Exporter({ url: `${stage.gateway.url}/v1/traces`, headers });
    const provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ "service.name": "sdk-agent" }),
      spanProcessors: [new BatchSpanProcessor(exporter)],
    });
    const sent = provider.getTracer("sdk", "1.0").startSpan("invoke_agent sdk", { attributes: { n: 1, ratio: 0.5 } });
    sent.addEvent("thought", { length: 3 });
    sent.recordException(new Error("nothing came of it"));
    sent.end();
    await provider.shutdown();
    const { traceId, spanId } = sent.spanContext();
    const trace = await stored(traceId, 2);
    expect(trace.sessions).toEqual(["sdk"]);
    expect(trace.spans.find((each) => each.span_id === spanId)).toMatchObject({
      name: "invoke_agent sdk",
      attributes: { n: 1, ratio: 0.5, "otel.scope.name": "sdk", "otel.scope.version": "1.0" },
    });
    const receipt = trace.spans.find((each) => each.name === "otlp.receive");
    expect(receipt?.attributes["resource.service.name"]).toBe("sdk-agent");
  });
});

describe("bounds", () => {
  test("a bomb of gzip is refused before it is inflated", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 0x20));
    expect(bomb.length).toBeLessThan(100_000);
    const answer = await post(bomb, "application/json", { headers: { "content-encoding": "gzip" } });
    expect([answer.status, await answer.json()]).toMatchObject([413, { code: 3 }]);
  });

  test("a body over four megabytes, another encoding, another type, and half a gzip are refused", async () => {
    expect(await statusOfLength(4 * 1024 * 1024 + 1)).toBe(413);
    const brotli = await post("{}", "application/json", { headers: { "content-encoding": "br" } });
    expect(brotli.status).toBe(400);
    expect((await post("{}", "text/plain")).status).toBe(400);
    const half = gzipSync("{}").subarray(0, 12);
    expect((await post(half, "application/json", { headers: { "content-encoding": "gzip" } })).status).toBe(400);
  });

  test("too many spans: two thousand are taken, the others counted", async () => {
    const traceId = hex(16);
    const spans = Array.from({ length: 2_050 }, () => span(traceId));
    const answer = await asProtobuf(exported(...spans));
    expect(decodeOfficialAnswer(new Uint8Array(await answer.arrayBuffer()))).toMatchObject({
      partialSuccess: { rejectedSpans: "50" },
    });
    const trace = await stored(traceId, 2_000);
    expect(trace.spans.filter((each) => each.name === "plan")).toHaveLength(2_000);
    expect(trace.calls.length).toBeGreaterThan(1);
  });

  test("a span with too much of everything keeps a part, on its structure, and says how much is missing", async () => {
    const traceId = hex(16);
    const messages = JSON.stringify(Array.from({ length: 500 }, (_, at) => ({ at, text: "x".repeat(100) })));
    const much = span(traceId, {
      attributes: [
        attribute("state", messages),
        ...Array.from({ length: 300 }, (_, at) => attribute(`a${at}`, "y".repeat(50))),
      ],
      events: Array.from({ length: 100 }, () => ({ timeUnixNano: nano(), name: "tick" })),
    });
    expect((await asJson(exported(much))).status).toBe(200);
    const trace = await stored(traceId, 2);
    const kept = trace.spans.find((each) => each.span_id === much["spanId"]);
    const state = JSON.parse(String(kept?.attributes["state"])) as readonly JsonRecord[];
    expect(state[0]).toEqual({ at: 0, text: "x".repeat(100) });
    expect(String(state.at(-1))).toMatch(/^…\[\+\d+\]$/);
    expect(Object.keys(kept?.attributes ?? {}).length).toBeLessThanOrEqual(128 + 4);
    const receipt = trace.spans.find((each) => each.name === "otlp.receive");
    expect(receipt?.attributes["interlock.otlp.dropped"]).toBe(300 + 1 - 128 + (100 - 32));
  });
});

describe("masking", () => {
  test("an address and a credential are found in no field of what is stored, whatever it is called", async () => {
    const traceId = hex(16);
    const address = `canary.${hex(4)}@example.com`;
    const credential = `sk-proj-${hex(24)}`;
    const planted = `call ${address} with ${credential}`;
    const names = [
      "plain",
      "gen_ai.usage.input_tokens",
      "gen_ai.tool.call.id",
      "interlock.outcome",
      "gen_ai.conversation.id",
      "gen_ai.input.messages",
      "input.value",
      `key ${address}`,
    ];
    const attributes = names.map((name) => attribute(name, planted));
    const everywhere = span(traceId, {
      name: planted,
      traceState: `vendor=${address}`,
      attributes: [
        ...attributes,
        { key: "list", value: { arrayValue: { values: [{ stringValue: planted }, { intValue: 1 }] } } },
        { key: "map", value: { kvlistValue: { values: [attribute(planted, planted)] } } },
      ],
      events: [{ timeUnixNano: nano(), name: planted, attributes }],
      links: [{ traceId: hex(16), spanId: hex(8), attributes }],
      status: { code: 2, message: planted },
    });
    const body = {
      resourceSpans: [
        {
          resource: { attributes: [attribute("service.name", planted), ...attributes] },
          scopeSpans: [{ scope: { name: planted, version: planted }, spans: [everywhere] }],
        },
      ],
    };
    expect((await asProtobuf(body)).status).toBe(200);
    const trace = await stored(traceId, 2);
    const text = JSON.stringify(trace);
    expect(text).toContain("otel.events");
    for (const canary of [address, credential]) expect(text).not.toContain(canary);
    const { text: listed } = await tenant.get("/v1/traces?kind=otel&limit=200", tenant.auditor);
    for (const canary of [address, credential]) expect(listed).not.toContain(canary);
  });
});

describe("one trace", () => {
  test("an agent's spans and the gateway's make one tree", async () => {
    const traceId = hex(16);
    const agent = span(traceId, { name: "invoke_agent billing" });
    const headers = { traceparent: `00-${traceId}-${String(agent["spanId"])}-01`, "Interlock-Session": "tree" };
    const message = { role: "user", content: "hello" };
    await tenant.chatAnswer({ model: "demo-small", messages: [message] }, { headers });
    await asProtobuf(exported(agent), { headers: { "Interlock-Session": "tree" } });
    const trace = await stored(traceId, 4);
    expect(trace.sessions).toEqual(["tree"]);
    const ids = new Set(trace.spans.map((each) => each.span_id));
    const roots = trace.spans.filter((each) => !ids.has(each.parent_span_id ?? ""));
    expect(roots.map((each) => each.name)).toEqual(["invoke_agent billing"]);
    expect(trace.spans.find((each) => each.name === "chat demo-small")?.parent_span_id).toBe(agent["spanId"]);
    // Found by its kind of subject, and no spending of the gateway's.
    const { json } = await tenant.get("/v1/traces?session=tree", tenant.auditor);
    expect(new Set((json["data"] as readonly JsonRecord[]).map((each) => each["kind"]))).toEqual(
      new Set(["chat", "otel"]),
    );
  });

  test("a request that is sent again stores nothing twice", async () => {
    const traceId = hex(16);
    const body = exported(span(traceId));
    for (let times = 0; times < 3; times += 1) await asJson(body);
    await stored(traceId, 2);
    const last = hex(16);
    await asJson(exported(span(last)));
    await stored(last, 2);
    expect((await stored(traceId, 2)).spans).toHaveLength(2);
  });

  test("no sender can put words into the gateway's mouth, or take the place of its spans", async () => {
    const traceId = hex(16);
    const headers = { traceparent: `00-${traceId}-${hex(8)}-01`, "Interlock-Session": "forged" };
    await tenant.tool("billing.refund", { customer_id: "cus_123", amount_usd: 75 }, {}, { headers });
    const before = await tenant.trace(`tr_${traceId}`);
    const denied = before.calls[0]?.span_id ?? "";
    const forged = span(traceId, {
      spanId: denied,
      name: "execute_tool billing.refund",
      attributes: [
        attribute("interlock.decision.effect", "allow"),
        attribute("interlock.tenant", "another"),
        attribute("interlock.caller_declared", "nothing"),
      ],
    });
    const beside = span(traceId, { attributes: forged["attributes"] });
    expect((await asJson(exported(forged, beside))).status).toBe(200);
    const trace = await stored(traceId, before.spans.length + 2);
    expect(trace.spans.filter((each) => each.span_id === denied)).toHaveLength(1);
    expect(trace.spans.find((each) => each.span_id === denied)?.attributes["interlock.decision.effect"]).toBe("deny");
    expect(trace.spans.find((each) => each.span_id === beside["spanId"])?.attributes).toEqual({
      "caller.interlock.decision.effect": "allow",
      "caller.interlock.tenant": "another",
      "caller.interlock.caller_declared": "nothing",
      "otel.scope.name": "agent",
      "otel.scope.version": "1.2",
      "interlock.caller_declared": ["span"],
    });
    expect(trace.calls.find((call) => call.span_id === denied)).toMatchObject({ decision: "deny", status: "denied" });
  });

  test("a tenant's spans stay with it, whatever trace they name", async () => {
    const other = await stage.tenant();
    const traceId = hex(16);
    await asJson(exported(span(traceId)));
    await stored(traceId, 2);
    expect((await other.get(`/v1/traces/tr_${traceId}`, other.auditor)).status).toBe(404);
  });

  test("a key that may be several actors names one", async () => {
    const { key } = await stage.key(tenant.id, ["operator"], { actors: ["*"] });
    const unnamed = await asJson(exported(span(hex(16))), { key });
    expect(unnamed.status).toBe(400);
    const named = await asJson(exported(span(hex(16))), { key, headers: { "Interlock-Actor": ACTOR } });
    expect(named.status).toBe(200);
  });
});

/** The status of a request that only declares how long its body is. */
function statusOfLength(length: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${tenant.agent}`,
      "content-type": "application/json",
      "content-length": length,
    };
    const sent = request(`${stage.gateway.url}/v1/traces`, { method: "POST", headers }, (answer) => {
      resolve(answer.statusCode);
      sent.destroy();
    });
    sent.once("error", reject);
    sent.flushHeaders();
  });
}
