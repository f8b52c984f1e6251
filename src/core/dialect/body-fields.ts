// Reads single members of a request's text, and says what was expected where one is wrong: what every dialect's owned fields need.
import { refuse, type Outcome } from "../errors.ts";
import type { Json } from "../json/canonical.ts";
import { memberText, type ObjectText } from "../json/members.ts";

/** The longest model name that is looked up. */
export const MAX_MODEL_NAME = 256;
/** The most output tokens one call may ask for: larger holds would not be exact integers. */
export const MAX_OUTPUT_TOKENS = 8_000_000;

/** A member's value; its text where that is no JSON, `undefined` where there is none. */
export function memberValue(body: ObjectText, key: string): Json | undefined {
  const text = memberText(body, key);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** A refusal that names the field and what was expected there. */
export function invalidField(field: string, expected: string): Outcome<never> {
  return refuse("invalid_request", `${field}: ${expected}`, { mistakes: [{ path: field, message: expected }] });
}

/** Whether a value can be the name of a model. */
export function isModelName(value: Json | undefined): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_MODEL_NAME;
}

/** What is expected of a model's name. */
export const EXPECTED_MODEL = `expected the name of a model, at most ${MAX_MODEL_NAME} characters`;

/** Whether a value is a whole number of at least 1. */
export function isCount(value: Json | undefined): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1;
}

/** A JSON text read, or `undefined` where it is none. */
export function readJson(text: string | undefined): Json | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** A value that is a text. */
export function textOf(value: Json | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
