// Decides what a stream of Responses events says, event by event.
import { isJsonObject, type JsonObject } from "../../json/canonical.ts";
import { readJson } from "../body-fields.ts";
import type { StreamReader } from "../dialect.ts";
import { objectOf, wordOf } from "../findings.ts";
import type { ModelError, PartStart, ReplyEvent } from "../reply.ts";
import { errorOfEvent, errorOfResponse } from "./errors.ts";
import { finishOf } from "./finish.ts";
import { stateOf } from "./foreign-state.ts";
import { argsOf, PARAGRAPH, thoughtOf } from "./reply.ts";
import { readResponsesUsage } from "./usage.ts";

interface OpenPart {
  readonly index: number;
  readonly type: PartStart["type"];
  /** The item, and for a message the place in it. */
  readonly key: string;
  hasDelta: boolean;
  /** The part of a summary that came last. */
  summary: number;
}

/** Reads a response's events. Items without a counterpart are passed over, and indexes count parts alone. */
export class ResponsesStreamReader implements StreamReader {
  #open: OpenPart | undefined;
  readonly #over = new Set<string>();
  #parts = 0;
  #hasCalls = false;
  #hasStarted = false;
  #isOver = false;

  push(data: string, name: string): readonly ReplyEvent[] {
    if (this.#isOver || data === "[DONE]") return [];
    const event = readJson(data);
    if (!isJsonObject(event)) return this.#fail("the model provider sent an event that is no JSON object");
    const type = wordOf(event, "type");
    return this.#event(event, type === "" ? name : type);
  }

  end(): readonly ReplyEvent[] {
    return this.#isOver ? [] : this.#fail("the model provider's stream ended before it was complete");
  }

  #event(event: JsonObject, type: string): readonly ReplyEvent[] {
    const grown = Object.hasOwn(DELTAS, type) ? DELTAS[type] : undefined;
    if (grown !== undefined) return this.#delta(event, grown);
    switch (type) {
      case "response.output_item.added":
        return this.#itemAdded(event);
      case "response.content_part.added":
        return this.#contentAdded(event);
      case "response.content_part.done":
        return this.#contentDone(event);
      case "response.output_item.done":
        return this.#itemDone(event);
      default:
        return this.#turn(event, type);
    }
  }

  /** What tells how far the response is as a whole. */
  #turn(event: JsonObject, type: string): readonly ReplyEvent[] {
    const response = objectOf(event["response"]) ?? {};
    switch (type) {
      case "response.created":
      case "response.in_progress":
        return this.#start(response);
      case "response.completed":
      case "response.incomplete":
        return this.#ended(response);
      case "response.failed":
        return this.#error(errorOfResponse(response["error"]));
      default:
        return type === "error" || isJsonObject(event["error"]) ? this.#error(errorOfEvent(event)) : [];
    }
  }

  #start(response: JsonObject): readonly ReplyEvent[] {
    if (this.#hasStarted) return [];
    this.#hasStarted = true;
    return [{ type: "start", id: wordOf(response, "id"), model: wordOf(response, "model") }];
  }

  #itemAdded(event: JsonObject): readonly ReplyEvent[] {
    const item = objectOf(event["item"]) ?? {};
    const key = keyOf(event, undefined);
    if (item["type"] === "function_call") {
      const name = wordOf(item, "name");
      const id = wordOf(item, "call_id");
      if (name === "" || id === "") return this.#fail("the model provider began a tool call without a name or an id");
      this.#hasCalls = true;
      return this.#begin({ type: "tool_call", id, name }, key);
    }
    // What was thought begins once there is something to read, or to hand back.
    return [];
  }

  #contentAdded(event: JsonObject): readonly ReplyEvent[] {
    const type = wordOf(objectOf(event["part"]) ?? {}, "type");
    if (type === "output_text") return this.#begin({ type: "text" }, keyOf(event, "text"));
    return type === "refusal" ? this.#begin({ type: "refusal" }, keyOf(event, "refusal")) : [];
  }

  #begin(part: PartStart, key: string): readonly ReplyEvent[] {
    if (this.#over.has(key) || this.#open?.key === key) return [];
    const ended = this.#endPart();
    this.#open = { index: this.#parts, type: part.type, key, hasDelta: false, summary: 0 };
    this.#parts += 1;
    return [...ended, { type: "part", index: this.#open.index, part }];
  }

  #delta(event: JsonObject, type: PartStart["type"]): readonly ReplyEvent[] {
    const text = wordOf(event, "delta");
    if (text === "") return [];
    const key = keyOf(event, type);
    const begun = this.#open?.key === key || type === "tool_call" ? [] : this.#begin({ type }, key);
    const open = this.#open;
    if (open?.key !== key) return this.#fail("the model provider went back to a part that was over");
    const gap = type === "reasoning" ? gapBefore(event, open) : "";
    open.hasDelta = true;
    return [...begun, { type: "delta", index: open.index, text: gap + text }];
  }

  /** Servers that send no fragments say everything at the end. */
  #whole(text: string): readonly ReplyEvent[] {
    const open = this.#open;
    if (open === undefined || open.hasDelta || text === "") return [];
    open.hasDelta = true;
    return [{ type: "delta", index: open.index, text }];
  }

  #contentDone(event: JsonObject): readonly ReplyEvent[] {
    const part = objectOf(event["part"]) ?? {};
    const type = part["type"] === "refusal" ? "refusal" : "text";
    if (this.#open?.key !== keyOf(event, type)) return [];
    const whole = this.#whole(wordOf(part, type));
    return [...whole, ...this.#endPart()];
  }

  #itemDone(event: JsonObject): readonly ReplyEvent[] {
    const item = objectOf(event["item"]) ?? {};
    const key = keyOf(event, undefined);
    if (item["type"] === "reasoning") return this.#thoughtDone(item, key);
    if (this.#open?.key !== key) return [];
    return [...this.#whole(argsOf(item["arguments"])), ...this.#endPart()];
  }

  #thoughtDone(item: JsonObject, key: string): readonly ReplyEvent[] {
    const state = stateOf(item);
    const thought = thoughtOf(item);
    if (state?.callId !== undefined || (state === undefined && thought === "" && this.#open?.key !== key)) return [];
    const begun = this.#begin({ type: "reasoning" }, key);
    const open = this.#open;
    if (open?.key !== key) return [];
    const signed: readonly ReplyEvent[] =
      state === undefined ? [] : [{ type: "signed", index: open.index, signed: state.signed }];
    return [...begun, ...this.#whole(thought), ...signed, ...this.#endPart()];
  }

  #endPart(): readonly ReplyEvent[] {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return [];
    this.#over.add(open.key);
    // A call whose model wrote no arguments has none.
    const empty: readonly ReplyEvent[] =
      open.type === "tool_call" && !open.hasDelta ? [{ type: "delta", index: open.index, text: "{}" }] : [];
    return [...empty, { type: "part_end", index: open.index }];
  }

  #ended(response: JsonObject): readonly ReplyEvent[] {
    this.#isOver = true;
    const usage = readResponsesUsage(response["usage"]);
    const finish = finishOf(response, this.#hasCalls);
    return [
      ...this.#endPart(),
      ...(usage === undefined ? [] : [{ type: "usage", usage } as const]),
      { type: "finish", finish },
      { type: "done" },
    ];
  }

  #error(error: ModelError): readonly ReplyEvent[] {
    this.#isOver = true;
    return [{ type: "error", error }];
  }

  #fail(message: string): readonly ReplyEvent[] {
    return this.#error({ kind: "server", message });
  }
}

/** What grows by each kind of fragment. */
const DELTAS: Readonly<Record<string, PartStart["type"]>> = {
  "response.output_text.delta": "text",
  "response.refusal.delta": "refusal",
  "response.reasoning_summary_text.delta": "reasoning",
  "response.reasoning_text.delta": "reasoning",
  "response.function_call_arguments.delta": "tool_call",
};

/** A summary's parts stand apart. */
function gapBefore(event: JsonObject, open: OpenPart): string {
  const place = event["summary_index"] ?? event["content_index"];
  if (typeof place !== "number" || place <= open.summary) return "";
  open.summary = place;
  return open.hasDelta ? PARAGRAPH : "";
}

/** What tells the parts of a stream apart: items by their place, and the contents of a message by theirs too. */
function keyOf(event: JsonObject, type: PartStart["type"] | undefined): string {
  const item = placeOf(event, "output_index") ?? wordOf(event, "item_id");
  return type === "text" || type === "refusal" ? `${item}/${placeOf(event, "content_index") ?? "0"}` : item;
}

function placeOf(event: JsonObject, key: string): string | undefined {
  const place = event[key];
  return typeof place === "number" ? String(place) : undefined;
}
