// Decides what kind of error an HTTP status tells of, where its body does not say.
import type { ModelErrorKind } from "./reply.ts";

const BY_STATUS: Readonly<Record<number, ModelErrorKind>> = {
  400: "invalid_request",
  401: "authentication",
  402: "quota",
  403: "permission",
  404: "not_found",
  408: "timeout",
  413: "too_large",
  422: "invalid_request",
  429: "rate_limit",
  503: "overloaded",
  504: "timeout",
  529: "overloaded",
};

/** The kind of error a status of 400 or more tells of. */
export function kindOfStatus(status: number): ModelErrorKind {
  return BY_STATUS[status] ?? (status < 500 ? "invalid_request" : "server");
}
