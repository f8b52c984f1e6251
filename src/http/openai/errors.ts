// Decides how refusals read to OpenAI clients: their error shape, and whether their SDK may retry.
import { ERRORS, type ErrorCode, type Refusal } from "../../core/errors.ts";

const TYPES: Partial<Record<ErrorCode, string>> = {
  unauthenticated: "authentication_error",
  scope_missing: "permission_error",
  role_missing: "permission_error",
  actor_forbidden: "permission_error",
  session_forbidden: "permission_error",
  policy_denied: "permission_error",
  approval_required: "permission_error",
  budget_exceeded: "insufficient_quota",
};

const CODES: Partial<Record<ErrorCode, string>> = {
  unauthenticated: "invalid_api_key",
  unknown_model: "model_not_found",
  budget_exceeded: "insufficient_quota",
};

/** The body of an error in OpenAI's shape. `interlock` carries what has no place in it. */
export function openAiErrorBody(refusal: Refusal): Readonly<Record<string, unknown>> {
  const { status } = ERRORS[refusal.code];
  const type = TYPES[refusal.code] ?? (status >= 500 ? "server_error" : "invalid_request_error");
  const upstream = refusal.extensions?.["upstream_error"];
  return {
    error: {
      message: refusal.detail,
      type,
      param: refusal.mistakes?.[0]?.path ?? null,
      code: CODES[refusal.code] ?? refusal.code,
      interlock: {
        code: refusal.code,
        ...refusal.extensions,
        ...(refusal.mistakes === undefined ? {} : { mistakes: refusal.mistakes }),
      },
      ...(upstream === undefined ? {} : { upstream }),
    },
  };
}

/** The whole response of a refusal; `x-should-retry` is what the official SDKs obey. */
export function openAiError(refusal: Refusal): Response {
  const { status, retry } = ERRORS[refusal.code];
  const headers = new Headers({ "content-type": "application/json", "x-should-retry": String(retry) });
  if (refusal.retryAfterS !== undefined) headers.set("retry-after", String(refusal.retryAfterS));
  return new Response(JSON.stringify(openAiErrorBody(refusal)), { status, headers });
}
