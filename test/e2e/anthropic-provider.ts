// Starts a provider on loopback that speaks Anthropic messages as strictly as Anthropic does; the model's name says how it answers.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { JsonRecord } from "./document.ts";

/** A request as the provider got it. */
export interface SeenMessage {
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  readonly body: JsonRecord;
}

/** A running provider. */
export interface AnthropicProvider {
  readonly base: string;
  readonly host: string;
  readonly seen: SeenMessage[];
  stop(): Promise<void>;
}

/** The key it wants. */
export const ANTHROPIC_SECRET = "sk-ant-secret-of-the-tenant-0123456789";

/** Signed thinking that it takes back, and no other. */
export const SIGNATURE = "EqQBCkgIARABGAIiQL";

/** Starts one on a free port. */
export async function startAnthropicProvider(): Promise<AnthropicProvider> {
  const seen: SeenMessage[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      const body = JSON.parse(text) as JsonRecord;
      seen.push({ url: request.url ?? "", headers: request.headers, text, body });
      answer(request, body, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the Anthropic provider has no port");
  const host = `127.0.0.1:${address.port}`;
  return {
    base: `http://${host}/v1`,
    host,
    seen,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(request: IncomingMessage, body: JsonRecord, response: ServerResponse): void {
  const key = request.headers["x-api-key"] ?? request.headers.authorization?.replace("Bearer ", "");
  const mistake = key === ANTHROPIC_SECRET ? mistakeIn(body) : "invalid x-api-key";
  const model = String(body["model"]);
  if (mistake !== undefined)
    fail(
      response,
      mistake.includes("key") ? 401 : 400,
      mistake.includes("key") ? "authentication_error" : "invalid_request_error",
      mistake,
    );
  else if (request.url?.includes("count_tokens") === true) send(response, 200, { input_tokens: 2095 });
  else if (model === "overloaded") fail(response, 529, "overloaded_error", "Overloaded");
  else if (model === "limited") fail(response, 429, "rate_limit_error", "Slow down", { "retry-after": "7" });
  else if (body["stream"] === true) stream(model, body, response);
  else send(response, 200, message(model, body));
}

/** What Anthropic would answer 400 for. */
function mistakeIn(body: JsonRecord): string | undefined {
  const messages = (body["messages"] ?? []) as readonly JsonRecord[];
  if (messages.length === 0) return "messages: at least one message is required";
  for (const [index, { role, content }] of messages.entries()) {
    if (role !== "user" && role !== "assistant" && role !== "system") return `messages.${index}.role: unexpected`;
    const blocks = typeof content === "string" ? [{ type: "text", text: content }] : (content as readonly JsonRecord[]);
    if (blocks.length === 0) return `messages.${index}: all messages must have non-empty content`;
    const results = blocks.filter(({ type }) => type === "tool_result").length;
    if (blocks.slice(0, results).some(({ type }) => type !== "tool_result"))
      return `messages.${index}: tool_result blocks must come first`;
    const calls = blocks.filter(({ type }) => type === "tool_use").map(({ id }) => id);
    const next = messages[index + 1]?.["content"];
    const answered = Array.isArray(next) ? (next as readonly JsonRecord[]).map((block) => block["tool_use_id"]) : [];
    if (calls.some((id) => !answered.includes(id))) return `messages.${index}: tool_use ids without tool_result blocks`;
    const bad = blocks.find((block) => block["type"] === "thinking" && block["signature"] !== SIGNATURE);
    if (bad !== undefined) return `messages.${index}: Invalid signature in thinking block`;
  }
  return undefined;
}

const USAGE = {
  input_tokens: 1000,
  cache_creation_input_tokens: 200,
  cache_read_input_tokens: 3000,
  cache_creation: { ephemeral_5m_input_tokens: 150, ephemeral_1h_input_tokens: 50 },
  service_tier: "standard",
};

function hasResults(body: JsonRecord): boolean {
  return JSON.stringify(body["messages"]).includes('"tool_result"');
}

function content(model: string, body: JsonRecord): readonly JsonRecord[] {
  if (model !== "tools" || hasResults(body)) return [{ type: "text", text: `by ${model}` }];
  return [
    { type: "thinking", thinking: "Two calls.", signature: SIGNATURE },
    { type: "text", text: "I look." },
    { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Bern" }, caller: { type: "direct" } },
    { type: "tool_use", id: "toolu_2", name: "now", input: {}, caller: { type: "direct" } },
  ];
}

function message(model: string, body: JsonRecord): JsonRecord {
  const blocks = content(model, body);
  return {
    id: "msg_provider",
    type: "message",
    role: "assistant",
    model,
    content: blocks,
    stop_reason: blocks.length > 1 ? "tool_use" : "end_turn",
    stop_sequence: null,
    usage: { ...USAGE, output_tokens: 500 },
  };
}

function stream(model: string, body: JsonRecord, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "request-id": "req_provider" });
  const event = (data: JsonRecord): string => `event: ${String(data["type"])}\ndata: ${JSON.stringify(data)}\n\n`;
  const overloaded = event({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } });
  const started = { ...message(model, body), content: [], stop_reason: null, usage: { ...USAGE, output_tokens: 1 } };
  if (model === "inband") {
    response.end(overloaded);
    return;
  }
  response.write(event({ type: "message_start", message: started }) + event({ type: "ping" }));
  const blocks = content(model, body);
  for (const [index, block] of blocks.entries())
    response.write(
      blockEvents(index, block)
        .map((data) => event(data))
        .join(""),
    );
  if (model === "cut") {
    response.end();
    return;
  }
  if (model === "late") {
    response.end(overloaded);
    return;
  }
  const stop_reason = blocks.length > 1 ? "tool_use" : "end_turn";
  response.write(
    event({ type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 500 } }),
  );
  response.end(event({ type: "message_stop" }));
}

function blockEvents(index: number, block: JsonRecord): readonly JsonRecord[] {
  const delta = (inner: JsonRecord): JsonRecord => ({ type: "content_block_delta", index, delta: inner });
  const deltas: readonly JsonRecord[] =
    block["type"] === "text"
      ? [delta({ type: "text_delta", text: block["text"] })]
      : block["type"] === "thinking"
        ? [
            delta({ type: "thinking_delta", thinking: block["thinking"] }),
            delta({ type: "signature_delta", signature: block["signature"] }),
          ]
        : block["id"] === "toolu_2"
          ? []
          : [
              delta({ type: "input_json_delta", partial_json: '{"city":' }),
              delta({ type: "input_json_delta", partial_json: '"Bern"}' }),
            ];
  const empty = {
    ...block,
    ...(block["type"] === "text" ? { text: "" } : {}),
    ...(block["type"] === "thinking" ? { thinking: "", signature: "" } : {}),
    ...(block["type"] === "tool_use" ? { input: {} } : {}),
  };
  return [
    { type: "content_block_start", index, content_block: empty },
    ...deltas,
    { type: "content_block_stop", index },
  ];
}

function send(
  response: ServerResponse,
  status: number,
  body: JsonRecord,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", "request-id": "req_provider", ...headers });
  response.end(JSON.stringify(body));
}

function fail(
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  send(response, status, { type: "error", error: { type, message: text }, request_id: "req_provider" }, headers);
}
