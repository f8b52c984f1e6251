// Decides how refusals read to Anthropic clients: their error shape, and whether their SDK may retry.
import { ERRORS, type Refusal } from "../../core/errors.ts";

const TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  504: "timeout_error",
};

/** The body of an error in Anthropic's shape. `interlock` carries what has no place in it. */
export function anthropicErrorBody(
  refusal: Refusal,
  requestId: string | null = null,
): Readonly<Record<string, unknown>> {
  const { status } = ERRORS[refusal.code];
  return {
    type: "error",
    error: {
      type: TYPES[status] ?? (status >= 499 ? "api_error" : "invalid_request_error"),
      message: refusal.detail,
      ...detailsOf(refusal),
    },
    request_id: requestId,
    interlock: {
      code: refusal.code,
      ...refusal.extensions,
      ...(refusal.mistakes === undefined ? {} : { mistakes: refusal.mistakes }),
    },
  };
}

/** What makes Anthropic's own client send the whole conversation instead of a thread's next turn. */
const NO_THREADS = { details: { error_code: "thread_unsupported_request", unsupported: [] } };

function detailsOf({ code, mistakes = [] }: Refusal): Partial<typeof NO_THREADS> {
  return code === "unsupported" && mistakes.some(({ path }) => path === "thread") ? NO_THREADS : {};
}

/** The whole response of a refusal; `x-should-retry` is what the official SDKs obey. */
export function anthropicError(refusal: Refusal, requestId: string | null = null): Response {
  const { status, retry } = ERRORS[refusal.code];
  const headers = new Headers({ "content-type": "application/json", "x-should-retry": String(retry) });
  if (refusal.retryAfterS !== undefined) headers.set("retry-after", String(refusal.retryAfterS));
  return new Response(JSON.stringify(anthropicErrorBody(refusal, requestId)), { status, headers });
}
