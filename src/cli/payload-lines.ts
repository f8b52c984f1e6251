// Decides how a recorded body reads: what the tool was given, what it said, what the model was sent and answered.
import { isJsonObject, type Json, type JsonObject } from "../core/json/canonical.ts";
import { shortText } from "./visible-text.ts";

/** A body as stored. */
export interface StoredBody {
  readonly name: string;
  readonly body: string | null;
}

/**
 * The lines of one body. Arguments and results are always shown, shortened unless `isFull`; requests and responses of
 * models only when `isFull`.
 */
export function payloadLines({ name, body }: StoredBody, isFull: boolean): readonly string[] {
  const isModelBody = name === "request" || name === "response";
  if (isModelBody && !isFull) return [];
  if (body === null) return [`${name}: not kept, only its digest`];
  const parsed = jsonOf(body);
  if (parsed === undefined) return bodyLines(name, body, isFull);
  if (name === "arguments" && isJsonObject(parsed)) return argumentLines(parsed, isFull);
  if (name === "result" && isJsonObject(parsed)) return resultLines(parsed, isFull);
  return bodyLines(name, parsed, isFull);
}

/** What was asked of a tool: its arguments, and the constraints the caller set itself. */
function argumentLines(envelope: JsonObject, isFull: boolean): readonly string[] {
  const { tool_call: call, constraints } = envelope;
  if (!isJsonObject(call)) return bodyLines("arguments", envelope, isFull);
  const isConstrained = isJsonObject(constraints) && Object.keys(constraints).length > 0;
  return [
    ...bodyLines("arguments", call["args"] ?? {}, isFull),
    ...(isConstrained ? bodyLines("constraints", constraints, isFull) : []),
  ];
}

/** What came of a tool call: what the tool said, or why it is not known. */
function resultLines(outcome: JsonObject, isFull: boolean): readonly string[] {
  const { status, code, message, result = null } = outcome;
  const said = result === null ? [] : bodyLines("result", result, isFull);
  if (status === "succeeded") return result === null ? ["result: null"] : said;
  if (typeof message !== "string") return bodyLines("result", outcome, isFull);
  return [`${typeof code === "string" ? code : "outcome unknown"}: ${message}`, ...said];
}

function bodyLines(name: string, value: Json, isFull: boolean): readonly string[] {
  if (!isFull) return [`${name} ${shortText(typeof value === "string" ? value : JSON.stringify(value))}`];
  const lines = (typeof value === "string" ? value : JSON.stringify(value, null, 2)).split(/\r?\n/);
  return lines.length === 1 ? [`${name} ${lines[0] ?? ""}`] : [name, ...lines.map((line) => `  ${line}`)];
}

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
