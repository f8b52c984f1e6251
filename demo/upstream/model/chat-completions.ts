// Answers the OpenAI-compatible model API: who may call, which model behaves how, streamed or whole.
import { stateOf, type DemoEnv } from "../env.ts";
import { stallForever } from "../stall.ts";
import { planAnswer, type Answer } from "./answer.ts";
import { pumpBody, type Playback } from "./body-pump.ts";
import { openMeter, type CallMeter } from "./call-meter.ts";
import { readChatRequest, type ChatRequest } from "./chat-request.ts";
import { completionBody, completionChunks, usageOf } from "./completion-shapes.ts";
import { modelError, newRequestId, rateLimited, wrongKey } from "./model-errors.ts";
import { behaviourOf, LISTED_MODELS, type Behaviour, type ModelFault } from "./model-id.ts";
import { bodySteps, IN_BAND_ERROR, streamSteps } from "./stream-steps.ts";

/** A request understood and counted, ready to be answered. */
interface ModelCall {
  readonly chat: ChatRequest;
  readonly behaviour: Behaviour;
  readonly answer: Answer;
  readonly meter: CallMeter;
  readonly playback: Playback;
}

/** Answers any request under `/v1/`. */
export async function answerModelApi(request: Request, env: DemoEnv, ctx: ExecutionContext): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (env.MODEL_TOKEN !== undefined && request.headers.get("authorization") !== `Bearer ${env.MODEL_TOKEN}`) {
    return wrongKey();
  }
  if (pathname === "/v1/models" && request.method === "GET") return listModels();
  if (pathname === "/v1/chat/completions" && request.method === "POST") return complete(request, env, ctx);
  const message = `Invalid URL (${request.method} ${pathname})`;
  return modelError(404, { message, type: "invalid_request_error", code: "unknown_url" });
}

function listModels(): Response {
  const data = LISTED_MODELS.map((id) => ({
    id,
    object: "model",
    created: 1_767_225_600,
    owned_by: "interlock-demo",
  }));
  return Response.json({ object: "list", data }, { headers: { "x-request-id": newRequestId() } });
}

async function complete(request: Request, env: DemoEnv, ctx: ExecutionContext): Promise<Response> {
  const chat = readChatRequest(await request.text());
  if ("malformed" in chat) {
    return modelError(400, {
      message: chat.malformed,
      type: "invalid_request_error",
      param: chat.param,
      code: null,
    });
  }
  const behaviour = behaviourOf(chat.model);
  if (behaviour === undefined) {
    const message = `The model '${chat.model}' does not exist or you do not have access to it.`;
    return modelError(404, {
      message,
      type: "invalid_request_error",
      param: "model",
      code: "model_not_found",
    });
  }
  const meter = await openMeter(request, env, ctx, {
    model: chat.model,
    promptTokens: chat.promptTokens,
  });
  const playback = { ctx, signal: request.signal };
  const call = { chat, behaviour, answer: planAnswer(chat, behaviour), meter, playback };
  const refusal = await refuseBeforeHeaders(call, env);
  if (refusal !== undefined) {
    await meter("failed", 0);
    return refusal;
  }
  return chat.isStream ? streamAnswer(call) : wholeAnswer(call);
}

/** The faults that refuse a call before any answer begins. */
const REFUSALS: Partial<Record<ModelFault, () => Response>> = {
  "fault-400": () =>
    modelError(400, {
      message: "This request is refused.",
      type: "invalid_request_error",
      code: null,
    }),
  "fault-401": wrongKey,
  "fault-429": rateLimited,
  "fault-500-html": () =>
    new Response("<html><body><h1>500 Internal Server Error</h1></body></html>", {
      status: 500,
      headers: { "content-type": "text/html; charset=utf-8", "x-request-id": newRequestId() },
    }),
  "fault-503": () =>
    modelError(503, {
      message: "The engine is currently overloaded.",
      type: "server_error",
      code: "overloaded",
    }),
};

async function refuseBeforeHeaders(call: ModelCall, env: DemoEnv): Promise<Response | undefined> {
  const { behaviour, chat } = call;
  if (behaviour.kind === "limited-once") return (await isFirstUse(behaviour.key, env)) ? rateLimited() : undefined;
  if (behaviour.kind !== "fault") return undefined;
  const { fault } = behaviour;
  if (fault === "fault-hang") {
    countAbort(call);
    return stallForever();
  }
  const isInBand = fault === "fault-in-band" || fault === "fault-in-band-late";
  if (isInBand && !chat.isStream) return Response.json(IN_BAND_ERROR, { headers: { "x-request-id": newRequestId() } });
  return REFUSALS[fault]?.();
}

/** Before a body exists the abort signal is the only sign of a caller that left. */
function countAbort({ playback, meter }: ModelCall): void {
  playback.signal.addEventListener("abort", () => playback.ctx.waitUntil(meter("cancelled", 0)));
}

const usedKeys = new Set<string>();

async function isFirstUse(key: string, env: DemoEnv): Promise<boolean> {
  const state = stateOf(env);
  if (state !== undefined) return state.isFirstUse(key);
  const isFirst = !usedKeys.has(key);
  usedKeys.add(key);
  return isFirst;
}

function streamAnswer({ chat, behaviour, answer, meter, playback }: ModelCall): Response {
  const chunks = completionChunks(chat, answer, reportedUsage(chat, behaviour, answer));
  const allTokens = answer.tokens * chat.choices;
  const body = pumpBody(streamSteps(behaviour, chunks), playback, (ending, outputBytes) =>
    meter(ending, ending === "completed" ? allTokens : Math.min(allTokens, Math.ceil(outputBytes / 4))),
  );
  const headers = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-request-id": newRequestId(),
  };
  return new Response(body, { headers });
}

async function wholeAnswer(call: ModelCall): Promise<Response> {
  const { chat, behaviour, answer, meter, playback } = call;
  if (behaviour.kind === "paced") {
    countAbort(call);
    await scheduler.wait(24 * behaviour.delayMs);
  }
  const body = JSON.stringify(paddedBody(chat, behaviour, answer));
  const allTokens = answer.tokens * chat.choices;
  const headers = { "content-type": "application/json", "x-request-id": newRequestId() };
  if (behaviour.kind !== "fault") {
    await meter("completed", allTokens);
    return new Response(body, { headers });
  }
  const pumped = pumpBody(bodySteps(behaviour, body, allTokens * 4), playback, (ending, outputBytes) =>
    meter(ending, Math.ceil(outputBytes / 4)),
  );
  // NOTE: identity keeps a local compressing proxy from holding the headers back until a broken body ends.
  return new Response(pumped, { headers: { ...headers, "content-encoding": "identity" } });
}

function paddedBody(chat: ChatRequest, behaviour: Behaviour, answer: Answer): Record<string, unknown> {
  const body = completionBody(chat, answer, reportedUsage(chat, behaviour, answer));
  const isBig = behaviour.kind === "fault" && behaviour.fault === "fault-big-event";
  return isBig ? { ...body, obfuscation: "x".repeat(1_048_576) } : body;
}

function reportedUsage(
  chat: ChatRequest,
  behaviour: Behaviour,
  answer: Answer,
): ReturnType<typeof usageOf> | undefined {
  if (behaviour.kind === "fault" && behaviour.fault === "fault-no-usage") return undefined;
  return usageOf(chat.promptTokens, answer.tokens * chat.choices);
}
