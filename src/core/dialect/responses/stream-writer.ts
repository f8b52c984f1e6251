// Decides how an answer on its way reads as a stream of Responses events, in OpenAI's order.
import type { Usage } from "../../budget/price.ts";
import type { JsonObject } from "../../json/canonical.ts";
import type { Signed } from "../conversation.ts";
import type { Minted, StreamWriter } from "../dialect.ts";
import type { Finish, ModelError, PartStart, ReplyEvent } from "../reply.ts";
import { responseError } from "./errors.ts";
import { incompleteReason } from "./finish.ts";
import { callItem, carrierItem, itemId, messageContent, messageItem, reasoningItem, type ItemStatus } from "./items.ts";
import { argsOf, endingOf, responseObject } from "./reply.ts";

/** The part that is open, with what it has said. */
interface OpenPart {
  readonly start: PartStart;
  readonly id: string;
  text: string;
  signed: Signed | undefined;
}

/** The message that texts and refusals next to each other share. */
interface OpenMessage {
  readonly id: string;
  readonly contents: JsonObject[];
}

/** Writes a response's events. */
export class ResponsesStreamWriter implements StreamWriter {
  readonly #minted: Minted;
  readonly #output: JsonObject[] = [];
  #message: OpenMessage | undefined;
  #part: OpenPart | undefined;
  #usage: Usage | undefined;
  #finish: Finish = "other";
  #sequence = 0;
  #hasStarted = false;

  constructor(minted: Minted) {
    this.#minted = minted;
  }

  write(event: ReplyEvent): string {
    switch (event.type) {
      case "start":
        this.#usage = event.usage ?? this.#usage;
        return this.#start();
      case "part":
        return this.#begin(event.part);
      case "delta":
        return this.#delta(event.text);
      case "signed":
        if (this.#part !== undefined) this.#part.signed = event.signed;
        return "";
      case "part_end":
        return this.#endPart();
      case "usage":
        this.#usage = event.usage;
        return "";
      case "finish":
        this.#finish = event.finish;
        return "";
      case "error":
        return this.#failed(event.error);
      case "done":
        return this.#done();
    }
  }

  #start(): string {
    this.#hasStarted = true;
    const response = responseObject(this.#minted, { status: "in_progress", output: [], usage: undefined });
    return this.#event("response.created", { response }) + this.#event("response.in_progress", { response });
  }

  #begin(start: PartStart): string {
    if (start.type === "text" || start.type === "refusal") return this.#beginContent(start.type, start);
    const ended = this.#endMessage();
    const id = itemId(this.#minted, start.type === "tool_call" ? "function_call" : "reasoning", this.#output.length);
    this.#part = { start, id, text: "", signed: undefined };
    const item =
      start.type === "tool_call"
        ? callItem(id, { ...start, args: "" }, "in_progress")
        : { id, type: "reasoning", summary: [] };
    return ended + this.#added(item);
  }

  #beginContent(type: "text" | "refusal", start: PartStart): string {
    let begun = "";
    if (this.#message === undefined) {
      this.#message = { id: itemId(this.#minted, "message", this.#output.length), contents: [] };
      begun = this.#added(messageItem(this.#message.id, [], "in_progress"));
    }
    const { id, contents } = this.#message;
    this.#part = { start, id, text: "", signed: undefined };
    const part = messageContent(type, "");
    return (
      begun + this.#event("response.content_part.added", { ...this.#place(id), content_index: contents.length, part })
    );
  }

  #delta(text: string): string {
    const part = this.#part;
    if (part === undefined || text === "") return "";
    const isFirst = part.text === "";
    part.text += text;
    const head = `"item_id":${JSON.stringify(part.id)},"output_index":${this.#output.length}`;
    const delta = `"delta":${JSON.stringify(text)}`;
    const at = `"content_index":${this.#message?.contents.length ?? 0}`;
    switch (part.start.type) {
      case "text":
        return this.#line("response.output_text.delta", `${head},${at},${delta},"logprobs":[]`);
      case "refusal":
        return this.#line("response.refusal.delta", `${head},${at},${delta}`);
      case "tool_call":
        return this.#line("response.function_call_arguments.delta", `${head},${delta}`);
      case "reasoning": {
        const begun = isFirst ? this.#summaryPart("added", part.id, "") : "";
        return begun + this.#line("response.reasoning_summary_text.delta", `${head},"summary_index":0,${delta}`);
      }
    }
  }

  #endPart(): string {
    const part = this.#part;
    this.#part = undefined;
    if (part === undefined) return "";
    switch (part.start.type) {
      case "text":
      case "refusal":
        return this.#endContent(part.start.type, part);
      case "reasoning":
        return this.#endReasoning(part);
      case "tool_call":
        return this.#endCall(part.start, part);
    }
  }

  #endContent(type: "text" | "refusal", { id, text }: OpenPart): string {
    if (this.#message === undefined) return "";
    const { contents } = this.#message;
    const place = { ...this.#place(id), content_index: contents.length };
    const part = messageContent(type, text);
    contents.push(part);
    const done =
      type === "text"
        ? this.#event("response.output_text.done", { ...place, text, logprobs: [] })
        : this.#event("response.refusal.done", { ...place, refusal: text });
    return done + this.#event("response.content_part.done", { ...place, part });
  }

  #endReasoning({ id, text, signed }: OpenPart): string {
    const done =
      text === ""
        ? ""
        : this.#event("response.reasoning_summary_text.done", { ...this.#place(id), summary_index: 0, text }) +
          this.#summaryPart("done", id, text);
    return done + this.#itemDone(reasoningItem(id, text, signed));
  }

  #endCall(call: PartStart & { readonly type: "tool_call" }, { id, text, signed }: OpenPart): string {
    const args = argsOf(text);
    const item = callItem(id, { ...call, args }, "completed");
    const done =
      this.#event("response.function_call_arguments.done", {
        ...this.#place(id),
        name: item["name"] ?? call.name,
        arguments: args,
      }) + this.#itemDone(item);
    if (signed === undefined) return done;
    const carrier = carrierItem(itemId(this.#minted, "reasoning", this.#output.length), signed, call.id);
    return done + this.#added(carrier) + this.#itemDone(carrier);
  }

  #endMessage(status: ItemStatus = "completed"): string {
    const message = this.#message;
    this.#message = undefined;
    return message === undefined ? "" : this.#itemDone(messageItem(message.id, message.contents, status));
  }

  #done(): string {
    const { status, reason } = endingOf(this.#finish);
    const ended =
      this.#endPart() + this.#endMessage(incompleteReason(this.#finish) === undefined ? "completed" : "incomplete");
    const response = responseObject(this.#minted, { status, reason, output: this.#output, usage: this.#usage });
    return ended + this.#event(`response.${status}`, { response });
  }

  /** A response that broke says what was over by then; before it began there is only the error. */
  #failed(error: ModelError): string {
    const { code = error.kind, message, param = null } = error;
    if (!this.#hasStarted) return this.#event("error", { code, message, param });
    const response = responseObject(this.#minted, {
      status: "failed",
      output: this.#output,
      usage: this.#usage,
      error: responseError(error),
    });
    return this.#event("response.failed", { response });
  }

  #place(id: string): JsonObject {
    return { item_id: id, output_index: this.#output.length };
  }

  #summaryPart(what: "added" | "done", id: string, text: string): string {
    const part = { type: "summary_text", text };
    return this.#event(`response.reasoning_summary_part.${what}`, { ...this.#place(id), summary_index: 0, part });
  }

  #added(item: JsonObject): string {
    return this.#event("response.output_item.added", { output_index: this.#output.length, item });
  }

  #itemDone(item: JsonObject): string {
    const done = this.#event("response.output_item.done", { output_index: this.#output.length, item });
    this.#output.push(item);
    return done;
  }

  #event(type: string, members: JsonObject): string {
    return this.#line(type, JSON.stringify(members).slice(1, -1));
  }

  #line(type: string, members: string): string {
    const sequence = this.#sequence;
    this.#sequence += 1;
    return `event: ${type}\ndata: {"type":"${type}","sequence_number":${sequence},${members}}\n\n`;
  }
}
