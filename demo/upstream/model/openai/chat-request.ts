// Reads a request of OpenAI's chat completions: decides what is malformed and counts its prompt.
import {
  firstOutOfRange,
  isAbsent,
  isRecord,
  parseRecord,
  recordOf,
  recordsOf,
  textOf,
  TOKEN_LIMIT,
  topLevelKeys,
  type JsonRecord,
} from "../../json-source.ts";
import {
  countTokens,
  findUnpaired,
  isMalformed,
  type Malformed,
  type Message,
  type ModelRequest,
} from "../model-request.ts";
import { foreignField } from "../vendor-fields.ts";
import {
  chooseTools,
  invalidValue,
  NO_JSON,
  readTools,
  schemaOf,
  unknownParameter,
  unpairedMessage,
} from "./openai-request.ts";

/** Reads the body of `POST /v1/chat/completions`. */
export function readChatRequest(source: string): ModelRequest | Malformed {
  const body = parseRecord(source);
  if (body === undefined) return NO_JSON;
  const wrong = findWrongParam(body);
  if (wrong !== undefined) return invalidValue(wrong);
  const foreign = foreignField(body, "chat");
  if (foreign !== undefined) return unknownParameter(foreign);
  const offered = readTools(body["tools"], "function");
  if (isMalformed(offered)) return offered;
  const messages = recordsOf(body["messages"]).map(readMessage);
  const unpaired = findUnpaired(messages);
  if (unpaired !== undefined) return unpairedMessage(unpaired);
  const effort = body["reasoning_effort"];
  return {
    model: String(body["model"]),
    messages,
    ...chooseTools(offered, body["tool_choice"]),
    schema: schemaOf(body["response_format"]),
    thinks: typeof effort === "string" && effort !== "none",
    showsThoughts: false,
    isStream: body["stream"] === true,
    choices: typeof body["n"] === "number" ? body["n"] : 1,
    maxTokens: smallestLimit(body),
    promptTokens: countTokens(body["messages"], Array.isArray(body["tools"]) ? body["tools"] : undefined),
    keys: topLevelKeys(source),
    body,
  };
}

/** Whether the last chunk of a stream is to tell the usage. */
export function asksForUsage({ body }: ModelRequest): boolean {
  return recordOf(body["stream_options"])["include_usage"] === true;
}

const LIMITS = ["max_tokens", "max_completion_tokens"] as const;
const RANGES = {
  n: [1, 128, true],
  temperature: [0, 2],
  top_p: [0, 1],
  max_tokens: TOKEN_LIMIT,
  max_completion_tokens: TOKEN_LIMIT,
} as const;
const ROLES = new Set(["developer", "system", "user", "assistant", "tool", "function"]);
const PART_TYPES = new Set(["text", "image_url", "input_audio", "file", "refusal"]);

function findWrongParam(body: JsonRecord): string | undefined {
  if (typeof body["model"] !== "string") return "model";
  const messages = body["messages"];
  if (!Array.isArray(messages) || messages.length === 0 || !messages.every(isMessage)) return "messages";
  if (!isAbsent(body["tools"]) && !Array.isArray(body["tools"])) return "tools";
  return firstOutOfRange(body, RANGES);
}

function isMessage(message: unknown): boolean {
  if (!isRecord(message) || !ROLES.has(String(message["role"]))) return false;
  return recordsOf(message["content"]).every(({ type }) => PART_TYPES.has(String(type)));
}

function smallestLimit(body: JsonRecord): number | undefined {
  const limits = LIMITS.map((name) => body[name]).filter((limit) => typeof limit === "number");
  return limits.length === 0 ? undefined : Math.min(...limits);
}

function readMessage(message: JsonRecord): Message {
  return {
    role: String(message["role"]),
    text: contentText(message["content"]),
    answersCall: message["role"] === "tool" ? String(message["tool_call_id"]) : undefined,
    calls: recordsOf(message["tool_calls"]).flatMap((call) => {
      const tool = textOf(recordOf(call["function"])["name"]);
      return tool === undefined ? [] : [{ id: String(call["id"]), tool }];
    }),
  };
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  return recordsOf(content)
    .map((part) => textOf(part["text"]) ?? "")
    .join("\n");
}
