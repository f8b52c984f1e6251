// Plays a short support session through the gateway with the official client, and prints what happened.
import OpenAI from "openai";
import type { ChatCompletionMessageParam, ChatCompletionTool } from "openai/resources/chat/completions";
import type { DemoKeys } from "./seed.ts";

type Print = (line: string) => void;

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The tour: a model call that asks for tools, tool calls within limits, a repeat with the same key, one that a person approves, a denied one. Answers its trace id. */
export async function tour(keys: DemoKeys, print: Print): Promise<string> {
  const session = `tour-${Date.now().toString(36)}`;
  const traceHex = [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
  const traceparent = `00-${traceHex}-00000000000000a1-01`;
  const openai = new OpenAI({
    apiKey: keys.agent,
    baseURL: `${keys.url}/v1`,
    defaultHeaders: { "Interlock-Session": session, traceparent },
  });
  const callTool = toolCaller(keys, session, traceparent);
  print("");
  print(`A support session, "${session}": refund $42.00 to cus_123`);
  const messages: ChatCompletionMessageParam[] = [
    { role: "user", content: "Please refund $42.00 to cus_123, the parcel arrived broken." },
  ];
  for (let turn = 1; turn <= 6; turn += 1) {
    const { data, response } = await openai.chat.completions
      .create({ model: "demo-large", messages, tools: TOOLS, max_tokens: 512 })
      .withResponse();
    const message = data.choices[0]?.message;
    if (message === undefined) break;
    messages.push(message);
    const asked = message.tool_calls ?? [];
    const left = response.headers.get("interlock-budget-remaining-usd") ?? "?";
    print(
      `  model   ${data.model}: ${asked.length === 0 ? `"${message.content ?? ""}"` : asked.map((call) => (call.type === "function" ? `wants ${toolName(call.function.name)} ${call.function.arguments}` : call.type)).join(", ")}  [$${left} of the session left]`,
    );
    if (asked.length === 0) break;
    for (const call of asked) {
      if (call.type !== "function") continue;
      const answer = await callTool(
        toolName(call.function.name),
        JSON.parse(call.function.arguments) as unknown,
        call.id,
      );
      print(`  tool    ${toolName(call.function.name)} → ${answer.status} ${outcomeOf(answer)}`);
      messages.push({
        role: "tool",
        tool_call_id: call.id,
        content: JSON.stringify(answer.body["result"] ?? answer.body),
      });
    }
  }
  const first = await callTool("billing.refund", { customer_id: "cus_456", amount_usd: 12.5 }, "tour-refund-1");
  const again = await callTool("billing.refund", { customer_id: "cus_456", amount_usd: 12.5 }, "tour-refund-1");
  print(
    `  repeat  billing.refund $12.50 with the same Idempotency-Key → ${first.status}, then ${again.status} replayed: ${String(again.body["replayed"])}, one effect`,
  );
  await approvedByAPerson(keys, callTool, print);
  const denied = await callTool("billing.refund", { customer_id: "cus_123", amount_usd: 75 }, "tour-refund-2");
  print(
    `  denied  billing.refund $75.00 → ${denied.status} ${String(denied.body["code"])}: ${String(denied.body["detail"])}`,
  );
  print(`  trace   ${keys.url}/v1/traces/tr_${traceHex}   (auditor key; records arrive within two seconds)`);
  return `tr_${traceHex}`;
}

/** A refund that waits for a person, whom the tour plays too. */
async function approvedByAPerson(keys: DemoKeys, callTool: CallTool, print: Print): Promise<void> {
  const refund = { customer_id: "cus_456", amount_usd: 48 };
  const asked = await callTool("billing.refund", refund, "tour-refund-3");
  const { id } = (asked.body["approval"] ?? {}) as { readonly id?: string };
  const response = await fetch(`${keys.url}/v1/approvals/${id}/approve`, {
    method: "POST",
    headers: { authorization: `Bearer ${keys.approver}`, "content-type": "application/json" },
    body: JSON.stringify({ comment: "the tour says yes" }),
  });
  const approved = { status: response.status, body: (await response.json()) as Answer["body"] };
  print(
    `  asks    billing.refund $48.00 → ${asked.status} ${outcomeOf(asked)}; a person approves → ${approved.status} ${outcomeOf(approved)}`,
  );
}

type CallTool = (name: string, args: unknown, key: string) => Promise<Answer>;

function toolCaller(keys: DemoKeys, session: string, traceparent: string): CallTool {
  return async (name, args, key) => {
    const response = await fetch(`${keys.url}/v1/tool-calls`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${keys.agent}`,
        "content-type": "application/json",
        "interlock-session": session,
        "idempotency-key": `${session}-${key}`,
        traceparent,
      },
      body: JSON.stringify({
        actor: "support_agent_v4",
        intent: "issue_refund",
        constraints: { max_amount_usd: 50, allowed_tools: ["crm.get_customer", "billing.refund", "crm.note"] },
        tool_call: { name, args },
      }),
    });
    return { status: response.status, body: (await response.json()) as Readonly<Record<string, unknown>> };
  };
}

function outcomeOf({ body }: Answer): string {
  return typeof body["status"] === "string" ? body["status"] : String(body["code"]);
}

/** Models accept no dots in function names; ours come back with one. */
function toolName(functionName: string): string {
  return functionName.replace("_", ".");
}

const customerId = { type: "string", description: "The customer's id" };
const TOOLS: ChatCompletionTool[] = [
  {
    type: "function",
    function: {
      name: "crm_get_customer",
      description: "Look up a customer",
      parameters: { type: "object", properties: { customer_id: customerId }, required: ["customer_id"] },
    },
  },
  {
    type: "function",
    function: {
      name: "billing_refund",
      description: "Refund an amount",
      parameters: {
        type: "object",
        properties: { customer_id: customerId, amount_usd: { type: "number" } },
        required: ["customer_id", "amount_usd"],
      },
    },
  },
  {
    type: "function",
    function: {
      name: "crm_note",
      description: "Leave a note",
      parameters: {
        type: "object",
        properties: { customer_id: customerId, text: { type: "string" } },
        required: ["customer_id", "text"],
      },
    },
  },
];
