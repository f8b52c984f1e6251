// Decides how attributes that came over OTLP are kept: plain values, bounded, and never under a name of ours.
import { base64Encode } from "@bufbuild/protobuf/wire";
import type { AttributeValue } from "./record.ts";
import { isList, type OtlpAttribute, type OtlpValue } from "./otlp-model.ts";
import { shortenStructure } from "./shorten.ts";

/** How much of a set of attributes is kept. */
export interface AttributeBounds {
  readonly count: number;
  /** Characters of one value. */
  readonly length: number;
}

/** Attributes as they are kept, and how many were not. */
export interface KeptAttributes {
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly dropped: number;
}

const MAX_KEY_LENGTH = 256;
const OURS = /^interlock(\.|$)/;

/** The name under which an attribute of a caller is kept: what would read as the gateway's own word is marked as the caller's. */
export function callerKey(key: string): string {
  return OURS.test(key) ? `caller.${key}` : key;
}

/**
 * The attributes as they are kept. Too long a value is shortened on its structure; the first `count` attributes stand,
 * the later ones and those with an impossible name are dropped and counted. Of equal names the last one stands.
 */
export function keepAttributes(attributes: readonly OtlpAttribute[], bounds: AttributeBounds): KeptAttributes {
  const kept = new Map<string, AttributeValue>();
  let dropped = 0;
  for (const { key, value } of attributes) {
    const stored = storedValue(value, bounds.length);
    const name = callerKey(key);
    if (stored === undefined) continue;
    if (isKey(key) && (kept.has(name) || kept.size < bounds.count)) kept.set(name, stored);
    else dropped += 1;
  }
  return { attributes: Object.fromEntries(kept), dropped };
}

function isKey(key: string): boolean {
  return key !== "" && key.length <= MAX_KEY_LENGTH && key !== "__proto__";
}

/** A value as an attribute keeps it, of about `max` characters; `undefined` for none. */
function storedValue(value: OtlpValue, max: number): AttributeValue | undefined {
  if (value === null) return undefined;
  if (typeof value === "string") return shortenStructure(value, max);
  if (typeof value === "boolean") return value;
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (isList(value) && value.every((each) => typeof each === "string") && lengthOf(value) <= max) return value;
  return shortenStructure(plainText(value), max);
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length + 3, 0);
}

function plainText(value: OtlpValue): string {
  return value instanceof Uint8Array ? base64Encode(value) : JSON.stringify(plainOf(value));
}

/** A value as JSON has it; integers that a double cannot carry, and doubles that JSON cannot, become text. */
export function plainOf(value: OtlpValue): unknown {
  if (typeof value === "bigint" || typeof value === "number") return storedValue(value, MAX_KEY_LENGTH);
  if (value instanceof Uint8Array) return base64Encode(value);
  if (value === null || typeof value !== "object") return value;
  if (isList(value)) return value.map(plainOf);
  return Object.fromEntries(value.entries.map((entry) => [entry.key, plainOf(entry.value)]));
}

/** The text of an attribute, or `undefined`. */
export function textOf(attributes: readonly OtlpAttribute[], key: string): string | undefined {
  const value = attributes.find((attribute) => attribute.key === key)?.value;
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A value that may be JSON as text, read; anything else as it is. */
export function contentOf(value: OtlpValue): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return plainOf(value);
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}
