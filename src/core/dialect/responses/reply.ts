// Decides what a whole response says as an answer, and how an answer reads as a response.
import type { Usage } from "../../budget/price.ts";
import { accept, refuse, type Outcome } from "../../errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import type { Signed } from "../conversation.ts";
import type { Minted } from "../dialect.ts";
import { itemsOf, present, wordOf } from "../findings.ts";
import type { Finish, Reply, ReplyPart } from "../reply.ts";
import { errorOfResponse } from "./errors.ts";
import { finishOf, incompleteReason } from "./finish.ts";
import { stateOf } from "./foreign-state.ts";
import { outputItems } from "./items.ts";
import { readResponsesUsage, writeResponsesUsage } from "./usage.ts";

/** An answer's parts and end; refuses `upstream_failed` for what is no response, or one that failed. */
export function readReply(body: JsonObject): Outcome<Reply> {
  if (!Array.isArray(body["output"])) return refuse("upstream_failed", "the model provider's answer is no response");
  if (body["status"] === "failed") return refuse("upstream_failed", errorOfResponse(body["error"]).message);
  const parts = withCallState(itemsOf(body["output"]));
  const hasCalls = parts.some((part) => part.type === "tool_call");
  return accept({
    id: wordOf(body, "id"),
    model: wordOf(body, "model"),
    parts,
    finish: finishOf(body, hasCalls),
    usage: readResponsesUsage(body["usage"]),
  });
}

/** The parts of items, state of calls put where it belongs. */
function withCallState(items: readonly Json[]): readonly ReplyPart[] {
  const states = new Map<string, Signed>();
  const parts = items.flatMap((item): readonly ReplyPart[] => {
    if (!isJsonObject(item)) return [];
    const state = item["type"] === "reasoning" ? stateOf(item) : undefined;
    if (state?.callId === undefined) return partsOf(item, state?.signed);
    states.set(state.callId, state.signed);
    return [];
  });
  return parts.map((part) =>
    part.type === "tool_call" ? { ...part, ...present("signed", states.get(part.id)) } : part,
  );
}

function partsOf(item: JsonObject, signed: Signed | undefined): readonly ReplyPart[] {
  switch (wordOf(item, "type")) {
    case "message":
      return itemsOf(item["content"]).flatMap((content) => contentPart(content) ?? []);
    case "reasoning": {
      const text = thoughtOf(item);
      return text === "" && signed === undefined ? [] : [{ type: "reasoning", text, ...present("signed", signed) }];
    }
    case "function_call":
      return [
        { type: "tool_call", id: wordOf(item, "call_id"), name: wordOf(item, "name"), args: argsOf(item["arguments"]) },
      ];
    default:
      return [];
  }
}

function contentPart(content: Json): ReplyPart | undefined {
  if (!isJsonObject(content)) return undefined;
  if (content["type"] === "output_text") return { type: "text", text: wordOf(content, "text") };
  return content["type"] === "refusal" ? { type: "refusal", text: wordOf(content, "refusal") } : undefined;
}

/** What a reasoning item lets read: its summary, else its text. */
export function thoughtOf(item: JsonObject): string {
  const texts = (key: string): string =>
    itemsOf(item[key])
      .flatMap((each) => (isJsonObject(each) ? [wordOf(each, "text")] : []))
      .join(PARAGRAPH);
  return texts("summary") || texts("content");
}

/** What stands between the parts of a summary. */
export const PARAGRAPH = "\n\n";

/** Arguments as the model wrote them; `{}` where it wrote none. */
export function argsOf(value: Json | undefined): string {
  return typeof value === "string" && value.trim() !== "" ? value : "{}";
}

/** An answer as a response. */
export function writeReply(reply: Reply, minted: Minted): JsonObject {
  const isComplete = incompleteReason(reply.finish) === undefined;
  return responseObject(minted, {
    ...endingOf(reply.finish),
    output: outputItems(reply.parts, minted, isComplete ? "completed" : "incomplete"),
    usage: reply.usage,
  });
}

/** What of a response is not known before it is over. */
export interface Said {
  readonly status: string;
  readonly output: readonly JsonObject[];
  readonly usage: Usage | undefined;
  readonly reason?: string | undefined;
  readonly error?: JsonObject;
}

/** The status, and the reason of one that is incomplete. */
export function endingOf(finish: Finish): Pick<Said, "status" | "reason"> {
  const reason = incompleteReason(finish);
  return { status: reason === undefined ? "completed" : "incomplete", reason };
}

/** A whole response. What the caller asked for is put in by whoever still has the request. */
export function responseObject(minted: Minted, { status, output, usage, reason, error }: Said): JsonObject {
  return {
    id: responseId(minted),
    object: "response",
    created_at: minted.createdS,
    status,
    background: false,
    error: error ?? null,
    incomplete_details: reason === undefined ? null : { reason },
    instructions: null,
    max_output_tokens: null,
    metadata: {},
    model: minted.model,
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    store: false,
    temperature: null,
    tool_choice: "auto",
    tools: [],
    top_p: null,
    truncation: "disabled",
    ...(usage === undefined ? {} : { usage: writeResponsesUsage(usage) }),
  };
}

/** A response's id. */
export function responseId({ seed }: Minted): string {
  return `resp_${seed}`;
}
