// Decides what can be embedded: a text or a list of token numbers, or a list of those.
import type { Json } from "../../json/canonical.ts";

/** The most inputs of one request. */
const MAX_INPUTS = 2_048;

/** Whether a value is an input, or a list of inputs, none of them empty. */
export function isEmbedded(value: Json | undefined): boolean {
  if (typeof value === "string") return value !== "";
  if (!Array.isArray(value) || value.length === 0) return false;
  const items: readonly Json[] = value;
  return isTokens(items) || (items.length <= MAX_INPUTS && items.every(isOne));
}

/** The texts of an input; `undefined` where any of it is token numbers, which mean something to one vocabulary only. */
export function textsOf(input: Json | undefined): readonly string[] | undefined {
  if (typeof input === "string") return [input];
  if (!Array.isArray(input)) return undefined;
  const texts = input.filter((each) => typeof each === "string");
  return texts.length === input.length ? texts : undefined;
}

function isOne(value: Json): boolean {
  if (typeof value === "string") return value !== "";
  return Array.isArray(value) && value.length > 0 && isTokens(value);
}

function isTokens(values: readonly Json[]): boolean {
  return values.every((value) => typeof value === "number" && Number.isInteger(value) && value >= 0);
}
