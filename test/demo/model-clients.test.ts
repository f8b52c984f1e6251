// Proves the demo model's dialects with the official clients: an agent's loop with tools, thoughts and schemas in each.
import Anthropic from "@anthropic-ai/sdk";
import type { MessageParam, Tool } from "@anthropic-ai/sdk/resources/messages";
import { ApiError, GoogleGenAI, type Content } from "@google/genai";
import { Ajv2020 } from "ajv/dist/2020.js";
import OpenAI from "openai";
import type { ResponseInput } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startUpstream, TOKENS, type Upstream } from "./start-upstream.ts";

let up: Upstream;
let openai: OpenAI;
let anthropic: Anthropic;
let gemini: GoogleGenAI;

beforeAll(async () => {
  up = await startUpstream();
  openai = new OpenAI({ baseURL: `${up.origin}/v1`, apiKey: TOKENS.model, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: up.origin, apiKey: TOKENS.model, maxRetries: 0 });
  gemini = new GoogleGenAI({ apiKey: TOKENS.model, httpOptions: { baseUrl: up.origin } });
}, 60_000);
afterAll(() => up.stop());

const PROMPT = "Please refund cus_123 $42.00 for the broken mug.";
const NAMES = ["crm_customer", "billing_refund", "crm_note"];
const schema = { type: "object" as const, properties: { customer_id: { type: "string" } } };

/** Answers a tool call as the real tools would. */
const RESULT = JSON.stringify({ id: "re_1", status: "succeeded" });

/** What the script does, whichever dialect it is asked in. */
const EXPECTED = {
  calls: [
    ["crm_customer", { customer_id: "cus_123" }],
    ["billing_refund", { customer_id: "cus_123", amount_usd: 42 }],
    ["crm_note", { customer_id: "cus_123", text: "Refunded $42.00." }],
  ],
  said: "Done: I made the refund of $42.00 to cus_123 (re_1).",
};

interface Told {
  calls: [string, unknown][];
  said: string;
}

describe("the support-refund script", () => {
  test("through Responses, with reasoning items that go back with their encrypted content", async () => {
    const told: Told = { calls: [], said: "" };
    const input: ResponseInput = [{ role: "user", content: PROMPT }];
    for (let turn = 0; turn < 5 && told.said === ""; turn += 1) {
      const response = await openai.responses
        .stream({
          model: "reasoning",
          input,
          include: ["reasoning.encrypted_content"],
          store: false,
          tools: NAMES.map((name) => ({ type: "function", name, parameters: schema, strict: false })),
        })
        .finalResponse();
      expect(response.output[0]).toMatchObject({ type: "reasoning", encrypted_content: expect.any(String) });
      for (const item of response.output) {
        if (item.type === "reasoning" || item.type === "function_call") input.push(item);
        if (item.type !== "function_call") continue;
        told.calls.push([item.name, JSON.parse(item.arguments)]);
        input.push({ type: "function_call_output", call_id: item.call_id, output: RESULT });
      }
      told.said = response.output_text;
    }
    expect(told).toEqual(EXPECTED);
  });

  test("through Messages, with thinking blocks that go back with their signatures", async () => {
    const told: Told = { calls: [], said: "" };
    const messages: MessageParam[] = [{ role: "user", content: PROMPT }];
    const tools: Tool[] = NAMES.map((name) => ({ name, input_schema: schema }));
    for (let turn = 0; turn < 5 && told.said === ""; turn += 1) {
      const message = await anthropic.messages
        .stream({
          model: "demo-large",
          max_tokens: 1000,
          messages,
          tools,
          thinking: { type: "enabled", budget_tokens: 1024 },
        })
        .finalMessage();
      expect(message.content[0]).toMatchObject({ type: "thinking", signature: expect.any(String) });
      messages.push({ role: "assistant", content: message.content });
      for (const block of message.content) {
        if (block.type === "text") told.said += block.text;
        if (block.type !== "tool_use") continue;
        expect(message.stop_reason).toBe("tool_use");
        told.calls.push([block.name, block.input]);
        messages.push({ role: "user", content: [{ type: "tool_result", tool_use_id: block.id, content: RESULT }] });
      }
    }
    expect(told).toEqual(EXPECTED);
  });

  test("through Gemini, whole and streamed, with thought signatures that go back", async () => {
    const told: Told = { calls: [], said: "" };
    const contents: Content[] = [{ role: "user", parts: [{ text: PROMPT }] }];
    const config = {
      systemInstruction: "Be kind.",
      tools: [{ functionDeclarations: NAMES.map((name) => ({ name, parametersJsonSchema: schema })) }],
      thinkingConfig: { includeThoughts: true },
    };
    for (let turn = 0; turn < 5 && told.said === ""; turn += 1) {
      const answer = await gemini.models.generateContent({ model: "reasoning", contents, config });
      expect(answer.candidates?.[0]?.content?.parts?.[0]).toMatchObject({ thought: true });
      expect(answer.usageMetadata?.thoughtsTokenCount).toBe(11);
      const content = answer.candidates?.[0]?.content ?? {};
      contents.push(content);
      for (const { name, args } of answer.functionCalls ?? []) {
        told.calls.push([name ?? "", args]);
        const response = JSON.parse(RESULT) as Record<string, unknown>;
        contents.push({ role: "user", parts: [{ functionResponse: { name: name ?? "", response } }] });
      }
      told.said = answer.functionCalls === undefined ? (answer.text ?? "") : "";
    }
    expect(told).toEqual(EXPECTED);
    const signed = contents.flatMap(({ parts = [] }) => parts).filter(({ thoughtSignature }) => thoughtSignature);
    expect(signed).toHaveLength(3);
    const chunks = await gemini.models.generateContentStream({ model: "reasoning", contents, config });
    let said = "";
    for await (const chunk of chunks) said += chunk.text ?? "";
    expect(said).toBe(EXPECTED.said);
    for (const part of signed) part.thoughtSignature = "Zm9yZ2Vk";
    const forged = gemini.models.generateContent({ model: "reasoning", contents, config });
    await expect(forged).rejects.toThrow(/Thought signature is not valid/);
  });
});

describe("two calls at once, after text", () => {
  const parameters = { ...schema, required: ["customer_id"] };

  test("through chat completions", async () => {
    const completion = await openai.chat.completions
      .stream({
        model: "parallel-tools",
        messages: [{ role: "user", content: "both" }],
        tools: NAMES.map((name) => ({ type: "function", function: { name, parameters } })),
      })
      .finalChatCompletion();
    const message = completion.choices[0]?.message;
    expect(message?.content).toBe("I will use two tools.");
    const calls = message?.tool_calls?.map((call) => (call.type === "function" ? call.function : undefined));
    expect(calls?.map((call) => [call?.name, call?.arguments])).toEqual([
      ["crm_customer", '{"customer_id":"text"}'],
      ["billing_refund", '{"customer_id":"text"}'],
    ]);
    expect(new Set(message?.tool_calls?.map(({ id }) => id)).size).toBe(2);
  });

  test("through Messages, and the two results in one turn", async () => {
    const tools: Tool[] = NAMES.map((name) => ({ name, input_schema: parameters }));
    const messages: MessageParam[] = [{ role: "user", content: "both" }];
    const common = { model: "parallel-tools", max_tokens: 500, tools };
    const first = await anthropic.messages.stream({ ...common, messages }).finalMessage();
    expect(first.content.map(({ type }) => type)).toEqual(["text", "tool_use", "tool_use"]);
    const results = first.content.flatMap((block) =>
      block.type === "tool_use" ? [{ type: "tool_result" as const, tool_use_id: block.id, content: "ok" }] : [],
    );
    messages.push({ role: "assistant", content: first.content }, { role: "user", content: results });
    const second = await anthropic.messages.create({ ...common, messages });
    expect(second.content).toMatchObject([{ type: "text", text: "I have 2 results." }]);
  });

  test("a forced tool is called, and no tool when none may be", async () => {
    const tools: Tool[] = NAMES.map((name) => ({ name, input_schema: parameters }));
    const ask = (choice: Anthropic.ToolChoice): Promise<Anthropic.Message> =>
      anthropic.messages.create({
        model: "demo-large",
        max_tokens: 500,
        tools,
        tool_choice: choice,
        messages: [{ role: "user", content: "hello" }],
      });
    expect((await ask({ type: "tool", name: "crm_note" })).content).toMatchObject([{ name: "crm_note" }]);
    expect((await ask({ type: "none" })).stop_reason).toBe("end_turn");
  });
});

describe("structured output", () => {
  const wanted = {
    type: "object",
    properties: {
      colour: { type: "string", enum: ["red", "blue"] },
      count: { type: "integer", minimum: 3 },
      tags: { type: "array", items: { type: "string" } },
      inner: { $ref: "#/$defs/inner" },
    },
    required: ["colour", "count", "tags", "inner"],
    additionalProperties: false,
    $defs: { inner: { type: "object", properties: { on: { type: "boolean" } }, required: ["on"] } },
  };
  const instance = { colour: "red", count: 3, tags: ["text"], inner: { on: true } };

  test("matches the schema in every dialect", async () => {
    const messages = [{ role: "user" as const, content: "give" }];
    const chat = await openai.chat.completions.create({
      model: "demo-small",
      messages,
      response_format: { type: "json_schema", json_schema: { name: "thing", strict: true, schema: wanted } },
    });
    const response = await openai.responses.create({
      model: "demo-small",
      input: "give",
      text: { format: { type: "json_schema", name: "thing", schema: wanted } },
    });
    const message = await anthropic.messages.create({
      model: "demo-small",
      max_tokens: 500,
      messages,
      output_config: { format: { type: "json_schema", schema: wanted } },
    });
    const content = await gemini.models.generateContent({
      model: "demo-small",
      contents: "give",
      config: { responseMimeType: "application/json", responseJsonSchema: wanted },
    });
    const [block] = message.content;
    const texts = [
      chat.choices[0]?.message.content,
      response.output_text,
      block?.type === "text" ? block.text : "",
      content.text,
    ];
    for (const text of texts) expect(JSON.parse(text ?? "")).toEqual(instance);
  });
});

describe("instances of schemas", () => {
  const text = { type: "string" };
  const SCHEMAS: readonly Record<string, unknown>[] = [
    { type: "object", properties: {} },
    { type: "object", properties: { a: { type: ["integer", "null"], minimum: -3 }, b: { type: "null" } } },
    { type: "object", properties: { a: { type: "array", items: { type: "boolean" }, minItems: 3 } }, required: ["a"] },
    { type: "object", properties: { a: { anyOf: [{ type: "number", exclusiveMinimum: 0.5 }, text] } } },
    { type: "object", properties: { a: { type: "integer", multipleOf: 7, minimum: 10 } } },
    { type: "object", properties: { a: { const: "x" }, b: { enum: [2, 3] }, c: { type: "string", minLength: 9 } } },
    { type: "object", properties: { a: { type: "string", maxLength: 2 }, b: { type: "string", format: "date-time" } } },
    { type: "object", properties: { a: { type: "string", pattern: "^cus_[a-z0-9]+$" }, b: { format: "email" } } },
    {
      allOf: [
        { properties: { a: text }, required: ["a"] },
        { properties: { b: text }, required: ["b"] },
      ],
    },
    {
      type: "object",
      properties: { next: { anyOf: [{ type: "null" }, { $ref: "#" }] }, tree: { $ref: "#/$defs/tree" } },
      required: ["next"],
      $defs: { tree: { type: "object", properties: { leaves: { type: "array", items: text } } } },
    },
  ];

  test.each(SCHEMAS)("%j", async (wanted) => {
    const { output_text: said } = await openai.responses.create({
      model: "demo-small",
      input: "give",
      text: { format: { type: "json_schema", name: "thing", schema: wanted } },
    });
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(wanted);
    expect([validate(JSON.parse(said)), validate.errors]).toEqual([true, null]);
  });
});

describe("what the clients throw", () => {
  test("Messages: by class, an error inside a stream too", async () => {
    const messages: MessageParam[] = [{ role: "user", content: "hello" }];
    const ask = (model: string): Promise<unknown> => anthropic.messages.create({ model, max_tokens: 10, messages });
    await expect(ask("fault-400")).rejects.toBeInstanceOf(Anthropic.BadRequestError);
    await expect(ask("fault-401")).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
    await expect(ask("fault-429")).rejects.toBeInstanceOf(Anthropic.RateLimitError);
    await expect(ask("fault-529")).rejects.toMatchObject({ status: 529, type: "overloaded_error" });
    for (const model of ["fault-in-band", "fault-in-band-late"]) {
      const stream = anthropic.messages.stream({ model, max_tokens: 100, messages });
      await expect(stream.finalMessage()).rejects.toThrow(/Overloaded/);
    }
  });

  test("Responses: by class, an error inside a stream too", async () => {
    const ask = (model: string): Promise<unknown> => openai.responses.create({ model, input: "hello" });
    await expect(ask("fault-429")).rejects.toBeInstanceOf(OpenAI.RateLimitError);
    await expect(ask("fault-503")).rejects.toBeInstanceOf(OpenAI.InternalServerError);
    const stream = openai.responses.stream({ model: "fault-in-band", input: "hello" });
    await expect(stream.finalResponse()).rejects.toThrow(/had an error/);
    const late = await openai.responses.stream({ model: "fault-in-band-late", input: "hello" }).finalResponse();
    expect(late).toMatchObject({ status: "failed", error: { code: "server_error" } });
  });

  test("Gemini: with the status, an error inside a stream too", async () => {
    const ask = (model: string): Promise<unknown> => gemini.models.generateContent({ model, contents: "hello" });
    await expect(ask("fault-429")).rejects.toMatchObject({
      status: 429,
      message: expect.stringContaining("retryDelay"),
    });
    await expect(ask("fault-503")).rejects.toBeInstanceOf(ApiError);
    for (const model of ["fault-in-band", "fault-in-band-late"]) {
      const drain = async (): Promise<void> => {
        for await (const chunk of await gemini.models.generateContentStream({ model, contents: "x" })) void chunk;
      };
      await expect(drain()).rejects.toThrow(/overloaded/);
    }
  });
});

test("refusals and filters, in each client's words", async () => {
  const messages = [{ role: "user" as const, content: "x" }];
  const chat = async (model: string): Promise<unknown> =>
    (await openai.chat.completions.create({ model, messages })).choices[0];
  expect(await chat("refusal")).toMatchObject({
    finish_reason: "stop",
    message: { content: null, refusal: "I cannot help with that." },
  });
  expect(await chat("filtered")).toMatchObject({ finish_reason: "content_filter" });
  const message = await anthropic.messages.create({ model: "filtered", max_tokens: 100, messages });
  expect(message).toMatchObject({ stop_reason: "refusal", stop_details: { type: "refusal" } });
  const response = await openai.responses.create({ model: "filtered", input: "x" });
  expect(response).toMatchObject({ status: "incomplete", incomplete_details: { reason: "content_filter" } });
  const content = await gemini.models.generateContent({ model: "filtered", contents: "x" });
  expect(content.candidates?.[0]?.finishReason).toBe("SAFETY");
  const blocked = await gemini.models.generateContent({ model: "blocked", contents: "x" });
  expect([blocked.candidates, blocked.promptFeedback?.blockReason]).toEqual([undefined, "PROHIBITED_CONTENT"]);
});

test("counting and embedding", async () => {
  const { input_tokens: tokens } = await anthropic.messages.countTokens({
    model: "demo-large",
    messages: [{ role: "user", content: "hello" }],
  });
  expect(tokens).toBe(9);
  expect((await gemini.models.countTokens({ model: "demo-large", contents: "hello" })).totalTokens).toBe(11);
  // The client asks for base64 and decodes it.
  const { data } = await openai.embeddings.create({ model: "demo-embedding", input: "hello" });
  expect(data[0]?.embedding).toHaveLength(64);
});
