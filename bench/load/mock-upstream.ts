// A fast stand-in for providers of every dialect: fixed answers, as JSON or as an SSE stream.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { pacedModel, plainModel, streamFrames } from "./loads.ts";
import { answerAt, type MockAnswer } from "./mock-dialects.ts";

const created = 1_790_000_000;
const usage = {
  prompt_tokens: 42,
  completion_tokens: 22,
  total_tokens: 64,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: 0,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
};

const answer = Buffer.from(
  JSON.stringify({
    id: "chatcmpl-bench000000000000000000000",
    object: "chat.completion",
    created,
    model: plainModel,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: "Paris has been the capital of France, with breaks, since 987. ".repeat(9),
          refusal: null,
          annotations: [],
        },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage,
    service_tier: "default",
    system_fingerprint: "fp_bench0000",
  }),
);

function frame(fields: object): Buffer {
  const chunk = {
    id: "chatcmpl-bench000000000000000000000",
    object: "chat.completion.chunk",
    created,
    model: plainModel,
    ...fields,
  };
  return Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`);
}

function choice(delta: object, finishReason: string | null): object {
  return { choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }] };
}

const frames: readonly Buffer[] = [
  frame(choice({ role: "assistant", content: "" }, null)),
  ...Array.from({ length: streamFrames - 2 }, (_, index) =>
    frame(choice({ content: ` word${String(index).padStart(2, "0")}` }, null)),
  ),
  frame(choice({}, "stop")),
];
const usageFrame = frame({ choices: [], usage });
const doneFrame = Buffer.from("data: [DONE]\n\n");

const wantsStream = /"stream"\s*:\s*true/;
const wantsUsage = /"include_usage"\s*:\s*true/;

async function reply(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await readBody(request);
  const path = request.url ?? "";
  const other = answerAt(path);
  if (other !== undefined) {
    replyIn(other, path.includes(":stream") || wantsStream.test(body), response);
    return;
  }
  if (!wantsStream.test(body)) {
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": answer.byteLength,
    });
    response.end(answer);
    return;
  }
  const paceMs = Number(request.headers["x-pace"] ?? (body.includes(pacedModel) ? 30 : 0));
  const asked = wantsUsage.test(body);
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
  });
  if (paceMs > 0) await writePaced(response, paceMs);
  else for (const chunk of frames) response.write(chunk);
  if (asked) response.write(usageFrame);
  response.end(doneFrame);
}

function replyIn({ whole, frames: parts }: MockAnswer, isStream: boolean, response: ServerResponse): void {
  if (!isStream) {
    response.writeHead(200, { "content-type": "application/json", "content-length": whole.byteLength });
    response.end(whole);
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  for (const part of parts) response.write(part);
  response.end();
}

async function writePaced(response: ServerResponse, paceMs: number): Promise<void> {
  for (const [index, chunk] of frames.entries()) {
    if (index > 0) await sleep(paceMs);
    if (response.destroyed) return;
    response.write(chunk);
  }
}

function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => resolve(Buffer.concat(parts).toString("latin1")));
    request.on("error", reject);
  });
}

const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
  reply(request, response).catch(() => response.destroy());
});

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the mock did not bind");
  process.stdout.write(`${JSON.stringify({ event: "listen", port: address.port })}\n`);
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
