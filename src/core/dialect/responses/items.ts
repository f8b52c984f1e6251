// Decides how the parts of an answer read as output items: whole ones, and their ids.
import type { JsonObject } from "../../json/canonical.ts";
import type { Signed } from "../conversation.ts";
import type { Minted } from "../dialect.ts";
import { objectOf } from "../findings.ts";
import type { ReplyPart } from "../reply.ts";
import { safeName } from "../tool-names.ts";
import { carry } from "./foreign-state.ts";

/** How far an item is. */
export type ItemStatus = "in_progress" | "completed" | "incomplete";

const PREFIXES = { message: "msg", reasoning: "rs", function_call: "fc" } as const;

/** An item's id, by its kind and its place in the output. */
export function itemId({ seed }: Minted, kind: keyof typeof PREFIXES, index: number): string {
  return `${PREFIXES[kind]}_${seed}_${index}`;
}

/** A content of a message. */
export function messageContent(type: "text" | "refusal", text: string): JsonObject {
  return type === "text"
    ? { type: "output_text", text, annotations: [], logprobs: [] }
    : { type: "refusal", refusal: text };
}

/** A message item. */
export function messageItem(id: string, content: readonly JsonObject[], status: ItemStatus): JsonObject {
  return { id, type: "message", status, role: "assistant", content };
}

/** A call item. */
export function callItem(
  id: string,
  call: { readonly id: string; readonly name: string; readonly args: string },
  status: ItemStatus,
): JsonObject {
  return { id, type: "function_call", status, call_id: call.id, name: safeName(call.name), arguments: call.args };
}

/** A reasoning item. OpenAI's own state says itself what was thought; another's travels in the encrypted content. */
export function reasoningItem(id: string, text: string, signed: Signed | undefined): JsonObject {
  const own = signed?.origin === "responses" ? objectOf(signed.value) : undefined;
  const summary = text === "" ? [] : [{ type: "summary_text", text }];
  if (own === undefined)
    return { id, type: "reasoning", summary, ...(signed === undefined ? {} : { encrypted_content: carry(signed) }) };
  // What is encrypted is bound to its id.
  return { id, ...own, type: "reasoning", summary: own["summary"] ?? summary };
}

/** The item that carries a call's state. */
export function carrierItem(id: string, signed: Signed, callId: string): JsonObject {
  return { id, type: "reasoning", summary: [], encrypted_content: carry(signed, callId) };
}

/** The parts of a whole answer as items: texts and refusals next to each other share a message. */
export function outputItems(parts: readonly ReplyPart[], minted: Minted, status: ItemStatus): readonly JsonObject[] {
  const items: JsonObject[] = [];
  let contents: JsonObject[] = [];
  const endMessage = (): void => {
    if (contents.length > 0) items.push(messageItem(itemId(minted, "message", items.length), contents, status));
    contents = [];
  };
  for (const part of parts) {
    if (part.type === "text" || part.type === "refusal") {
      contents.push(messageContent(part.type, part.text));
      continue;
    }
    endMessage();
    if (part.type === "reasoning") {
      items.push(reasoningItem(itemId(minted, "reasoning", items.length), part.text, part.signed));
      continue;
    }
    items.push(callItem(itemId(minted, "function_call", items.length), part, "completed"));
    if (part.signed !== undefined)
      items.push(carrierItem(itemId(minted, "reasoning", items.length), part.signed, part.id));
  }
  endMessage();
  return items;
}
