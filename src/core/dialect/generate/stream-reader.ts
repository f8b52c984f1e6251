// Decides what a Gemini event stream says, chunk by chunk.
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import type { Usage } from "../../budget/price.ts";
import { readJson, textOf } from "../body-fields.ts";
import type { StreamReader } from "../dialect.ts";
import { itemsOf, objectOf, present } from "../findings.ts";
import type { Finish, ReplyEvent, ReplyPart } from "../reply.ts";
import { errorIn } from "./errors.ts";
import { blockReasonOf, failureOf, finishOf } from "./finish.ts";
import { idSeed, readReplyPart, unreadable } from "./reply.ts";
import { placeOf } from "./signatures.ts";
import { readGenerateUsage } from "./usage.ts";

/** Reads one stream. Gemini has no terminal event: the chunk with a finish reason ends it, once its usage is known. */
export class GenerateStreamReader implements StreamReader {
  #seed: string | undefined;
  #next = 0;
  #calls = 0;
  #open: { readonly index: number; readonly type: "text" | "reasoning" } | undefined;
  #usage: Usage | undefined;
  #hasFinished = false;
  #finished: Finish = "other";
  #isOver = false;

  push(data: string): readonly ReplyEvent[] {
    if (this.#isOver) return [];
    const chunk = readJson(data);
    if (!isJsonObject(chunk)) return this.#fail("the model provider's stream holds what is no JSON object");
    const error = errorIn(chunk);
    if (error !== undefined) {
      this.#isOver = true;
      return [{ type: "error", error }];
    }
    this.#usage = readGenerateUsage(chunk["usageMetadata"]) ?? this.#usage;
    const started = this.#start(chunk);
    const said = this.#chunk(chunk);
    const isKnown = this.#hasFinished && chunk["usageMetadata"] !== undefined;
    return [...started, ...said, ...(isKnown ? this.#done() : [])];
  }

  end(): readonly ReplyEvent[] {
    if (this.#isOver) return [];
    return this.#hasFinished ? this.#done() : this.#fail("the model provider's stream ended before it was complete");
  }

  #start(chunk: JsonObject): readonly ReplyEvent[] {
    if (this.#seed !== undefined) return [];
    const id = textOf(chunk["responseId"]) ?? "";
    this.#seed = idSeed(id, chunk);
    const model = textOf(chunk["modelVersion"]) ?? "";
    return [{ type: "start", id, model, ...present("usage", this.#usage) }];
  }

  #chunk(chunk: JsonObject): readonly ReplyEvent[] {
    const candidate = objectOf(itemsOf(chunk["candidates"])[0]);
    if (candidate === undefined)
      return blockReasonOf(chunk) === undefined || this.#hasFinished ? [] : this.#finish("filtered");
    const events: ReplyEvent[] = [];
    for (const part of itemsOf(objectOf(candidate["content"])?.["parts"])) {
      const read = readReplyPart(part, `call_${this.#seed ?? ""}_${this.#calls}`);
      if (read === undefined) return [...events, ...this.#fail(unreadable(part))];
      events.push(...read.flatMap((each) => this.#part(each)));
    }
    const reason = textOf(candidate["finishReason"]);
    if (reason === undefined || this.#hasFinished) return events;
    const failure = failureOf(reason);
    if (failure !== undefined) return [...events, ...this.#fail(failure)];
    return [...events, ...this.#finish(finishOf(reason, this.#calls > 0))];
  }

  #part(part: ReplyPart): readonly ReplyEvent[] {
    if (part.type === "tool_call") return this.#call(part);
    if (part.type === "refusal") return [];
    const signed = part.type === "reasoning" ? part.signed : undefined;
    // A signature that stood on a text is a part of its own.
    const isPlaced = signed !== undefined && placeOf(signed) !== undefined;
    const opened = part.type !== this.#open?.type || isPlaced ? this.#begin(part.type) : [];
    const index = this.#open?.index ?? 0;
    const grown: readonly ReplyEvent[] = part.text === "" ? [] : [{ type: "delta", index, text: part.text }];
    if (signed === undefined) return [...opened, ...grown];
    return [...opened, ...grown, { type: "signed", index, signed }, ...this.#endPart()];
  }

  #begin(type: "text" | "reasoning"): readonly ReplyEvent[] {
    const ended = this.#endPart();
    const index = this.#next;
    this.#next += 1;
    this.#open = { index, type };
    return [...ended, { type: "part", index, part: { type } }];
  }

  #call({ id, name, args, signed }: ReplyPart & { readonly type: "tool_call" }): readonly ReplyEvent[] {
    const ended = this.#endPart();
    const index = this.#next;
    this.#next += 1;
    this.#calls += 1;
    return [
      ...ended,
      { type: "part", index, part: { type: "tool_call", id, name } },
      { type: "delta", index, text: args },
      ...(signed === undefined ? [] : [{ type: "signed", index, signed } as const]),
      { type: "part_end", index },
    ];
  }

  #endPart(): readonly ReplyEvent[] {
    const open = this.#open;
    this.#open = undefined;
    return open === undefined ? [] : [{ type: "part_end", index: open.index }];
  }

  #finish(finish: Finish): readonly ReplyEvent[] {
    this.#hasFinished = true;
    this.#finished = finish;
    return this.#endPart();
  }

  #done(): readonly ReplyEvent[] {
    this.#isOver = true;
    const usage: readonly ReplyEvent[] = this.#usage === undefined ? [] : [{ type: "usage", usage: this.#usage }];
    return [...usage, { type: "finish", finish: this.#finished }, { type: "done" }];
  }

  #fail(message: string): readonly ReplyEvent[] {
    this.#isOver = true;
    return [{ type: "error", error: { kind: "server", message } }];
  }
}

/** Whether a chunk shows a caller something: text, a thought, a call, or how it ended. */
export function showsContent(chunk: Json): boolean {
  if (!isJsonObject(chunk)) return true;
  if (blockReasonOf(chunk) !== undefined) return true;
  return itemsOf(chunk["candidates"]).some((candidate) => {
    const found = objectOf(candidate);
    const parts = itemsOf(objectOf(found?.["content"])?.["parts"]);
    return found?.["finishReason"] !== undefined || parts.some((part) => objectOf(part)?.["text"] !== "");
  });
}
