// Decides what is kept of a response so that others go on from it, how such a request reads then, and what its caller is shown.
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { locateMembers, memberText, withMembers, type ObjectText } from "../../json/members.ts";
import { memberValue, readJson, textOf } from "../body-fields.ts";
import { itemsOf, wordOf } from "../findings.ts";

/** The items of an input: a text is a message of the user. */
export function inputItems(input: Json | undefined): readonly JsonObject[] {
  if (typeof input === "string") return [userMessage(input)];
  return itemsOf(input).filter(isJsonObject);
}

function userMessage(text: string): JsonObject {
  return { type: "message", role: "user", content: [{ type: "input_text", text }] };
}

/** The response that a request goes on from. */
export function previousOf(body: ObjectText): string | undefined {
  return textOf(memberValue(body, "previous_response_id"));
}

/** Whether the caller wants its response kept, as it does unless it says no. */
export function isToBeKept(body: ObjectText): boolean {
  return memberValue(body, "store") !== false;
}

/** The request with items before its own input, whose bytes stay as they are, and no word of what it went on from. */
export function continuedBody(body: ObjectText, before: readonly JsonObject[]): string {
  const own = memberText(body, "input") ?? "[]";
  const text = own.startsWith("[")
    ? own.slice(1, -1).trim()
    : inputItems(readJson(own))
        .map((item) => JSON.stringify(item))
        .join(",");
  const all = [...before.map((item) => JSON.stringify(item)), ...(text === "" ? [] : [text])];
  return withMembers(
    body,
    new Map([
      ["input", `[${all.join(",")}]`],
      ["previous_response_id", "null"],
    ]),
  );
}

/** The ids of items that an input only names; none in most requests. */
export function referencesIn(body: ObjectText): readonly string[] {
  const text = memberText(body, "input");
  if (text === undefined || !/"item_reference"|\\u00/.test(text)) return [];
  return inputItems(readJson(text)).flatMap((item) => (isReference(item) ? wordOf(item, "id") : []));
}

function isReference(item: JsonObject): boolean {
  return item["type"] === "item_reference";
}

/** The request with items in place of their names. */
export function resolvedBody(body: ObjectText, found: ReadonlyMap<string, JsonObject>): string {
  const items = inputItems(readJson(memberText(body, "input")));
  const resolved = items.map((item) => (isReference(item) ? (found.get(wordOf(item, "id")) ?? item) : item));
  return withMembers(body, new Map([["input", JSON.stringify(resolved)]]));
}

/** What a request said that its response repeats. */
export interface Shown {
  readonly body: ObjectText;
  readonly previous: string | null;
  readonly isKept: boolean;
  /** The id in place of the answer's own, where another call was given that answer before. */
  readonly id?: string | undefined;
}

/** What a response has in place where nobody who wrote it knew better. */
const UNKNOWN: readonly Json[] = [null, "auto", true];
/** Members that a response repeats from its request. */
const REPEATED = [
  "max_output_tokens",
  "max_tool_calls",
  "metadata",
  "parallel_tool_calls",
  "prompt_cache_key",
  "reasoning",
  "safety_identifier",
  "temperature",
  "text",
  "tool_choice",
  "top_logprobs",
  "top_p",
  "user",
] as const;

/**
 * What of a response its caller sees otherwise: whether it is kept, what it goes on from, and what was asked for where the
 * answer cannot know. `instructions` are always the caller's own: the provider may repeat a prompt that was put before them.
 */
function shownMembers(response: ObjectText, { body, previous, isKept, id }: Shown): ReadonlyMap<string, string> {
  const told = new Map([["instructions", memberText(body, "instructions") ?? "null"]]);
  if (id !== undefined) told.set("id", JSON.stringify(id));
  for (const key of REPEATED) {
    const asked = memberText(body, key) ?? "null";
    if (asked !== "null" && isUnknown(memberValue(response, key))) told.set(key, asked);
  }
  const tools = itemsOf(memberValue(body, "tools")).filter(isJsonObject);
  if (tools.length > 0 && itemsOf(memberValue(response, "tools")).length === 0)
    told.set("tools", JSON.stringify(tools.map(shownTool)));
  return told.set("previous_response_id", JSON.stringify(previous)).set("store", String(isKept));
}

/** A response's text as its caller is to see it; every other byte stays. */
export function shownResponse(response: ObjectText, shown: Shown): string {
  return withMembers(response, shownMembers(response, shown));
}

function isUnknown(value: Json | undefined): boolean {
  if (value === undefined || UNKNOWN.includes(value)) return true;
  return isJsonObject(value) && Object.keys(value).length === 0;
}

function shownTool(tool: JsonObject): JsonObject {
  return { ...tool, parameters: tool["parameters"] ?? null, strict: tool["strict"] ?? true };
}

/** Events that hold a response whole; the others pass as they are. */
const WHOLE = /"response\.(?:created|queued|in_progress|completed|incomplete|failed)"/;

/** An event's data as the caller is to see it, and the response's text where it is over; `undefined` for one that stays as it is. */
export function shownEvent(
  data: string,
  shown: Shown,
): { readonly data: string; readonly over: string | undefined } | undefined {
  if (!WHOLE.test(data)) return undefined;
  const event = locateMembers(data);
  const response = event === undefined ? undefined : locateMembers(memberText(event, "response") ?? "");
  if (event === undefined || response === undefined) return undefined;
  const changed = shownResponse(response, shown);
  const type = memberValue(event, "type");
  return {
    data: withMembers(event, new Map([["response", changed]])),
    over: type === "response.completed" || type === "response.incomplete" ? changed : undefined,
  };
}

/** Whether others can go on from a response. */
export function isOver(response: JsonObject): boolean {
  return response["status"] === "completed" || response["status"] === "incomplete";
}

/** How a page of items is asked for. */
export interface ItemsQuery {
  readonly limit: number;
  readonly order: "asc" | "desc";
  readonly after: string | undefined;
}

/** A page of a response's input; items without an id of their own have one by their place. */
export function itemsPage(id: string, input: readonly JsonObject[], { limit, order, after }: ItemsQuery): JsonObject {
  const listed = input.map((item, at) => ({
    ...listedItem(item),
    id: textOf(item["id"]) ?? `item_${id.replace(/^resp_/, "")}_${at}`,
  }));
  const ordered = order === "asc" ? listed : listed.toReversed();
  const from = after === undefined ? 0 : ordered.findIndex((item) => item.id === after) + 1;
  const data = ordered.slice(from, from + limit);
  return {
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: from + limit < ordered.length,
  };
}

function listedItem(item: JsonObject): JsonObject {
  const content = item["content"];
  if (wordOf(item, "type") !== "message" && !("role" in item)) return item;
  const type = item["role"] === "assistant" ? "output_text" : "input_text";
  return { ...item, type: "message", ...(typeof content === "string" ? { content: [{ type, text: content }] } : {}) };
}
