// Decides the one byte sequence that stands for a JSON value: RFC 8785 (JCS).

/** A value that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object, as read by a parser. */
export type JsonObject = Readonly<Record<string, Json>>;

/** Whether a value is a JSON object (not null, not an array). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The text of a member; `undefined` where it is none. */
export function textIn(value: Readonly<Record<string, unknown>>, member: string): string | undefined {
  const found = value[member];
  return typeof found === "string" ? found : undefined;
}

/** The object of a member; an empty one where it is none. */
export function objectAt(value: Readonly<Record<string, unknown>>, member: string): JsonObject {
  const found = value[member];
  return isJsonObject(found) ? found : {};
}

/** The JSON object that a text is; `undefined` for other JSON and for what is none. */
export function objectIn(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * RFC 8785 canonical text of a JSON value: members sorted by UTF-16 code units, ECMAScript number text,
 * no white space. Members whose value is `undefined` are left out, as JSON.stringify leaves them out.
 * Throws a TypeError on what JSON cannot carry (non-finite numbers, functions, lone surrogates).
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return canonicalNumber(value);
  if (typeof value === "string") return canonicalString(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (typeof value === "object") return canonicalObject(value as Record<string, unknown>);
  throw new TypeError(`canonical JSON cannot carry a ${typeof value}`);
}

function canonicalNumber(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError("canonical JSON cannot carry a non-finite number");
  return JSON.stringify(value);
}

function canonicalString(value: string): string {
  if (!value.isWellFormed()) throw new TypeError("canonical JSON cannot carry a lone surrogate");
  return JSON.stringify(value);
}

function canonicalObject(value: Record<string, unknown>): string {
  const members: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member === undefined) continue;
    members.push(`${canonicalString(key)}:${canonicalJson(member)}`);
  }
  return `{${members.join(",")}}`;
}
