// Decides how an answer on its way reads as a chat-completions event stream.
import type { Usage } from "../../budget/price.ts";
import type { Minted, StreamWriter } from "../dialect.ts";
import type { PartStart, ReplyEvent } from "../reply.ts";
import type { JsonObject } from "../../json/canonical.ts";
import { chatErrorBody } from "./errors.ts";
import { finishReason } from "./finish.ts";
import { carried } from "./foreign-state.ts";
import { completionId } from "./reply.ts";
import { writeChatUsage } from "./usage.ts";

const DELTAS = { text: "content", reasoning: "reasoning_content", refusal: "refusal" } as const;

/** Writes a completion's chunks. */
export class ChatStreamWriter implements StreamWriter {
  readonly #head: string;
  readonly #minted: Minted;
  #open: PartStart["type"] | undefined;
  #calls = 0;
  #usage: Usage | undefined;

  constructor(minted: Minted) {
    this.#minted = minted;
    const head = {
      id: completionId(minted),
      object: "chat.completion.chunk",
      created: minted.createdS,
      model: minted.model,
    };
    this.#head = JSON.stringify(head).slice(0, -1);
  }

  write(event: ReplyEvent): string {
    switch (event.type) {
      case "start":
        this.#usage = event.usage ?? this.#usage;
        return this.#delta('{"role":"assistant","content":"","refusal":null}');
      case "part":
        return this.#part(event.part);
      case "delta":
        return this.#fragment(event.text);
      case "signed":
        return this.#open === "tool_call" ? this.#call({ index: this.#calls - 1, ...carried(event.signed) }) : "";
      case "part_end":
        this.#open = undefined;
        return "";
      case "usage":
        this.#usage = event.usage;
        return "";
      case "finish":
        return this.#chunk(
          `[{"index":0,"delta":{},"logprobs":null,"finish_reason":${JSON.stringify(finishReason(event.finish))}}]`,
        );
      case "error":
        return `data: ${JSON.stringify(chatErrorBody(event.error))}\n\n`;
      case "done":
        return this.#done();
    }
  }

  #part(part: PartStart): string {
    this.#open = part.type;
    if (part.type !== "tool_call") return "";
    const index = this.#calls;
    this.#calls += 1;
    return this.#call({
      index,
      id: part.id,
      type: "function",
      function: { name: part.name, arguments: "" },
    });
  }

  #fragment(text: string): string {
    if (this.#open === undefined || text === "") return "";
    if (this.#open === "tool_call") return this.#call({ index: this.#calls - 1, function: { arguments: text } });
    return this.#delta(`{"${DELTAS[this.#open]}":${JSON.stringify(text)}}`);
  }

  #call(fragment: JsonObject): string {
    return this.#delta(`{"tool_calls":[${JSON.stringify(fragment)}]}`);
  }

  #delta(delta: string): string {
    return this.#chunk(`[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":null}]`);
  }

  #chunk(choices: string): string {
    // Callers that asked for usage see that it is still to come.
    const usage = this.#minted.wantsUsage ? ',"usage":null' : "";
    return `data: ${this.#head},"choices":${choices}${usage}}\n\n`;
  }

  #done(): string {
    const usage =
      this.#minted.wantsUsage && this.#usage !== undefined
        ? `data: ${this.#head},"choices":[],"usage":${JSON.stringify(writeChatUsage(this.#usage))}}\n\n`
        : "";
    return `${usage}data: [DONE]\n\n`;
  }
}
