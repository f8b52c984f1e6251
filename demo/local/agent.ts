// The demo tenant's agent: asks the model through the gateway with the official client, and calls the tools that it wants.
import type OpenAI from "openai";
import type { ChatCompletionMessageParam, ChatCompletionTool } from "openai/resources/chat/completions";
import type { DemoKeys } from "./seed.ts";

/** What a tool call was answered. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One piece of work for the agent. */
export interface Work {
  /** The model, or the agent, that is asked for. */
  readonly model: string;
  readonly task: string;
  readonly onTurn?: (said: string, left: string) => void;
  readonly onTool?: (name: string, answer: Answer) => void;
}

/** Turns until the agent is done, at most. */
const MOST_TURNS = 6;

/** Lets the agent do a piece of work to its end. */
export async function converse(
  openai: OpenAI,
  callTool: CallTool,
  { model, task, onTurn, onTool }: Work,
): Promise<void> {
  const messages: ChatCompletionMessageParam[] = [{ role: "user", content: task }];
  for (let turn = 1; turn <= MOST_TURNS; turn += 1) {
    const { data, response } = await openai.chat.completions
      .create({ model, messages, tools: TOOLS, max_tokens: 512 })
      .withResponse();
    const message = data.choices[0]?.message;
    if (message === undefined) break;
    messages.push(message);
    const asked = (message.tool_calls ?? []).filter((call) => call.type === "function");
    onTurn?.(
      `${data.model}: ${saidIn(message.content, asked)}`,
      response.headers.get("interlock-budget-remaining-usd") ?? "?",
    );
    if (asked.length === 0) break;
    for (const call of asked) {
      const name = toolName(call.function.name);
      const answer = await callTool(name, JSON.parse(call.function.arguments) as unknown, call.id);
      onTool?.(name, answer);
      messages.push({
        role: "tool",
        tool_call_id: call.id,
        content: JSON.stringify(answer.body["result"] ?? answer.body),
      });
    }
  }
}

/** Makes one governed tool call. */
export type CallTool = (name: string, args: unknown, key: string) => Promise<Answer>;

/** Calls tools as the demo agent does: through the gateway, with a key of its own for each. */
export function toolCaller(keys: DemoKeys, session: string, traceparent?: string): CallTool {
  return async (name, args, key) => {
    const response = await fetch(`${keys.url}/v1/tool-calls`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${keys.agent}`,
        "content-type": "application/json",
        "interlock-session": session,
        "idempotency-key": `${session}-${key}`,
        ...(traceparent === undefined ? {} : { traceparent }),
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

/** What became of a tool call, in a word. */
export function outcomeOf({ body }: Answer): string {
  return typeof body["status"] === "string" ? body["status"] : String(body["code"]);
}

function saidIn(
  content: string | null,
  asked: readonly { readonly function: { readonly name: string; readonly arguments: string } }[],
): string {
  if (asked.length === 0) return `"${content ?? ""}"`;
  return asked.map((call) => `wants ${toolName(call.function.name)} ${call.function.arguments}`).join(", ");
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
