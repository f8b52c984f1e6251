// Decides whether the arguments that a tool's schema mirrors into headers say the same there as in the body (SEP-2243).
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";

/** What disagrees: the header, and how. */
export interface ParamMismatch {
  readonly header: string;
  readonly body: string;
}

const PREFIX = "Mcp-Param-";
const SENTINEL = /^=\?base64\?(.*)\?=$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const DECIMAL = /^-?\d+(\.\d+)?$/;

/**
 * The first disagreement between headers and arguments; `undefined` for none. A property with `x-mcp-header` that the
 * arguments carry must be in its header, with the same value; numbers are compared as numbers, and a value that is
 * absent or null asks for no header. Decisions rest on the body alone: this only keeps what is in between honest.
 */
export function paramMismatch(
  schema: Readonly<Record<string, unknown>>,
  args: JsonObject,
  headerOf: (name: string) => string | undefined,
): ParamMismatch | undefined {
  for (const { name, value, path } of mirrored(schema, args, [])) {
    const header = `${PREFIX}${name}`;
    const sent = headerOf(header);
    if (sent === undefined) return { header, body: `the body carries ${path} but the ${header} header is absent` };
    const decoded = decodedValue(sent);
    if (decoded === undefined) return { header, body: `the ${header} header carries an invalid Base64 value` };
    if (!isSame(decoded, value)) return { header, body: `the ${header} header does not say what ${path} says` };
  }
  return undefined;
}

interface Mirrored {
  readonly name: string;
  readonly value: string | number | boolean;
  readonly path: string;
}

function mirrored(schema: unknown, value: Json, path: readonly string[]): readonly Mirrored[] {
  if (!isJsonObject(schema)) return [];
  const name = schema["x-mcp-header"];
  const isPrimitive = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  const own = typeof name === "string" && isPrimitive ? [{ name, value, path: path.join(".") }] : [];
  const { properties } = schema;
  if (!isJsonObject(properties) || !isJsonObject(value)) return own;
  const below = Object.entries(properties).flatMap(([key, child]) =>
    mirrored(child, value[key] ?? null, [...path, key]),
  );
  return [...own, ...below];
}

function decodedValue(text: string): string | undefined {
  const encoded = SENTINEL.exec(text)?.[1];
  if (encoded === undefined) return text;
  if (encoded.length % 4 !== 0 || !BASE64.test(encoded)) return undefined;
  try {
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function isSame(decoded: string, value: Mirrored["value"]): boolean {
  if (typeof value === "number" && DECIMAL.test(decoded)) return Number(decoded) === value;
  return decoded === String(value);
}
