// Decides what a whole Gemini answer means, and how an answer reads in Gemini's shape.
import { accept, refuse, type Outcome } from "../../errors.ts";
import { digestOf } from "../../json/digest.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { textOf } from "../body-fields.ts";
import type { Minted } from "../dialect.ts";
import { itemsOf, objectOf, present } from "../findings.ts";
import type { Reply, ReplyPart } from "../reply.ts";
import { blockReasonOf, failureOf, finishOf, reasonOf } from "./finish.ts";
import { argumentsOf } from "./part-writer.ts";
import { placeOf, readSignature, writeSignature } from "./signatures.ts";
import { readGenerateUsage, writeGenerateUsage } from "./usage.ts";

/** An answer; refuses `upstream_failed` for what is none, and for what the model itself got wrong. */
export function readReply(body: JsonObject): Outcome<Reply> {
  const [candidate] = itemsOf(body["candidates"]).map(objectOf);
  const shared = {
    id: textOf(body["responseId"]) ?? "",
    model: textOf(body["modelVersion"]) ?? "",
    usage: readGenerateUsage(body["usageMetadata"]),
  };
  if (candidate === undefined) {
    const reason = blockReasonOf(body);
    if (reason === undefined) return refuse("upstream_failed", "the model provider's answer has no candidates");
    return accept({ ...shared, parts: [], finish: "filtered" });
  }
  const reason = textOf(candidate["finishReason"]);
  const failure = failureOf(reason);
  if (failure !== undefined) return refuse("upstream_failed", failure);
  const seed = idSeed(shared.id, body);
  const parts: ReplyPart[] = [];
  for (const part of itemsOf(objectOf(candidate["content"])?.["parts"])) {
    const read = readReplyPart(part, `call_${seed}_${callsIn(parts)}`);
    if (read === undefined) return refuse("upstream_failed", unreadable(part));
    for (const each of read) append(parts, each);
  }
  return accept({ ...shared, parts, finish: finishOf(reason, callsIn(parts) > 0) });
}

/** What ids of calls are made of where Gemini gives none: the answer's own id, or what it says. */
export function idSeed(id: string, first: JsonObject): string {
  return id === "" ? digestOf(first).slice(0, 16) : id.replaceAll(/[^\w-]/g, "");
}

function callsIn(parts: readonly ReplyPart[]): number {
  return parts.filter(({ type }) => type === "tool_call").length;
}

/** Text that came in pieces is one text, and so are thoughts. */
function append(parts: ReplyPart[], part: ReplyPart): void {
  const last = parts.at(-1);
  const isText = last?.type === "text" && part.type === "text";
  const isThought = last?.type === "reasoning" && part.type === "reasoning" && isOneThought(last, part);
  if (isText || isThought) parts[parts.length - 1] = { ...part, text: last.text + part.text };
  else parts.push(part);
}

function isOneThought(last: ReplyPart & { type: "reasoning" }, next: ReplyPart & { type: "reasoning" }): boolean {
  return last.signed === undefined && (next.signed === undefined || placeOf(next.signed) === undefined);
}

/** The parts that one part of Gemini's stands for; `undefined` for what has no counterpart. */
export function readReplyPart(part: Json, callId: string): readonly ReplyPart[] | undefined {
  if (!isJsonObject(part)) return undefined;
  const signature = textOf(part["thoughtSignature"]);
  const call = objectOf(part["functionCall"]);
  if (call !== undefined) return readCall(call, callId, signature);
  const isEmpty = Object.keys(part).every((key) => key === "thoughtSignature" || key === "thought");
  const text = textOf(part["text"]) ?? (isEmpty ? "" : undefined);
  if (text === undefined) return undefined;
  return part["thought"] === true ? [readThought(text, signature)] : readText(text, signature);
}

function readThought(text: string, signature: string | undefined): ReplyPart {
  return {
    type: "reasoning",
    text,
    ...present("signed", signature === undefined ? undefined : readSignature(signature)),
  };
}

function readText(text: string, signature: string | undefined): readonly ReplyPart[] {
  const said: readonly ReplyPart[] = text === "" ? [] : [{ type: "text", text }];
  const signed = signature === undefined ? undefined : readSignature(signature, text === "" ? "alone" : "text");
  return signed === undefined ? said : [...said, { type: "reasoning", text: "", signed }];
}

function readCall(call: JsonObject, callId: string, signature: string | undefined): readonly ReplyPart[] | undefined {
  const name = textOf(call["name"]);
  const args = call["args"] ?? {};
  // Calls in pieces are never asked for.
  if (name === undefined || !isJsonObject(args) || call["partialArgs"] !== undefined) return undefined;
  const signed = signature === undefined ? undefined : readSignature(signature);
  const id = textOf(call["id"]) ?? callId;
  return [{ type: "tool_call", id, name, args: JSON.stringify(args), ...present("signed", signed) }];
}

/** What is told of a part that has no counterpart. */
export function unreadable(part: Json): string {
  const kind = Object.keys(objectOf(part) ?? {}).find((key) => key !== "thoughtSignature" && key !== "thought");
  return `the model answered with ${kind ?? "a part"}, which the caller's API has no word for`;
}

/**
 * An answer in Gemini's shape. A call whose arguments are no JSON object has no place there: the answer ends as Gemini's own
 * do then, with MALFORMED_FUNCTION_CALL.
 */
export function writeReply(reply: Reply, minted: Minted): JsonObject {
  const parts = reply.parts.map(writeReplyPart);
  const malformed = reply.parts.find((part, index) => part.type === "tool_call" && parts[index] === undefined);
  const ended =
    malformed?.type === "tool_call"
      ? { finishReason: "MALFORMED_FUNCTION_CALL", finishMessage: malformedCall(malformed.name) }
      : { finishReason: reasonOf(reply.finish) };
  return {
    candidates: [{ content: { parts: parts.filter((part) => part !== undefined), role: "model" }, ...ended, index: 0 }],
    ...(reply.usage === undefined ? {} : { usageMetadata: writeGenerateUsage(reply.usage) }),
    modelVersion: minted.model,
    responseId: reply.id === "" ? minted.seed : reply.id,
  };
}

/** What is told of a call whose arguments Gemini's shape cannot hold. */
export function malformedCall(name: string): string {
  return `the model's arguments for ${name} are no JSON object that can be passed on unchanged`;
}

/** A part of an answer; `undefined` for a call whose arguments are no JSON object. */
export function writeReplyPart(part: ReplyPart): JsonObject | undefined {
  switch (part.type) {
    case "text":
    case "refusal":
      return { text: part.text };
    case "reasoning": {
      const { text, signed } = part;
      const signature = signed === undefined ? {} : { thoughtSignature: writeSignature(signed) };
      return signed !== undefined && placeOf(signed) !== undefined
        ? { text, ...signature }
        : { text, thought: true, ...signature };
    }
    case "tool_call": {
      const { id, name, signed } = part;
      const args = argumentsOf(part.args);
      if (args === undefined) return undefined;
      return {
        functionCall: { id, name, args },
        ...(signed === undefined ? {} : { thoughtSignature: writeSignature(signed) }),
      };
    }
  }
}
