// Proves both official clients across dialects over the built bundle: Anthropic's on a chat provider, OpenAI's on an Anthropic provider.
import Anthropic, { BadRequestError, RateLimitError } from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ANTHROPIC_SECRET, startAnthropicProvider, type AnthropicProvider } from "./anthropic-provider.ts";
import { startChatProvider, type ChatProvider } from "./chat-provider.ts";
import type { JsonRecord } from "./document.ts";
import { openStage, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;
let chat: ChatProvider;
let claude: AnthropicProvider;
let tenant: Tenant;

const PRICE = {
  input_per_mtok_usd: 3,
  output_per_mtok_usd: 15,
  cache_read_per_mtok_usd: 0.3,
  cache_write_per_mtok_usd: 3.75,
  cache_write_1h_per_mtok_usd: 6,
};
const CHAT_MODELS = ["text", "tools", "limited", "inband", "cut"];
const CLAUDE_MODELS = ["text", "tools", "limited", "inband", "cut", "overloaded"];

beforeAll(async () => {
  stage = await openStage({}, true);
  chat = await startChatProvider();
  claude = await startAnthropicProvider();
  const model = (provider: string, upstream: string): JsonRecord => ({
    provider,
    upstream,
    max_output_tokens: 8192,
    context: 200_000,
    price: PRICE,
  });
  tenant = await stage.tenant(
    {
      providers: {
        chat: { kind: "openai-compatible", base_url: chat.base },
        claude: { kind: "anthropic", base_url: claude.base, secret: "anthropic" },
      },
      models: Object.fromEntries([
        ...CHAT_MODELS.map((name) => [`chat-${name}`, model("chat", name)]),
        ...CLAUDE_MODELS.map((name) => [`claude-${name}`, model("claude", name)]),
      ]) as JsonRecord,
      actor: { models: ["*"] },
      hosts: [chat.host, claude.host],
    },
    { anthropic: ANTHROPIC_SECRET },
  );
});
afterAll(async () => {
  await stage.close();
  await chat.stop();
  await claude.stop();
});

const anthropic = (): Anthropic => new Anthropic({ apiKey: tenant.agent, baseURL: stage.gateway.url, maxRetries: 0 });
const HI = [{ role: "user" as const, content: "hi" }];

/** The error that a call ends with. */
async function failureOf(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error("the call did not fail");
}

describe("an Anthropic client on a chat provider", () => {
  const ask = { model: "chat-text", max_tokens: 1024, messages: HI };

  test("gets a message, and pays for disjoint buckets", async () => {
    const { data, response } = await anthropic()
      .messages.create(
        { ...ask, system: "Be brief.", stop_sequences: ["END"] },
        { headers: { "interlock-session": "whole" } },
      )
      .withResponse();
    expect(data).toMatchObject({
      type: "message",
      role: "assistant",
      content: [{ type: "text", text: "by text" }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: {
        input_tokens: 600,
        cache_read_input_tokens: 400,
        output_tokens: 500,
        output_tokens_details: { thinking_tokens: 120 },
      },
    });
    expect(data.id).toMatch(/^msg_/);
    expect(response.headers.get("request-id")).toBe(response.headers.get("interlock-trace-id"));
    expect(chat.seen.at(-1)).toMatchObject({
      model: "text",
      max_tokens: 1024,
      stop: ["END"],
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "hi" },
      ],
    });
    // 600 read, 400 from the cache, 500 put out.
    expect((await tenant.settled("whole")).used).toBe(1800 + 120 + 7500);
  });

  test("streams in Anthropic's order: an estimate first, the truth at the end", async () => {
    const order: string[] = [];
    const inputs: (number | null)[] = [];
    const stream = anthropic().messages.stream(ask, { headers: { "interlock-session": "streamed" } });
    stream.on("streamEvent", (event) => {
      order.push(event.type);
      if (event.type === "message_start") inputs.push(event.message.usage.input_tokens);
      if (event.type === "message_delta") inputs.push(event.usage.input_tokens);
    });
    expect(await stream.finalText()).toBe("by text");
    expect(order).toEqual([
      "message_start",
      "content_block_start",
      "content_block_delta",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    expect(inputs[0]).toBeGreaterThan(0);
    expect(inputs[1]).toBe(600);
    expect((await tenant.settled("streamed")).used).toBe(1800 + 120 + 7500);
  });

  test.each([false, true])("runs tools, streamed: %s", async (stream) => {
    const cities: string[] = [];
    const tools = [
      betaTool({
        name: "weather",
        description: "Tells the weather",
        inputSchema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
        run: ({ city }) => {
          cities.push(city);
          return "sunny";
        },
      }),
      betaTool({ name: "now", description: "Tells the time", inputSchema: { type: "object" }, run: () => "noon" }),
    ];
    const runner = anthropic().beta.messages.toolRunner({ ...ask, model: "chat-tools", tools, stream });
    const last = await runner.runUntilDone();
    expect(last.content).toMatchObject([{ type: "text", text: "by tools" }]);
    expect(cities).toEqual(["Bern"]);
    expect(chat.seen.at(-1)?.["messages"]).toMatchObject([
      { role: "user", content: "hi" },
      {
        role: "assistant",
        content: "I look.",
        tool_calls: [
          { id: "call_1", function: { name: "weather", arguments: '{"city":"Bern"}' } },
          { id: "call_2", function: { name: "now", arguments: "{}" } },
        ],
      },
      { role: "tool", tool_call_id: "call_1", content: "sunny" },
      { role: "tool", tool_call_id: "call_2", content: "noon" },
    ]);
  });

  test("sees errors as Anthropic's", async () => {
    const { messages } = anthropic();
    const limited = await failureOf(messages.create({ ...ask, model: "chat-limited" }));
    expect(limited).toBeInstanceOf(RateLimitError);
    expect(limited).toMatchObject({ type: "rate_limit_error", apiMessage: "Slow down" });
    const inband = await failureOf(messages.stream({ ...ask, model: "chat-inband" }).finalMessage());
    expect(inband).toMatchObject({ type: "overloaded_error", apiMessage: "Overloaded" });
    const cut = await failureOf(messages.stream({ ...ask, model: "chat-cut" }).finalMessage());
    expect(cut).toMatchObject({ type: "api_error" });
  });

  test("is told every field that has no counterpart", async () => {
    const refused = await failureOf(
      anthropic().messages.create({
        ...ask,
        messages: [{ role: "user", content: [{ type: "document", source: { type: "file", file_id: "f" } }] }],
        tools: [{ type: "bash_20250124", name: "bash" }],
      }),
    );
    expect(refused).toBeInstanceOf(BadRequestError);
    expect(refused).toMatchObject({
      error: {
        interlock: { code: "untranslatable", mistakes: [{ path: "messages.0.content.0.source" }, { path: "tools.0" }] },
      },
    });
  });
});

describe("an OpenAI client on an Anthropic provider", () => {
  const ask = { model: "claude-text", messages: [{ role: "developer" as const, content: "Be brief." }, ...HI] };

  test("gets a completion, and pays for what was written to the cache too", async () => {
    const completion = await tenant
      .openai({ "interlock-session": "chat-whole" })
      .chat.completions.create({ ...ask, max_completion_tokens: 900, stop: "END", user: "u-1" });
    expect(completion.choices[0]).toMatchObject({
      message: { role: "assistant", content: "by text" },
      finish_reason: "stop",
    });
    expect(completion.usage).toMatchObject({
      prompt_tokens: 4200,
      completion_tokens: 500,
      prompt_tokens_details: { cached_tokens: 3000 },
    });
    expect(claude.seen.at(-1)?.body).toEqual({
      model: "text",
      max_tokens: 900,
      system: "Be brief.",
      messages: [{ role: "user", content: "hi" }],
      stop_sequences: ["END"],
      metadata: { user_id: "u-1" },
    });
    expect((await tenant.settled("chat-whole")).used).toBe(Math.ceil(3000 + 562.5 + 300 + 900 + 7500));
  });

  test("streams, with usage where it asks for it", async () => {
    const stream = await tenant
      .openai()
      .chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } });
    let text = "";
    let total: number | undefined;
    for await (const { choices, usage } of stream) {
      text += choices[0]?.delta.content ?? "";
      total = usage?.total_tokens ?? total;
    }
    expect([text, total]).toEqual(["by text", 4700]);
  });

  test("runs tools: parallel results become one message", async () => {
    const names: string[] = [];
    const tool = (name: string, result: string) => ({
      type: "function" as const,
      function: {
        name,
        description: name,
        parameters: { type: "object" as const, properties: {} },
        parse: (text: string): unknown => JSON.parse(text),
        function: (): string => {
          names.push(name);
          return result;
        },
      },
    });
    const runner = tenant.openai().chat.completions.runTools({
      model: "claude-tools",
      messages: [...HI],
      tools: [tool("weather", "sunny"), tool("now", "noon")],
    });
    expect(await runner.finalContent()).toBe("by tools");
    expect(names).toEqual(["weather", "now"]);
    const messages = claude.seen.at(-1)?.body["messages"] as readonly JsonRecord[];
    expect(messages[1]).toMatchObject({ role: "assistant" });
    expect(messages[1]?.["content"]).toContainEqual({
      type: "tool_use",
      id: "toolu_1",
      name: "weather",
      input: { city: "Bern" },
    });
    expect(messages[2]?.["content"]).toEqual([
      { type: "tool_result", tool_use_id: "toolu_1", content: "sunny" },
      { type: "tool_result", tool_use_id: "toolu_2", content: "noon" },
    ]);
  });

  test("sees errors as OpenAI's", async () => {
    const { completions } = tenant.openai({}, 0).chat;
    expect(await failureOf(completions.create({ ...ask, model: "claude-overloaded" }))).toMatchObject({ status: 529 });
    expect(await failureOf(completions.create({ ...ask, model: "claude-limited" }))).toMatchObject({ status: 429 });
    expect(await failureOf(completions.create({ ...ask, seed: 1, temperature: 1.5, n: 2 }))).toMatchObject({
      status: 400,
      error: { interlock: { code: "untranslatable" } },
    });
    const cut = await failureOf(
      (async () => {
        const stream = await completions.create({ ...ask, model: "claude-cut", stream: true });
        for await (const _ of stream);
      })(),
    );
    expect(cut).toBeInstanceOf(Error);
  });
});
