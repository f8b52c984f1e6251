// Proves the Anthropic surface over the built bundle with the official client, unmodified: what passes, what is charged, what errors read like.
import Anthropic, {
  AuthenticationError,
  BadRequestError,
  NotFoundError,
  OverloadedError,
  PermissionDeniedError,
  RateLimitError,
} from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ANTHROPIC_SECRET, SIGNATURE, startAnthropicProvider, type AnthropicProvider } from "./anthropic-provider.ts";
import type { JsonRecord } from "./document.ts";
import { openStage, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;
let provider: AnthropicProvider;
let tenant: Tenant;

const PRICE = {
  input_per_mtok_usd: 3,
  output_per_mtok_usd: 15,
  cache_read_per_mtok_usd: 0.3,
  cache_write_per_mtok_usd: 3.75,
  cache_write_1h_per_mtok_usd: 6,
};
/** 1000 read, 150 and 50 written, 3000 from the cache, 500 put out. */
const COST_MICRO = 3000 + 562.5 + 300 + 900 + 7500;
const MODELS = ["text", "tools", "overloaded", "limited", "inband", "late", "cut"];

beforeAll(async () => {
  stage = await openStage({}, true);
  provider = await startAnthropicProvider();
  const model = (upstream: string): JsonRecord => ({
    provider: "claude",
    upstream,
    max_output_tokens: 8192,
    context: 200_000,
    price: PRICE,
  });
  tenant = await stage.tenant(
    {
      providers: {
        claude: {
          kind: "anthropic",
          base_url: provider.base,
          secret: "anthropic",
        },
      },
      models: Object.fromEntries(MODELS.map((name) => [name, model(name)])),
      actor: { models: [...MODELS, "demo-small"] },
      hosts: [provider.host],
    },
    { anthropic: ANTHROPIC_SECRET },
  );
});
afterAll(async () => {
  await stage.close();
  await provider.stop();
});

const client = (apiKey = tenant.agent): Anthropic =>
  new Anthropic({ apiKey, baseURL: stage.gateway.url, maxRetries: 0 });
const HI = [{ role: "user", content: "hi" }] as const;
const ASK = { model: "text", max_tokens: 1024, messages: [...HI] };
const lastSeen = () => {
  const last = provider.seen.at(-1);
  if (last === undefined) throw new Error("the provider was not asked");
  return last;
};

describe("an Anthropic client on an Anthropic provider", () => {
  test("gets the provider's message, and pays what its usage says to the micro-dollar", async () => {
    const { data, response } = await client()
      .messages.create(ASK, { headers: { "interlock-session": "exact" } })
      .withResponse();
    expect(data).toMatchObject({
      id: "msg_provider",
      model: "text",
      content: [{ type: "text", text: "by text" }],
      stop_reason: "end_turn",
    });
    expect(response.headers.get("interlock-model")).toBe("text");
    expect(response.headers.get("request-id")).toBe("req_provider");
    const { used } = await tenant.settled("exact");
    expect(used).toBe(Math.ceil(COST_MICRO));
  });

  test("streams event by event", async () => {
    const events: string[] = [];
    const stream = client().messages.stream(ASK, { headers: { "interlock-session": "streamed" } });
    stream.on("streamEvent", ({ type }) => events.push(type));
    expect(await stream.finalText()).toBe("by text");
    expect(events).toEqual([
      "message_start",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    expect((await stream.finalMessage()).usage).toMatchObject({ input_tokens: 1000, output_tokens: 500 });
    expect((await tenant.settled("streamed")).used).toBe(Math.ceil(COST_MICRO));
  });

  test("runs tools: signed thinking and parallel results go back as they came", async () => {
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
    const runner = client().beta.messages.toolRunner({
      model: "tools",
      max_tokens: 1024,
      messages: [...HI],
      tools,
      betas: ["context-1m-2025-08-07"],
    });
    const last = await runner.runUntilDone();
    expect(last.content).toMatchObject([{ type: "text", text: "by tools" }]);
    expect(cities).toEqual(["Bern"]);
    const { url, headers, body } = lastSeen();
    expect(url).toMatch(/^\/v1\/messages/);
    expect(headers["anthropic-beta"]).toContain("context-1m-2025-08-07");
    expect(headers["anthropic-version"]).toBe("2026-10-21");
    const messages = body["messages"] as readonly JsonRecord[];
    expect(messages[1]).toMatchObject({
      content: [
        { type: "thinking", signature: SIGNATURE },
        { type: "text" },
        { id: "toolu_1" },
        { id: "toolu_2", input: {} },
      ],
    });
    expect(messages[2]).toMatchObject({
      content: [
        { tool_use_id: "toolu_1", content: "sunny" },
        { tool_use_id: "toolu_2", content: "noon" },
      ],
    });
  });

  test("streams a tool turn", async () => {
    const message = await client()
      .messages.stream({ ...ASK, model: "tools" })
      .finalMessage();
    expect(message.stop_reason).toBe("tool_use");
    expect(message.content).toMatchObject([
      { type: "thinking", thinking: "Two calls.", signature: SIGNATURE },
      { type: "text", text: "I look." },
      { type: "tool_use", id: "toolu_1", input: { city: "Bern" } },
      { type: "tool_use", id: "toolu_2", input: {} },
    ]);
  });

  test("has its tokens counted for nothing, and the count is recorded", async () => {
    const before = provider.seen.length;
    const { data, response } = await client()
      .messages.countTokens({ model: "text", messages: [...HI] }, { headers: { "interlock-session": "counted" } })
      .withResponse();
    expect(data).toEqual({ input_tokens: 2095 });
    expect(provider.seen.slice(before).map(({ url }) => url)).toEqual(["/v1/messages/count_tokens"]);
    expect(await tenant.settled("counted")).toMatchObject({ used: 0, callsUsed: 0 });
    const trace = await tenant.trace(String(response.headers.get("interlock-trace-id")));
    expect(trace.calls).toMatchObject([
      { kind: "count_tokens", status: "succeeded", decision: "allow", cost_usd: "0.00", model: "text" },
    ]);
  });

  test("sends what a coding agent sends: every byte but the model arrives, and the answer is not encoded", async () => {
    const filler = "Explain what you do, then do it. ".repeat(80);
    const body = {
      model: "text",
      max_tokens: 8000,
      system: [
        { type: "text", text: "You are a coding agent.", cache_control: { type: "ephemeral" } },
        { type: "text", text: filler, cache_control: { type: "ephemeral", ttl: "1h" } },
      ],
      messages: [
        { role: "user", content: [{ type: "text", text: filler }] },
        { role: "system", content: "The user opened a file." },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "ok", signature: SIGNATURE },
            { type: "text", text: "Fine." },
          ],
        },
        { role: "user", content: [{ type: "text", text: "go on", cache_control: { type: "ephemeral" } }] },
      ],
      tools: Array.from({ length: 12 }, (_, index) => ({
        name: `Tool${index}`,
        description: filler,
        input_schema: { type: "object", properties: { path: { type: "string", description: filler.slice(0, 500) } } },
      })),
      metadata: { user_id: "user_0123" },
      thinking: { type: "adaptive" },
      context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
      output_config: { effort: "high" },
      stream: true,
      x_not_known_yet: { a: 1.5 },
    };
    const sent = JSON.stringify(body, null, 1);
    expect(sent.length).toBeGreaterThan(40_000);
    const response = await stage.fetch("POST", "/v1/messages?beta=true", sent, {
      headers: {
        "x-api-key": tenant.agent,
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
        "accept-encoding": "zstd",
        "x-stainless-lang": "js",
        "anthropic-organization-id": "org_of_the_caller",
      },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-encoding")).toBeNull();
    expect(await response.text()).toContain("message_stop");
    const { text, headers, url } = lastSeen();
    expect(text).toBe(sent);
    expect(url).toBe("/v1/messages?beta=true");
    expect(headers["anthropic-beta"]).toBe("claude-code-20250219,interleaved-thinking-2025-05-14");
    expect(headers["accept-encoding"] ?? "").not.toContain("zstd");
    expect(JSON.stringify(headers)).not.toContain(tenant.agent);
    expect(headers).not.toHaveProperty("anthropic-organization-id");
    expect(headers).not.toHaveProperty("x-stainless-lang");
  });
});

/** The error that a call ends with. */
async function failureOf(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error("the call did not fail");
}

describe("errors that an Anthropic client sees", () => {
  test("are of the official client's classes", async () => {
    const { messages } = client();
    expect(await failureOf(client("wrong").messages.create(ASK))).toBeInstanceOf(AuthenticationError);
    expect(await failureOf(messages.create({ ...ASK, model: "nope" }))).toBeInstanceOf(NotFoundError);
    expect(await failureOf(messages.create({ ...ASK, model: "demo-large" }))).toBeInstanceOf(PermissionDeniedError);
    expect(await failureOf(messages.create({ ...ASK, model: "overloaded" }))).toBeInstanceOf(OverloadedError);
    const limited = await failureOf(messages.create({ ...ASK, model: "limited" }));
    expect(limited).toBeInstanceOf(RateLimitError);
    expect(limited).toMatchObject({ type: "rate_limit_error", apiMessage: "Slow down", requestID: "req_provider" });
  });

  test("name every field, and the trace", async () => {
    const tools = [{ type: "web_search_20250305" as const, name: "web_search" as const }];
    const error = await failureOf(client().messages.create({ ...ASK, tools }));
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({
      type: "invalid_request_error",
      error: { type: "error", interlock: { code: "unsupported", mistakes: [{ path: "tools.0" }] } },
    });
    const denied = await failureOf(client().messages.create({ ...ASK, model: "demo-large" }));
    expect(denied).toMatchObject({
      status: 403,
      type: "permission_error",
      error: { interlock: { code: "policy_denied" } },
    });
    const { requestID, error: body } = denied as { readonly requestID: string; readonly error: JsonRecord };
    expect(requestID).toMatch(/^tr_/);
    expect(body["request_id"]).toBe(requestID);
  });

  test.each([
    ["inband", "502 api_error"],
    ["late", "overloaded_error"],
    ["cut", "api_error"],
  ])("inside a stream that went wrong (%s) are errors, and never a whole answer", async (model, shown) => {
    const stream = client().messages.stream({ ...ASK, model });
    const error = (await failureOf(stream.finalMessage())) as { readonly status?: number; readonly type?: string };
    expect([error.status, error.type].filter((each) => each !== undefined).join(" ")).toBe(shown);
  });

  test("of paths that do not exist have Anthropic's shape too", async () => {
    const at = async (method: string, path: string): Promise<unknown> => {
      const { status, json } = await stage.send(method, path, method === "GET" ? undefined : {}, { key: tenant.agent });
      return [status, json["type"], (json["error"] as JsonRecord)["type"]];
    };
    expect(await at("POST", "/v1/messages/batches")).toEqual([404, "error", "not_found_error"]);
    expect(await at("GET", "/v1/messages")).toEqual([405, "error", "invalid_request_error"]);
    expect(await at("POST", "/v1/messages")).toEqual([400, "error", "invalid_request_error"]);
  });
});

describe("models as an Anthropic client lists them", () => {
  test("are those that the key may use, page by page", async () => {
    const ids: string[] = [];
    for await (const model of client().models.list({ limit: 3 })) ids.push(model.id);
    expect(ids.toSorted()).toEqual([...MODELS, "demo-small"].toSorted());
    expect(await client().models.retrieve("text")).toMatchObject({
      type: "model",
      id: "text",
      lifecycle: "active",
      max_input_tokens: 200_000,
      max_tokens: 8192,
    });
    expect(await failureOf(client().models.retrieve("demo-large"))).toBeInstanceOf(NotFoundError);
  });

  test("are listed in OpenAI's shape to everyone else", async () => {
    const { json } = await tenant.get("/v1/models");
    expect(json["object"]).toBe("list");
  });
});

describe("tokens of a model whose provider does not count", () => {
  test("are estimated here, and the answer says so", async () => {
    const { data, response } = await client()
      .messages.countTokens({ model: "demo-small", messages: [{ role: "user", content: "word ".repeat(300) }] })
      .withResponse();
    expect(response.headers.get("interlock-estimate")).toBe("true");
    expect(data.input_tokens).toBeGreaterThan(400);
    expect(data.input_tokens).toBeLessThan(700);
    const trace = await tenant.trace(String(response.headers.get("interlock-trace-id")));
    expect(trace.calls).toMatchObject([{ kind: "count_tokens", status: "succeeded", cost_usd: "0.00" }]);
  });
});
