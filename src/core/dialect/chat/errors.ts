// Decides what OpenAI's error objects mean, and how an error reads in their shape.
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { readJson, textOf } from "../body-fields.ts";
import { kindOfStatus } from "../error-kinds.ts";
import type { ModelError, ModelErrorKind } from "../reply.ts";

const KINDS: Readonly<Record<string, ModelErrorKind>> = {
  invalid_request_error: "invalid_request",
  authentication_error: "authentication",
  permission_error: "permission",
  not_found_error: "not_found",
  rate_limit_error: "rate_limit",
  tokens: "rate_limit",
  requests: "rate_limit",
  insufficient_quota: "quota",
  rate_limit_exceeded: "rate_limit",
  invalid_api_key: "authentication",
  model_not_found: "not_found",
  server_error: "server",
  overloaded_error: "overloaded",
};

const TYPES: Readonly<Record<ModelErrorKind, string>> = {
  invalid_request: "invalid_request_error",
  authentication: "authentication_error",
  permission: "permission_error",
  not_found: "invalid_request_error",
  too_large: "invalid_request_error",
  rate_limit: "rate_limit_error",
  quota: "insufficient_quota",
  overloaded: "server_error",
  timeout: "server_error",
  server: "server_error",
};

/** An `error` member as an error; one that says nothing is the server's. */
export function chatErrorOf(error: Json, status = 500): ModelError {
  if (!isJsonObject(error)) return { kind: kindOfStatus(status), message: textOf(error) ?? "no message" };
  const type = textOf(error["type"]);
  const code = textOf(error["code"]);
  const param = textOf(error["param"]);
  const named = code ?? type;
  const told = KINDS[code ?? ""] ?? KINDS[type ?? ""];
  return {
    kind: told ?? kindOfStatus(status),
    message: textOf(error["message"]) ?? "no message",
    ...(named === undefined ? {} : { code: named }),
    ...(param === undefined ? {} : { param }),
  };
}

/** An error body in OpenAI's shape. */
export function chatErrorBody({ kind, message, code, param }: ModelError): JsonObject {
  return { error: { message, type: TYPES[kind], param: param ?? null, code: code ?? null } };
}

/** A provider's error, whole; a body that is none is told by its status, never by its text. */
export function readChatError(text: string, status: number): ModelError {
  const body = readJson(text);
  const first = Array.isArray(body) ? (body as readonly Json[])[0] : body;
  const error = isJsonObject(first) ? first["error"] : undefined;
  if (isJsonObject(error) || typeof error === "string") return chatErrorOf(error, status);
  return { kind: kindOfStatus(status), message: `the provider answered with status ${status}` };
}
