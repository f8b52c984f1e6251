// The request bodies every target gets, and what a correct answer to each looks like.

export type LoadName = "small" | "agent" | "stream" | "stream-usage" | "paced";

/** One kind of request. `frames` is the number of content frames a correct stream carries. */
export interface Load {
  readonly name: LoadName;
  readonly title: string;
  readonly body: string;
  readonly isStream: boolean;
  readonly frames: number;
  readonly asksUsage: boolean;
  /** Fewest bytes per answer that can be a whole one: a cheap check under load. */
  readonly minAnswerBytes: number;
}

export const streamFrames = 24;
export const pacedModel = "paced-30";
export const plainModel = "gpt-4o-mini";

/** Models by the dialect that their provider speaks; a call in another dialect is translated. */
export const surfaceModels = {
  chat: "bench-chat",
  responses: "bench-responses",
  messages: "bench-messages",
  generate: "bench-generate",
} as const;

/** Sessions the load is spread over, sent as `Interlock-Session` to every target alike. */
export const sessionIds: readonly string[] = Array.from(
  { length: 64 },
  (_, index) => `bench-${String(index).padStart(2, "0")}`,
);

const smallBytes = 164;
const agentBytes = 16 * 1024;

function smallBody(): string {
  const empty = JSON.stringify({
    model: plainModel,
    messages: [{ role: "user", content: "" }],
    max_tokens: 64,
  });
  const question = "What is the capital of France, and since when? ";
  return empty.replace('""', JSON.stringify(filler(question, smallBytes - byteLength(empty))));
}

function agentBody(): string {
  const request = { model: plainModel, messages: agentMessages(), tools: agentTools() };
  const empty = JSON.stringify({ ...request, max_tokens: 256 });
  const mark = '"content":"@system@"';
  const room = agentBytes - (byteLength(empty) - "@system@".length);
  const system = filler("You are a support agent. Check the account before you act. ", room);
  return empty.replace(mark, `"content":${JSON.stringify(system)}`);
}

/** System and task, then the tool turns of a support case: 31 messages. */
function agentMessages(): unknown[] {
  const messages: unknown[] = [
    { role: "system", content: "@system@" },
    { role: "user", content: "Refund order 4711 if the policy allows it, then tell the customer." },
  ];
  for (let turn = 0; turn < 14; turn++) {
    const id = `call_${String(turn).padStart(24, "0")}`;
    const call = { name: toolNames[turn % toolNames.length], arguments: `{"id":"cus_${turn}"}` };
    messages.push({
      role: "assistant",
      content: null,
      tool_calls: [{ id, type: "function", function: call }],
    });
    const result = { ok: true, items: toolResult(turn), next_cursor: null };
    messages.push({ role: "tool", tool_call_id: id, content: JSON.stringify(result) });
  }
  messages.push({ role: "user", content: "Go on." });
  return messages;
}

const toolNames = [
  "crm_lookup",
  "crm_note",
  "billing_list",
  "billing_refund",
  "mail_draft",
  "mail_send",
  "kb_search",
  "ticket_update",
] as const;

function toolResult(turn: number): unknown[] {
  return [0, 1, 2].map((row) => ({
    id: `inv_${turn}_${row}`,
    status: row === 0 ? "open" : "paid",
    amount: { currency: "USD", value: `${turn * 10 + row}.00` },
    note: "Delivered late; the customer asked for a partial refund.",
  }));
}

function agentTools(): unknown[] {
  return toolNames.map((name) => ({
    type: "function",
    function: {
      name,
      description: `Calls ${name} of the back office. Answers with the rows it touched.`,
      parameters: {
        type: "object",
        properties: {
          id: { type: "string", description: "Identifier of the customer, order or ticket." },
          amount_usd: { type: "number", minimum: 0, description: "Amount in US dollars." },
          note: { type: "string", maxLength: 500, description: "Reason, shown to the auditor." },
        },
        required: ["id"],
        additionalProperties: false,
      },
    },
  }));
}

function streamBody(model: string, asksUsage: boolean): string {
  return JSON.stringify({
    model,
    messages: [{ role: "user", content: "Tell me a short story about a lighthouse." }],
    max_tokens: 128,
    stream: true,
    ...(asksUsage ? { stream_options: { include_usage: true } } : {}),
  });
}

function filler(sentence: string, bytes: number): string {
  if (bytes < 1) throw new Error("a bench body has outgrown its size");
  return sentence.repeat(Math.ceil(bytes / sentence.length)).slice(0, bytes);
}

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

const json = { isStream: false, frames: 0, asksUsage: false, minAnswerBytes: 1_000 } as const;
const stream = { isStream: true, frames: streamFrames, minAnswerBytes: 4_800 } as const;

export const loads: Readonly<Record<LoadName, Load>> = {
  small: { name: "small", title: "small JSON", body: smallBody(), ...json },
  agent: { name: "agent", title: "16 KB agent body", body: agentBody(), ...json },
  stream: {
    name: "stream",
    title: "24-frame stream, caller does not ask for usage",
    body: streamBody(plainModel, false),
    asksUsage: false,
    ...stream,
  },
  "stream-usage": {
    name: "stream-usage",
    title: "24-frame stream, caller asks for usage",
    body: streamBody(plainModel, true),
    asksUsage: true,
    ...stream,
  },
  paced: {
    name: "paced",
    title: "24-frame stream, a frame each 30 ms",
    body: streamBody(pacedModel, false),
    asksUsage: false,
    ...stream,
  },
};
