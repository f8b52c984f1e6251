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

interface OpenPart {
  readonly index: number;
  readonly type: PartStart["type"];
  /** OpenAI's index of a tool call, which counts calls alone. */
  readonly call: number | undefined;
  hasDelta: boolean;
}

/** Reads a completion's chunks; of several choices the first. */
export class ChatStreamReader implements StreamReader {
  #open: OpenPart | undefined;
  #parts = 0;
  #calls = 0;
  #hasStarted = false;
  #hasFinished = false;
  #isOver = false;

  push(data: string): readonly ReplyEvent[] {
    if (this.#isOver) return [];
    if (data === "[DONE]") return this.#done();
    const chunk = readJson(data);
    if (!isJsonObject(chunk)) return this.#fail("the model provider sent an event that is no JSON object");
    const { error } = chunk;
    if (isJsonObject(error) || typeof error === "string") return this.#error(chatErrorOf(error));
    return this.#chunk(chunk);
  }

  end(): readonly ReplyEvent[] {
    return this.#isOver ? [] : this.#fail("the model provider's stream ended before it was complete");
  }

  #chunk(chunk: JsonObject): readonly ReplyEvent[] {
    const events: ReplyEvent[] = [];
    if (!this.#hasStarted) {
      this.#hasStarted = true;
      events.push({ type: "start", id: wordOf(chunk, "id"), model: wordOf(chunk, "model") });
    }
    const usage = readOpenAiUsage(chunk["usage"]);
    if (usage !== undefined) events.push({ type: "usage", usage });
    for (const choice of itemsOf(chunk["choices"]))
      if (isJsonObject(choice) && (choice["index"] ?? 0) === 0) this.#choice(choice, events);
    return events;
  }

  #choice(choice: JsonObject, events: ReplyEvent[]): void {
    const delta = objectOf(choice["delta"]) ?? {};
    this.#text("reasoning", delta["reasoning_content"], events);
    this.#text("text", delta["content"], events);
    this.#text("refusal", delta["refusal"], events);
    for (const fragment of itemsOf(delta["tool_calls"])) {
      if (this.#isOver) return;
      if (isJsonObject(fragment)) this.#fragment(fragment, events);
    }
    const reason = textOf(choice["finish_reason"]);
    if (reason === undefined || this.#hasFinished || this.#isOver) return;
    this.#hasFinished = true;
    this.#endPart(events);
    events.push({ type: "finish", finish: finishOf(reason, this.#calls > 0) });
  }

  #text(type: "text" | "reasoning" | "refusal", value: Json | undefined, events: ReplyEvent[]): void {
    if (typeof value !== "string" || value === "") return;
    if (this.#open?.type !== type) this.#begin({ type }, undefined, events);
    this.#delta(value, events);
  }

  #fragment(fragment: JsonObject, events: ReplyEvent[]): void {
    const called = objectOf(fragment["function"]) ?? {};
    const at = this.#callOf(fragment);
    if (at === undefined) {
      events.push(...this.#fail("the model provider went back to a tool call that was over"));
      return;
    }
    if (at === this.#calls) {
      const name = wordOf(called, "name");
      if (name === "") {
        events.push(...this.#fail("the model provider began a tool call without a name"));
        return;
      }
      this.#calls += 1;
      this.#begin({ type: "tool_call", id: textOf(fragment["id"]) ?? `call_${at}`, name }, at, events);
    }
    const text = wordOf(called, "arguments");
    if (text !== "") this.#delta(text, events);
    const signed = signatureOf(fragment);
    if (signed !== undefined && this.#open !== undefined)
      events.push({ type: "signed", index: this.#open.index, signed });
  }

  /** Which call a fragment belongs to: the open one or the next; `undefined` for one that is over. Servers that number none begin a call with its id. */
  #callOf(fragment: JsonObject): number | undefined {
    const open = this.#open?.call;
    const { index, id } = fragment;
    if (typeof index !== "number")
      return open === undefined || (typeof id === "string" && id !== "") ? this.#calls : open;
    if (index === open) return open;
    return index >= this.#calls ? this.#calls : undefined;
  }

  #begin(part: PartStart, call: number | undefined, events: ReplyEvent[]): void {
    this.#endPart(events);
    this.#open = { index: this.#parts, type: part.type, call, hasDelta: false };
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
    if (!this.#hasFinished) events.push({ type: "finish", finish: finishOf(undefined, this.#calls > 0) });
    this.#isOver = true;
    return [...events, { type: "done" }];
  }

  #error(error: ModelError): readonly ReplyEvent[] {
    this.#isOver = true;
    return [{ type: "error", error }];
  }

  #fail(message: string): readonly ReplyEvent[] {
    return this.#error({ kind: "server", message });
  }
}
