// Renders refusals of the model API in OpenAI's error shape.

/** The members of an OpenAI error; `type` and `code` are what clients branch on. */
export interface ModelError {
  readonly message: string;
  readonly type: string;
  readonly code: string | null;
  readonly param?: string | null;
}

/** An error response as OpenAI sends it. */
export function modelError(
  status: number,
  error: ModelError,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const { message, type, param = null, code } = error;
  return Response.json(
    { error: { message, type, param, code } },
    { status, headers: { "x-request-id": newRequestId(), ...headers } },
  );
}

/** A fresh value for `x-request-id`. */
export function newRequestId(): string {
  return `req_${crypto.randomUUID().replaceAll("-", "")}`;
}

/** The rate-limit refusal of `fault-429`. */
export function rateLimited(): Response {
  const error = {
    message: "Rate limit reached for requests.",
    type: "requests",
    code: "rate_limit_exceeded",
  };
  return modelError(429, error, { "retry-after": "7" });
}

/** The refusal of a missing or wrong key. */
export function wrongKey(): Response {
  return modelError(401, {
    message: "Incorrect API key provided.",
    type: "invalid_request_error",
    code: "invalid_api_key",
  });
}
