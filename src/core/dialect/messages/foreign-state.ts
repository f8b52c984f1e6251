// Decides how signed state of another dialect travels through an Anthropic client: in the opaque fields that it hands back unread.
import { GENERATING } from "../dialect.ts";
import type { Signed } from "../conversation.ts";
import { textOf } from "../body-fields.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { itemsOf } from "../findings.ts";

/**
 * What a `signature`, or the `data` of a `redacted_thinking` block, begins with when Anthropic did not write it. With nothing
 * behind it: thinking that nobody signed. It is no base64, so that no signature of Anthropic's begins like it.
 */
export const FOREIGN_MARK = "interlock:";

/** State of a tool call stands in a block of its own, which names the call. */
interface Carried {
  readonly signed: Signed;
  readonly callId: string | undefined;
}

/** An opaque text that carries state. */
export function carry(signed: Signed | undefined, callId?: string): string {
  if (signed === undefined) return FOREIGN_MARK;
  const { origin, value } = signed;
  return FOREIGN_MARK + JSON.stringify(callId === undefined ? { origin, value } : { origin, value, call: callId });
}

/** Whether an opaque text is ours and not Anthropic's. */
export function isCarrier(text: string): boolean {
  return text.startsWith(FOREIGN_MARK);
}

/** What an opaque text of ours carries; `undefined` for nothing, or for what was changed on the way. */
export function carried(text: string): Carried | undefined {
  try {
    const value = JSON.parse(text.slice(FOREIGN_MARK.length)) as Json;
    if (!isJsonObject(value)) return undefined;
    const origin = GENERATING.find((dialect) => dialect === value["origin"]);
    if (origin === undefined) return undefined;
    return { signed: { origin, value: value["value"] ?? null }, callId: textOf(value["call"]) };
  } catch {
    return undefined;
  }
}

/** What a block carries for another dialect. */
export function stateOf(block: JsonObject): Carried | undefined {
  const opaque = opaqueOf(block);
  return opaque !== undefined && isCarrier(opaque) ? carried(opaque) : undefined;
}

/** The messages without state that Anthropic did not sign: it refuses what it does not know. Turns left empty go too. */
export function withoutForeign(messages: readonly Json[]): readonly Json[] {
  return messages.flatMap((message) => {
    if (!isJsonObject(message) || !Array.isArray(message["content"])) return [message];
    const content = itemsOf(message["content"]).filter((block) => !isForeignBlock(block));
    if (content.length === itemsOf(message["content"]).length) return [message];
    return content.length === 0 ? [] : [{ ...message, content }];
  });
}

function isForeignBlock(block: Json): boolean {
  const opaque = isJsonObject(block) ? opaqueOf(block) : undefined;
  return opaque !== undefined && isCarrier(opaque);
}

/** The opaque text of a block that has one. */
export function opaqueOf(block: JsonObject): string | undefined {
  if (block["type"] === "thinking") return textOf(block["signature"]);
  return block["type"] === "redacted_thinking" ? textOf(block["data"]) : undefined;
}
