// Proves Google's official client, unmodified, over the built bundle: on a Gemini provider and on a chat provider; and OpenAI's on Gemini.
import { ApiError, FunctionCallingConfigMode, GoogleGenAI, type FunctionDeclaration } from "@google/genai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startChatProvider, type ChatProvider } from "./chat-provider.ts";
import type { JsonRecord } from "./document.ts";
import { GEMINI_SECRET, startGeminiProvider, USAGE, type GeminiProvider } from "./gemini-provider.ts";
import { openStage, traceIdOf, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;
let google: GeminiProvider;
let chat: ChatProvider;
let tenant: Tenant;

const PRICE = { input_per_mtok_usd: 3, output_per_mtok_usd: 15, cache_read_per_mtok_usd: 0.3 };
/** 600 read, 400 from the cache, 500 put out. */
const COST = 1800 + 120 + 7500;
const MODELS = ["text", "tools", "limited", "inband", "cut"];

beforeAll(async () => {
  stage = await openStage({}, true);
  google = await startGeminiProvider();
  chat = await startChatProvider();
  const model = (provider: string, upstream: string): JsonRecord => ({
    provider,
    upstream,
    max_output_tokens: 8192,
    context: 100_000,
    price: PRICE,
  });
  tenant = await stage.tenant(
    {
      providers: {
        google: { kind: "gemini", base_url: google.base, secret: "gemini" },
        chat: { kind: "openai-compatible", base_url: chat.base },
        demo: { kind: "gemini", base_url: stage.gateway.upstreamUrl, secret: "demo_model" },
      },
      models: {
        ...(Object.fromEntries(MODELS.map((name) => [`g-${name}`, model("google", name)])) as JsonRecord),
        ...(Object.fromEntries(MODELS.map((name) => [`c-${name}`, model("chat", name)])) as JsonRecord),
        "acme.large-v1.5": model("google", "text"),
        "demo-gemini": model("demo", "reasoning"),
      },
      actor: { models: ["*"] },
      session: { usd: 50 },
      hosts: [google.host, chat.host, new URL(stage.gateway.upstreamUrl).host],
    },
    { gemini: GEMINI_SECRET },
  );
});
afterAll(async () => {
  await stage.close();
  await google.stop();
  await chat.stop();
});
beforeEach(() => {
  google.seen.length = 0;
});

const client = (headers: Readonly<Record<string, string>> = {}): GoogleGenAI =>
  new GoogleGenAI({ apiKey: tenant.agent, httpOptions: { baseUrl: stage.gateway.url, headers } });
const session = (id: string): GoogleGenAI => client({ "interlock-session": id });

/** The status that a call is refused with, and what it says. */
async function refusalOf(call: Promise<unknown>): Promise<{ readonly status: number; readonly message: string }> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ApiError) return { status: error.status, message: error.message };
    throw error;
  }
  throw new Error("the call did not fail");
}

/** The messages that a chat provider got. */
function messagesOf(body: JsonRecord | undefined): readonly unknown[] {
  const messages = body?.["messages"];
  return Array.isArray(messages) ? messages : [];
}

const WEATHER: FunctionDeclaration = {
  name: "weather.now",
  description: "Tells the weather.",
  parametersJsonSchema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const CLOCK: FunctionDeclaration = { name: "clock", description: "Tells the time." };

describe("Google's client on a Gemini provider", () => {
  test("gets the provider's own answer, and pays for disjoint buckets", async () => {
    const answer = await session("g-whole").models.generateContent({
      model: "g-text",
      contents: "hi",
      config: { systemInstruction: "Be brief.", temperature: 0.5, maxOutputTokens: 900 },
    });
    expect(answer.text).toBe("by text");
    expect(answer.usageMetadata).toMatchObject(USAGE);
    expect(answer.responseId).toBe("resp1");
    expect(answer.sdkHttpResponse?.headers?.["interlock-model"]).toBe("g-text");
    expect((await tenant.settled("g-whole")).used).toBe(COST);
    const [sent] = google.seen;
    expect(sent?.path).toBe("/v1beta/models/text:generateContent");
    expect(sent?.headers["x-goog-api-client"]).toContain("google-genai-sdk");
    expect(JSON.parse(sent?.text ?? "")).toMatchObject({
      generationConfig: { temperature: 0.5, maxOutputTokens: 900 },
    });
  });

  test("has only the limit changed in what it sends", async () => {
    const body =
      '{ "contents":[{"parts":[{"text":"hi"}]}],\n "generation_config":{"top_p":0.50,"max_output_tokens":99999}, "somethingNew":1e2 }';
    const answer = await stage.send("POST", "/v1beta/models/g-text:generateContent", body, { key: tenant.agent });
    expect(answer.status, answer.text).toBe(200);
    expect(google.seen[0]?.text).toBe(body.replace("99999", "8192"));
  });

  test("streams, with usage and the reason in the last chunk", async () => {
    const stream = await session("g-stream").models.generateContentStream({ model: "g-text", contents: "hi" });
    const texts: (string | undefined)[] = [];
    let last: unknown;
    for await (const chunk of stream) {
      texts.push(chunk.text);
      last = [chunk.candidates?.[0]?.finishReason, chunk.usageMetadata];
    }
    expect(texts.join("")).toBe("by text");
    expect(last).toMatchObject(["STOP", USAGE]);
    expect(google.seen[0]?.path).toBe("/v1beta/models/text:streamGenerateContent?alt=sse");
    expect((await tenant.settled("g-stream")).used).toBe(COST);
  });

  test("calls functions in a chat, and hands signatures back", async () => {
    const talk = session("g-tools").chats.create({
      model: "g-tools",
      config: { tools: [{ functionDeclarations: [WEATHER, CLOCK] }] },
    });
    const first = await talk.sendMessage({ message: "weather?" });
    expect(first.functionCalls).toMatchObject([
      { name: "weather.now", args: { city: "Bern" } },
      { id: "own", name: "clock" },
    ]);
    const second = await talk.sendMessage({
      message: [
        { functionResponse: { name: "weather.now", response: { output: "rain" } } },
        { functionResponse: { id: "own", name: "clock", response: { output: "noon" } } },
      ],
    });
    expect(second.text).toBe("by results");
    expect(google.seen[1]?.text).toContain('"thoughtSignature":"c2lnbmVk"');
  });

  test("satisfies a provider that holds every signature against what it signed", async () => {
    const talk = session("g-demo").chats.create({
      model: "demo-gemini",
      config: { tools: [{ functionDeclarations: [{ ...WEATHER, name: "crm.get_customer" }] }] },
    });
    const first = await talk.sendMessage({ message: "Look up cus_1" });
    if (first.functionCalls === undefined) throw new Error(`no call: ${first.text ?? ""}`);
    const [call] = first.functionCalls;
    const second = await talk.sendMessage({
      message: [{ functionResponse: { name: call?.name ?? "", response: { output: "found" } } }],
    });
    expect(second.candidates?.[0]?.finishReason).toBe("STOP");
  });

  test("counts tokens, which costs nothing", async () => {
    const counted = await session("g-count").models.countTokens({ model: "g-text", contents: "hi" });
    expect(counted.totalTokens).toBe(42);
    expect(google.seen[0]?.path).toBe("/v1beta/models/text:countTokens");
    expect((await tenant.session("g-count")).used).toBe(0);
  });

  test("lists the models that its key may use, a page at a time, and finds one with dots in its name", async () => {
    const names: (string | undefined)[] = [];
    for await (const model of await client().models.list({ config: { pageSize: 2 } })) names.push(model.name);
    expect(names).toEqual(
      expect.arrayContaining([...MODELS.map((name) => `models/g-${name}`), "models/acme.large-v1.5"]),
    );
    expect(new Set(names).size).toBe(names.length);
    expect(await client().models.get({ model: "acme.large-v1.5" })).toMatchObject({
      name: "models/acme.large-v1.5",
      inputTokenLimit: 100_000,
      outputTokenLimit: 8192,
    });
    expect((await refusalOf(client().models.get({ model: "none" }))).status).toBe(404);
    const answer = await client().models.generateContent({ model: "acme.large-v1.5", contents: "hi" });
    expect(answer.text).toBe("by text");
  });

  test("gets an array when it asks for no events", async () => {
    const body = { contents: [{ parts: [{ text: "hi" }] }] };
    const array = async (model: string) => {
      const answer = await stage.send("POST", `/v1beta/models/${model}:streamGenerateContent`, body, {
        key: tenant.agent,
      });
      expect(answer.headers.get("content-type")).toContain("application/json");
      return JSON.parse(answer.text) as JsonRecord[];
    };
    const chunks = await array("g-text");
    expect(chunks).toHaveLength(3);
    expect(chunks[2]).toMatchObject({ candidates: [{ finishReason: "STOP" }], usageMetadata: USAGE });
    expect((await array("g-cut")).at(-1)).toMatchObject({ error: { code: 503, status: "UNAVAILABLE" } });
    expect((await array("c-text")).at(-1)).toMatchObject({ candidates: [{ finishReason: "STOP" }] });
  });

  test("is told of streams that break, and pays for what was held", async () => {
    const drained = async (model: string): Promise<void> => {
      const stream = await session(model).models.generateContentStream({
        model,
        contents: "hi",
        config: { maxOutputTokens: 100 },
      });
      for await (const chunk of stream) expect(chunk.usageMetadata?.candidatesTokenCount).toBeUndefined();
    };
    expect(await refusalOf(drained("g-cut"))).toMatchObject({ status: 503 });
    expect((await tenant.settled("g-cut")).used).toBeGreaterThan(0);
    expect((await refusalOf(drained("g-inband"))).message).toContain("overloaded");
  });
});

describe("a key", () => {
  const BODY = { contents: [{ parts: [{ text: "hi" }] }] };

  test("in Google's header or in the address is ours alone: nobody is told it, and no record has it", async () => {
    for (const [path, headers] of [
      ["/v1beta/models/g-text:generateContent", { "x-goog-api-key": tenant.agent }],
      [`/v1beta/models/g-text:generateContent?key=${tenant.agent}`, {}],
      [`/v1beta/models/g-text:streamGenerateContent?alt=sse&key=${tenant.agent}`, {}],
    ] as const) {
      const answer = await stage.send("POST", path, BODY, { headers });
      expect(answer.status, answer.text).toBe(200);
      const trace = await tenant.trace(traceIdOf(answer));
      expect(JSON.stringify(trace)).not.toContain(tenant.agent);
    }
    expect(JSON.stringify(google.seen)).not.toContain(tenant.agent);
    expect(google.seen.map(({ path }) => path)).not.toContain("key=");
    expect(stage.logs.join("\n")).not.toContain(tenant.agent);
    const listed = await stage.send("GET", `/v1beta/models?key=${tenant.agent}`);
    expect(listed.status).toBe(200);
  });

  test("in an address opens nothing but Gemini's paths", async () => {
    expect((await stage.send("GET", `/v1/sessions/s?key=${tenant.agent}`)).status).toBe(401);
    expect((await stage.send("GET", `/v1/models?key=${tenant.agent}`)).json).toHaveProperty("models");
  });

  test("that is wrong is refused in Google's shape", async () => {
    const wrong = new GoogleGenAI({ apiKey: "wrong-key", httpOptions: { baseUrl: stage.gateway.url } });
    const refusal = await refusalOf(wrong.models.generateContent({ model: "g-text", contents: "hi" }));
    expect(refusal.status).toBe(401);
    expect(JSON.parse(refusal.message)).toMatchObject({ error: { code: 401, status: "UNAUTHENTICATED" } });
  });
});

describe("refusals", () => {
  const ask = (more: JsonRecord, path = "/v1beta/models/g-text:generateContent") =>
    stage.send("POST", path, { contents: [{ parts: [{ text: "hi" }] }], ...more }, { key: tenant.agent });

  test("name hosted tools, wrong fields and unknown models in Google's shape", async () => {
    const hosted = await ask({ tools: [{ googleSearch: {} }] });
    expect(hosted.status).toBe(400);
    expect(hosted.json).toMatchObject({
      error: {
        code: 400,
        status: "INVALID_ARGUMENT",
        details: [{ reason: "UNSUPPORTED" }, { fieldViolations: [{ field: "tools.0.googleSearch" }] }],
      },
    });
    expect((await ask({ generationConfig: { maxOutputTokens: -1 } })).json).toMatchObject({
      error: {
        details: [{ reason: "INVALID_REQUEST" }, { fieldViolations: [{ field: "generationConfig.maxOutputTokens" }] }],
      },
    });
    expect((await ask({}, "/v1beta/models/none:generateContent")).json).toMatchObject({
      error: { code: 404, status: "NOT_FOUND" },
    });
    expect((await ask({}, "/v1beta/models/g-text:embedContent")).status).toBe(404);
    expect((await ask({}, "/v1beta/nothing")).json).toMatchObject({ error: { code: 404, status: "NOT_FOUND" } });
    expect((await ask({}, "/v1beta/models/g-text:streamGenerateContent?alt=xml")).status).toBe(400);
    expect((await ask({}, "/v1beta/models/g-text:generateContent?fields=candidates")).status).toBe(400);
    expect(google.seen).toEqual([]);
  });

  test("name what has no counterpart at another provider", async () => {
    const answer = await ask(
      { safetySettings: [{ category: "x", threshold: "BLOCK_NONE" }], cachedContent: "cachedContents/1" },
      "/v1beta/models/c-text:generateContent",
    );
    expect(answer.json).toMatchObject({
      error: {
        details: [
          { reason: "UNTRANSLATABLE" },
          { fieldViolations: [{ field: "safetySettings" }, { field: "cachedContent" }] },
        ],
      },
    });
  });

  test("of a provider pass as they came", async () => {
    const answer = await ask({}, "/v1beta/models/g-limited:generateContent");
    expect(answer.status).toBe(429);
    expect(answer.json).toEqual({
      error: { code: 429, message: "says RESOURCE_EXHAUSTED", status: "RESOURCE_EXHAUSTED" },
    });
  });
});

describe("Google's client on a chat provider", () => {
  test("gets an answer in Gemini's shape, and pays for disjoint buckets", async () => {
    const answer = await session("c-whole").models.generateContent({
      model: "c-text",
      contents: "hi",
      config: { systemInstruction: "Be brief.", stopSequences: ["END"] },
    });
    expect(answer.text).toBe("by text");
    expect(answer.candidates?.[0]?.finishReason).toBe("STOP");
    expect(answer.usageMetadata).toMatchObject(USAGE);
    expect((await tenant.settled("c-whole")).used).toBe(COST);
    expect(chat.seen.at(-1)).toMatchObject({
      model: "text",
      stop: ["END"],
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "hi" },
      ],
    });
  });

  test("streams", async () => {
    const stream = await client().models.generateContentStream({ model: "c-text", contents: "hi" });
    let text = "";
    let last: unknown;
    for await (const chunk of stream) {
      text += chunk.text ?? "";
      last = [chunk.candidates?.[0]?.finishReason, chunk.usageMetadata];
    }
    expect(text).toBe("by text");
    expect(last).toMatchObject(["STOP", USAGE]);
  });

  test.each([false, true])("calls functions and answers them (stream: %s)", async (isStream) => {
    const config = {
      tools: [{ functionDeclarations: [WEATHER, CLOCK] }],
      toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } },
    };
    const talk = client().chats.create({ model: "c-tools", config });
    const calls = [];
    if (isStream)
      for await (const chunk of await talk.sendMessageStream({ message: "weather?" }))
        calls.push(...(chunk.functionCalls ?? []));
    else calls.push(...((await talk.sendMessage({ message: "weather?" })).functionCalls ?? []));
    expect(calls).toMatchObject([
      { id: "call_1", args: { city: "Bern" } },
      { id: "call_2", name: "now", args: {} },
    ]);
    expect(chat.seen.at(-1)).toMatchObject({ tool_choice: "required" });
    await talk.sendMessage({
      message: calls.map(({ id, name }) => ({
        functionResponse: { id: id ?? "", name: name ?? "", response: { output: "ok" } },
      })),
    });
    expect(messagesOf(chat.seen.at(-1)).slice(-2)).toMatchObject([
      { role: "tool", tool_call_id: "call_1", content: "ok" },
      { role: "tool", tool_call_id: "call_2", content: "ok" },
    ]);
  });

  test("has its tokens estimated, and is told so", async () => {
    const counted = await stage.send(
      "POST",
      "/v1beta/models/c-text:countTokens",
      { contents: [{ parts: [{ text: "hello there, how are you?" }] }] },
      { key: tenant.agent },
    );
    expect(counted.headers.get("interlock-estimate")).toBe("true");
    expect(counted.json["totalTokens"]).toBeGreaterThan(5);
    const sdk = await client().models.countTokens({ model: "c-text", contents: "hello there" });
    expect(sdk.totalTokens).toBeGreaterThan(2);
  });

  test("is told of errors in Google's shape, whole and in a stream", async () => {
    expect(await refusalOf(client().models.generateContent({ model: "c-limited", contents: "hi" }))).toMatchObject({
      status: 429,
    });
    const drained = async (model: string): Promise<void> => {
      const stream = await client().models.generateContentStream({ model, contents: "hi" });
      for await (const chunk of stream) expect(chunk.candidates?.[0]?.finishReason).toBeUndefined();
    };
    for (const model of ["c-cut", "c-inband"])
      expect((await refusalOf(drained(model))).status).toBeGreaterThanOrEqual(429);
  });
});

describe("OpenAI's client on a Gemini provider", () => {
  const HI = [{ role: "user" as const, content: "hi" }];

  test("gets chat completions, and pays for disjoint buckets", async () => {
    const answer = await tenant
      .openai({ "Interlock-Session": "o-whole" })
      .chat.completions.create({ model: "g-text", messages: [{ role: "system", content: "Be brief." }, ...HI] });
    expect(answer.choices[0]).toMatchObject({ message: { content: "by text" }, finish_reason: "stop" });
    expect(answer.usage).toMatchObject({
      prompt_tokens: 1000,
      completion_tokens: 500,
      prompt_tokens_details: { cached_tokens: 400 },
      completion_tokens_details: { reasoning_tokens: 120 },
    });
    expect((await tenant.settled("o-whole")).used).toBe(COST);
    expect(JSON.parse(google.seen[0]?.text ?? "")).toMatchObject({
      systemInstruction: { parts: [{ text: "Be brief." }] },
      contents: [{ role: "user", parts: [{ text: "hi" }] }],
    });
  });

  test.each([false, true])("calls functions and hands results back (stream: %s)", async (isStream) => {
    const openai = tenant.openai({}, 0);
    const tools = ["weather", "clock"].map((name) => ({
      type: "function" as const,
      function: { name, parameters: { type: "object", properties: {} } },
    }));
    const ask = { model: "g-tools", messages: HI, tools };
    const message = isStream
      ? await openai.chat.completions.stream(ask).finalMessage()
      : (await openai.chat.completions.create(ask)).choices[0]?.message;
    if (message?.tool_calls === undefined) throw new Error("no calls");
    expect(message.tool_calls).toHaveLength(2);
    const results = message.tool_calls.map(({ id }) => ({ role: "tool" as const, tool_call_id: id, content: "ok" }));
    const second = await openai.chat.completions.create({ ...ask, messages: [...HI, message, ...results] });
    expect(second.choices[0]?.message.content).toBe("by results");
    const { contents } = JSON.parse(google.seen.at(-1)?.text ?? "") as { contents: readonly JsonRecord[] };
    expect(contents.at(-1)).toMatchObject({
      role: "user",
      parts: [
        { functionResponse: { name: "weather", response: { output: "ok" } } },
        { functionResponse: { id: "own", name: "clock" } },
      ],
    });
  });
});
