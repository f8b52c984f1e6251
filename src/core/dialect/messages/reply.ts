// Decides what an Anthropic message says as an answer, and how an answer reads as an Anthropic message.
import type { Minted } from "../dialect.ts";
import type { Reply, ReplyPart } from "../reply.ts";
import { accept, refuse, type Outcome } from "../../errors.ts";
import { textOf } from "../body-fields.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { safeName } from "../tool-names.ts";
import { argsOf, ownState } from "./block-reader.ts";
import { inputOf, ownBlock, safeId } from "./block-writer.ts";
import { itemsOf, present, wordOf } from "../findings.ts";
import { finishOf, writeEnding } from "./finish.ts";
import { carried, carry, isCarrier, opaqueOf, stateOf } from "./foreign-state.ts";
import { readMessagesUsage, writeUsage } from "./usage.ts";

/**
 * An answer's parts and end. Blocks that only tools run at Anthropic would bring are passed over: such tools are refused
 * before they are asked for. Refuses `upstream_failed` for what is no message.
 */
export function readReply(body: JsonObject): Outcome<Reply> {
  const { id, model, content, stop_reason: reason } = body;
  if (typeof id !== "string" || typeof model !== "string" || !Array.isArray(content))
    return refuse("upstream_failed", "the model provider's answer is no message");
  const parts = readParts(itemsOf(content));
  const hasCalls = parts.some((part) => part.type === "tool_call");
  return accept({
    id,
    model,
    parts,
    finish: typeof reason === "string" ? finishOf(reason, hasCalls) : "other",
    ...present("stopSequence", textOf(body["stop_sequence"])),
    usage: readMessagesUsage(body["usage"]),
  });
}

function readParts(blocks: readonly Json[]): readonly ReplyPart[] {
  const parts: ReplyPart[] = [];
  for (const block of blocks) {
    if (!isJsonObject(block)) continue;
    const state = stateOf(block);
    const owner =
      state?.callId === undefined ? -1 : parts.findIndex((each) => "id" in each && each.id === state.callId);
    const called = parts[owner];
    if (called?.type === "tool_call" && state !== undefined) parts[owner] = { ...called, signed: state.signed };
    else if (state?.callId === undefined) parts.push(...readPart(block));
  }
  return parts;
}

function readPart(block: JsonObject): readonly ReplyPart[] {
  const { type, id, name, input } = block;
  if (type === "text") return [{ type: "text", text: wordOf(block, "text") }];
  if (type === "tool_use" && typeof id === "string" && typeof name === "string")
    return [{ type: "tool_call", id, name, args: argsOf(input) }];
  return type === "thinking" || type === "redacted_thinking" ? [readThought(block)] : [];
}

function readThought(block: JsonObject): ReplyPart {
  const thought = wordOf(block, "thinking");
  const opaque = opaqueOf(block) ?? "";
  if (opaque === "") return { type: "reasoning", text: thought };
  if (isCarrier(opaque)) return { type: "reasoning", text: thought, ...present("signed", carried(opaque)?.signed) };
  return { type: "reasoning", text: thought, signed: { origin: "messages", value: ownState(block, opaque) } };
}

/** An answer as a message. */
export function writeReply(reply: Reply, minted: Minted): JsonObject {
  const isRefused = reply.parts.some((part) => part.type === "refusal");
  return {
    id: messageId(minted),
    type: "message",
    role: "assistant",
    model: minted.model,
    content: reply.parts.flatMap((part) => writePart(part)),
    container: null,
    diagnostics: null,
    ...writeEnding({ finish: reply.finish, stopSequence: reply.stopSequence, isRefused }),
    usage: writeUsage(reply.usage),
  };
}

/** A message's id. */
export function messageId({ seed }: Minted): string {
  return `msg_${seed}`;
}

function writePart(part: ReplyPart): readonly JsonObject[] {
  switch (part.type) {
    case "text":
    case "refusal":
      return part.text === "" ? [] : [{ type: "text", text: part.text, citations: null }];
    case "reasoning":
      return part.text === "" && part.signed === undefined ? [] : [thinkingBlock(part)];
    case "tool_call":
      return [
        { ...callStart(part.id, part.name), input: inputOf(part.args) ?? part.args },
        ...(part.signed === undefined
          ? []
          : [{ type: "redacted_thinking", data: carry(part.signed, safeId(part.id)) }]),
      ];
  }
}

/**
 * Thinking as a block. What Anthropic did not sign carries its own signature, or a mark that says so, where the client keeps
 * Anthropic's: it comes back with the next request.
 */
function thinkingBlock({ text, signed }: Extract<ReplyPart, { type: "reasoning" }>): JsonObject {
  const own = signed?.origin === "messages" ? ownBlock(text, signed.value) : undefined;
  return own ?? { type: "thinking", thinking: text, signature: carry(signed) };
}

/** A call before its arguments. Arguments that are no object stay the text that the model wrote. */
export function callStart(id: string, name: string): JsonObject {
  return { type: "tool_use", id: safeId(id), name: safeName(name), input: {}, caller: { type: "direct" } };
}
