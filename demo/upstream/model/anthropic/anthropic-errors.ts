// Renders refusals of the model API in Anthropic's error shape.
import type { JsonRecord } from "../../json-source.ts";
import type { Trouble } from "../dialect.ts";

/** An error in the middle of a 200 answer: what a 529 says before an answer begins. */
export const OVERLOADED: JsonRecord = errorBody("overloaded_error", "Overloaded");

/** The response to a call that is not answered. */
export function refuseAsAnthropic(trouble: Trouble): Response {
  const [status, type, message] = refusalOf(trouble);
  const own = anthropicHeaders();
  const headers = { ...own, ...(trouble.kind === "limited" ? { "retry-after": "7" } : {}) };
  return Response.json({ ...errorBody(type, message), request_id: own["request-id"] }, { status, headers });
}

/** A fresh `request-id`. */
export function anthropicHeaders(): Record<string, string> {
  return { "request-id": `req_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}` };
}

function errorBody(type: string, message: string): JsonRecord {
  return { type: "error", error: { type, message } };
}

function refusalOf(trouble: Trouble): [status: number, type: string, message: string] {
  switch (trouble.kind) {
    case "malformed":
      return [400, "invalid_request_error", trouble.malformed];
    case "refused":
      return [400, "invalid_request_error", "This request is refused."];
    case "key":
    case "unauthenticated":
      return [401, "authentication_error", "invalid x-api-key"];
    case "model":
      return [404, "not_found_error", `model: ${trouble.model}`];
    case "path":
      return [404, "not_found_error", "Not Found"];
    case "limited":
      return [429, "rate_limit_error", "Number of requests has exceeded your per-minute rate limit."];
    case "overloaded":
      return trouble.status === 529
        ? [529, "overloaded_error", "Overloaded"]
        : [503, "api_error", "The service is temporarily unavailable."];
  }
}
