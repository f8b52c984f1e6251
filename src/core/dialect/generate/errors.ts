// Decides what Google's error objects mean, and how an error reads in their shape (google.rpc.Status).
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { readJson, textOf } from "../body-fields.ts";
import { kindOfStatus } from "../error-kinds.ts";
import { itemsOf, objectOf, present } from "../findings.ts";
import type { ModelError, ModelErrorKind } from "../reply.ts";

const KINDS: Readonly<Record<string, ModelErrorKind>> = {
  INVALID_ARGUMENT: "invalid_request",
  OUT_OF_RANGE: "invalid_request",
  UNIMPLEMENTED: "invalid_request",
  UNAUTHENTICATED: "authentication",
  PERMISSION_DENIED: "permission",
  // The project's billing or region does not allow it: another provider may.
  FAILED_PRECONDITION: "permission",
  NOT_FOUND: "not_found",
  RESOURCE_EXHAUSTED: "rate_limit",
  UNAVAILABLE: "overloaded",
  ABORTED: "overloaded",
  DEADLINE_EXCEEDED: "timeout",
  INTERNAL: "server",
  UNKNOWN: "server",
  DATA_LOSS: "server",
  CANCELLED: "server",
};

/** A kind's HTTP status and word at Google. */
const CODES: Readonly<Record<ModelErrorKind, readonly [number, string]>> = {
  invalid_request: [400, "INVALID_ARGUMENT"],
  authentication: [401, "UNAUTHENTICATED"],
  permission: [403, "PERMISSION_DENIED"],
  not_found: [404, "NOT_FOUND"],
  too_large: [413, "INVALID_ARGUMENT"],
  rate_limit: [429, "RESOURCE_EXHAUSTED"],
  quota: [429, "RESOURCE_EXHAUSTED"],
  overloaded: [503, "UNAVAILABLE"],
  timeout: [504, "DEADLINE_EXCEEDED"],
  server: [500, "INTERNAL"],
};

/** What an error body says; a body that is none is told by its status, never by its text. */
export function readError(text: string, status: number): ModelError {
  const value = readJson(text);
  // Streams that are no event streams are lists, and so are their errors.
  const said = errorIn(Array.isArray(value) ? itemsOf(value)[0] : value, status);
  return said ?? { kind: kindOfStatus(status), message: `the provider answered with status ${status}` };
}

/** The error that an object carries in its `error` member; its status counts where the body names none. */
export function errorIn(value: Json | undefined, status = 500): ModelError | undefined {
  const error = objectOf(value)?.["error"];
  if (typeof error === "string") return { kind: kindOfStatus(status), message: error };
  if (!isJsonObject(error)) return undefined;
  const word = textOf(error["status"]);
  const code = typeof error["code"] === "number" && error["code"] >= 400 ? error["code"] : status;
  const details = itemsOf(error["details"]);
  return {
    kind: kindOf(word, code, details),
    message: textOf(error["message"]) ?? "the provider gave no message",
    ...present("code", word),
    ...present("param", fieldIn(details)),
  };
}

function kindOf(word: string | undefined, code: number, details: readonly Json[]): ModelErrorKind {
  // Google answers a wrong key with 400.
  if (details.some((detail) => objectOf(detail)?.["reason"] === "API_KEY_INVALID")) return "authentication";
  const told = word !== undefined && Object.hasOwn(KINDS, word) ? KINDS[word] : undefined;
  return told ?? kindOfStatus(code);
}

function fieldIn(details: readonly Json[]): string | undefined {
  for (const detail of details)
    for (const violation of itemsOf(objectOf(detail)?.["fieldViolations"])) {
      const field = textOf(objectOf(violation)?.["field"]);
      if (field !== undefined) return field;
    }
  return undefined;
}

/** An error body in Google's shape; what it has no word for stands in its details. */
export function writeError({ kind, message, code, param }: ModelError): JsonObject {
  const [status, word] = CODES[kind];
  const info =
    code === undefined || code === word
      ? []
      : [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: code, domain: "interlock" }];
  const field =
    param === undefined
      ? []
      : [
          {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            fieldViolations: [{ field: param, description: message }],
          },
        ];
  const details = [...info, ...field];
  return { error: { code: status, message, status: word, ...(details.length === 0 ? {} : { details }) } };
}
