// Decides what the errors inside Responses and their events mean, and how an error reads there. Whole error bodies are OpenAI's own, as in chat.
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { chatErrorOf } from "../chat/errors.ts";
import { objectOf } from "../findings.ts";
import type { ModelError, ModelErrorKind } from "../reply.ts";

/** The error that an `error` event tells: its members stand in it, or in a member `error`. */
export function errorOfEvent(event: JsonObject): ModelError {
  const { type: _type, ...told } = event;
  return chatErrorOf(objectOf(event["error"]) ?? told);
}

/** The error of a response that failed. */
export function errorOfResponse(error: Json | undefined): ModelError {
  if (!isJsonObject(error)) return { kind: "server", message: "the response failed without a reason" };
  const told = chatErrorOf(error);
  return error["code"] === "invalid_prompt" ? { ...told, kind: "invalid_request" } : told;
}

const CODES: Readonly<Partial<Record<ModelErrorKind, string>>> = {
  rate_limit: "rate_limit_exceeded",
  quota: "rate_limit_exceeded",
  invalid_request: "invalid_prompt",
  too_large: "invalid_prompt",
};

/** OpenAI's closed list of codes has one for each kind. */
export function responseError({ kind, message }: Pick<ModelError, "kind" | "message">): JsonObject {
  return { code: CODES[kind] ?? "server_error", message };
}
