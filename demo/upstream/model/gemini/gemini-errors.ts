// Renders refusals of the model API in Google's error shape.
import type { JsonRecord } from "../../json-source.ts";
import type { Trouble } from "../dialect.ts";

/** An error in the middle of a 200 answer. */
export const UNAVAILABLE: JsonRecord = errorBody(
  503,
  "UNAVAILABLE",
  "The model is overloaded. Please try again later.",
);

/** The response to a call that is not answered; a stream that is no event stream has its error in a list. */
export function refuseAsGemini(trouble: Trouble, isList: boolean): Response {
  const [code, status, message, details] = refusalOf(trouble);
  const body = errorBody(code, status, message, details);
  return Response.json(isList ? [body] : body, { status: code });
}

function errorBody(code: number, status: string, message: string, details?: readonly JsonRecord[]): JsonRecord {
  return { error: { code, message, status, ...(details === undefined ? {} : { details }) } };
}

type Refusal = [code: number, status: string, message: string, details?: readonly JsonRecord[]];

const WRONG_KEY: readonly JsonRecord[] = [
  {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    reason: "API_KEY_INVALID",
    domain: "googleapis.com",
    metadata: { service: "generativelanguage.googleapis.com" },
  },
];

/** Google tells when to come back in the body, and in no header. */
const RETRY_LATER: readonly JsonRecord[] = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "7s" }];

function refusalOf(trouble: Trouble): Refusal {
  switch (trouble.kind) {
    case "malformed":
      return [400, "INVALID_ARGUMENT", trouble.malformed];
    case "refused":
      return [400, "INVALID_ARGUMENT", "This request is refused."];
    case "key":
      return [400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", WRONG_KEY];
    case "unauthenticated":
      return [401, "UNAUTHENTICATED", "Request had invalid authentication credentials."];
    case "model":
      return [
        404,
        "NOT_FOUND",
        `models/${trouble.model} is not found for API version v1beta, or is not supported for generateContent.`,
      ];
    case "path":
      return [404, "NOT_FOUND", "Requested entity was not found."];
    case "limited":
      return [429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", RETRY_LATER];
    case "overloaded":
      return [trouble.status, "UNAVAILABLE", "The model is overloaded. Please try again later."];
  }
}
