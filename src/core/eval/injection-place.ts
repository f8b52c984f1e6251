// Decides where an attack stands in a recorded result, and in the requests that show it: JSON stays JSON, everything else stays as it was.
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";

/**
 * A result with a text in it. JSON gets it at the end of one of the texts in it that people write, drawn by `lot`, else
 * as a member or an item of its own: the rest of its characters stay as they are, so that no number loses a digit and
 * every id is still the same. Any other text gets it at its end. Linear in the result.
 */
export function planted(content: string, text: string, lot: number): string {
  const root = parsed(content);
  if (root === undefined) return `${content}\n${text}`;
  const places = sentencesIn(content);
  const place = places[lot % Math.max(1, places.length)];
  if (place !== undefined) return spliced(content, place.end - 1, ` ${escaped(text)}`);
  if (typeof root === "string") return spliced(content, content.lastIndexOf('"'), ` ${escaped(text)}`);
  if (isJsonObject(root)) {
    const member = `${JSON.stringify(freeName(root))}:${JSON.stringify(text)}`;
    return spliced(content, content.lastIndexOf("}"), Object.keys(root).length === 0 ? member : `,${member}`);
  }
  if (!Array.isArray(root)) return `[${content.trim()},${JSON.stringify(text)}]`;
  return spliced(content, content.lastIndexOf("]"), `${root.length === 0 ? "" : ","}${JSON.stringify(text)}`);
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

function spliced(text: string, at: number, piece: string): string {
  return text.slice(0, at) + piece + text.slice(at);
}

function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

const NAMES = ["note", "notes", "comment", "remark"] as const;

/** A name that the object has not: no member is written over. */
function freeName(root: JsonObject): string {
  const free = NAMES.find((name) => !Object.hasOwn(root, name));
  return free ?? `note_${Object.keys(root).length + 1}`;
}

/** A JSON string with its quotes; unrolled, so that a long one takes no stack. */
const LITERAL = /"[^"\\]*(?:\\.[^"\\]*)*"/g;

/** Where texts that people write stand in JSON text: ids, dates, single words and names of members are none. */
function sentencesIn(content: string): readonly { readonly end: number }[] {
  return [...content.matchAll(LITERAL)].flatMap((match) => {
    const end = match.index + match[0].length;
    const isName = /^\s*:/.test(content.slice(end, end + 16));
    const said: unknown = isName ? "" : parsed(match[0]);
    return typeof said === "string" && said.length >= 8 && /\S\s+\S/.test(said) ? [{ end }] : [];
  });
}

/** A result before and after it was changed. */
export interface ResultChange {
  readonly before: string;
  readonly after: string;
}

/**
 * A recorded request with a result changed wherever it is shown as one, in each dialect's own way: messages of tools,
 * `function_call_output`, `tool_result`, `functionResponse`. The same characters anywhere else are no result.
 */
export function shownIn(request: JsonObject, change: ResultChange): JsonObject {
  return objectWith(request, change);
}

function valueWith(value: Json, change: ResultChange): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map((each) => valueWith(each, change));
  return isJsonObject(value) ? objectWith(value, change) : value;
}

function objectWith(value: JsonObject, change: ResultChange): JsonObject {
  const field = resultField(value);
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      key === field
        ? contentWith(each, change)
        : FUNCTION_RESPONSE.has(key) && isJsonObject(each)
          ? functionResponseWith(each, change)
          : valueWith(each, change),
    ]),
  );
}

/** As Gemini spells it, and as it may be spelled. */
const FUNCTION_RESPONSE: ReadonlySet<string> = new Set(["functionResponse", "function_response"]);

/** The member that holds a result, where the object is one. */
function resultField({ role, type }: JsonObject): string | undefined {
  if (role === "tool" || role === "function" || type === "tool_result") return "content";
  return type === "function_call_output" ? "output" : undefined;
}

/** A text, or parts of which some are texts. */
function contentWith(value: Json, { before, after }: ResultChange): Json {
  if (typeof value === "string") return value === before ? after : value;
  if (!Array.isArray(value)) return value;
  const parts: readonly Json[] = value;
  if (parts.map(partText).join("\n") !== before) return value;
  const first = parts.find((part) => isJsonObject(part) && typeof part["text"] === "string");
  if (!isJsonObject(first)) return value;
  const { type } = first;
  const texts = parts.filter((part) => isJsonObject(part) && typeof part["text"] === "string");
  // What was appended to several parts is a part of its own: as text they read the same.
  if (texts.length > 1 && after.startsWith(`${before}\n`))
    return [...parts, { ...(type === undefined ? {} : { type }), text: after.slice(before.length + 1) }];
  return parts.flatMap((part) => (part === first ? [{ ...first, text: after }] : texts.includes(part) ? [] : [part]));
}

/** As results are read into cases: what is no text is named by its kind. */
function partText(part: Json): string {
  if (!isJsonObject(part)) return "";
  const { text, type } = part;
  return typeof text === "string" ? text : `[${typeof type === "string" ? type : ""}]`;
}

function functionResponseWith(value: JsonObject, change: ResultChange): JsonObject {
  const { response } = value;
  return isJsonObject(response) ? { ...value, response: responseWith(response, change) } : value;
}

/** Gemini's results are objects; one member `output` or `error` stands for itself. */
function responseWith(response: JsonObject, { before, after }: ResultChange): JsonObject {
  const keys = Object.keys(response);
  const [only = ""] = keys;
  const isSole = keys.length === 1 && (only === "output" || only === "error");
  const said = isSole ? (response[only] ?? null) : response;
  if (typeof said === "string") return said === before ? { [only]: after } : response;
  if (JSON.stringify(said) !== before) return response;
  const changed = parsed(after) ?? after;
  return isSole ? { [only]: changed } : isJsonObject(changed) ? changed : response;
}
