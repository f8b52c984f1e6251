// Decides how refusals read to Gemini clients: Google's error shape (google.rpc.Status).
import { ERRORS, type Refusal } from "../../core/errors.ts";

/** Google's words for HTTP statuses. */
const WORDS: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  405: "UNIMPLEMENTED",
  409: "ABORTED",
  412: "FAILED_PRECONDITION",
  413: "INVALID_ARGUMENT",
  422: "INVALID_ARGUMENT",
  428: "FAILED_PRECONDITION",
  429: "RESOURCE_EXHAUSTED",
  499: "CANCELLED",
  500: "INTERNAL",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

/** The body of an error in Google's shape. Its details name our code, each mistake, and when to try again. */
export function geminiErrorBody(refusal: Refusal): Readonly<Record<string, unknown>> {
  const { status } = ERRORS[refusal.code];
  return {
    error: {
      code: status,
      message: refusal.detail,
      status: WORDS[status] ?? (status >= 500 ? "INTERNAL" : "INVALID_ARGUMENT"),
      details: detailsOf(refusal),
    },
  };
}

function detailsOf({ code, extensions, mistakes, retryAfterS }: Refusal): readonly object[] {
  return [
    { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: code.toUpperCase(), domain: "interlock" },
    ...(mistakes === undefined
      ? []
      : [
          {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            fieldViolations: mistakes.map(({ path, message }) => ({ field: path, description: message })),
          },
        ]),
    ...(retryAfterS === undefined
      ? []
      : [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${retryAfterS}s` }]),
    ...(extensions === undefined ? [] : [{ "@type": "interlock", code, ...extensions }]),
  ];
}

/** The whole response of a refusal. */
export function geminiError(refusal: Refusal): Response {
  const { status, retry } = ERRORS[refusal.code];
  const headers = new Headers({ "content-type": "application/json; charset=UTF-8", "x-should-retry": String(retry) });
  if (refusal.retryAfterS !== undefined) headers.set("retry-after", String(refusal.retryAfterS));
  return new Response(JSON.stringify(geminiErrorBody(refusal)), { status, headers });
}
