// Plays a short support session through the gateway with the official client, and prints what happened.
import OpenAI from "openai";
import { converse, outcomeOf, toolCaller, type Answer, type CallTool } from "./agent.ts";
import type { DemoKeys } from "./seed.ts";

type Print = (line: string) => void;

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
  await converse(openai, callTool, {
    model: "demo-large",
    task: "Please refund $42.00 to cus_123, the parcel arrived broken.",
    onTurn: (said, left) => print(`  model   ${said}  [$${left} of the session left]`),
    onTool: (name, answer) => print(`  tool    ${name} → ${answer.status} ${outcomeOf(answer)}`),
  });
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
