// Decides what Anthropic's errors mean and how an error reads in its shape.
import { kindOfStatus } from "../error-kinds.ts";
import type { ModelError, ModelErrorKind } from "../reply.ts";
import { readJson, textOf } from "../body-fields.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { objectOf, present } from "../findings.ts";

const TYPES: Readonly<Record<ModelErrorKind, string>> = {
  invalid_request: "invalid_request_error",
  authentication: "authentication_error",
  permission: "permission_error",
  not_found: "not_found_error",
  too_large: "request_too_large",
  rate_limit: "rate_limit_error",
  quota: "billing_error",
  overloaded: "overloaded_error",
  timeout: "timeout_error",
  server: "api_error",
};

const KINDS: ReadonlyMap<string, ModelErrorKind> = new Map(
  // `Object.entries` forgets the keys' type.
  (Object.entries(TYPES) as [ModelErrorKind, string][]).map(([kind, type]) => [type, kind]),
);

/** What an error body says; a body that is none is told by its status, never by its text. */
export function readError(text: string, status: number): ModelError {
  const said = errorIn(readJson(text));
  if (said === undefined) return { kind: kindOfStatus(status), message: `the provider answered with status ${status}` };
  // A type that nobody knows says less than the status.
  return KINDS.has(said.code ?? "") || status < 400 ? said : { ...said, kind: kindOfStatus(status) };
}

/** The error that an object carries: `{"type":"error","error":{…}}`, or an `error` member alone. */
export function errorIn(value: Json | undefined): ModelError | undefined {
  const error = objectOf(value)?.["error"];
  if (!isJsonObject(error)) return typeof error === "string" ? { kind: "server", message: error } : undefined;
  const code = textOf(error["type"]);
  return {
    kind: (code === undefined ? undefined : KINDS.get(code)) ?? "server",
    message: textOf(error["message"]) ?? "the provider gave no message",
    ...present("code", code),
  };
}

/** An error in Anthropic's shape. `interlock` carries what has no place in it. */
export function writeError(error: ModelError): JsonObject {
  const extra = { ...present("code", error.code), ...present("param", error.param) };
  return {
    type: "error",
    error: { type: TYPES[error.kind], message: error.message },
    request_id: null,
    ...(Object.keys(extra).length === 0 ? {} : { interlock: extra }),
  };
}

/** Anthropic's word for a kind of error. */
export function errorType(kind: ModelErrorKind): string {
  return TYPES[kind];
}
