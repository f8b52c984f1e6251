// Proves the demo upstream's OpenAI shapes with the official client, and its billing and CRM APIs.
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startUpstream, TOKENS, type Upstream } from "./start-upstream.ts";

let up: Upstream;
let client: OpenAI;

beforeAll(async () => {
  up = await startUpstream();
  client = new OpenAI({
    baseURL: `${up.origin}/v1`,
    apiKey: TOKENS.model,
    maxRetries: 0,
    defaultHeaders: { "x-demo-count": "strict" },
  });
}, 60_000);
afterAll(() => up.stop());
beforeEach(() => up.reset());

describe("model API", () => {
  test("lists its models and refuses a wrong key in OpenAI shape", async () => {
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual(["demo-large", "demo-small", "demo-embedding"]);
    const refused = await up.call("/v1/models", { headers: { authorization: "Bearer wrong" } });
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({
      error: { type: "invalid_request_error", code: "invalid_api_key", param: null },
    });
  });

  test("a whole completion has every field, exact token counts and the raw request keys", async () => {
    const messages = [{ role: "user", content: "héllo" }];
    const source = `{"model":"text-10","zeta":1,"7":null,"messages":${JSON.stringify(messages)},"n":2,"zeta":{"n":"x\\"}"}}`;
    const response = await up.call("/v1/chat/completions", { source });
    expect(response.headers.get("x-request-id")).toMatch(/^req_/);
    const body: unknown = await response.json();
    const prompt = Math.ceil(Buffer.byteLength(JSON.stringify(messages)) / 4);
    expect(body).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-/),
      object: "chat.completion",
      created: expect.any(Number),
      model: "text-10",
      choices: [0, 1].map((index) => ({
        index,
        finish_reason: "stop",
        logprobs: null,
        message: { role: "assistant", refusal: null },
      })),
      usage: {
        prompt_tokens: prompt,
        completion_tokens: 20,
        total_tokens: prompt + 20,
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 0 },
      },
      demo_echo: ["model", "zeta", "7", "messages", "n", "zeta"],
    });
  });

  test.each(["max_tokens", "max_completion_tokens"])("%s cuts the answer", async (limit) => {
    const response = await up.chat({ model: "text-10", [limit]: 3 });
    expect(await response.json()).toMatchObject({
      choices: [{ finish_reason: "length", message: { content: "tok tok tok " } }],
      usage: { completion_tokens: 3 },
    });
  });

  test("a stream has role first, null usage throughout, usage last and an end marker", async () => {
    const response = await up.chat({
      model: "frames-3",
      stream: true,
      n: 2,
      stream_options: { include_usage: true },
    });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const events = (await response.text()).split("\n\n").filter((event) => event !== "");
    expect(events.at(-1)).toBe("data: [DONE]");
    const chunks = events.slice(0, -1).map((event): unknown => JSON.parse(event.slice("data: ".length)));
    expect(chunks).toHaveLength(2 + 3 * 2 + 2 + 1);
    expect(chunks[0]).toMatchObject({
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta: { role: "assistant" } }],
    });
    for (const chunk of chunks.slice(0, -1)) expect(chunk).toMatchObject({ usage: null });
    expect(chunks.at(-2)).toMatchObject({
      choices: [{ index: 1, delta: {}, finish_reason: "stop" }],
    });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 6 } });
  });

  test("without include_usage no chunk mentions usage", async () => {
    const text = await (await up.chat({ model: "frames-3", stream: true })).text();
    expect(text).not.toContain("usage");
  });

  test("malformed requests and unknown models are refused", async () => {
    const notJson = await up.call("/v1/chat/completions", { source: '{"model":' });
    expect(notJson.status).toBe(400);
    const wrongN = await up.chat({ model: "demo-large", n: 0 });
    expect(await wrongN.json()).toMatchObject({ error: { param: "n" } });
    const unknown = await up.chat({ model: "fault-none" });
    expect(unknown.status).toBe(404);
    expect(await unknown.json()).toMatchObject({ error: { code: "model_not_found" } });
    expect((await up.effects()).model_calls).toEqual({});
  });

  test("completed calls are counted and billed to the pico-dollar", async () => {
    for (let round = 0; round < 3; round += 1) {
      const response = await up.chat(
        { model: "text-7", stream: round === 0 },
        { headers: { "x-demo-count": "strict" } },
      );
      await response.text();
    }
    const prompt = Math.ceil(JSON.stringify([{ role: "user", content: "hello" }]).length / 4);
    expect(await up.effects()).toMatchObject({
      model_calls: { "text-7": 3 },
      completed: { "text-7": 3 },
      billed_usd_micros: Math.floor((3 * (prompt * 150_000 + 7 * 600_000)) / 1_000_000),
    });
  });

  test("a megabyte in one string is read whole", async () => {
    const response = await up.chat({
      model: "text-1",
      messages: [{ role: "user", content: '"\\'.repeat(500_000) }],
    });
    expect(await response.json()).toMatchObject({ demo_echo: ["messages", "model"] });
  });
});

describe("billing and CRM", () => {
  const order = '{"customer_id":"cus_123","amount_usd":19.99}';

  test("a hundred parallel duplicates are one refund", async () => {
    const headers = { "idempotency-key": "key-1" };
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const response = await up.call("/billing/refunds", { source: order, headers });
        const { id } = (await response.json()) as { id: string };
        return {
          id,
          status: response.status,
          isReplay: response.headers.get("idempotent-replayed") === "true",
        };
      }),
    );
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.every(({ status }) => status === 201)).toBe(true);
    expect(answers.filter(({ isReplay }) => !isReplay)).toHaveLength(1);
    expect(await up.effects()).toMatchObject({
      refunds: 1,
      refunds_total_usd: "19.99",
      by_key: { "key-1": 1 },
    });
    const probe = await up.call("/billing/refunds?idempotency_key=key-1");
    expect(await probe.json()).toMatchObject({
      data: [{ id: answers[0]?.id, amount_usd: 19.99, status: "succeeded" }],
    });
  });

  test("a key cannot be reused for another refund", async () => {
    const headers = { "idempotency-key": "key-2" };
    await up.call("/billing/refunds", { source: order, headers });
    const other = await up.call("/billing/refunds", {
      source: order.replace("19.99", "20"),
      headers,
    });
    expect(other.status).toBe(422);
    expect(await up.effects()).toMatchObject({ refunds: 1 });
  });

  test("a refund is reversed once", async () => {
    const { id } = (await (await up.call("/billing/refunds", { source: order })).json()) as {
      id: string;
    };
    for (let round = 0; round < 2; round += 1) await up.call(`/billing/refunds/${id}/reverse`, { method: "POST" });
    expect(await (await up.call(`/billing/refunds/${id}`)).json()).toMatchObject({
      status: "reversed",
    });
    expect(await up.effects()).toMatchObject({ refunds: 1, reversals: 1 });
  });

  test.each(["42.001", "-1", "0", "1e2", '"1,000"', "null", "12345678901"])("amount %s is refused", async (amount) => {
    const response = await up.call("/billing/refunds", {
      source: `{"customer_id":"cus_123","amount_usd":${amount}}`,
    });
    expect(response.status).toBe(422);
    expect(await up.effects()).toMatchObject({ refunds: 0 });
  });

  test("cents add up exactly", async () => {
    for (const amount of ["0.1", "0.20", '"0.3"']) {
      await up.call("/billing/refunds", {
        source: `{"customer_id":"cus_123","amount_usd":${amount}}`,
      });
    }
    expect(await up.effects()).toMatchObject({ refunds: 3, refunds_total_usd: "0.60" });
  });

  test("notes are written, listed and deleted", async () => {
    const draft = { customer_id: "cus_456", text: "called back" };
    const { id } = (await (await up.call("/crm/notes", { json: draft })).json()) as { id: string };
    expect(await (await up.call("/crm/notes?customer_id=cus_456")).json()).toEqual({
      data: [{ id, ...draft }],
    });
    expect((await up.call(`/crm/notes/${id}`, { method: "DELETE" })).status).toBe(200);
    expect((await up.call(`/crm/notes/${id}`, { method: "DELETE" })).status).toBe(404);
    expect((await up.call("/crm/notes", { json: { customer_id: "cus_456", text: "" } })).status).toBe(422);
    expect(await up.effects()).toMatchObject({ notes: 1, notes_deleted: 1 });
  });

  test("tokens are required and shown only by echo-auth", async () => {
    const wrong = { headers: { authorization: `Bearer ${TOKENS.crm}` } };
    expect((await up.call("/billing/refunds", { source: order, ...wrong })).status).toBe(401);
    expect((await up.call("/crm/customers/cus_123", { headers: { authorization: "Bearer no" } })).status).toBe(401);
    const echoed = await up.call("/billing/echo-auth");
    expect(await echoed.json()).toEqual({ authorization: `Bearer ${TOKENS.billing}` });
    expect(await up.effects()).toMatchObject({ refunds: 0 });
  });
});
