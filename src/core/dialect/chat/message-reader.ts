// Decides what the content of a chat message means: texts, media, tool calls, tool results.
import type { DocumentPart, MediaSource, Part, Signed, TextPart, ToolCallPart } from "../conversation.ts";
import { textOf } from "../body-fields.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { at, itemsOf, objectOf, present, wordOf, type Findings } from "../findings.ts";
import { signatureOf } from "./foreign-state.ts";

/** What reading a message needs: the findings, and the names of calls seen so far by their id. */
export interface MessageContext {
  readonly findings: Findings;
  readonly called: Map<string, string>;
}

/** The parts of a content that is a text, or a list of parts; with `only`, texts alone may stand there. */
export function readContent(
  content: Json | undefined,
  path: string,
  { findings, only }: { readonly findings: Findings; readonly only: "text" | undefined },
): readonly Part[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  if (!Array.isArray(content)) {
    findings.invalid(path, "expected a text or a list of parts");
    return [];
  }
  return itemsOf(content).flatMap((part, index) => {
    const read = readPart(part, at(path, index), findings);
    if (only === undefined || read?.type === "text") return read ?? [];
    findings.invalid(at(path, index), "expected texts only");
    return [];
  });
}

/** Marks for caches at what stands before them: they change what a call costs, and nothing else. */
const PART_HINTS = ["prompt_cache_breakpoint", "cache_control"];
/** What the part of each type holds within the member that is called like the type. */
const PART_MEMBERS: ReadonlyMap<string, readonly string[]> = new Map([
  ["text", []],
  ["refusal", []],
  ["image_url", ["url", "detail"]],
  ["input_audio", ["data", "format"]],
  ["file", ["filename", "file_data", "file_id"]],
]);

function readPart(value: Json, path: string, findings: Findings): Part | undefined {
  const part = objectOf(value) ?? {};
  const type = wordOf(part, "type");
  readMembers(part, path, findings);
  switch (type) {
    case "text":
      return readText(part, path, findings);
    case "image_url":
      return readImage(part, path, findings);
    case "input_audio":
      return readAudio(part, path, findings);
    case "file":
      return readFile(objectOf(part["file"]) ?? {}, at(path, "file"), findings);
    case "refusal":
      return { type: "refusal", text: wordOf(part, "refusal") };
    default:
      findings.foreign(path, `a part of the type ${type} has no counterpart at this model's provider`);
      return undefined;
  }
}

/** Names the members of a part that nobody knows; one of an unknown type is refused as a whole. */
function readMembers(part: JsonObject, path: string, findings: Findings): void {
  const type = wordOf(part, "type");
  for (const hint of PART_HINTS) if ((part[hint] ?? null) !== null) findings.hint(hint);
  const inner = PART_MEMBERS.get(type);
  if (inner === undefined) return;
  findings.only(part, path, new Set(["type", type, ...PART_HINTS]));
  findings.only(objectOf(part[type]) ?? {}, at(path, type), new Set(inner));
}

function readText(part: JsonObject, path: string, findings: Findings): TextPart | undefined {
  const text = textOf(part["text"]);
  if (text === undefined) findings.invalid(at(path, "text"), "expected a text");
  return text === undefined || text === "" ? undefined : { type: "text", text };
}

function readImage(part: JsonObject, path: string, findings: Findings): Part | undefined {
  const image = objectOf(part["image_url"]) ?? {};
  const url = textOf(image["url"]);
  if (url === undefined) {
    findings.invalid(at(path, "image_url.url"), "expected an address or a data URL");
    return undefined;
  }
  const source = sourceOf(url);
  if (source.type === "url" && /^data:/i.test(url)) {
    findings.invalid(at(path, "image_url.url"), "expected the data in base64");
    return undefined;
  }
  const { detail } = image;
  return {
    type: "image",
    source,
    ...(detail === "low" || detail === "high" || detail === "auto" ? { detail } : {}),
  };
}

/** An address, or what a data URL holds. */
export function sourceOf(url: string): MediaSource {
  const match = /^data:([^;,]+)(?:;[^;,]+)*;base64,(.*)$/is.exec(url);
  return match?.[1] === undefined || match[2] === undefined
    ? { type: "url", url }
    : { type: "base64", mediaType: match[1], data: match[2] };
}

function readAudio(part: JsonObject, path: string, findings: Findings): Part | undefined {
  const audio = objectOf(part["input_audio"]) ?? {};
  const data = textOf(audio["data"]);
  const format = textOf(audio["format"]);
  if (data !== undefined && format !== undefined) return { type: "audio", mediaType: `audio/${format}`, data };
  findings.invalid(at(path, "input_audio"), "expected data and format");
  return undefined;
}

function readFile(file: JsonObject, path: string, findings: Findings): DocumentPart | undefined {
  const data = textOf(file["file_data"]);
  if (data === undefined || (file["file_id"] ?? null) !== null) {
    findings.foreign(
      at(path, "file_id"),
      "a stored file has no counterpart at this model's provider: send `file_data`",
    );
    return undefined;
  }
  const source = sourceOf(data);
  if (source.type === "url") {
    findings.invalid(at(path, "file_data"), "expected a data URL in base64");
    return undefined;
  }
  return { type: "document", source, ...present("name", textOf(file["filename"])) };
}

/** With the members of an answer that a client sends back as it got it. */
const ASSISTANT_MEMBERS = new Set(
  "role content refusal tool_calls reasoning_content reasoning annotations extra_content".split(" "),
);
const CALL_MEMBERS = new Set(["id", "type", "index", "function", "extra_content"]);
const CALLED_MEMBERS = new Set(["name", "arguments"]);

/** The parts of an assistant message: thoughts, what it said, what it wants called. */
export function readAssistant(message: JsonObject, path: string, context: MessageContext): readonly Part[] {
  const { findings } = context;
  findings.only(message, path, ASSISTANT_MEMBERS);
  const content = message["content"] ?? null;
  const thought = wordOf(message, "reasoning_content") || wordOf(message, "reasoning");
  if (itemsOf(message["annotations"]).length > 0) findings.foreign(at(path, "annotations"));
  const refusal = wordOf(message, "refusal");
  return [
    ...(thought === "" ? [] : [{ type: "reasoning" as const, text: thought }]),
    ...(content === null ? [] : readContent(content, at(path, "content"), { findings, only: undefined })),
    ...(refusal === "" ? [] : [{ type: "refusal" as const, text: refusal }]),
    ...signedFirst(
      itemsOf(message["tool_calls"]).flatMap((call, index) =>
        readToolCall(call, at(path, `tool_calls.${index}`), context),
      ),
      signatureOf(message),
    ),
  ];
}

/** Some clients hand the state of the first call back beside the message. */
function signedFirst(calls: readonly ToolCallPart[], signed: Signed | undefined): readonly ToolCallPart[] {
  if (signed === undefined || calls.some((call) => call.signed !== undefined)) return calls;
  return calls.map((call, index) => (index === 0 ? { ...call, signed } : call));
}

function readToolCall(value: Json, path: string, { findings, called }: MessageContext): readonly ToolCallPart[] {
  const call = objectOf(value) ?? {};
  const id = textOf(call["id"]);
  const named = objectOf(call["function"]);
  const name = textOf(named?.["name"]);
  if ((call["type"] ?? "function") !== "function") {
    findings.foreign(path, `a call of the type ${wordOf(call, "type")} has no counterpart at this model's provider`);
    return [];
  }
  if (id === undefined || name === undefined || named === undefined) {
    findings.invalid(path, "expected a call with id and function name");
    return [];
  }
  findings.only(call, path, CALL_MEMBERS);
  findings.only(named, at(path, "function"), CALLED_MEMBERS);
  called.set(id, name);
  return [{ type: "tool_call", id, name, args: argsOf(named["arguments"]), ...present("signed", signatureOf(call)) }];
}

/** Arguments as the model wrote them; `{}` where it wrote none. */
export function argsOf(value: Json | undefined): string {
  const text = isJsonObject(value) ? JSON.stringify(value) : (textOf(value) ?? "");
  return text.trim() === "" ? "{}" : text;
}

const RESULT_MEMBERS = new Set(["role", "content", "tool_call_id"]);

/** The one part of a tool message. */
export function readToolResult(
  message: JsonObject,
  path: string,
  { findings, called }: MessageContext,
): readonly Part[] {
  findings.only(message, path, RESULT_MEMBERS);
  const callId = textOf(message["tool_call_id"]);
  if (callId === undefined) {
    findings.invalid(at(path, "tool_call_id"), "expected the id of a tool call");
    return [];
  }
  const content = readContent(message["content"] ?? "", at(path, "content"), { findings, only: "text" });
  return [
    {
      type: "tool_result",
      callId,
      ...present("name", called.get(callId)),
      content: content.filter((part) => part.type === "text"),
      isError: false,
    },
  ];
}
