// Proves the scripted model's tool calls end to end with the official client and the real tool APIs.
import OpenAI from "openai";
import type { ChatCompletionMessageParam, ChatCompletionTool } from "openai/resources/chat/completions";
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

const tool = (name: string): ChatCompletionTool => ({
  type: "function",
  function: { name, parameters: { type: "object" } },
});
const TOOLS = [
  "crm_list_notes",
  "crm_delete_note",
  "billing_reverse_refund",
  "crm_customer",
  "billing_refund",
  "crm_note",
].map(tool);

/** Runs the agent loop and answers the tool calls it made and its last words. */
async function converse(
  prompt: string,
  tools: ChatCompletionTool[],
  answer: (name: string, args: string) => Promise<string>,
  system = "Be kind.",
) {
  const messages: ChatCompletionMessageParam[] = [
    { role: "system", content: system },
    { role: "user", content: prompt },
  ];
  const calls: [string, unknown][] = [];
  for (let turn = 0; turn < 6; turn += 1) {
    const completion = await client.chat.completions
      .stream({ model: "demo-large", messages, tools })
      .finalChatCompletion();
    const [choice] = completion.choices;
    if (choice === undefined) throw new Error("no choice");
    const [toolCall] = choice.message.tool_calls ?? [];
    if (toolCall?.type !== "function") return { calls, said: choice.message.content ?? "" };
    expect(choice.finish_reason).toBe("tool_calls");
    const { name, arguments: args } = toolCall.function;
    calls.push([name, JSON.parse(args)]);
    messages.push({ role: "assistant", content: null, tool_calls: [toolCall] });
    messages.push({ role: "tool", tool_call_id: toolCall.id, content: await answer(name, args) });
  }
  throw new Error("the script did not end");
}

/** Answers each tool call with the real tool APIs. */
async function realTools(name: string, args: string): Promise<string> {
  const { customer_id: customerId } = JSON.parse(args) as { customer_id: string };
  if (name === "crm_customer") return (await up.call(`/crm/customers/${customerId}`)).text();
  return (await up.call(name === "billing_refund" ? "/billing/refunds" : "/crm/notes", { source: args })).text();
}

describe("support-refund script", () => {
  test("looks up, refunds, notes and reports through the official client", async () => {
    const { calls, said } = await converse("Please refund cus_123 $42.00 for the broken mug.", TOOLS, realTools);
    expect(calls).toEqual([
      ["crm_customer", { customer_id: "cus_123" }],
      ["billing_refund", { customer_id: "cus_123", amount_usd: 42 }],
      ["crm_note", { customer_id: "cus_123", text: "Refunded $42.00." }],
    ]);
    expect(said).toMatch(/^Done: I made the refund of \$42\.00 to cus_123 \(re_\w+\)\.$/);
    expect(await up.effects()).toMatchObject({
      refunds: 1,
      refunds_total_usd: "42.00",
      notes: 1,
      model_calls: { "demo-large": 4 },
    });
  });

  test.each([
    ['{"error":{"message":"over the limit"}}', /did not make .* it was not done: over the limit.*escalating/],
    ["Denied by policy.", /it was not done: Denied by policy\..*escalating/],
    ['{"status":"denied","decision":{"effect":"deny"}}', /it was not done\. I am escalating/],
    ['{"status":"pending_approval"}', /waiting for a person's approval/],
  ])("a refund answered with %s is not claimed", async (result, words) => {
    const { said } = await converse("Refund cus_123 $42", [tool("billing_refund")], async () => result);
    expect(said).toMatch(words);
  });

  test("a failed lookup ends without a refund", async () => {
    const { calls, said } = await converse("Refund cus_999 $42", TOOLS, realTools);
    expect(calls).toHaveLength(1);
    expect(said).toContain("escalating");
  });

  test("tools not offered are skipped, and a worse prompt asks for ten times the amount", async () => {
    const { calls } = await converse(
      "Refund $12.34 to cus_456",
      [tool("billing_refund")],
      realTools,
      "the worse-prompt variant",
    );
    expect(calls).toEqual([["billing_refund", { customer_id: "cus_456", amount_usd: 123.4 }]]);
    expect(await up.effects()).toMatchObject({ refunds_total_usd: "123.40", notes: 0 });
  });
});
