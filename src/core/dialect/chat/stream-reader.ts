// Decides what a chat-completions event stream says, event by event.
import { readOpenAiUsage } from "../../budget/usage.ts";
import type { StreamReader } from "../dialect.ts";
import type { ModelError, PartStart, ReplyEvent } from "../reply.ts";
import { readJson, textOf } from "../body-fields.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { itemsOf, objectOf, wordOf } from "../findings.ts";
import { chatErrorOf } from "./errors.ts";
import { finishOf } from "./finish.ts";
import { signatureOf } from "./foreign-state.ts";
import { mintedCallId, spokenIn, type Spoken } from "./spoken.ts";

interface OpenPart {
  readonly index: number;
  readonly type: PartStart["type"];
  /** What the provider calls a tool call: its index, which counts calls alone, and its id. */
  readonly call?: { readonly at: Json | undefined; readonly id: string };
  hasDelta: boolean;
}

/** Reads a completion's chunks; of several choices the first. */
export class ChatStreamReader implements StreamReader {
  #open: OpenPart | undefined;
  #parts = 0;
  readonly #ids = new Set<string>();
  readonly #places = new Set<Json | undefined>();
  #answerId = "";
  #hasStarted = false;
  #reason: string | undefined;
  #isOver = false;

  push(data: string): readonly ReplyEvent[] {
    if (this.#isOver) return [];
    if (data === "[DONE]") return this.#done();
    const chunk = readJson(data);
    const events: ReplyEvent[] = [];
    if (!isJsonObject(chunk)) this.#fail("the model provider sent an event that is no JSON object", events);
    else if (isJsonObject(chunk["error"]) || typeof chunk["error"] === "string")
      this.#error(chatErrorOf(chunk["error"]), events);
    else this.#chunk(chunk, events);
    return events;
  }

  end(): readonly ReplyEvent[] {
    const events: ReplyEvent[] = [];
    if (!this.#isOver) this.#fail("the model provider's stream ended before it was complete", events);
    return events;
  }

  #chunk(chunk: JsonObject, events: ReplyEvent[]): void {
    if (!this.#hasStarted) {
      this.#hasStarted = true;
      this.#answerId = wordOf(chunk, "id");
      events.push({ type: "start", id: this.#answerId, model: wordOf(chunk, "model") });
    }
    const usage = readOpenAiUsage(chunk["usage"]);
    if (usage !== undefined) events.push({ type: "usage", usage });
    for (const choice of itemsOf(chunk["choices"]))
      if (isJsonObject(choice) && (choice["index"] ?? 0) === 0) this.#choice(choice, events);
  }

  #choice(choice: JsonObject, events: ReplyEvent[]): void {
    if (this.#isOver) return;
    const delta = objectOf(choice["delta"]) ?? {};
    const spoken = spokenIn(delta);
    if (spoken === undefined) return this.#fail("the model provider sent content that is no text", events);
    for (const { type, text } of spoken) this.#text(type, text, events);
    for (const fragment of itemsOf(delta["tool_calls"])) {
      if (this.#isOver) return;
      if (isJsonObject(fragment)) this.#fragment(fragment, events);
    }
    // Told at the end: some servers say more after it, and usage comes later too.
    this.#reason ??= textOf(choice["finish_reason"]);
  }

  #text(type: Spoken["type"], text: string, events: ReplyEvent[]): void {
    if (this.#open?.type !== type) this.#begin({ type }, undefined, events);
    this.#delta(text, events);
  }

  #fragment(fragment: JsonObject, events: ReplyEvent[]): void {
    const called = objectOf(fragment["function"]) ?? {};
    const name = wordOf(called, "name");
    const at = fragment["index"] ?? undefined;
    const id = wordOf(fragment, "id");
    if (!this.#continues(at, id, name)) this.#call({ at, id }, name, events);
    if (this.#isOver) return;
    const text = wordOf(called, "arguments");
    if (text !== "") this.#delta(text, events);
    const signed = signatureOf(fragment);
    if (signed !== undefined && this.#open !== undefined)
      events.push({ type: "signed", index: this.#open.index, signed });
  }

  #call({ at, id }: { readonly at: Json | undefined; readonly id: string }, name: string, events: ReplyEvent[]): void {
    if (at !== undefined && this.#places.has(at) && (id === "" || this.#ids.has(id)))
      return this.#fail("the model provider went back to a tool call that was over", events);
    if (name === "") return this.#fail("the model provider began a tool call without a name", events);
    const call = { at, id: id === "" ? mintedCallId(this.#answerId, this.#ids.size) : id };
    this.#places.add(at);
    this.#ids.add(call.id);
    this.#begin({ type: "tool_call", id: call.id, name }, call, events);
  }

  /**
   * Whether a fragment belongs to the open call. Servers that number none, or give every call the index 0, begin the next
   * with an id and a name; some say both again in each fragment, and some a new id, but then no name.
   */
  #continues(at: Json | undefined, id: string, name: string): boolean {
    const call = this.#open?.call;
    if (call === undefined || (at !== undefined && at !== call.at)) return false;
    return id === "" ? at !== undefined || name === "" : id === call.id || name === "";
  }

  #begin(part: PartStart, call: OpenPart["call"], events: ReplyEvent[]): void {
    this.#endPart(events);
    this.#open = { index: this.#parts, type: part.type, hasDelta: false, ...(call === undefined ? {} : { call }) };
    this.#parts += 1;
    events.push({ type: "part", index: this.#open.index, part });
  }

  #delta(text: string, events: ReplyEvent[]): void {
    if (this.#open === undefined) return;
    this.#open.hasDelta = true;
    events.push({ type: "delta", index: this.#open.index, text });
  }

  #endPart(events: ReplyEvent[]): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    // A call whose model wrote no arguments has none.
    if (open.type === "tool_call" && !open.hasDelta) events.push({ type: "delta", index: open.index, text: "{}" });
    events.push({ type: "part_end", index: open.index });
  }

  #done(): readonly ReplyEvent[] {
    const events: ReplyEvent[] = [];
    this.#endPart(events);
    this.#isOver = true;
    return [...events, { type: "finish", finish: finishOf(this.#reason, this.#ids.size > 0) }, { type: "done" }];
  }

  #error(error: ModelError, events: ReplyEvent[]): void {
    this.#isOver = true;
    events.push({ type: "error", error });
  }

  #fail(message: string, events: ReplyEvent[]): void {
    this.#error({ kind: "server", message }, events);
  }
}
