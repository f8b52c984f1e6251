// Decides how a recorded model call's bodies read as GenAI messages (semantic conventions v1.41.1): roles, parts, finish reasons.
import { isJsonObject, type Json, type JsonObject, objectIn } from "../json/canonical.ts";
import type { Conversation, MediaSource, Part } from "../dialect/conversation.ts";
import type { GeneratingDialect } from "../dialect/names.ts";
import type { Finish } from "../dialect/reply.ts";
import { dataOf } from "../stream/frames.ts";
import { recordedConversation, recordedReply } from "./recorded-model.ts";

/** Content attributes of a span, each a JSON text. */
export type ContentAttributes = Readonly<Record<string, string>>;

/** The content of a request in its caller's dialect, masked; empty when it cannot be read. */
export function requestContent(text: string, dialect: GeneratingDialect | undefined): ContentAttributes {
  if (dialect === undefined) return {};
  if (dialect !== "chat") return conversationContent(recordedConversation(text, dialect));
  const body = objectIn(text);
  if (body === undefined) return {};
  const messages = listOf(body["messages"]).filter(isJsonObject);
  const tools = listOf(body["tools"]).filter(isJsonObject).map(toolDefinition);
  return {
    "gen_ai.input.messages": JSON.stringify(messages.map(inputMessage)),
    ...(tools.length === 0 ? {} : { "gen_ai.tool.definitions": JSON.stringify(tools) }),
  };
}

/** The content of an answer in its provider's dialect, whole or an event stream; empty when nothing of it can be read. */
export function responseContent(
  text: string,
  contentType: string,
  dialect: GeneratingDialect | undefined,
): ContentAttributes {
  if (dialect === undefined) return {};
  if (dialect !== "chat") return replyContent(recordedReply(text, contentType, dialect));
  const choices = contentType.includes("event-stream") ? streamedChoices(text) : choicesOf(objectIn(text));
  if (choices.length === 0) return {};
  return { "gen_ai.output.messages": JSON.stringify(choices.map(outputMessage)) };
}

function conversationContent(conversation: Conversation | undefined): ContentAttributes {
  if (conversation === undefined) return {};
  const messages = conversation.turns.map(({ role, parts }) => ({ role, parts: parts.map(genAiPart) }));
  const tools = conversation.tools.map(({ name, description, schema }) => ({
    type: "function",
    name,
    ...(description === undefined ? {} : { description }),
    parameters: schema,
  }));
  return {
    "gen_ai.input.messages": JSON.stringify(messages),
    ...(tools.length === 0 ? {} : { "gen_ai.tool.definitions": JSON.stringify(tools) }),
  };
}

function replyContent(reply: ReturnType<typeof recordedReply>): ContentAttributes {
  if (reply === undefined || (reply.parts.length === 0 && reply.finish === undefined)) return {};
  const reason = FINISHES[reply.finish ?? "other"];
  const message = { role: "assistant", parts: reply.parts.map(genAiPart), finish_reason: reason };
  return { "gen_ai.output.messages": JSON.stringify([message]) };
}

/** The conventions' words for how an answer ended. */
const FINISHES: Readonly<Record<Finish, string>> = {
  stop: "stop",
  stop_sequence: "stop",
  length: "length",
  tool_calls: "tool_call",
  filtered: "content_filter",
  paused: "pause",
  other: "error",
};

/** A part in the conventions' words. */
function genAiPart(given: Part): JsonObject {
  switch (given.type) {
    case "text":
      return { type: "text", content: given.text };
    case "refusal":
      return { type: "refusal", content: given.text };
    case "reasoning":
      return { type: "reasoning", content: given.text };
    case "image":
      return mediaPart("image", given.source);
    case "document":
      return mediaPart("document", given.source);
    case "audio":
      return { type: "blob", modality: "audio", mime_type: given.mediaType, content: given.data };
    case "tool_call":
      return { type: "tool_call", id: given.id, name: given.name, arguments: parsed(given.args) ?? given.args };
    case "tool_result":
      return { type: "tool_call_response", id: given.callId, response: given.content.map(genAiPart) };
  }
}

function mediaPart(modality: string, source: MediaSource): JsonObject {
  return source.type === "url"
    ? { type: "uri", modality, uri: source.url }
    : { type: "blob", modality, mime_type: source.mediaType, content: source.data };
}

function inputMessage(message: JsonObject): JsonObject {
  const role = textOf(message["role"]) ?? "user";
  if (role === "tool") {
    const response = {
      type: "tool_call_response",
      id: message["tool_call_id"] ?? null,
      response: message["content"] ?? "",
    };
    return { role, parts: [response] };
  }
  return { role: role === "developer" ? "system" : role, parts: partsOf(message) };
}

function outputMessage(choice: JsonObject): JsonObject {
  const message = isJsonObject(choice["message"]) ? choice["message"] : {};
  const reason = textOf(choice["finish_reason"]) ?? "error";
  const parts = partsOf(message);
  return { role: "assistant", parts, finish_reason: FINISH_REASONS[reason] ?? reason };
}

const FINISH_REASONS: Readonly<Record<string, string>> = { tool_calls: "tool_call", function_call: "tool_call" };

function partsOf(message: JsonObject): readonly JsonObject[] {
  const { content } = message;
  const reasoning = textOf(message["reasoning_content"]);
  return [
    ...(reasoning === undefined ? [] : [{ type: "reasoning", content: reasoning }]),
    ...(typeof content === "string" ? [{ type: "text", content }] : listOf(content).filter(isJsonObject).map(part)),
    ...listOf(message["tool_calls"]).filter(isJsonObject).map(toolCall),
  ];
}

/** A part of a message in the conventions' words; what they have no word for stays as it is. */
function part(given: JsonObject): JsonObject {
  const text = textOf(given["text"]);
  if (text !== undefined) return { type: "text", content: text };
  const image = given["image_url"];
  const uri = isJsonObject(image) ? textOf(image["url"]) : undefined;
  return uri === undefined ? given : { type: "uri", modality: "image", uri };
}

function toolCall(call: JsonObject): JsonObject {
  const called = isJsonObject(call["function"]) ? call["function"] : {};
  const given = textOf(called["arguments"]) ?? "";
  return { type: "tool_call", id: call["id"] ?? null, name: called["name"] ?? "", arguments: parsed(given) ?? given };
}

function toolDefinition(tool: JsonObject): JsonObject {
  const { function: described } = tool;
  return isJsonObject(described) ? { type: "function", ...described } : tool;
}

function choicesOf(body: JsonObject | undefined): readonly JsonObject[] {
  return listOf(body?.["choices"]).filter(isJsonObject);
}

/** What a stream has said of one choice so far. */
interface Gathered {
  content: string;
  reasoning: string;
  finish: string | null;
  readonly calls: Map<number, { id: string; name: string; arguments: string }>;
}

/** The choices that a stream's chunks add up to. */
function streamedChoices(text: string): readonly JsonObject[] {
  const gathered = new Map<number, Gathered>();
  for (const frame of text.replace(/^\uFEFF/, "").split(/\r?\n\r?\n/)) {
    for (const choice of choicesOf(objectIn(dataOf(frame)))) {
      const index = numberOf(choice["index"]);
      const into = gathered.get(index) ?? { content: "", reasoning: "", finish: null, calls: new Map() };
      gathered.set(index, into);
      gather(into, choice);
    }
  }
  return [...gathered.values()].map(({ content, reasoning, finish, calls }) => ({
    finish_reason: finish,
    message: {
      ...(content === "" ? {} : { content }),
      ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
      tool_calls: [...calls.values()].map(({ id, ...called }) => ({ id, function: called })),
    },
  }));
}

function gather(into: Gathered, choice: JsonObject): void {
  const delta = isJsonObject(choice["delta"]) ? choice["delta"] : {};
  into.content += textOf(delta["content"]) ?? "";
  into.reasoning += textOf(delta["reasoning_content"]) ?? "";
  into.finish = textOf(choice["finish_reason"]) ?? into.finish;
  for (const call of listOf(delta["tool_calls"]).filter(isJsonObject)) {
    const index = numberOf(call["index"]);
    const called = isJsonObject(call["function"]) ? call["function"] : {};
    const known = into.calls.get(index) ?? { id: "", name: "", arguments: "" };
    into.calls.set(index, {
      id: textOf(call["id"]) ?? known.id,
      name: textOf(called["name"]) ?? known.name,
      arguments: known.arguments + (textOf(called["arguments"]) ?? ""),
    });
  }
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function numberOf(value: Json | undefined): number {
  return typeof value === "number" ? value : 0;
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
