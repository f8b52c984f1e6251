// Decides what the content blocks of an Anthropic message mean.
import type {
  CacheHint,
  DocumentPart,
  ImagePart,
  MediaSource,
  Part,
  ReasoningPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from "../conversation.ts";
import { textOf } from "../body-fields.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { at, itemsOf, objectOf, present, type Findings } from "../findings.ts";
import { carried, isCarrier, opaqueOf, stateOf } from "./foreign-state.ts";

/** Where a block stands, and what the calls before it were called. */
export interface BlockContext {
  readonly role: Turn["role"];
  readonly findings: Findings;
  /** Names of the tools called so far, by call id. */
  readonly called: Map<string, string>;
}

const MEMBERS: Readonly<Record<string, ReadonlySet<string>>> = {
  text: new Set(["type", "text", "cache_control"]),
  image: new Set(["type", "source", "cache_control"]),
  document: new Set(["type", "source", "title", "cache_control"]),
  thinking: new Set(["type", "thinking", "signature"]),
  redacted_thinking: new Set(["type", "data"]),
  tool_use: new Set(["type", "id", "name", "input", "cache_control"]),
  tool_result: new Set(["type", "tool_use_id", "content", "is_error", "cache_control"]),
};

const ALLOWED: Readonly<Record<Turn["role"], readonly string[]>> = {
  system: ["text"],
  user: ["text", "image", "document", "tool_result"],
  assistant: ["text", "thinking", "redacted_thinking", "tool_use"],
};

/** The parts of a message's content, tool results first; a string is one text. */
export function readContent(content: Json | undefined, path: string, context: BlockContext): readonly Part[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (!Array.isArray(content)) {
    context.findings.invalid(path, "expected a text or a list of content blocks");
    return [];
  }
  const blocks = itemsOf(content);
  const parts = blocks.flatMap((block, index) => readBlock(block, at(path, index), context) ?? []);
  return withCarried(
    [...parts.filter((part) => part.type === "tool_result"), ...parts.filter((part) => part.type !== "tool_result")],
    blocks,
  );
}

/** State of another dialect's tool calls stands in blocks beside them. */
function withCarried(parts: readonly Part[], blocks: readonly Json[]): readonly Part[] {
  const states = new Map(
    blocks.flatMap((block) => {
      const found = isJsonObject(block) ? stateOf(block) : undefined;
      return found?.callId === undefined ? [] : [[found.callId, found.signed] as const];
    }),
  );
  if (states.size === 0) return parts;
  return parts.map((part) =>
    part.type === "tool_call" ? { ...part, ...present("signed", states.get(part.id)) } : part,
  );
}

function readBlock(block: Json, path: string, context: BlockContext): Part | undefined {
  const { findings, role } = context;
  const type = textOf(objectOf(block)?.["type"]);
  if (!isJsonObject(block) || type === undefined) {
    findings.invalid(path, "expected a content block with a type");
    return undefined;
  }
  const members = Object.hasOwn(MEMBERS, type) ? MEMBERS[type] : undefined;
  if (members === undefined) {
    findings.foreign(path, `a ${type} block has no counterpart at this model's provider`);
    return undefined;
  }
  if (!ALLOWED[role].includes(type)) {
    findings.invalid(path, `a ${type} block cannot stand in a message of the role ${role}`);
    return undefined;
  }
  if (type === "document") readCitationsWish(block, path, findings);
  if (type === "tool_use") readCaller(block, path, findings);
  findings.only(
    block,
    path,
    type === "document" || type === "tool_use" ? new Set([...members, "citations", "caller"]) : members,
  );
  return readKnown(block, path, context);
}

function readKnown(block: JsonObject, path: string, context: BlockContext): Part | undefined {
  switch (textOf(block["type"]) ?? "") {
    case "text":
      return readText(block, path, context.findings);
    case "image":
      return readImage(block, path, context.findings);
    case "document":
      return readDocument(block, path, context.findings);
    case "thinking":
    case "redacted_thinking":
      return readThinking(block, path, context.findings);
    case "tool_use":
      return readToolUse(block, path, context);
    default:
      return readToolResult(block, path, context);
  }
}

function readText(block: JsonObject, path: string, findings: Findings): TextPart {
  const text = textOf(block["text"]);
  if (text === undefined) findings.invalid(at(path, "text"), "expected a text");
  return { type: "text", text: text ?? "", ...readCache(block, path, findings) };
}

/** A block's wish to be cached. */
export function readCache(block: JsonObject, path: string, findings: Findings): { readonly cache?: CacheHint } {
  const wish = block["cache_control"] ?? undefined;
  if (wish === undefined) return {};
  const ttl = objectOf(wish)?.["ttl"] ?? "5m";
  if (objectOf(wish)?.["type"] !== "ephemeral" || (ttl !== "5m" && ttl !== "1h")) {
    findings.invalid(at(path, "cache_control"), "expected the type ephemeral, with a ttl of 5m or 1h");
    return {};
  }
  findings.hint("cache_control");
  return { cache: { ttl } };
}

function readImage(block: JsonObject, path: string, findings: Findings): ImagePart | undefined {
  const source = readSource(block["source"], at(path, "source"), findings);
  return source === undefined ? undefined : { type: "image", source, ...readCache(block, path, findings) };
}

function readDocument(block: JsonObject, path: string, findings: Findings): DocumentPart | undefined {
  const source = readSource(block["source"], at(path, "source"), findings);
  if (source === undefined) return undefined;
  return { type: "document", source, ...present("name", textOf(block["title"])), ...readCache(block, path, findings) };
}

function readSource(value: Json | undefined, path: string, findings: Findings): MediaSource | undefined {
  const source = objectOf(value) ?? {};
  const data = textOf(source["data"]);
  const mediaType = textOf(source["media_type"]);
  const url = textOf(source["url"]);
  if (source["type"] === "url" && url !== undefined) return { type: "url", url };
  if (source["type"] === "base64" && data !== undefined && mediaType !== undefined)
    return { type: "base64", mediaType, data };
  if (source["type"] === "text" && data !== undefined)
    return { type: "base64", mediaType: "text/plain", data: base64Of(data) };
  if (source["type"] === "file" || source["type"] === "content")
    findings.foreign(path, `a source of the type ${source["type"]} has no counterpart at this model's provider`);
  else findings.invalid(path, "expected a source of the type base64, url or text");
  return undefined;
}

/** Base64 of a text's UTF-8 bytes. */
function base64Of(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}

function readCitationsWish(block: JsonObject, path: string, findings: Findings): void {
  if (objectOf(block["citations"])?.["enabled"] === true) findings.foreign(at(path, "citations"));
}

function readCaller(block: JsonObject, path: string, findings: Findings): void {
  const caller = block["caller"] ?? undefined;
  if (caller !== undefined && objectOf(caller)?.["type"] !== "direct") findings.foreign(at(path, "caller"));
}

function readThinking(block: JsonObject, path: string, findings: Findings): ReasoningPart | undefined {
  const text = block["type"] === "thinking" ? textOf(block["thinking"]) : "";
  const opaque = opaqueOf(block) ?? (block["type"] === "thinking" ? "" : undefined);
  if (text === undefined || opaque === undefined) {
    findings.invalid(path, "expected thinking with a signature, or redacted_thinking with data");
    return undefined;
  }
  if (opaque === "") return { type: "reasoning", text };
  if (!isCarrier(opaque))
    return { type: "reasoning", text, signed: { origin: "messages", value: ownState(block, opaque) } };
  const found = carried(opaque);
  // State of a tool call belongs to the call.
  if (found?.callId !== undefined) return undefined;
  return { type: "reasoning", text, ...present("signed", found?.signed) };
}

/** Anthropic's own signed state, as it goes back: a signature, or data that only it can read. */
export function ownState(block: JsonObject, opaque: string): JsonObject {
  return block["type"] === "thinking" ? { signature: opaque } : { data: opaque };
}

/** The arguments of a call as JSON text. A text in their place is one that another dialect's model wrote and that is no object. */
export function argsOf(input: Json | undefined): string {
  if (typeof input === "string") return input;
  return JSON.stringify(input ?? {});
}

function readToolUse(block: JsonObject, path: string, { findings, called }: BlockContext): ToolCallPart | undefined {
  const id = textOf(block["id"]);
  const name = textOf(block["name"]);
  if (id === undefined || name === undefined) {
    findings.invalid(path, "expected a tool_use block with id and name");
    return undefined;
  }
  called.set(id, name);
  return { type: "tool_call", id, name, args: argsOf(block["input"]), ...readCache(block, path, findings) };
}

function readToolResult(block: JsonObject, path: string, context: BlockContext): ToolResultPart | undefined {
  const { findings, called } = context;
  const callId = textOf(block["tool_use_id"]);
  if (callId === undefined) {
    findings.invalid(at(path, "tool_use_id"), "expected the id of a tool_use block");
    return undefined;
  }
  const inner = readContent(block["content"] ?? [], at(path, "content"), { ...context, role: "user" });
  const content = inner.flatMap((part) =>
    part.type === "text" || part.type === "image" || part.type === "document" ? [part] : [],
  );
  if (content.length < inner.length) findings.invalid(at(path, "content"), "expected text, images and documents");
  const isError = block["is_error"] === true;
  return {
    type: "tool_result",
    callId,
    ...present("name", called.get(callId)),
    content,
    isError,
    ...readCache(block, path, findings),
  };
}
