// Decides what a recorded model call shows: the exact request, who last spoke in it, and what was answered.
import type { Conversation, Part, ToolCallPart, ToolResultPart } from "../../dialect/conversation.ts";
import type { GeneratingDialect } from "../../dialect/names.ts";
import { objectIn } from "../../json/canonical.ts";
import { sha256Hex } from "../../json/digest.ts";
import type { Attributes, Payload, TraceRecord } from "../../trace/record.ts";
import { dialectIn, recordedConversation, recordedReply } from "../../trace/recorded-model.ts";
import type { CaseCall } from "../case.ts";

/**
 * Why a recorded call cannot be replayed: a body was not kept, a body is none of its dialect, or the answer broke off.
 */
export type UnreadableCall = "body_omitted" | "body_unreadable" | "answer_cut_off";

/** What a request showed the model, by the messages of its user. */
export interface ShownRequest {
  /** Digests of the user's messages, in order. A turn of tool results alone is none. */
  readonly messages: readonly string[];
  /** What was asked of tools, and answered, after so many messages: one list more than there are messages. */
  readonly after: readonly (readonly (ToolCallPart | ToolResultPart)[])[];
  /** Whether the last turn that is not the model's own says something new, and does not only bring results. */
  readonly beginsTurn: boolean;
}

/** A recorded model call that can be read. `call` is `null` where the model gave no answer. */
export interface ReadCall {
  readonly record: TraceRecord;
  readonly shown: ShownRequest;
  readonly call: CaseCall | null;
}

/** Members that say how an answer travels and not what it is. */
const TRAVELS: ReadonlySet<string> = new Set(["stream", "stream_options"]);

/** The attributes of a record's own span. */
export function ownAttributes({ index, spans }: TraceRecord): Attributes {
  return spans.find((span) => span.span_id === index.span_id)?.attributes ?? {};
}

/** Reads a recorded model call, or answers why it cannot be replayed. A call that failed needs no answer. */
export function readModelCall(record: TraceRecord): ReadCall | UnreadableCall {
  const attributes = ownAttributes(record);
  const dialect = dialectIn(attributes, "caller");
  const body = bodyOf(record, "request");
  if (body === undefined || body.text === null) return "body_omitted";
  const conversation = dialect === undefined ? undefined : recordedConversation(body.text, dialect);
  const request = objectIn(body.text);
  if (dialect === undefined || request === undefined || conversation === undefined || conversation.turns.length === 0)
    return "body_unreadable";
  const shown = shownIn(conversation);
  if (record.index.status !== "succeeded") return { record, shown, call: null };
  const reply = replyOf(record, dialectIn(attributes, "provider"));
  if (typeof reply === "string") return reply;
  return { record, shown, call: caseCall(record, { dialect, request, reply }) };
}

function caseCall(
  { index }: TraceRecord,
  { dialect, request, reply }: Pick<CaseCall, "dialect" | "request" | "reply">,
): CaseCall {
  return {
    dialect,
    request: Object.fromEntries(Object.entries(request).filter(([key]) => !TRAVELS.has(key))),
    reply,
    at: index.started_at,
    duration_ms: index.duration_ms,
    cost_micro_usd: index.cost_micro_usd,
    input_tokens: index.input_tokens,
    output_tokens: index.output_tokens,
  };
}

function replyOf(record: TraceRecord, dialect: GeneratingDialect | undefined): CaseCall["reply"] | UnreadableCall {
  const body = bodyOf(record, "response");
  if (body === undefined) return null;
  if (body.text === null) return "body_omitted";
  const reply = dialect === undefined ? undefined : recordedReply(body.text, body.type, dialect);
  if (reply === undefined) return "body_unreadable";
  if (reply.finish === undefined) return "answer_cut_off";
  return { parts: reply.parts, finish: reply.finish };
}

function bodyOf(
  { index, payloads }: TraceRecord,
  name: Payload["name"],
): { readonly text: string | null; readonly type: string } | undefined {
  const payload = payloads.find((each) => each.name === name && each.span_id === index.span_id);
  return payload === undefined ? undefined : { text: payload.body, type: payload.content_type };
}

function shownIn({ turns }: Conversation): ShownRequest {
  const messages: string[] = [];
  const after: (ToolCallPart | ToolResultPart)[][] = [[]];
  let beginsTurn = false;
  for (const { role, parts } of turns) {
    const tools = parts.filter((part) => part.type === "tool_call" || part.type === "tool_result");
    after.at(-1)?.push(...tools);
    if (role !== "user") continue;
    const said = parts.filter((part) => part.type !== "tool_result");
    beginsTurn = said.length > 0;
    if (!beginsTurn) continue;
    messages.push(messageKey(said));
    after.push([]);
  }
  return { messages, after, beginsTurn: (beginsTurn && turns.at(-1)?.role !== "assistant") || messages.length === 0 };
}

/** The same for the same message, wherever the caller wants it cached. */
function messageKey(parts: readonly Part[]): string {
  return sha256Hex(
    JSON.stringify(parts.map((part) => (part.type === "text" ? part.text : { ...part, cache: undefined }))),
  );
}
