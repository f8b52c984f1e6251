// Decides how an answer on its way reads as a Gemini event stream: texts as they grow, calls whole.
import type { Usage } from "../../budget/price.ts";
import type { JsonObject } from "../../json/canonical.ts";
import type { Signed } from "../conversation.ts";
import type { Minted, StreamWriter } from "../dialect.ts";
import { present } from "../findings.ts";
import type { Finish, PartStart, ReplyEvent } from "../reply.ts";
import { writeError } from "./errors.ts";
import { reasonOf } from "./finish.ts";
import { malformedCall, writeReplyPart } from "./reply.ts";
import { writeGenerateUsage } from "./usage.ts";

/** A part that has begun. */
interface OpenPart {
  readonly part: PartStart;
  text: string;
  signed: Signed | undefined;
}

/** Writes one stream. Nothing comes after an error, and the last chunk alone has the finish reason and the usage. */
export class GenerateStreamWriter implements StreamWriter {
  readonly #minted: Minted;
  readonly #open = new Map<number, OpenPart>();
  #id: string;
  #usage: Usage | undefined;
  #finish: Finish = "other";
  #isOver = false;

  constructor(minted: Minted) {
    this.#minted = minted;
    this.#id = minted.seed;
  }

  write(event: ReplyEvent): string {
    if (this.#isOver) return "";
    switch (event.type) {
      case "start":
        if (event.id !== "") this.#id = event.id;
        this.#usage = event.usage;
        return "";
      case "part":
        this.#open.set(event.index, { part: event.part, text: "", signed: undefined });
        return "";
      case "delta":
        return this.#delta(event.index, event.text);
      case "signed":
        this.#sign(event.index, event.signed);
        return "";
      case "part_end":
        return this.#endPart(event.index);
      case "usage":
        this.#usage = event.usage;
        return "";
      case "finish":
        this.#finish = event.finish;
        return "";
      case "error":
        this.#isOver = true;
        return frame(writeError(event.error));
      case "done":
        return this.#done();
    }
  }

  #delta(index: number, text: string): string {
    const open = this.#open.get(index);
    if (open === undefined || text === "") return "";
    if (open.part.type !== "tool_call") return this.#chunk(growth(open.part.type, text));
    open.text += text;
    return "";
  }

  #sign(index: number, signed: Signed): void {
    const open = this.#open.get(index);
    if (open !== undefined) open.signed = signed;
  }

  #endPart(index: number): string {
    const open = this.#open.get(index);
    this.#open.delete(index);
    if (open === undefined) return "";
    const { part, text, signed } = open;
    if (part.type !== "tool_call") {
      const state = signed === undefined ? undefined : writeReplyPart({ type: "reasoning", text: "", signed });
      return state === undefined ? "" : this.#chunk(state);
    }
    const call = writeReplyPart({ ...part, args: text, ...present("signed", signed) });
    if (call !== undefined) return this.#chunk(call);
    this.#isOver = true;
    return frame(writeError({ kind: "server", message: malformedCall(part.name), code: "MALFORMED_FUNCTION_CALL" }));
  }

  #done(): string {
    this.#isOver = true;
    const usage = this.#usage === undefined ? {} : { usageMetadata: writeGenerateUsage(this.#usage) };
    return this.#chunk({ text: "" }, { finishReason: reasonOf(this.#finish) }, usage);
  }

  #chunk(part: JsonObject, ended: JsonObject = {}, usage: JsonObject = {}): string {
    return frame({
      candidates: [{ content: { parts: [part], role: "model" }, ...ended, index: 0 }],
      ...usage,
      modelVersion: this.#minted.model,
      responseId: this.#id,
    });
  }
}

function growth(type: "text" | "reasoning" | "refusal", text: string): JsonObject {
  return type === "reasoning" ? { text, thought: true } : { text };
}

function frame(object: JsonObject): string {
  return `data: ${JSON.stringify(object)}\n\n`;
}
