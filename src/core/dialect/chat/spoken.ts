// Decides what a message or a delta of chat completions says in words: thoughts, text, a refusal.
import type { Json, JsonObject } from "../../json/canonical.ts";
import { itemsOf, objectOf } from "../findings.ts";

/** Something said. */
export interface Spoken {
  readonly type: "reasoning" | "text" | "refusal";
  readonly text: string;
}

/**
 * What is said, thoughts first; `undefined` for content that is neither a text nor a list of texts and thoughts. Servers
 * call a thought `reasoning_content` or `reasoning`, or put it into a list of parts.
 */
export function spokenIn(message: JsonObject): readonly Spoken[] | undefined {
  const content = contentOf(message["content"] ?? "");
  const thought = message["reasoning_content"] ?? message["reasoning"];
  return content && [...said("reasoning", thought), ...content, ...said("refusal", message["refusal"])];
}

function contentOf(content: Json): readonly Spoken[] | undefined {
  if (typeof content === "string") return said("text", content);
  if (!Array.isArray(content)) return undefined;
  const parts = itemsOf(content).map((each) => {
    const part = objectOf(each) ?? {};
    if (part["type"] === "text" && typeof part["text"] === "string") return said("text", part["text"]);
    if (part["type"] === "refusal" && typeof part["refusal"] === "string") return said("refusal", part["refusal"]);
    return part["type"] === "thinking" ? thoughtsIn(part["thinking"]) : undefined;
  });
  return parts.some((part) => part === undefined) ? undefined : parts.flatMap((part) => part ?? []);
}

function thoughtsIn(value: Json | undefined): readonly Spoken[] {
  if (typeof value === "string") return said("reasoning", value);
  return itemsOf(value).flatMap((each) => said("reasoning", objectOf(each)?.["text"]));
}

function said(type: Spoken["type"], text: Json | undefined): readonly Spoken[] {
  return typeof text === "string" && text !== "" ? [{ type, text }] : [];
}

/** An id for a call whose server gave it none: no other answer's call has it. */
export function mintedCallId(answerId: string, place: number): string {
  return `call_${answerId.replaceAll(/[^A-Za-z0-9]/g, "")}_${place}`;
}
