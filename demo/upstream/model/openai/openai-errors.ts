// Renders refusals of the model API in OpenAI's error shape.
import type { Trouble } from "../dialect.ts";

/** The members of an OpenAI error; `type` and `code` are what clients branch on. */
export interface OpenAiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
}

/** An error in the middle of a 200 answer. */
export const SERVER_ERROR: OpenAiError = {
  message: "The server had an error while processing your request.",
  type: "server_error",
  param: null,
  code: null,
};

/** The response to a call that is not answered. */
export function refuseAsOpenAi(trouble: Trouble): Response {
  const [status, error] = refusalOf(trouble);
  const headers = { ...openAiHeaders(), ...(trouble.kind === "limited" ? { "retry-after": "7" } : {}) };
  return Response.json({ error }, { status, headers });
}

/** A fresh `x-request-id`. */
export function openAiHeaders(): Record<string, string> {
  return { "x-request-id": `req_${crypto.randomUUID().replaceAll("-", "")}` };
}

function refusalOf(trouble: Trouble): [status: number, error: OpenAiError] {
  switch (trouble.kind) {
    case "malformed":
      return [400, invalid(trouble.malformed, trouble.code ?? null, trouble.param)];
    case "refused":
      return [400, invalid("This request is refused.", null)];
    case "key":
    case "unauthenticated":
      return [401, invalid("Incorrect API key provided.", "invalid_api_key")];
    case "model":
      return [
        404,
        invalid(
          `The model '${trouble.model}' does not exist or you do not have access to it.`,
          "model_not_found",
          "model",
        ),
      ];
    case "path":
      return [404, invalid(`Invalid URL (${trouble.method} ${trouble.path})`, "unknown_url")];
    case "limited":
      return [
        429,
        { message: "Rate limit reached for requests.", type: "requests", param: null, code: "rate_limit_exceeded" },
      ];
    case "overloaded":
      return [
        trouble.status,
        { message: "The engine is currently overloaded.", type: "server_error", param: null, code: "overloaded" },
      ];
  }
}

function invalid(message: string, code: string | null, param: string | null = null): OpenAiError {
  return { message, type: "invalid_request_error", param, code };
}
