// Decides how refusals read on the API: RFC 9457 problem details.
import { ERRORS, refuse, type ErrorCode, type Refusal } from "../../core/errors.ts";

/** The catalogue path of a code: its `type`. */
export function problemType(code: ErrorCode): string {
  return `/errors/${code.replaceAll("_", "-")}`;
}

/** A refusal as a problem document. Nothing of the gateway's insides is in it. */
export function problem(refusal: Refusal, more: Readonly<Record<string, unknown>> = {}): Response {
  const { status, retry, title } = ERRORS[refusal.code];
  const headers = new Headers({ "content-type": "application/problem+json", "x-should-retry": String(retry) });
  if (refusal.retryAfterS !== undefined) headers.set("retry-after", String(refusal.retryAfterS));
  if (refusal.code === "unauthenticated") headers.set("www-authenticate", "Bearer");
  const errors = refusal.mistakes === undefined ? {} : { errors: refusal.mistakes };
  const body = {
    type: problemType(refusal.code),
    title,
    status,
    detail: refusal.detail,
    code: refusal.code,
    ...errors,
    ...refusal.extensions,
    ...more,
  };
  return new Response(JSON.stringify(body), { status, headers });
}

/** The problem of a resource that is not there, or not the caller's to see. */
export function notFound(what: string): Response {
  return problem(refuse("not_found", `${what} is not here`));
}
