// Starts a provider on loopback that speaks OpenAI chat completions; the model's name says how it answers.
import { createServer, type ServerResponse } from "node:http";
import type { JsonRecord } from "./document.ts";

/** A running provider. */
export interface ChatProvider {
  readonly base: string;
  readonly host: string;
  /** The bodies it got. */
  readonly seen: JsonRecord[];
  stop(): Promise<void>;
}

/** Starts one on a free port. */
export async function startChatProvider(): Promise<ChatProvider> {
  const seen: JsonRecord[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as JsonRecord;
      seen.push(body);
      answer(String(body["model"]), body, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the chat provider has no port");
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

const USAGE = {
  prompt_tokens: 1000,
  completion_tokens: 500,
  total_tokens: 1500,
  prompt_tokens_details: { cached_tokens: 400 },
  completion_tokens_details: { reasoning_tokens: 120 },
};

const CALLS = [
  { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Bern"}' } },
  { id: "call_2", type: "function", function: { name: "now", arguments: "" } },
];

function answer(model: string, body: JsonRecord, response: ServerResponse): void {
  if (model === "limited") {
    response.writeHead(429, { "content-type": "application/json", "retry-after": "7" });
    response.end(
      JSON.stringify({ error: { message: "Slow down", type: "requests", code: "rate_limit_exceeded", param: null } }),
    );
    return;
  }
  const hasResults = (body["messages"] as readonly JsonRecord[]).some(({ role }) => role === "tool");
  const calls = model === "tools" && !hasResults ? CALLS : undefined;
  if (body["stream"] === true) stream(model, calls, response);
  else {
    const message = {
      role: "assistant",
      content: calls === undefined ? `by ${model}` : "I look.",
      refusal: null,
      tool_calls: calls,
    };
    const finish_reason = calls === undefined ? "stop" : "tool_calls";
    response.writeHead(200, { "content-type": "application/json" });
    response.end(
      JSON.stringify({
        id: "chatcmpl-1",
        object: "chat.completion",
        created: 1,
        model,
        choices: [{ index: 0, message, finish_reason }],
        usage: USAGE,
      }),
    );
  }
}

function stream(model: string, calls: typeof CALLS | undefined, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const event = (data: JsonRecord): string => `data: ${JSON.stringify(data)}\n\n`;
  const chunk = (delta: JsonRecord, finish_reason: string | null = null): string =>
    event({
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1,
      model,
      choices: [{ index: 0, delta, finish_reason }],
    });
  response.write(chunk({ role: "assistant", content: "" }));
  if (model === "inband") {
    response.end(event({ error: { message: "Overloaded", type: "overloaded_error" } }));
    return;
  }
  response.write(chunk({ content: calls === undefined ? "by " : "I " }));
  response.write(chunk({ content: calls === undefined ? model : "look." }));
  if (model === "cut") {
    response.end();
    return;
  }
  for (const [index, { id, type, function: called }] of (calls ?? []).entries()) {
    response.write(chunk({ tool_calls: [{ index, id, type, function: { name: called.name, arguments: "" } }] }));
    for (const piece of called.arguments.split(/(?<=:)/).filter((each) => each !== ""))
      response.write(chunk({ tool_calls: [{ index, function: { arguments: piece } }] }));
  }
  response.write(chunk({}, calls === undefined ? "stop" : "tool_calls"));
  response.write(
    event({ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model, choices: [], usage: USAGE }),
  );
  response.end("data: [DONE]\n\n");
}
