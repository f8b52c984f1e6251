// Proves the demo model's dialects by the vendors' schemas: whole bodies, every event of every stream, and their order.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask, bodyOf, DIALECTS, eventsOf, type Dialect, type StreamEvent } from "./dialect-calls.ts";
import { startUpstream, TOKENS, type Upstream } from "./start-upstream.ts";
import { complaints } from "./vendor-schemas.ts";

let up: Upstream;

beforeAll(async () => {
  up = await startUpstream();
}, 60_000);
afterAll(() => up.stop());

/** Behaviours whose answers differ in shape, with tools offered. */
const SHAPES = [
  "text-10",
  "parallel-tools",
  "empty-args",
  "refusal",
  "filtered",
  "blocked",
  "length",
  "reasoning",
  "cached",
] as const;

type Json = Readonly<Record<string, unknown>>;

function checkWhole(dialect: Dialect, body: Json): void {
  if (dialect === "chat") expect(complaints("openai", "CreateChatCompletionResponse", body)).toEqual([]);
  if (dialect === "responses") expect(complaints("openai", "Response", body)).toEqual([]);
  if (dialect === "messages") expect(complaints("anthropic", "AMessage", body)).toEqual([]);
}

function checkEvent(dialect: Dialect, { name, data }: StreamEvent): void {
  if (dialect === "chat") expect(complaints("openai", "CreateChatCompletionStreamResponse", data)).toEqual([]);
  if (dialect === "responses") expect(complaints("openai", "ResponseStreamEvent", data)).toEqual([]);
  if (dialect === "messages" && name !== "ping") expect(complaints("anthropic", "AStreamEvent", data)).toEqual([]);
  expect(name).toBe(dialect === "responses" || dialect === "messages" ? data["type"] : "");
}

const each = DIALECTS.flatMap((dialect) => SHAPES.map((model) => [dialect, model] as const));

describe("shapes", () => {
  test.each(each)(
    "%s, %s: the whole answer and each event are what the vendor's schema says",
    async (dialect, model) => {
      const whole = await ask(up, dialect, model, { tools: true });
      expect(whole.status).toBe(200);
      checkWhole(dialect, (await whole.json()) as Json);
      const streamed = await ask(up, dialect, model, { tools: true, stream: true });
      const events = eventsOf(dialect, await streamed.text());
      expect(events.length).toBeGreaterThan(0);
      for (const event of events) checkEvent(dialect, event);
    },
  );

  test("the reply of a schema is checked at all", () => {
    expect(complaints("openai", "Response", { id: 1 })).not.toEqual([]);
    expect(complaints("anthropic", "AMessage", { id: 1 })).not.toEqual([]);
  });
});

/** Names of a stream's events, repeats counted once. */
async function order(dialect: Dialect, model: string, more: Json = {}): Promise<readonly unknown[]> {
  const response = await ask(up, dialect, model, { tools: true, stream: true, more });
  const types = eventsOf(dialect, await response.text()).map(({ data }) => data["type"]);
  return types.filter((type, at) => type !== types[at - 1]);
}

describe("the order of events", () => {
  test("responses, with thoughts and text", async () => {
    expect(await order("responses", "reasoning")).toEqual(
      [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
      ].map((name) => `response.${name}`),
    );
  });

  test("responses, with two calls after text; numbered without a gap", async () => {
    const call = [
      "output_item.added",
      "function_call_arguments.delta",
      "function_call_arguments.done",
      "output_item.done",
    ];
    const types = await order("responses", "parallel-tools");
    expect(types.slice(8)).toEqual([...call, ...call, "completed"].map((name) => `response.${name}`));
    const response = await ask(up, "responses", "parallel-tools", { tools: true, stream: true });
    const numbers = eventsOf("responses", await response.text()).map(({ data }) => data["sequence_number"]);
    expect(numbers).toEqual(numbers.map((_, at) => at));
  });

  test.each([
    ["filtered", "incomplete"],
    ["length", "incomplete"],
    ["refusal", "completed"],
  ])("responses, %s ends %s", async (model, status) => {
    expect((await order("responses", model)).at(-1)).toBe(`response.${status}`);
  });

  test("messages, with thoughts and text", async () => {
    const block = ["content_block_start", "content_block_delta", "content_block_stop"];
    expect(await order("messages", "reasoning")).toEqual([
      "message_start",
      "content_block_start",
      "ping",
      "content_block_delta",
      "content_block_stop",
      ...block,
      "message_delta",
      "message_stop",
    ]);
  });

  test("messages, a call without arguments has one empty delta and no other", async () => {
    const response = await ask(up, "messages", "empty-args", { tools: true, stream: true });
    const deltas = eventsOf("messages", await response.text()).filter(({ name }) => name === "content_block_delta");
    expect(deltas.map(({ data }) => data["delta"])).toEqual([{ type: "input_json_delta", partial_json: "" }]);
  });
});

describe("usage", () => {
  const usageIn = async (dialect: Dialect, model: string): Promise<unknown> => {
    const body = (await (await ask(up, dialect, model)).json()) as Json;
    return body["usage"] ?? body["usageMetadata"];
  };

  test("of a cached prompt counts reads and writes as each vendor does", async () => {
    const prompt = Math.ceil(JSON.stringify([{ role: "user", content: "hello" }]).length / 4);
    const read = Math.floor(prompt / 2);
    const write = Math.floor(prompt / 4);
    expect(await usageIn("chat", "cached")).toMatchObject({
      prompt_tokens: prompt,
      prompt_tokens_details: { cached_tokens: read, cache_write_tokens: write },
    });
    expect(await usageIn("messages", "cached")).toMatchObject({
      input_tokens: prompt - read - write,
      cache_read_input_tokens: read,
      cache_creation_input_tokens: write,
      cache_creation: { ephemeral_5m_input_tokens: 1, ephemeral_1h_input_tokens: 1 },
    });
    expect(await usageIn("responses", "cached")).toMatchObject({
      input_tokens: 2,
      input_tokens_details: { cached_tokens: 1 },
    });
    expect(await usageIn("generate", "cached")).toMatchObject({ promptTokenCount: 11, cachedContentTokenCount: 5 });
  });

  test("of thoughts is inside of the output, except at Gemini", async () => {
    const chat = (await usageIn("chat", "reasoning")) as { completion_tokens: number };
    expect(chat).toMatchObject({ completion_tokens_details: { reasoning_tokens: 11 } });
    expect(await usageIn("responses", "reasoning")).toMatchObject({
      output_tokens: chat.completion_tokens,
      output_tokens_details: { reasoning_tokens: 11 },
    });
    expect(await usageIn("messages", "reasoning")).toMatchObject({ output_tokens: chat.completion_tokens });
    expect(await usageIn("generate", "reasoning")).toMatchObject({
      candidatesTokenCount: chat.completion_tokens - 11,
      thoughtsTokenCount: 11,
    });
  });

  test.each(DIALECTS)("%s: a limit cuts the answer, and the usage never passes it", async (dialect) => {
    for (const limit of [1, 2, 5]) {
      for (const model of ["text-10", "parallel-tools", "reasoning"]) {
        const response = await ask(up, dialect, model, { tools: true, limit });
        const text = JSON.stringify(await response.json());
        expect(text).toMatch(/"(length|max_output_tokens|max_tokens|MAX_TOKENS)"/);
        const output = /"(?:completion_tokens|output_tokens)":(\d+)/.exec(text)?.[1] ?? "";
        if (output !== "") expect(Number(output)).toBeLessThanOrEqual(limit);
      }
    }
  });
});

describe("refusals", () => {
  test.each([
    ["chat", 401, "invalid_api_key"],
    ["responses", 401, "invalid_api_key"],
    ["messages", 401, "authentication_error"],
    ["generate", 400, "API_KEY_INVALID"],
  ] as const)("%s: a wrong key answers %i", async (dialect, status, word) => {
    const wrong = { authorization: "Bearer no", "x-api-key": "no", "x-goog-api-key": "no" };
    const response = await ask(up, dialect, "text-1", { headers: wrong });
    expect([response.status, (await response.text()).includes(word)]).toEqual([status, true]);
  });

  test.each(DIALECTS)("%s: an unknown model and a body that is no object", async (dialect) => {
    expect((await ask(up, dialect, "nobody")).status).toBe(404);
    const path = dialect === "chat" ? "/v1/chat/completions" : `/v1/${dialect}`;
    const gemini = "/v1beta/models/text-1:generateContent";
    const response = await up.call(dialect === "generate" || dialect === "list" ? gemini : path, { source: "[1" });
    expect(response.status).toBe(400);
  });

  /** A body with one thing wrong, and what the vendor says. */
  const WRONG: readonly (readonly [Dialect, Json, RegExp])[] = [
    ["chat", { system: "be kind" }, /Unknown parameter: 'system'/],
    ["chat", { temperature: 2.1 }, /'temperature'/],
    ["chat", { tools: [{ type: "function", function: { name: "a.b" } }] }, /does not match pattern/],
    ["chat", { messages: [{ role: "tool", tool_call_id: "x", content: "" }] }, /preceding message with 'tool_calls'/],
    ["responses", { messages: [] }, /Unknown parameter: 'messages'/],
    ["responses", { tools: [{ type: "web_search" }] }, /'web_search' is not supported/],
    ["responses", { previous_response_id: "resp_1" }, /not found/],
    ["responses", { input: [{ type: "function_call_output", call_id: "c", output: "" }] }, /No tool call found/],
    [
      "responses",
      { input: [{ type: "reasoning", id: "r", summary: [], encrypted_content: "x" }] },
      /could not be verified/,
    ],
    ["messages", { max_completion_tokens: 5 }, /Extra inputs are not permitted/],
    ["messages", { max_tokens: null }, /max_tokens: Field required/],
    ["messages", { temperature: 1.5 }, /range: 0..1/],
    [
      "messages",
      { tools: [{ type: "web_search_20250305", name: "web_search" }] },
      /does not match any of the expected tags/,
    ],
    ["messages", { messages: [{ role: "user", content: [{ type: "text", text: "" }] }] }, /must be non-empty/],
    ["messages", { messages: [{ role: "tool", content: "x" }] }, /role: Input should be/],
    [
      "messages",
      {
        messages: [
          { role: "user", content: "hi" },
          { role: "assistant", content: [{ type: "thinking", thinking: "hm", signature: "forged" }] },
        ],
      },
      /Invalid `signature` in `thinking` block/,
    ],
    [
      "messages",
      {
        messages: [
          { role: "user", content: "hi" },
          { role: "assistant", content: [{ type: "tool_use", id: "t", name: "x", input: {} }] },
          { role: "user", content: "and?" },
        ],
      },
      /without `tool_result` blocks immediately after: t/,
    ],
    ["generate", { max_tokens: 5 }, /Unknown name \\"max_tokens\\"/],
    ["generate", { tools: [{ googleSearch: {} }] }, /'googleSearch' is not supported/],
    ["generate", { contents: [{ role: "assistant", parts: [{ text: "x" }] }] }, /valid role/],
    [
      "generate",
      { contents: [{ role: "user", parts: [{ functionResponse: { name: "x", response: {} } }] }] },
      /function response parts/,
    ],
  ];

  test.each(WRONG)("%s %j", async (dialect, more, words) => {
    const response = await ask(up, dialect, "text-1", { more });
    expect(response.status).toBe(400);
    const text = await response.text();
    expect(text).toMatch(words);
    const body = JSON.parse(text) as Json;
    if (dialect === "chat" || dialect === "responses") expect(complaints("openai", "ErrorResponse", body)).toEqual([]);
    if (dialect === "messages") expect(complaints("anthropic", "AError", body)).toEqual([]);
    if (dialect === "generate") expect(body).toMatchObject({ error: { code: 400, status: "INVALID_ARGUMENT" } });
  });

  test.each(DIALECTS)("%s: a field that no dialect has passes, and is told of", async (dialect) => {
    const whole = await ask(up, dialect, "text-1", { more: { zeta: 1 } });
    expect(((await whole.json()) as Json)["demo_echo"]).toContain("zeta");
    const streamed = await ask(up, dialect, "text-1", { stream: true, more: { zeta: 1 } });
    expect(await streamed.text()).toContain('"zeta"]');
  });
});

describe("counting tokens", () => {
  test("counts what a call would be charged for, and costs nothing", async () => {
    await up.reset();
    const body = bodyOf("messages", "demo-large", { tools: true });
    const { max_tokens: _, ...counted } = body;
    const answer = await up.call("/v1/messages/count_tokens", { json: counted });
    const tokens = (await answer.json()) as { input_tokens: number };
    expect(complaints("anthropic", "ACount", tokens)).toEqual([]);
    const gemini = await up.call("/v1beta/models/demo-large:countTokens", {
      json: bodyOf("generate", "demo-large", { tools: true }),
    });
    const { totalTokens } = (await gemini.json()) as { totalTokens: number };
    await expect.poll(async () => (await up.effects()).billed_usd_micros).toBe(0);
    const called = (await (await ask(up, "messages", "demo-large", { tools: true })).json()) as { usage: Json };
    expect(called.usage["input_tokens"]).toBe(tokens.input_tokens);
    const other = (await (await ask(up, "generate", "demo-large", { tools: true })).json()) as { usageMetadata: Json };
    expect(other.usageMetadata["promptTokenCount"]).toBe(totalTokens);
  });
});

describe("embeddings", () => {
  const embed = async (json: Json): Promise<{ data: { embedding: number[] | string }[]; usage: Json }> => {
    const response = await up.call("/v1/embeddings", { json: { model: "demo-embedding", ...json } });
    expect(response.status).toBe(200);
    const body: unknown = await response.json();
    return body as Awaited<ReturnType<typeof embed>>;
  };

  test("are the same each time, as floats and as base64, and near for texts that share words", async () => {
    const input = ["refund the broken mug", "a broken mug refund", "weather on mars tomorrow"];
    const floats = await embed({ input });
    expect(complaints("openai", "CreateEmbeddingResponse", floats)).toEqual([]);
    const [first = [], second = [], third = []] = floats.data.map(({ embedding }) => embedding as number[]);
    const encoded = await embed({ input, encoding_format: "base64" });
    const bytes = Buffer.from(String(encoded.data[0]?.embedding), "base64");
    const decoded = [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)];
    expect(decoded).toEqual(first);
    expect(first).toHaveLength(64);
    const product = (a: number[], b: number[]): number => a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
    expect(product(first, first)).toBeCloseTo(1);
    expect(product(first, second)).toBeGreaterThan(0.5);
    expect(product(first, third)).toBeLessThan(0.4);
    expect(floats.usage).toEqual({ prompt_tokens: 17, total_tokens: 17 });
  });

  test("take token ids and dimensions, and refuse other models", async () => {
    const { data, usage } = await embed({ input: [[1, 2, 3], [4]], dimensions: 8 });
    expect(data.map(({ embedding }) => embedding)).toEqual([expect.any(Array), expect.any(Array)]);
    expect(data[0]?.embedding).toHaveLength(8);
    expect(usage["prompt_tokens"]).toBe(4);
    expect((await up.call("/v1/embeddings", { json: { model: "demo-large", input: "x" } })).status).toBe(404);
    expect((await up.call("/v1/embeddings", { json: { model: "demo-embedding", input: [] } })).status).toBe(400);
    expect((await ask(up, "chat", "demo-embedding")).status).toBe(404);
  });
});

test("each vendor's list of models", async () => {
  const key = { "x-api-key": TOKENS.model, "anthropic-version": "2023-06-01" };
  const anthropic = (await (await up.call("/v1/models", { headers: key })).json()) as { data: unknown[] };
  for (const model of anthropic.data) expect(complaints("anthropic", "AModel", model)).toEqual([]);
  const gemini = await up.call("/v1beta/models");
  expect(await gemini.json()).toMatchObject({ models: [{ name: "models/demo-large" }, { name: "models/demo-small" }] });
});
