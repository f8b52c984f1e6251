// Decides what a chat completion says as an answer, and how an answer reads as a chat completion.
import { readOpenAiUsage } from "../../budget/usage.ts";
import type { Minted } from "../dialect.ts";
import type { Reply, ReplyPart } from "../reply.ts";
import { accept, refuse, type Outcome } from "../../errors.ts";
import { textOf } from "../body-fields.ts";
import type { JsonObject } from "../../json/canonical.ts";
import { itemsOf, objectOf, present, wordOf } from "../findings.ts";
import { finishOf, finishReason } from "./finish.ts";
import { carried, signatureOf } from "./foreign-state.ts";
import { argsOf } from "./message-reader.ts";
import { mintedCallId, spokenIn } from "./spoken.ts";
import { writeChatUsage } from "./usage.ts";

/** An answer's parts and end, of its first choice; refuses `upstream_failed` for what is no completion. */
export function readReply(body: JsonObject): Outcome<Reply> {
  const choice = objectOf(itemsOf(body["choices"])[0]);
  const message = objectOf(choice?.["message"]);
  if (choice === undefined || message === undefined)
    return refuse("upstream_failed", "the model provider's answer is no chat completion");
  const id = wordOf(body, "id");
  const parts = readParts(message, id);
  if (parts === undefined)
    return refuse("upstream_failed", "the model provider's answer holds what is no text or call");
  const hasCalls = parts.some((part) => part.type === "tool_call");
  return accept({
    id,
    model: wordOf(body, "model"),
    parts,
    finish: finishOf(textOf(choice["finish_reason"]), hasCalls),
    usage: readOpenAiUsage(body["usage"]),
  });
}

function readParts(message: JsonObject, answerId: string): readonly ReplyPart[] | undefined {
  const calls = itemsOf(message["tool_calls"]).map((value, place) => readCall(objectOf(value) ?? {}, answerId, place));
  const known = calls.filter((call) => call !== undefined);
  const spoken = spokenIn(message);
  return spoken === undefined || known.length < calls.length ? undefined : [...spoken, ...known];
}

function readCall(call: JsonObject, answerId: string, place: number): ReplyPart | undefined {
  const named = objectOf(call["function"]) ?? {};
  const name = wordOf(named, "name");
  const id = wordOf(call, "id");
  if (name === "") return undefined;
  return {
    type: "tool_call",
    id: id === "" ? mintedCallId(answerId, place) : id,
    name,
    args: argsOf(named["arguments"]),
    ...present("signed", signatureOf(call)),
  };
}

/** An answer as a completion. Thoughts stand where servers that show them put them. */
export function writeReply(reply: Reply, minted: Minted): JsonObject {
  const joined = (type: "text" | "refusal" | "reasoning"): string =>
    reply.parts.flatMap((part) => (part.type === type ? [part.text] : [])).join("");
  const calls = reply.parts.flatMap((part) => (part.type === "tool_call" ? [writeCall(part)] : []));
  const [text, refusal, thought] = [joined("text"), joined("refusal"), joined("reasoning")];
  return {
    id: completionId(minted),
    object: "chat.completion",
    created: minted.createdS,
    model: minted.model,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: text === "" ? null : text,
          refusal: refusal === "" ? null : refusal,
          ...(thought === "" ? {} : { reasoning_content: thought }),
          ...(calls.length === 0 ? {} : { tool_calls: calls }),
        },
        logprobs: null,
        finish_reason: finishReason(reply.finish),
      },
    ],
    ...(reply.usage === undefined ? {} : { usage: writeChatUsage(reply.usage) }),
  };
}

function writeCall({ id, name, args, signed }: ReplyPart & { readonly type: "tool_call" }): JsonObject {
  return { id, type: "function", function: { name, arguments: args }, ...carried(signed) };
}

/** A completion's id. */
export function completionId({ seed }: Minted): string {
  return `chatcmpl-${seed}`;
}
