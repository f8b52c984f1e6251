// Starts a provider on loopback that speaks Gemini's generateContent; the model's name says how it answers.
import { createServer, type ServerResponse } from "node:http";
import type { JsonRecord } from "./document.ts";

/** What a provider got. */
export interface GeminiRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** A running provider. */
export interface GeminiProvider {
  readonly base: string;
  readonly host: string;
  readonly seen: GeminiRequest[];
  stop(): Promise<void>;
}

/** The key that it takes. */
export const GEMINI_SECRET = "AIza-provider-secret";

/** What every whole answer says it used: 600 read, 400 from the cache, 500 put out, 120 of them thoughts. */
export const USAGE = {
  promptTokenCount: 1000,
  cachedContentTokenCount: 400,
  candidatesTokenCount: 380,
  thoughtsTokenCount: 120,
  totalTokenCount: 1500,
};

/** Starts one on a free port. */
export async function startGeminiProvider(): Promise<GeminiProvider> {
  const seen: GeminiRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const path = request.url ?? "";
      const text = Buffer.concat(chunks).toString("utf8");
      seen.push({ path, headers: request.headers, text });
      if (request.headers["x-goog-api-key"] !== GEMINI_SECRET) refuse(response, 400, "INVALID_ARGUMENT");
      else answer(path, text, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the Gemini provider has no port");
  const host = `127.0.0.1:${address.port}`;
  return {
    base: `http://${host}`,
    host,
    seen,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function refuse(response: ServerResponse, code: number, status: string): void {
  response.writeHead(code, { "content-type": "application/json; charset=UTF-8" });
  response.end(JSON.stringify({ error: { code, message: `says ${status}`, status } }));
}

/** A call of each function on offer; the first is signed, the second has an id of its own. */
function callsOf(text: string): readonly JsonRecord[] {
  const names = [...text.matchAll(/"name":"([\w.-]+)"/g)].map(([, name]) => name);
  return [
    { functionCall: { name: names[0], args: { city: "Bern" } }, thoughtSignature: "c2lnbmVk" },
    { functionCall: { id: "own", name: names[1], args: {} } },
  ];
}

function answer(path: string, asked: string, response: ServerResponse): void {
  const [, model = "", method = ""] = /^\/v1beta\/models\/([^:]+):(\w+)/.exec(path) ?? [];
  if (method === "countTokens") {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ totalTokens: 42 }));
    return;
  }
  if (model === "limited") return refuse(response, 429, "RESOURCE_EXHAUSTED");
  // The second round of a tool call: its results are told back.
  const results = asked.includes('"functionResponse"');
  const parts =
    model === "tools" && !results ? callsOf(asked) : [{ text: "by " }, { text: results ? "results" : model }];
  if (method === "generateContent") {
    const body = { ...chunkOf(parts, { finishReason: "STOP", avgLogprobs: -0.5 }), usageMetadata: USAGE };
    // Google writes seventeen digits where a double needs fewer.
    const text = JSON.stringify(body).replace("-0.5", "-0.12345678901234559");
    response.writeHead(200, { "content-type": "application/json" }).end(text);
  } else stream(model, parts, response);
}

function stream(model: string, parts: readonly JsonRecord[], response: ServerResponse): void {
  const send = (chunk: JsonRecord): boolean => response.write(`data: ${JSON.stringify(chunk)}\r\n\r\n`);
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const part of parts)
    send({ ...chunkOf([part]), usageMetadata: { promptTokenCount: 1000, totalTokenCount: 1000 } });
  if (model === "cut") response.end();
  else if (model === "inband") {
    send({ error: { code: 503, message: "overloaded", status: "UNAVAILABLE" } });
    response.end();
  } else {
    send({ ...chunkOf([{ text: "" }], { finishReason: "STOP" }), usageMetadata: USAGE });
    response.end();
  }
}

function chunkOf(parts: readonly JsonRecord[], more: JsonRecord = {}): JsonRecord {
  return {
    candidates: [{ content: { parts, role: "model" }, index: 0, ...more }],
    modelVersion: "gemini-2.5-pro",
    responseId: "resp1",
  };
}
