// Decides how signed state travels through a Gemini client: as the thought signature of a part, which it hands back unread.
import { GENERATING } from "../dialect.ts";
import type { Signed } from "../conversation.ts";
import { readJson, textOf } from "../body-fields.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { itemsOf, objectOf } from "../findings.ts";
import { camelCase } from "./spelling.ts";

const MARK = "interlock:";

/** What a thought signature begins with that Gemini did not write: base64 of `interlock:`, as far as what follows leaves it. */
export const FOREIGN_MARK = "aW50ZXJsb2NrO";

/**
 * Where a signature of Gemini's stood that was on no thought and no call: on the text before it, or on an empty text of its
 * own. Every other signature is its text alone, and stands on the part that it came with.
 */
export type Place = "text" | "alone";

/** The thought signature of some state: Gemini's own unchanged, that of another dialect packed. */
export function writeSignature(signed: Signed): string {
  if (signed.origin === "generate") return ownSignature(signed) ?? "";
  const bytes = new TextEncoder().encode(MARK + JSON.stringify({ origin: signed.origin, value: signed.value }));
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** Gemini's own signature; `undefined` for what is none: state lies with the caller, who may put anything in its place. */
export function ownSignature({ origin, value }: Signed): string | undefined {
  if (origin !== "generate") return undefined;
  const signature = textOf(value) ?? textOf(objectOf(value)?.["signature"]) ?? "";
  return signature === "" || isForeign(signature) ? undefined : signature;
}

/** The state behind a thought signature; `undefined` for a packed one that was changed on the way. */
export function readSignature(signature: string, place?: Place): Signed | undefined {
  if (!isForeign(signature))
    return { origin: "generate", value: place === undefined ? signature : { on: place, signature } };
  const packed = unpack(signature);
  const origin = GENERATING.find((dialect) => dialect === packed?.["origin"]);
  return origin === undefined ? undefined : { origin, value: packed?.["value"] ?? null };
}

/** Where a signature of Gemini's stood, if not on a thought or a call. */
export function placeOf({ origin, value }: Signed): Place | undefined {
  const on = origin === "generate" ? objectOf(value)?.["on"] : undefined;
  return on === "text" || on === "alone" ? on : undefined;
}

function isForeign(signature: string): boolean {
  return signature.startsWith(FOREIGN_MARK);
}

function unpack(signature: string): JsonObject | undefined {
  try {
    // Some clients keep bytes and write them in the alphabet for URLs.
    const binary = atob(signature.replaceAll("-", "+").replaceAll("_", "/"));
    const text = new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
    return objectOf(readJson(text.slice(MARK.length)));
  } catch {
    return undefined;
  }
}

/**
 * The contents without state that Gemini did not sign: it would refuse it. Thoughts of others go with it; a call keeps its
 * place, with `onCalls` for a signature where there is one.
 */
export function withoutForeign(contents: readonly Json[], onCalls: string | undefined): readonly Json[] {
  return contents.flatMap((content) => {
    if (!isJsonObject(content) || !Array.isArray(content["parts"])) return [content];
    const parts = itemsOf(content["parts"]);
    if (!parts.some(carries)) return [content];
    const kept = parts.flatMap((part) => withoutState(part, onCalls));
    return kept.length === 0 ? [] : [{ ...content, parts: kept }];
  });
}

function carries(part: Json): boolean {
  return isJsonObject(part) && Object.entries(part).some(([key, value]) => isState(key, value));
}

function isState(key: string, value: Json): boolean {
  return camelCase(key) === "thoughtSignature" && typeof value === "string" && isForeign(value);
}

function withoutState(part: Json, onCalls: string | undefined): readonly Json[] {
  if (!isJsonObject(part) || !carries(part)) return [part];
  if (part["thought"] === true) return [];
  const isCall = Object.keys(part).some((key) => camelCase(key) === "functionCall");
  const rest = Object.fromEntries(Object.entries(part).filter(([key, value]) => !isState(key, value)));
  return [isCall && onCalls !== undefined ? { ...rest, thoughtSignature: onCalls } : rest];
}
