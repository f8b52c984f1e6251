// Decides how the parts of a turn read as Anthropic content blocks.
import type { CacheHint, MediaSource, Part, ReasoningPart, ToolCallPart, ToolResultPart } from "../conversation.ts";
import { safeName } from "../tool-names.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { at, present, type Findings } from "../findings.ts";
import { isCarrier } from "./foreign-state.ts";

/** The blocks of some parts; what Anthropic has no word for is found, with its path. Texts without any character are left out. */
export function writeParts(parts: readonly Part[], path: string, findings: Findings): readonly JsonObject[] {
  return parts.map((part, index) => writePart(part, at(path, index), findings)).filter((block) => block !== undefined);
}

function writePart(part: Part, path: string, findings: Findings): JsonObject | undefined {
  switch (part.type) {
    case "text":
      return part.text === "" ? undefined : { type: "text", text: part.text, ...writeCache(part.cache) };
    case "refusal":
      return part.text === "" ? undefined : { type: "text", text: part.text };
    case "image":
      if (part.detail === "low") findings.foreign(at(path, "detail"), "Anthropic sees images in full detail only");
      return { type: "image", source: writeSource(part.source, path, findings), ...writeCache(part.cache) };
    case "document":
      return {
        type: "document",
        source: writeSource(part.source, path, findings),
        ...present("title", part.name),
        ...writeCache(part.cache),
      };
    case "audio":
      findings.foreign(path, "Anthropic takes no audio");
      return undefined;
    case "reasoning":
      return writeReasoning(part);
    case "tool_call":
      return writeToolCall(part, path, findings);
    case "tool_result":
      return writeToolResult(part, path, findings);
  }
}

/** A cache breakpoint. */
export function writeCache(cache: CacheHint | undefined): JsonObject {
  if (cache === undefined) return {};
  return { cache_control: cache.ttl === "5m" ? { type: "ephemeral" } : { type: "ephemeral", ttl: "1h" } };
}

function writeSource(source: MediaSource, path: string, findings: Findings): JsonObject {
  if (source.type === "url") return { type: "url", url: source.url };
  if (source.mediaType === "text/plain") {
    const text = textOfBase64(source.data);
    if (text === undefined) findings.invalid(at(path, "source"), "expected base64 of UTF-8 text");
    return { type: "text", media_type: "text/plain", data: text ?? "" };
  }
  return { type: "base64", media_type: source.mediaType, data: source.data };
}

function textOfBase64(data: string): string | undefined {
  try {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Thinking that Anthropic signed goes back as it came; any other is left out, since Anthropic refuses it. */
function writeReasoning({ text, signed }: ReasoningPart): JsonObject | undefined {
  return signed?.origin === "messages" ? ownBlock(text, signed.value) : undefined;
}

/**
 * The block of Anthropic's own signed state; `undefined` for what is neither a signature nor data of Anthropic's. State lies
 * with the caller between answer and request, who may put anything in its place.
 */
export function ownBlock(text: string, value: Json): JsonObject | undefined {
  const state = isJsonObject(value) ? value : {};
  const { data, signature } = state;
  if (isOpaque(data)) return { type: "redacted_thinking", data };
  return isOpaque(signature) ? { type: "thinking", thinking: text, signature } : undefined;
}

function isOpaque(value: Json | undefined): value is string {
  return typeof value === "string" && value !== "" && !isCarrier(value);
}

/** The arguments of a call as the object that Anthropic wants; `undefined` for what is none, which nobody repairs. */
export function inputOf(args: string): JsonObject | undefined {
  if (args.trim() === "") return {};
  try {
    const value = JSON.parse(args) as Json;
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function writeToolCall(part: ToolCallPart, path: string, findings: Findings): JsonObject {
  const input = inputOf(part.args);
  if (input === undefined)
    findings.foreign(at(path, "arguments"), "Anthropic takes arguments that are a JSON object only");
  return {
    type: "tool_use",
    id: safeId(part.id),
    name: safeName(part.name),
    input: input ?? {},
    ...writeCache(part.cache),
  };
}

function writeToolResult(part: ToolResultPart, path: string, findings: Findings): JsonObject {
  const content = writeParts(part.content, at(path, "content"), findings);
  const [only] = part.content;
  const isPlain = part.content.length === 1 && only?.type === "text" && only.cache === undefined;
  return {
    type: "tool_result",
    tool_use_id: safeId(part.callId),
    ...(content.length === 0 ? {} : { content: isPlain ? only.text : content }),
    ...(part.isError ? { is_error: true } : {}),
    ...writeCache(part.cache),
  };
}

/** Call ids that Anthropic takes: other characters than letters, digits, `_` and `-` are spelled by their code, alike in call and result. */
export function safeId(id: string): string {
  if (/^[A-Za-z0-9_-]+$/.test(id)) return id;
  return `id_${id.replaceAll(/[^A-Za-z0-9-]/gu, (character) => `_${(character.codePointAt(0) ?? 0).toString(16)}_`)}`;
}
