// Proves that agent frameworks keep working after a change of base URL: each one's own loop, streamed too, on a provider of every dialect.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { HumanMessage, ToolMessage, type BaseMessage } from "@langchain/core/messages";
import { tool as langchainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import {
  Agent,
  OpenAIChatCompletionsModel,
  OpenAIResponsesModel,
  run,
  setTracingDisabled,
  tool as agentsTool,
} from "@openai/agents";
import { generateText, stepCountIs, streamText, tool, type LanguageModel } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { PRICE, type JsonRecord } from "./document.ts";
import { openStage, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;
let tenant: Tenant;

/** One scripted model behind each provider's own dialect. */
const MODELS = ["on-chat", "on-responses", "on-messages", "on-generate"] as const;

beforeAll(async () => {
  setTracingDisabled(true);
  stage = await openStage();
  const provider = (kind: string, path: string, more: JsonRecord = {}): JsonRecord => ({
    kind,
    base_url: `http://demo.upstream${path}`,
    service: "DEMO",
    secret: "demo_model",
    ...more,
  });
  const model = (name: string): JsonRecord => ({
    provider: name,
    upstream: "demo-large",
    max_output_tokens: 1_000,
    context: 100_000,
    price: PRICE,
  });
  tenant = await stage.tenant({
    providers: {
      chat: provider("openai-compatible", "/v1", { dialects: ["chat"] }),
      responses: provider("openai-compatible", "/v1", { dialects: ["responses"] }),
      messages: provider("anthropic", "/v1"),
      generate: provider("gemini", "/v1beta"),
    },
    models: Object.fromEntries(MODELS.map((name) => [name, model(name.slice(3))])),
    actor: { models: ["*"] },
    session: { usd: 5 },
  });
});
afterAll(() => stage.close());

const TASK = "Please refund $42 to cus_123.";
const DONE = /Done: I made the refund of \$42\.00 to cus_123/;
const Refund = z.object({ customer_id: z.string(), amount_usd: z.number() });
const refunded: z.infer<typeof Refund>[] = [];
const refund = (given: z.infer<typeof Refund>): { status: string; id: string } => {
  refunded.push(given);
  return { status: "succeeded", id: "re_1" };
};

/** Runs a framework's loop, and tells what its tool was called with. */
async function once(loop: () => Promise<string>): Promise<readonly [string, readonly z.infer<typeof Refund>[]]> {
  refunded.length = 0;
  const text = await loop();
  return [text, [...refunded]];
}

const CALLED = [{ customer_id: "cus_123", amount_usd: 42 }];

/** The models of the AI SDK, each speaking its vendor's dialect to us. */
const aiModels = (): readonly (readonly [string, (name: string) => LanguageModel])[] => {
  const shared = { apiKey: tenant.agent };
  const openai = createOpenAI({ ...shared, baseURL: `${stage.gateway.url}/v1` });
  const anthropic = createAnthropic({ ...shared, baseURL: `${stage.gateway.url}/v1` });
  const google = createGoogleGenerativeAI({ ...shared, baseURL: `${stage.gateway.url}/v1beta` });
  return [
    ["openai.chat", (name) => openai.chat(name)],
    ["openai.responses", (name) => openai.responses(name)],
    ["anthropic", (name) => anthropic(name)],
    ["google", (name) => google(name)],
  ];
};
const SURFACES = ["openai.chat", "openai.responses", "anthropic", "google"] as const;
const PAIRS = SURFACES.flatMap((surface) => MODELS.map((name) => [surface, name] as const));

describe("the AI SDK", () => {
  const tools = {
    billing_refund: tool({
      description: "Refund.",
      inputSchema: Refund,
      execute: (given) => Promise.resolve(refund(given)),
    }),
  };
  const modelOf = (surface: string, name: string): LanguageModel => {
    const found = aiModels().find(([each]) => each === surface);
    if (found === undefined) throw new Error(`no surface ${surface}`);
    return found[1](name);
  };

  test.each(PAIRS)("by %s, %s: generateText runs its tool loop to the end", async (surface, name) => {
    const loop = once(async () => {
      const { text, totalUsage } = await generateText({
        model: modelOf(surface, name),
        tools,
        stopWhen: stepCountIs(5),
        prompt: TASK,
        maxRetries: 0,
      });
      expect(totalUsage.inputTokens).toBeGreaterThan(0);
      expect(totalUsage.outputTokens).toBeGreaterThan(0);
      return text;
    });
    expect(await loop).toEqual([expect.stringMatching(DONE), CALLED]);
  });

  test.each(PAIRS)("by %s, %s: streamText does too", async (surface, name) => {
    const loop = once(async () => {
      const result = streamText({
        model: modelOf(surface, name),
        tools,
        stopWhen: stepCountIs(5),
        prompt: TASK,
        maxRetries: 0,
        onError: ({ error }) => {
          throw error;
        },
      });
      let text = "";
      for await (const piece of result.textStream) text += piece;
      return text;
    });
    expect(await loop).toEqual([expect.stringMatching(DONE), CALLED]);
  });
});

describe("LangChain's ChatOpenAI", () => {
  const called = langchainTool((given: z.infer<typeof Refund>) => JSON.stringify(refund(given)), {
    name: "billing_refund",
    description: "Refund.",
    schema: Refund,
  });
  const chat = (name: string): ChatOpenAI =>
    new ChatOpenAI({
      model: name,
      apiKey: tenant.agent,
      configuration: { baseURL: `${stage.gateway.url}/v1` },
      maxRetries: 0,
    });

  test.each(MODELS)("%s: bound tools are called and answered", async (name) => {
    const loop = once(async () => {
      const model = chat(name).bindTools([called]);
      const messages: BaseMessage[] = [new HumanMessage(TASK)];
      for (let step = 0; step < 5; step += 1) {
        const answer = await model.invoke(messages);
        messages.push(answer);
        if ((answer.tool_calls ?? []).length === 0) return answer.text;
        for (const call of answer.tool_calls ?? []) {
          const content = JSON.stringify(refund(Refund.parse(call.args)));
          messages.push(new ToolMessage({ content, tool_call_id: call.id ?? "" }));
        }
      }
      return "never ended";
    });
    expect(await loop).toEqual([expect.stringMatching(DONE), CALLED]);
  });

  test.each(MODELS)("%s: streams", async (name) => {
    let text = "";
    for await (const piece of await chat(name).stream("hello there")) text += piece.text;
    expect(text).toContain("hello there");
  });
});

describe("the OpenAI Agents SDK", () => {
  const agentTool = agentsTool({
    name: "billing_refund",
    description: "Refund.",
    parameters: Refund,
    execute: (given) => Promise.resolve(JSON.stringify(refund(given))),
  });

  test.each(MODELS.flatMap((name) => [["chat completions", name] as const, ["Responses", name] as const]))(
    "over %s, %s: runs an agent to its final output",
    async (surface, name) => {
      const client = tenant.openai({}, 0);
      const model =
        surface === "Responses" ? new OpenAIResponsesModel(client, name) : new OpenAIChatCompletionsModel(client, name);
      const agent = new Agent({ name: "support", instructions: "Help customers.", model, tools: [agentTool] });
      const loop = once(async () => String((await run(agent, TASK, { maxTurns: 5 })).finalOutput));
      expect(await loop).toEqual([expect.stringMatching(DONE), CALLED]);
    },
  );
});
