// Reads an OpenAI chat request: decides what is malformed and counts its prompt.
import { isRecord, parseRecord, topLevelKeys, type JsonRecord } from "../json-source.ts";

/** One message of the conversation, reduced to what the scripted model looks at. */
export interface ChatMessage {
  readonly role: string;
  readonly text: string;
  /** On a tool message: the call it answers. */
  readonly answersCall: string | undefined;
  /** On an assistant message: the calls it made. */
  readonly calls: readonly { readonly id: string; readonly tool: string }[];
}

/** A well-formed chat request. Token counts are ours: one token is four bytes of JSON or text. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  /** Names of the tools the model may call, empty when `tool_choice` is `none`. */
  readonly tools: readonly string[];
  readonly isStream: boolean;
  readonly includeUsage: boolean;
  /** `n`: how many choices, 1 to 128. */
  readonly choices: number;
  readonly maxTokens: number | undefined;
  readonly promptTokens: number;
  /** Top-level keys as they were sent, for `demo_echo`. */
  readonly keys: readonly string[];
}

/** A request that was not understood, and the parameter at fault. */
export interface MalformedRequest {
  readonly malformed: string;
  readonly param: string | null;
}

const encoder = new TextEncoder();

/** Bytes of the text in UTF-8. */
export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** Reads the body of `POST /v1/chat/completions`. */
export function readChatRequest(source: string): ChatRequest | MalformedRequest {
  const body = parseRecord(source);
  if (body === undefined) return { malformed: "We could not parse the JSON body of your request.", param: null };
  const wrong = findWrongParam(body);
  if (wrong !== undefined) return { malformed: `Invalid value for '${wrong}'.`, param: wrong };
  const options = body["stream_options"];
  return {
    model: String(body["model"]),
    messages: listOf(body["messages"]).map(readMessage),
    tools: body["tool_choice"] === "none" ? [] : listOf(body["tools"]).flatMap(toolName),
    isStream: body["stream"] === true,
    includeUsage: isRecord(options) && options["include_usage"] === true,
    choices: typeof body["n"] === "number" ? body["n"] : 1,
    maxTokens: smallestLimit(body),
    promptTokens: countPromptTokens(body),
    keys: topLevelKeys(source),
  };
}

function findWrongParam(body: JsonRecord): string | undefined {
  if (typeof body["model"] !== "string") return "model";
  const messages = body["messages"];
  if (!Array.isArray(messages) || messages.length === 0 || !messages.every(isRecord)) return "messages";
  if (!isAbsent(body["tools"]) && !Array.isArray(body["tools"])) return "tools";
  if (!isAbsent(body["n"]) && !isIntegerIn(body["n"], 1, 128)) return "n";
  return LIMITS.find((name) => !isAbsent(body[name]) && !isIntegerIn(body[name], 1, Number.MAX_SAFE_INTEGER));
}

const LIMITS = ["max_tokens", "max_completion_tokens"] as const;

function smallestLimit(body: JsonRecord): number | undefined {
  const limits = LIMITS.map((name) => body[name]).filter((limit) => typeof limit === "number");
  return limits.length === 0 ? undefined : Math.min(...limits);
}

function countPromptTokens(body: JsonRecord): number {
  const tools = Array.isArray(body["tools"]) ? JSON.stringify(body["tools"]) : "";
  return Math.ceil(byteLength(JSON.stringify(body["messages"]) + tools) / 4);
}

function readMessage(message: unknown): ChatMessage {
  if (!isRecord(message)) return { role: "", text: "", answersCall: undefined, calls: [] };
  return {
    role: String(message["role"]),
    text: contentText(message["content"]),
    answersCall: typeof message["tool_call_id"] === "string" ? message["tool_call_id"] : undefined,
    calls: listOf(message["tool_calls"]).flatMap((call) =>
      isRecord(call) ? toolName(call).map((tool) => ({ id: String(call["id"]), tool })) : [],
    ),
  };
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  const parts = listOf(content).map((part) => (isRecord(part) && typeof part["text"] === "string" ? part["text"] : ""));
  return parts.join("\n");
}

function toolName(tool: unknown): string[] {
  const named = isRecord(tool) ? tool["function"] : undefined;
  return isRecord(named) && typeof named["name"] === "string" ? [named["name"]] : [];
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function isIntegerIn(value: unknown, low: number, high: number): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= low && value <= high;
}
