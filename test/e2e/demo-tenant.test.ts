// Proves that the demo tenant's models, routes and MCP server all do the demo's work, whichever client asks and whatever the provider speaks.
import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";
import type { MessageParam } from "@anthropic-ai/sdk/resources/messages";
import { GoogleGenAI } from "@google/genai";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import OpenAI from "openai";
import type { ChatCompletionMessageParam } from "openai/resources/chat/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { ACTOR } from "./document.ts";
import { openStage, type Stage } from "./harness.ts";

const MODELS = ["demo-large", "demo-small", "demo-claude", "demo-gemini", "planning", "routine"];
const PROMPT = "Please refund cus_123 $42.00 for the broken mug.";
const NAMES = ["crm_customer", "billing_refund", "crm_note"];
const schema = { type: "object" as const, properties: { customer_id: { type: "string" } } };
const RESULT = JSON.stringify({ id: "re_1", status: "succeeded" });

/** What the script does, whoever is asked. */
const DONE = {
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

let stage: Stage;
let agent: string;

beforeAll(async () => {
  stage = await openStage();
  const tenant = await stage.bareTenant();
  const document: unknown = parse(readFileSync(new URL("../../demo/interlock.yaml", import.meta.url), "utf8"));
  await stage.asRoot(tenant, "PUT", "/v1/config", document);
  agent = (await stage.key(tenant, ["agent"], { scopes: ["*"], actors: [ACTOR] })).key;
});
afterAll(() => stage.close());

describe.each(MODELS)("%s", (model) => {
  test.each([false, true])("through OpenAI's client, streamed: %s", async (isStream) => {
    const openai = new OpenAI({ apiKey: agent, baseURL: `${stage.gateway.url}/v1`, maxRetries: 0 });
    const tools = NAMES.map((name) => ({ type: "function" as const, function: { name, parameters: schema } }));
    const messages: ChatCompletionMessageParam[] = [
      { role: "system", content: "Be kind." },
      { role: "user", content: PROMPT },
    ];
    const told: Told = { calls: [], said: "" };
    for (let turn = 0; turn < 5 && told.said === ""; turn += 1) {
      const body = { model, messages, tools, max_tokens: 500 };
      const completion = isStream
        ? await openai.chat.completions.stream(body).finalChatCompletion()
        : await openai.chat.completions.create(body);
      const message = completion.choices[0]?.message;
      if (message === undefined) throw new Error("no choice");
      messages.push(message);
      for (const call of message.tool_calls ?? []) {
        if (call.type !== "function") continue;
        told.calls.push([call.function.name, JSON.parse(call.function.arguments)]);
        messages.push({ role: "tool", tool_call_id: call.id, content: RESULT });
      }
      told.said = message.content ?? "";
    }
    expect(told).toEqual(DONE);
  });

  test.each([false, true])("through Anthropic's client, streamed: %s", async (isStream) => {
    const anthropic = new Anthropic({ apiKey: agent, baseURL: stage.gateway.url, maxRetries: 0 });
    const tools = NAMES.map((name) => ({ name, input_schema: schema }));
    const messages: MessageParam[] = [{ role: "user", content: PROMPT }];
    const told: Told = { calls: [], said: "" };
    for (let turn = 0; turn < 5 && told.said === ""; turn += 1) {
      const body = { model, messages, tools, max_tokens: 500, system: "Be kind." };
      const message = isStream
        ? await anthropic.messages.stream(body).finalMessage()
        : await anthropic.messages.create(body);
      messages.push({ role: "assistant", content: message.content });
      for (const block of message.content) {
        if (block.type === "text") told.said += block.text;
        if (block.type !== "tool_use") continue;
        told.calls.push([block.name, block.input]);
        messages.push({ role: "user", content: [{ type: "tool_result", tool_use_id: block.id, content: RESULT }] });
      }
    }
    expect(told).toEqual(DONE);
  });
});

test.each(MODELS)("%s says the same through Responses and through Google's client", async (model) => {
  const openai = new OpenAI({ apiKey: agent, baseURL: `${stage.gateway.url}/v1`, maxRetries: 0 });
  const gemini = new GoogleGenAI({ apiKey: agent, httpOptions: { baseUrl: stage.gateway.url } });
  const response = await openai.responses.create({ model, input: "hello" });
  const content = await gemini.models.generateContent({ model, contents: "hello" });
  const said = 'This is the demo model. You said: "hello"';
  expect([response.output_text, content.text]).toEqual([said, said]);
});

test("the embedding model embeds", async () => {
  const openai = new OpenAI({ apiKey: agent, baseURL: `${stage.gateway.url}/v1`, maxRetries: 0 });
  const { data, usage } = await openai.embeddings.create({ model: "demo-embedding", input: ["hello", "hello"] });
  expect(data.map(({ embedding }) => embedding.length)).toEqual([64, 64]);
  expect(data[0]?.embedding).toEqual(data[1]?.embedding);
  expect(usage.total_tokens).toBe(4);
});

describe.each(["auto", "legacy"] as const)("an MCP client, %s", (mode) => {
  async function dial(endpoint: string): Promise<Client> {
    const client = new Client({ name: "a-test", version: "1.0.0" }, { versionNegotiation: { mode } });
    const headers = { authorization: `Bearer ${agent}`, "interlock-session": `mcp-${mode}` };
    const url = new URL(`${stage.gateway.url}${endpoint}`);
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
    return client;
  }

  test("sees every tool of the demo tenant at once, and closes a ticket", async () => {
    const client = await dial("/mcp");
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual([
      "billing.refund",
      "crm.get_customer",
      "crm.note",
      "helpdesk.close_ticket",
      "helpdesk.delete_ticket",
      "helpdesk.get_ticket",
      "helpdesk.search_articles",
      "gateway.approval_status",
      "gateway.preflight",
    ]);
    const args = { ticket_id: "tic_102", resolution: "Found" };
    const closed = await client.callTool({ name: "helpdesk.close_ticket", arguments: args });
    expect(closed.structuredContent).toMatchObject({ id: "tic_102", status: "closed", resolution: "Found" });
    await client.close();
  });

  test("at the help desk's own address: articles, a prompt, and a deletion that waits for a person", async () => {
    const client = await dial("/mcp/helpdesk");
    const uri = "helpdesk://articles/refunds";
    expect((await client.readResource({ uri })).contents).toMatchObject([{ uri, mimeType: "text/markdown" }]);
    const ref = { type: "ref/prompt", name: "answer_customer" } as const;
    const { completion } = await client.complete({ ref, argument: { name: "article", value: "ref" } });
    expect(completion.values).toEqual(["refunds"]);
    const waiting = await client.callTool({ name: "delete_ticket", arguments: { ticket_id: "tic_103" } });
    expect(waiting).toMatchObject({ isError: true, _meta: { "dev.interlock/approval": { status: "pending" } } });
    expect(await stage.effects()).toMatchObject({ tickets_deleted: 0 });
    await client.close();
  });
});
