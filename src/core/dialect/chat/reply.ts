// Decides what a chat completion says as an answer, and how an answer reads as a chat completion.
import { readOpenAiUsage } from "../../budget/usage.ts";
import type { Minted } from "../dialect.ts";
import type { Reply, ReplyPart } from "../reply.ts";
import { accept, refuse, type Outcome } from "../../errors.ts";
import { textOf } from "../body-fields.ts";
import type { JsonObject } from "../../json/canonical.ts";
import { itemsOf, objectOf, wordOf } from "../findings.ts";
import { safeName } from "../tool-names.ts";
import { finishOf, finishReason } from "./finish.ts";
import { carried, signatureOf } from "./foreign-state.ts";
import { argsOf } from "./message-reader.ts";
import { writeChatUsage } from "./usage.ts";

/** An answer's parts and end, of its first choice; refuses `upstream_failed` for what is no completion. */
export function readReply(body: JsonObject): Outcome<Reply> {
  const choice = objectOf(itemsOf(body["choices"])[0]);
  const message = objectOf(choice?.["message"]);
  if (choice === undefined || message === undefined)
    return refuse("upstream_failed", "the model provider's answer is no chat completion");
  const parts = readParts(message);
  const hasCalls = parts.some((part) => part.type === "tool_call");
  return accept({
    id: wordOf(body, "id"),
    model: wordOf(body, "model"),
    parts,
    finish: finishOf(textOf(choice["finish_reason"]), hasCalls),
    usage: readOpenAiUsage(body["usage"]),
  });
}

function readParts(message: JsonObject): readonly ReplyPart[] {
  const thought = wordOf(message, "reasoning_content");
  const text = wordOf(message, "content");
  const refusal = wordOf(message, "refusal");
  return [
    ...(thought === "" ? [] : [{ type: "reasoning" as const, text: thought }]),
    ...(text === "" ? [] : [{ type: "text" as const, text }]),
    ...(refusal === "" ? [] : [{ type: "refusal" as const, text: refusal }]),
    ...itemsOf(message["tool_calls"]).flatMap((value): readonly ReplyPart[] => {
      const call = objectOf(value) ?? {};
      const named = objectOf(call["function"]) ?? {};
      const signed = signatureOf(call);
      return [
        {
          type: "tool_call",
          id: wordOf(call, "id"),
          name: wordOf(named, "name"),
          args: argsOf(named["arguments"]),
          ...(signed === undefined ? {} : { signed }),
        },
      ];
    }),
  ];
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
  return { id, type: "function", function: { name: safeName(name), arguments: args }, ...carried(signed) };
}

/** A completion's id. */
export function completionId({ seed }: Minted): string {
  return `chatcmpl-${seed}`;
}
