// Decides what Gemini's finish reasons mean, and which of them are no end but an error.
import type { JsonObject } from "../../json/canonical.ts";
import { textOf } from "../body-fields.ts";
import { objectOf } from "../findings.ts";
import type { Finish } from "../reply.ts";

const FINISHES: Readonly<Record<string, Finish>> = {
  STOP: "stop",
  MAX_TOKENS: "length",
  SAFETY: "filtered",
  RECITATION: "filtered",
  BLOCKLIST: "filtered",
  PROHIBITED_CONTENT: "filtered",
  SPII: "filtered",
  MODEL_ARMOR: "filtered",
  IMAGE_SAFETY: "filtered",
  IMAGE_PROHIBITED_CONTENT: "filtered",
  IMAGE_RECITATION: "filtered",
};

/** What the model did wrong: there is no answer then, whatever came before. */
const FAILURES: Readonly<Record<string, string>> = {
  MALFORMED_FUNCTION_CALL: "the model wrote a function call that cannot be read",
  UNEXPECTED_TOOL_CALL: "the model called a function that it was not offered",
  TOO_MANY_TOOL_CALLS: "the model made too many tool calls in one answer",
  MALFORMED_RESPONSE: "the model's answer cannot be read",
  MISSING_THOUGHT_SIGNATURE: "a function call of an earlier turn came back without its thought signature",
};

/** What a finish reason means; Gemini has no word of its own for calls, they follow from the answer. */
export function finishOf(reason: string | undefined, hasCalls: boolean): Finish {
  const finish = Object.hasOwn(FINISHES, reason ?? "") ? FINISHES[reason ?? ""] : undefined;
  return finish === "stop" && hasCalls ? "tool_calls" : (finish ?? "other");
}

/** What went wrong where a finish reason tells of an error; `undefined` for those that end an answer. */
export function failureOf(reason: string | undefined): string | undefined {
  return reason !== undefined && Object.hasOwn(FAILURES, reason) ? `${FAILURES[reason]} (${reason})` : undefined;
}

const REASONS: Readonly<Record<Finish, string>> = {
  stop: "STOP",
  stop_sequence: "STOP",
  tool_calls: "STOP",
  length: "MAX_TOKENS",
  filtered: "SAFETY",
  paused: "OTHER",
  other: "OTHER",
};

/** Gemini's word for an end. */
export function reasonOf(finish: Finish): string {
  return REASONS[finish];
}

/** Why a prompt was blocked: then there are no candidates. */
export function blockReasonOf(body: JsonObject): string | undefined {
  return textOf(objectOf(body["promptFeedback"])?.["blockReason"]);
}
