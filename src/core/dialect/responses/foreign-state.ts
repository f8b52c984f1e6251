// Decides how signed state of another dialect travels through a Responses client: as the encrypted content of reasoning items, which come back unread.
import { isJsonObject, type JsonObject } from "../../json/canonical.ts";
import { readJson, textOf } from "../body-fields.ts";
import type { Signed } from "../conversation.ts";
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
