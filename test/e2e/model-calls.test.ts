// Proves what a model call is to its caller: OpenAI's shapes, untouched bytes, hard budgets, refusals that name the field.
import { request } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import OpenAI from "openai";
import { ACTOR, costMicro, documentOf, PRICE, type JsonRecord } from "./document.ts";
import { at, framesOf, openStage, traceIdOf, until, type Stage, type Tenant } from "./harness.ts";
import { startRecordingUpstream, type RecordingUpstream } from "./recording-upstream.ts";

let stage: Stage;
let recorder: RecordingUpstream;

beforeAll(async () => {
  stage = await openStage();
  recorder = await startRecordingUpstream();
});
afterAll(async () => {
  await stage.close();
  await recorder.stop();
});
beforeEach(() => stage.reset());

const HELLO = [{ role: "user" as const, content: "hello" }];
const TOOLS = ["crm_get_customer", "billing_refund"].map((name) => ({
  type: "function" as const,
  function: { name, parameters: { type: "object", properties: {} } },
}));

/** A tenant whose model `recorded` is the recording upstream. */
async function recordedTenant(): Promise<Tenant> {
  const tenant = await stage.tenant();
  const document = documentOf(stage.gateway.upstreamUrl, {
    models: { recorded: { provider: "recorder", price: PRICE, max_output_tokens: 1_000 } },
  });
  const current = await stage.asRoot(tenant.id, "GET", "/v1/config");
  const { egress, providers } = document as { egress: { allow: string[] }; providers: JsonRecord };
  const published = await stage.send(
    "PUT",
    "/v1/config",
    {
      ...document,
      providers: {
        ...providers,
        recorder: { kind: "openai-compatible", base_url: `${recorder.origin}/v1`, secret: "demo_model" },
      },
      egress: { allow: [...egress.allow, new URL(recorder.origin).host] },
    },
    {
      key: stage.gateway.secrets.rootKey,
      headers: { "interlock-tenant": tenant.id, "if-match": current.headers.get("etag") ?? "" },
    },
  );
  expect(published.status, published.text).toBe(200);
  return tenant;
}

describe("an answer that is not streamed", () => {
  test("has OpenAI's shape, our headers, and the provider's request id", async () => {
    const tenant = await stage.tenant();
    const { data, response, request_id } = await tenant
      .openai({ "Interlock-Session": "s1" })
      .chat.completions.create({ model: "demo-large", messages: HELLO })
      .withResponse();
    expect(data).toMatchObject({ object: "chat.completion", model: "demo-large" });
    expect(data.choices[0]?.message.content).toContain("hello");
    expect(data.choices[0]?.finish_reason).toBe("stop");
    const headers = Object.fromEntries(response.headers);
    expect(headers["interlock-trace-id"]).toMatch(/^tr_[0-9a-f]{32}$/);
    expect(headers["interlock-session"]).toBe("s1");
    expect(headers["interlock-policy-version"]).toMatch(/^v1-[0-9a-f]{12}$/);
    expect(headers["interlock-model"]).toBe("demo-large");
    expect(headers["interlock-route-reason"]).toBe("explicit");
    expect(headers["interlock-budget-remaining-usd"]).toMatch(/^1\.99/);
    expect(headers["x-request-id"]).toMatch(/^req_[0-9a-f]{32}$/);
    expect(request_id).toBe(headers["x-request-id"]);
    if (data.usage === undefined) throw new Error("no usage");
    expect((await tenant.settled("s1")).used).toBe(costMicro(data.usage));
  });

  test("without a session header the trace is the session", async () => {
    const tenant = await stage.tenant();
    const answer = await tenant.chatAnswer({ model: "demo-small", messages: HELLO });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("interlock-session")).toBe(traceIdOf(answer));
  });

  test("a model under another name is asked for by the provider's name, and its tier is told", async () => {
    const tenant = await stage.tenant();
    const answer = await tenant.chatAnswer({ model: "aliased", messages: HELLO });
    expect(answer.json["model"]).toBe("demo-large");
    expect(answer.headers.get("interlock-model")).toBe("aliased");
    expect(answer.headers.get("interlock-tier")).toBe("planning");
  });

  test("GET /v1/models lists what the key's actor may use", async () => {
    const tenant = await stage.tenant();
    const listed: string[] = [];
    for await (const model of tenant.openai().models.list()) listed.push(model.id);
    expect(listed).toContain("demo-large");
    expect(listed).not.toContain("unlisted");
  });
});

describe("bytes", () => {
  test("unknown request fields arrive untouched and in order", async () => {
    const tenant = await stage.tenant();
    const body = {
      zebra: 1,
      model: "demo-large",
      x_custom: { b: 1, a: [2] },
      messages: HELLO,
      max_tokens: 20,
      seed: 7,
    };
    const answer = await tenant.chatAnswer(body);
    expect(answer.json["demo_echo"]).toEqual(Object.keys(body));
  });

  test("a body that needs no change reaches the provider byte for byte", async () => {
    const tenant = await recordedTenant();
    recorder.answer = { ...recorder.answer, body: Buffer.from("{}") };
    const body = `{ "temperature" : 1.0 ,"max_tokens":5, "x":{"b":1e2,"a":"\\u00e9 \\/ é 😀"},\r\n "model":"recorded","messages":[{"role":"user","content":"hi"}], "big": 12345678901234567890 }`;
    expect((await tenant.chatAnswer(body)).status).toBe(200);
    expect(recorder.requests.at(-1)?.body).toBe(body);
  });

  test("only the clamped number changes inside a body, and nothing of the caller's own reaches the provider", async () => {
    const tenant = await recordedTenant();
    recorder.answer = { ...recorder.answer, body: Buffer.from("{}") };
    const body = `{"a":1, "max_completion_tokens" : 999999 , "model":"recorded", "messages":[{"role":"user","content":"hi"}]}`;
    await tenant.chatAnswer(body, { headers: { "Interlock-Session": "s", cookie: "a=b", "x-secret": "mine" } });
    const seen = recorder.requests.at(-1);
    expect(seen?.body).toBe(body.replace("999999", "1000"));
    expect(seen?.headers["authorization"]).toBe(`Bearer ${stage.gateway.secrets.modelToken}`);
    expect(JSON.stringify(seen?.headers)).not.toContain(tenant.agent);
    for (const name of ["cookie", "x-secret", "interlock-session"]) expect(seen?.headers[name]).toBeUndefined();
  });

  test("the provider's answer reaches the caller byte for byte", async () => {
    const tenant = await recordedTenant();
    const bytes = Buffer.from(
      `{ "id" : "x",\n\t"choices":[ ], "dup":1,"dup":2, "n": 1.50, "s":"\\u0000\\ud83d é" ,"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n`,
    );
    recorder.answer = { status: 200, headers: { "content-type": "application/json", "x-vendor": "kept" }, body: bytes };
    const response = await tenant.chat({ model: "recorded", messages: HELLO });
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
    expect(response.headers.get("x-vendor")).toBe("kept");
  });

  test("a stream whose usage was asked for reaches the caller byte for byte", async () => {
    const tenant = await recordedTenant();
    const frames = `: ping\n\ndata:{"choices":[{"index":0,"delta":{"content":"é"}}]}\r\n\r\nevent: odd\ndata: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\ndata: [DONE]\n\n`;
    const bytes = Buffer.from(frames);
    recorder.answer = { status: 200, headers: { "content-type": "text/event-stream" }, body: bytes };
    const body = { model: "recorded", messages: HELLO, stream: true, stream_options: { include_usage: true } };
    const response = await tenant.chat(body);
    expect(Buffer.from(await response.arrayBuffer()).toString()).toBe(frames);
  });

  test("an answer through the gateway has the members of a direct one, in their order", async () => {
    const tenant = await stage.tenant();
    const body = { model: "demo-large", messages: HELLO, max_tokens: 20 };
    const through = await tenant.chatAnswer(body);
    const direct = await stage.upstream("POST", "/v1/chat/completions", body);
    const still = (text: string): string =>
      text.replace(/chatcmpl-[0-9a-f]+/, "ID").replace(/"created":\d+/, '"created":0');
    expect(still(through.text)).toBe(still(direct.text));
  });
});

describe("a stream", () => {
  test("comes through the official client, with every piece and its end", async () => {
    const tenant = await stage.tenant();
    const stream = await tenant.openai().chat.completions.create({ model: "frames-50", messages: HELLO, stream: true });
    let text = "";
    let finish: string | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    expect(text).toBe("tick".repeat(50));
    expect(finish).toBe("stop");
  });

  test("a tool call streams in fragments that the client joins", async () => {
    const tenant = await stage.tenant();
    const done = await tenant
      .openai()
      .chat.completions.stream({
        model: "demo-large",
        messages: [{ role: "user", content: "Refund $42.00 to cus_123" }],
        tools: TOOLS,
      })
      .finalChatCompletion();
    const call = done.choices[0]?.message.tool_calls?.[0];
    expect(done.choices[0]?.finish_reason).toBe("tool_calls");
    if (call?.type !== "function") throw new Error("no function call came");
    expect(call.function.name).toBe("crm_get_customer");
    expect(JSON.parse(call.function.arguments)).toEqual({ customer_id: "cus_123" });
  });

  test("usage that was asked for arrives, and the session pays exactly that", async () => {
    const tenant = await stage.tenant();
    const stream = await tenant.openai({ "Interlock-Session": "asked" }).chat.completions.create({
      model: "text-400",
      messages: HELLO,
      stream: true,
      stream_options: { include_usage: true },
    });
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) usage = chunk.usage ?? usage;
    expect(usage?.completion_tokens).toBe(400);
    if (usage === undefined || usage === null) throw new Error("no usage");
    expect((await tenant.settled("asked")).used).toBe(costMicro(usage));
  });

  test.each([undefined, null, { include_usage: false }, {}])(
    "usage that was not asked for (%j) is taken out, and the session pays it all the same",
    async (options) => {
      const tenant = await stage.tenant();
      const response = await tenant.chat(
        {
          model: "text-400",
          messages: HELLO,
          stream: true,
          ...(options === undefined ? {} : { stream_options: options }),
        },
        { headers: { "Interlock-Session": "unasked" } },
      );
      const frames = framesOf(await response.text());
      expect(frames.at(-1)).toBe("[DONE]");
      const chunks = frames.slice(0, -1).map((frame) => JSON.parse(frame) as JsonRecord);
      expect(chunks.length).toBeGreaterThan(20);
      for (const chunk of chunks) expect(chunk["choices"]).toHaveLength(1);
      const { used } = await tenant.settled("unasked");
      const direct = await stage.upstream("POST", "/v1/chat/completions", { model: "text-400", messages: HELLO });
      expect(used).toBe(costMicro(direct.json["usage"] as { prompt_tokens: number; completion_tokens: number }));
    },
  );

  test("several choices stream and are paid for", async () => {
    const tenant = await stage.tenant();
    const answer = await tenant.chatAnswer(
      { model: "text-10", messages: HELLO, stream: true, n: 3, stream_options: { include_usage: true } },
      { headers: { "Interlock-Session": "many" } },
    );
    const chunks = framesOf(answer.text)
      .slice(0, -1)
      .map((frame) => JSON.parse(frame) as JsonRecord);
    const usage = chunks.at(-1)?.["usage"] as { prompt_tokens: number; completion_tokens: number };
    expect(usage.completion_tokens).toBe(30);
    expect((await tenant.settled("many")).used).toBe(costMicro(usage));
  });
});

describe("a dollar budget", () => {
  const LIMIT_MICRO = 120;
  const small = { session: { usd: "0.00012" } };

  test.each([
    ["max_tokens", { max_tokens: 5_000 }],
    ["max_completion_tokens", { max_completion_tokens: 5_000 }],
    ["no maximum at all", {}],
  ])("clamps the output to what it can pay, asked for by %s", async (_, asked) => {
    const tenant = await stage.tenant(small);
    const answer = await tenant.chatAnswer(
      { model: "text-400", messages: HELLO, ...asked },
      { headers: { "Interlock-Session": "s" } },
    );
    expect(answer.status, answer.text).toBe(200);
    const usage = answer.json["usage"] as { prompt_tokens: number; completion_tokens: number };
    expect(at(answer.json, "choices.0.finish_reason")).toBe("length");
    expect(usage.completion_tokens).toBeGreaterThan(10);
    expect(usage.completion_tokens).toBeLessThan(200);
    const { attributes } = await tenant.tracedCall(traceIdOf(answer));
    expect(attributes["gen_ai.request.max_tokens"]).toBe(usage.completion_tokens);
    const { used } = await tenant.settled("s");
    expect(used).toBe(costMicro(usage));
    expect(used).toBeLessThanOrEqual(LIMIT_MICRO);
  });

  test("a stream is clamped as well", async () => {
    const tenant = await stage.tenant(small);
    const stream = await tenant
      .openai({ "Interlock-Session": "s" })
      .chat.completions.create({ model: "text-400", messages: HELLO, stream: true });
    let finish: string | null | undefined;
    for await (const chunk of stream) finish = chunk.choices[0]?.finish_reason ?? finish;
    expect(finish).toBe("length");
    expect((await tenant.settled("s")).used).toBeLessThanOrEqual(LIMIT_MICRO);
  });

  test("is never passed, call after call, until it refuses in OpenAI's shape and the client does not retry", async () => {
    const tenant = await stage.tenant({ session: { usd: "0.0003" } });
    let attempts = 0;
    const client = new OpenAI({
      apiKey: tenant.agent,
      baseURL: `${stage.gateway.url}/v1`,
      defaultHeaders: { "Interlock-Session": "s" },
      maxRetries: 3,
      fetch: (input, init) => {
        attempts += 1;
        return fetch(input, init);
      },
    });
    let made = 0;
    let refused: unknown;
    while (refused === undefined && made < 50) {
      try {
        await client.chat.completions.create({ model: "text-10", messages: HELLO });
        made += 1;
        await tenant.settled("s");
      } catch (error) {
        refused = error;
      }
    }
    expect(made).toBeGreaterThan(2);
    if (!(refused instanceof OpenAI.RateLimitError)) throw new Error(`not a RateLimitError: ${String(refused)}`);
    expect(refused).toMatchObject({ status: 429, type: "insufficient_quota", code: "insufficient_quota", param: null });
    expect(refused.headers.get("x-should-retry")).toBe("false");
    expect(at(refused.error, "interlock.budget")).toMatchObject({ scope: "session", dimension: "usd", limit: 300 });
    expect(attempts).toBe(made + 1);
    const { used, remaining } = await tenant.settled("s");
    expect(used).toBeLessThanOrEqual(300);
    expect(remaining).toBe(300 - used);
    const effects = await until("the upstream's counts", async () => {
      const seen = await stage.effects();
      return seen.completed["text-10"] === made ? seen : undefined;
    });
    expect(effects.model_calls["text-10"]).toBe(made);
    expect(effects.billed_usd_micros).toBeLessThanOrEqual(used);
  });

  test("a task has a budget of its own inside the session's", async () => {
    const tenant = await stage.tenant({ session: { usd: 1 }, task: { calls: 1 } });
    const ask = async (task: string): Promise<number> =>
      (
        await tenant.chatAnswer(
          { model: "text-10", messages: HELLO },
          { headers: { "Interlock-Session": "s", "Interlock-Task": task } },
        )
      ).status;
    expect([await ask("a"), await ask("a"), await ask("b")]).toEqual([200, 429, 200]);
  });
});

describe("a refusal", () => {
  const malformed: readonly (readonly [string, unknown, string | null])[] = [
    ["not JSON", "hello", null],
    ["cut JSON", '{"model":"demo-large","messages":[', null],
    ["an array", "[1]", null],
    ["empty", "", null],
    ["trailing text", '{"model":"demo-large","messages":[]} x', null],
    ["a key twice", '{"model":"demo-large","model":"demo-small","messages":[]}', "model"],
    [
      "a key twice, once escaped",
      '{"max_tokens":1,"max\\u005ftokens":9,"model":"demo-large","messages":[]}',
      "max_tokens",
    ],
    ["no model", { messages: HELLO }, "model"],
    ["model of the wrong type", { model: 7, messages: HELLO }, "model"],
    ["stream of the wrong type", { model: "demo-large", messages: HELLO, stream: "yes" }, "stream"],
    [
      "stream_options of the wrong type",
      { model: "demo-large", messages: HELLO, stream: true, stream_options: 1 },
      "stream_options",
    ],
    ["max_tokens of the wrong type", { model: "demo-large", messages: HELLO, max_tokens: "9" }, "max_tokens"],
    ["max_tokens zero", { model: "demo-large", messages: HELLO, max_tokens: 0 }, "max_tokens"],
    [
      "max_completion_tokens a fraction",
      { model: "demo-large", messages: HELLO, max_completion_tokens: 1.5 },
      "max_completion_tokens",
    ],
    ["n out of range", { model: "demo-large", messages: HELLO, n: 129 }, "n"],
    ["both maxima", { model: "demo-large", messages: HELLO, max_tokens: 1, max_completion_tokens: 2 }, "max_tokens"],
  ];

  test.each(malformed)("400 for a body that is or has: %s", async (_, body, param) => {
    const tenant = await stage.tenant();
    const answer = await tenant.chatAnswer(body);
    expect(answer.status, answer.text).toBe(400);
    expect(answer.json["error"]).toMatchObject({ type: "invalid_request_error", code: "invalid_request", param });
    expect((await stage.effects()).model_calls).toEqual({});
  });

  test.each([
    ["Interlock-Session", "has space"],
    ["Interlock-Task", "/etc/passwd"],
    ["Interlock-Confidence", "1.5"],
    ["Interlock-User", "ä".repeat(3)],
  ])("400 for a malformed %s", async (name, value) => {
    const tenant = await stage.tenant();
    const headers = { [name]: Buffer.from(value).toString("latin1") };
    const answer = await tenant.chatAnswer({ model: "demo-large", messages: HELLO }, { headers });
    expect(answer.status, answer.text).toBe(400);
    expect(at(answer.json, "error.param")).toBe(name);
  });

  test("404 model_not_found for a model that is not in the config", async () => {
    const tenant = await stage.tenant();
    const failed = tenant.openai().chat.completions.create({ model: "gpt-none", messages: HELLO });
    await expect(failed).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(failed).rejects.toMatchObject({ code: "model_not_found", param: "model" });
  });

  test("403 for a model that the actor does not list, and nothing reaches the provider", async () => {
    const tenant = await stage.tenant();
    const failed = tenant.openai().chat.completions.create({ model: "unlisted", messages: HELLO });
    await expect(failed).rejects.toBeInstanceOf(OpenAI.PermissionDeniedError);
    await expect(failed).rejects.toMatchObject({ code: "policy_denied", type: "permission_error" });
    await expect(failed).rejects.toHaveProperty("error.interlock.decision.reasons.0.rule_id", "actor.models");
    expect((await stage.effects()).model_calls).toEqual({});
  });

  test("403 for an actor the key may not be, and for another actor's session", async () => {
    const tenant = await stage.tenant();
    const as = (key: string, actor: string, session = "s"): ReturnType<Tenant["chatAnswer"]> =>
      tenant.chatAnswer(
        { model: "demo-small", messages: HELLO },
        { key, headers: { "Interlock-Actor": actor, "Interlock-Session": session } },
      );
    expect(at((await as(tenant.agent, "intern")).json, "error.code")).toBe("actor_forbidden");
    const both = await stage.key(tenant.id, ["agent"], { scopes: ["*"], actors: ["*"] });
    expect((await as(both.key, ACTOR)).status).toBe(200);
    const foreign = await as(both.key, "intern");
    expect([foreign.status, at(foreign.json, "error.code")]).toEqual([403, "session_forbidden"]);
    const nobody = await as(both.key, "nobody", "t");
    expect([nobody.status, at(nobody.json, "error.code")]).toEqual([403, "policy_denied"]);
  });

  test("401 without a key, with a wrong one, and with another scheme", async () => {
    const tenant = await stage.tenant();
    const body = { model: "demo-large", messages: HELLO };
    for (const headers of [{}, { authorization: "Bearer ilk_wrong" }, { authorization: `Basic ${tenant.agent}` }]) {
      const answer = await stage.send("POST", "/v1/chat/completions", body, { headers });
      expect(answer.status).toBe(401);
      expect(answer.json["error"]).toMatchObject({ type: "authentication_error", code: "invalid_api_key" });
    }
    const failed = new OpenAI({ apiKey: "wrong", baseURL: `${stage.gateway.url}/v1` }).chat.completions.create({
      model: "demo-large",
      messages: HELLO,
    });
    await expect(failed).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });

  test("403 for a key without the agent role; x-api-key works as well as a bearer", async () => {
    const tenant = await stage.tenant();
    const body = { model: "demo-small", messages: HELLO };
    expect(at((await tenant.chatAnswer(body, { key: tenant.auditor })).json, "error.code")).toBe("role_missing");
    const answer = await stage.send("POST", "/v1/chat/completions", body, { headers: { "x-api-key": tenant.agent } });
    expect(answer.status).toBe(200);
  });

  test("413 for a body over 16 MiB, whether its length is declared or not", async () => {
    const tenant = await stage.tenant();
    // So little over it that the runtime drains the rest: a reset could reach the client before the answer.
    const text = JSON.stringify({
      model: "demo-large",
      messages: [{ role: "user", content: "x".repeat(16 * 1024 * 1024 + 20_000) }],
    });
    expect(await refusalOf(`${stage.gateway.url}/v1/chat/completions`, tenant.agent, text.length)).toBe(413);
    const streamed = await fetch(`${stage.gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${tenant.agent}`, "content-type": "application/json" },
      body: new Blob([text]).stream(),
      duplex: "half",
    } as RequestInit);
    expect(streamed.status).toBe(413);
    await streamed.body?.cancel();
  });

  test("405 for another method and 503 before any config is published", async () => {
    const tenant = await stage.tenant();
    const wrong = await tenant.get("/v1/chat/completions");
    expect([wrong.status, at(wrong.json, "error.code")]).toEqual([405, "method_not_allowed"]);
    const bare = await stage.bareTenant();
    const { key } = await stage.key(bare, ["agent"], { actors: [ACTOR] });
    const answer = await tenant.chatAnswer({ model: "demo-large", messages: HELLO }, { key });
    expect([answer.status, at(answer.json, "error.code")]).toEqual([503, "not_configured"]);
  });
});

/** The status of the answer to a body that is declared and never sent: what is refused unread needs none. */
function refusalOf(url: string, key: string, length: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", "content-length": length };
    const sent = request(url, { method: "POST", headers }, (answer) => {
      resolve(answer.statusCode);
      sent.destroy();
    });
    sent.once("error", reject);
    sent.flushHeaders();
  });
}
