// Proves releases over the built bundle: the official clients ask for an agent, and get its release's model and prompt.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PRICE, type JsonRecord } from "./document.ts";
import { at, openStage, until, type Stage, type Tenant } from "./harness.ts";
import { startRecordingUpstream, type RecordingUpstream } from "./recording-upstream.ts";

let stage: Stage;
let upstream: RecordingUpstream;

beforeAll(async () => {
  stage = await openStage();
  upstream = await startRecordingUpstream();
});
afterAll(async () => {
  await stage.close();
  await upstream.stop();
});
beforeEach(() => {
  upstream.requests.length = 0;
});

const PROMPT = "You are support_agent for Jane {{date}}, kind.";
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const CHAT = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "large-1",
  choices: [{ index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" }],
  usage,
};
const MESSAGE = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-1",
  content: [{ type: "text", text: "hello" }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 5 },
};

function answering(body: unknown): void {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  upstream.answer = { status: 200, headers: { "content-type": "application/json" }, body: bytes };
}

function streaming(frames: readonly unknown[]): void {
  const text = [...frames.map((frame) => JSON.stringify(frame)), "[DONE]"].map((data) => `data: ${data}\n\n`).join("");
  upstream.answer = {
    status: 200,
    headers: { "content-type": "text/event-stream" },
    body: new TextEncoder().encode(text),
  };
}

interface Served {
  readonly tenant: Tenant;
  readonly operator: string;
  move(verb: string, body: JsonRecord): Promise<JsonRecord>;
}

/** A tenant whose agent answers with a chat model, and whose canary to be answers with an Anthropic one. */
async function serving(): Promise<Served> {
  const model = (provider: string, name: string): JsonRecord => ({
    provider,
    upstream: name,
    context: 8_000,
    max_output_tokens: 100,
    price: PRICE,
  });
  const variables = { customer: { required: true }, tone: { default: "kind" } };
  const version = { system: "You are {{agent}} for {{customer}}, {{tone}}.", variables };
  const tenant = await stage.tenant({
    hosts: [new URL(upstream.origin).host],
    models: { large: model("rec", "large-1"), small: model("rec", "small-1"), claude: model("claude", "claude-1") },
    actor: { models: ["*"] },
    sections: {
      providers: {
        demo: { kind: "openai-compatible", base_url: "http://demo.upstream/v1", service: "DEMO", secret: "demo_model" },
        tcp: { kind: "openai-compatible", base_url: `${upstream.origin}/v1` },
        impatient: { kind: "openai-compatible", base_url: `${upstream.origin}/v1` },
        impatient_tcp: { kind: "openai-compatible", base_url: `${upstream.origin}/v1` },
        rec: { kind: "openai-compatible", base_url: `${upstream.origin}/v1` },
        claude: { kind: "anthropic", base_url: upstream.origin },
      },
      prompts: { support: { versions: { "1": version } } },
      agents: {
        support_agent: {
          releases: {
            plain: { model: "small", tools: ["crm.get_customer"] },
            chatty: { prompt: "support@1", model: "large" },
            thoughtful: { prompt: "support@1", model: "claude" },
          },
          live: "plain",
        },
      },
    },
  });
  const { key: operator } = await stage.key(tenant.id, ["operator"]);
  return {
    tenant,
    operator,
    move: async (verb, body) => {
      const answer = await stage.send("POST", `/v1/agents/support_agent/${verb}`, body, { key: operator });
      if (answer.status !== 200) throw new Error(answer.text);
      return answer.json;
    },
  };
}

function openAi({ tenant }: Served, headers: Readonly<Record<string, string>> = {}): OpenAI {
  const apiKey = tenant.agent;
  return new OpenAI({ baseURL: `${stage.gateway.url}/v1`, apiKey, maxRetries: 0, defaultHeaders: { ...headers } });
}

const hi = [{ role: "user" as const, content: "hi" }];
const sent = (): JsonRecord => JSON.parse(upstream.requests.at(-1)?.body ?? "{}") as JsonRecord;

describe("the official OpenAI client", () => {
  test("asks for an agent, gets the live release, and another one right after a promotion", async () => {
    const served = await serving();
    answering(CHAT);
    const client = openAi(served, { "Interlock-Session": "s1" });
    const { data, response } = await client.chat.completions
      .create({ model: "support_agent", messages: hi })
      .withResponse();
    expect(data.choices[0]?.message.content).toBe("hello");
    expect(response.headers.get("interlock-release")).toBe("plain");
    expect(sent()).toMatchObject({ model: "small-1", messages: hi });
    await served.move("promote", { release: "chatty", reason: "asked for" });
    const asked = { model: "support_agent", messages: hi, metadata: { customer: "Jane {{date}}", mine: "x" } };
    const next = await client.chat.completions.create(asked).withResponse();
    expect(next.response.headers.get("interlock-release")).toBe("chatty");
    expect(sent()).toMatchObject({ model: "large-1", metadata: { mine: "x" } });
    expect(at(sent(), "messages.0.content")).toBe(PROMPT);
    expect(["system", "developer"]).toContain(at(sent(), "messages.0.role"));
    expect(at(sent(), "messages.1")).toEqual(hi[0]);
    expect(JSON.stringify(sent())).not.toContain('"customer"');
    await served.move("rollback", {});
    const back = await client.chat.completions.create({ model: "support_agent", messages: hi }).withResponse();
    expect(back.response.headers.get("interlock-release")).toBe("plain");
  });

  test("streams an agent's answer", async () => {
    const served = await serving();
    const chunk = (delta: JsonRecord, finish: string | null): JsonRecord => ({
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1,
      model: "small-1",
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
    const last = { ...chunk({}, null), choices: [], usage };
    streaming([chunk({ role: "assistant", content: "hel" }, null), chunk({ content: "lo" }, "stop"), last]);
    const client = openAi(served);
    const stream = await client.chat.completions.create({ model: "support_agent", messages: hi, stream: true });
    let text = "";
    for await (const part of stream) text += part.choices[0]?.delta.content ?? "";
    expect(text).toBe("hello");
  });

  test("is told by name which tool the release does not have, and which value its prompt needs", async () => {
    const served = await serving();
    answering(CHAT);
    const client = openAi(served);
    const tools = ["crm_get_customer", "billing_refund"].map((name) => ({
      type: "function" as const,
      function: { name, parameters: { type: "object", properties: {} } },
    }));
    await expect(client.chat.completions.create({ model: "support_agent", messages: hi, tools })).rejects.toMatchObject(
      {
        status: 403,
        message: expect.stringContaining('release "plain" does not have tool "billing_refund"') as unknown,
      },
    );
    await served.move("promote", { release: "chatty" });
    await expect(client.chat.completions.create({ model: "support_agent", messages: hi })).rejects.toMatchObject({
      status: 400,
      param: "metadata.customer",
    });
    expect(upstream.requests).toHaveLength(0);
  });

  test("leaves a record whose every span names the release, found by it", async () => {
    const served = await serving();
    answering(CHAT);
    await openAi(served).chat.completions.create({ model: "support_agent", messages: hi });
    const { auditor: auditorKey } = served.tenant;
    const found = await until("the record", async () => {
      const { json } = await stage.send("GET", "/v1/traces?release=plain", undefined, { key: auditorKey });
      return (json["data"] as readonly JsonRecord[]).length > 0 ? json["data"] : undefined;
    });
    const id = String(at(found, "0.trace_id"));
    const trace = await stage.send("GET", `/v1/traces/${id}`, undefined, { key: auditorKey });
    const spans = trace.json["spans"] as readonly JsonRecord[];
    expect(spans.map(({ attributes }) => (attributes as JsonRecord)["interlock.release"])).toEqual(
      spans.map(() => "plain"),
    );
    const told = await stage.send("GET", `/v1/traces/${id}/explain`, undefined, { key: auditorKey });
    expect(told.text).toContain("the gateway chose it");
  });
});

describe("the official Anthropic client", () => {
  test("gets an agent's prompt before its own, and keeps its bytes otherwise", async () => {
    const served = await serving();
    answering(MESSAGE);
    await served.move("promote", { release: "thoughtful" });
    const client = new Anthropic({
      baseURL: stage.gateway.url,
      apiKey: served.tenant.agent,
      maxRetries: 0,
    });
    const asked = {
      model: "support_agent",
      max_tokens: 50,
      system: "Be brief.",
      messages: hi,
      metadata: { customer: "Jane {{date}}" } as Anthropic.Metadata,
    };
    const { data, response } = await client.messages.create(asked).withResponse();
    expect(data.content).toMatchObject([{ type: "text", text: "hello" }]);
    expect(response.headers.get("interlock-release")).toBe("thoughtful");
    expect(sent()).toMatchObject({ model: "claude-1", messages: hi });
    expect(sent()["metadata"]).toBeUndefined();
    const system = JSON.stringify(sent()["system"]);
    expect(system.indexOf(PROMPT)).toBeGreaterThanOrEqual(0);
    expect(system.indexOf(PROMPT)).toBeLessThan(system.indexOf("Be brief."));
  });
});
