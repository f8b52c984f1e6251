// Decides how signed state of another dialect travels through a Responses client: as the encrypted content of reasoning items, which come back unread.
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { readJson, textOf } from "../body-fields.ts";
import type { Signed } from "../conversation.ts";
import { present } from "../findings.ts";
import { GENERATING } from "../names.ts";

/** What `encrypted_content` begins with when OpenAI did not write it. It is no base64, so that no content of OpenAI's begins like it. */
export const FOREIGN_MARK = "interlock:";

/** State of a tool call stands in a reasoning item of its own, which names the call. */
interface Carried {
  readonly signed: Signed;
  readonly callId: string | undefined;
}

/** Encrypted content that carries state. */
export function carry({ origin, value }: Signed, callId?: string): string {
  return FOREIGN_MARK + JSON.stringify(callId === undefined ? { origin, value } : { origin, value, call: callId });
}

/** The state that a reasoning item has: OpenAI's own is the item itself. `undefined` for one that nobody signed, or that was changed. */
export function stateOf(item: JsonObject): Carried | undefined {
  const content = textOf(item["encrypted_content"]) ?? "";
  if (content === "") return undefined;
  if (!content.startsWith(FOREIGN_MARK)) {
    const { status: _status, ...own } = item;
    return { signed: { origin: "responses", value: own }, callId: undefined };
  }
  const told = readJson(content.slice(FOREIGN_MARK.length));
  if (!isJsonObject(told)) return undefined;
  const origin = GENERATING.find((dialect) => dialect === told["origin"]);
  if (origin === undefined) return undefined;
  return { signed: { origin, value: told["value"] ?? null }, callId: textOf(told["call"]) };
}

/** Whether OpenAI, which stores nothing for us, would know what a reasoning item stands for. */
export function isOwnState(item: JsonObject): boolean {
  const content = textOf(item["encrypted_content"]) ?? "";
  return content !== "" && !content.startsWith(FOREIGN_MARK);
}

const STATUSES: ReadonlySet<Json | undefined> = new Set(["in_progress", "completed", "incomplete"]);

/**
 * The reasoning item that state of OpenAI's stands for, built anew of what such items have: between answer and request the
 * state lies with the caller, who may put anything in its place. `undefined` for what is no reasoning that OpenAI encrypted.
 */
export function ownReasoning(value: Json): JsonObject | undefined {
  if (!isJsonObject(value) || value["type"] !== "reasoning" || !isOwnState(value)) return undefined;
  const { id, encrypted_content, status } = value;
  const summary = summaryOf(value["summary"] ?? []);
  if ((id !== undefined && typeof id !== "string") || summary === undefined) return undefined;
  if (status !== undefined && !STATUSES.has(status)) return undefined;
  return {
    ...present("id", id),
    type: "reasoning",
    summary,
    ...present("encrypted_content", encrypted_content),
    ...present("status", status),
  };
}

function summaryOf(value: Json): readonly JsonObject[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const read = (value as readonly Json[]).flatMap((part) =>
    isJsonObject(part) && part["type"] === "summary_text" && typeof part["text"] === "string"
      ? [{ type: "summary_text", text: part["text"] }]
      : [],
  );
  return read.length === value.length ? read : undefined;
}
