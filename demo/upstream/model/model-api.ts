// Sends each request for a model to the dialect its path speaks, once its key is right.
import type { DemoEnv } from "../env.ts";
import { refuseAsAnthropic } from "./anthropic/anthropic-errors.ts";
import { listAnthropicModels } from "./anthropic/anthropic-models.ts";
import { countTokensDialect, messagesDialect } from "./anthropic/messages.ts";
import type { Trouble } from "./dialect.ts";
import { refuseAsGemini } from "./gemini/gemini-errors.ts";
import { listGeminiModels } from "./gemini/gemini-models.ts";
import { countingDialect, generateDialect } from "./gemini/generate.ts";
import { answerCall, type Place } from "./model-call.ts";
import { chatDialect } from "./openai/chat.ts";
import { embeddingsDialect } from "./openai/embeddings.ts";
import { refuseAsOpenAi } from "./openai/openai-errors.ts";
import { listOpenAiModels } from "./openai/openai-models.ts";
import { responsesDialect } from "./openai/responses.ts";

/** Whether a path belongs to the model, not to the tools. */
export function isModelPath(pathname: string): boolean {
  return pathname.startsWith("/v1/") || pathname.startsWith("/v1beta/");
}

type Refuse = (trouble: Trouble) => Response;

/** Answers any request under `/v1/` and `/v1beta/`. */
export async function answerModelApi(request: Request, env: DemoEnv, ctx: ExecutionContext): Promise<Response> {
  const url = new URL(request.url);
  const place = { request, env, ctx };
  if (url.pathname.startsWith("/v1beta/") || isGeminiCall(url)) return answerGemini(place, url);
  const isAnthropic = url.pathname.startsWith("/v1/messages") || request.headers.has("anthropic-version");
  return isAnthropic ? answerAnthropic(place, url) : answerOpenAi(place, url);
}

const GEMINI_CALL = /^\/v1(?:beta)?\/models\/([^/]+):(\w+)$/;

/** Gemini's client asks under `/v1`, too, where a verb tells its calls from the other vendors'. */
function isGeminiCall({ pathname }: URL): boolean {
  return GEMINI_CALL.test(pathname);
}

function answerOpenAi(place: Place, { pathname }: URL): Response | Promise<Response> {
  const { request, env } = place;
  const { headers, method } = request;
  if (!hasKey(env, bearer(headers))) return refuseAsOpenAi({ kind: "key" });
  switch (`${method} ${pathname}`) {
    case "GET /v1/models":
      return listOpenAiModels();
    case "POST /v1/chat/completions":
      return answerCall(place, chatDialect);
    case "POST /v1/responses":
      return answerCall(place, responsesDialect);
    case "POST /v1/embeddings":
      return answerCall(place, embeddingsDialect, true);
    default:
      return unknownPath(refuseAsOpenAi, request, pathname);
  }
}

function answerAnthropic(place: Place, { pathname }: URL): Response | Promise<Response> {
  const { request, env } = place;
  const { headers, method } = request;
  if (!hasKey(env, headers.get("x-api-key") ?? bearer(headers))) return refuseAsAnthropic({ kind: "key" });
  if (!headers.has("anthropic-version"))
    return refuseAsAnthropic({ kind: "malformed", malformed: "anthropic-version: header is required", param: null });
  switch (`${method} ${pathname}`) {
    case "GET /v1/models":
      return listAnthropicModels();
    case "POST /v1/messages":
      return answerCall(place, messagesDialect);
    case "POST /v1/messages/count_tokens":
      return answerCall(place, countTokensDialect);
    default:
      return unknownPath(refuseAsAnthropic, request, pathname);
  }
}

function answerGemini(place: Place, url: URL): Response | Promise<Response> {
  const { request, env } = place;
  const errors: Refuse = (trouble) => refuseAsGemini(trouble, false);
  if (!hasKey(env, request.headers.get("x-goog-api-key") ?? url.searchParams.get("key")))
    return errors({ kind: "key" });
  if (request.method === "GET" && url.pathname === "/v1beta/models") return listGeminiModels();
  const [, named = "", verb = ""] = GEMINI_CALL.exec(url.pathname) ?? [];
  const model = decodeURIComponent(named);
  const isEvents = url.searchParams.get("alt") === "sse";
  switch (`${request.method} ${verb}`) {
    case "POST generateContent":
      return answerCall(place, generateDialect({ model, isStream: false, isEvents }));
    case "POST streamGenerateContent":
      return answerCall(place, generateDialect({ model, isStream: true, isEvents }));
    case "POST countTokens":
      return answerCall(place, countingDialect(model));
    default:
      return unknownPath(errors, request, url.pathname);
  }
}

function unknownPath(refuse: Refuse, { method }: Request, path: string): Response {
  return refuse({ kind: "path", method, path });
}

function hasKey({ MODEL_TOKEN }: DemoEnv, key: string | null | undefined): boolean {
  return MODEL_TOKEN === undefined || key === MODEL_TOKEN;
}

function bearer(headers: Headers): string | undefined {
  return /^Bearer (?<token>.+)$/.exec(headers.get("authorization") ?? "")?.groups?.["token"];
}
