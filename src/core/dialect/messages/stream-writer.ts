// Decides how an answer on its way reads as an Anthropic event stream.
import type { Minted, StreamWriter } from "../dialect.ts";
import type { Signed } from "../conversation.ts";
import type { Finish, PartStart, ReplyEvent } from "../reply.ts";
import { NO_USAGE, type Usage } from "../../budget/price.ts";
import { textOf } from "../body-fields.ts";
import type { JsonObject } from "../../json/canonical.ts";
import { ownBlock, safeId } from "./block-writer.ts";
import { writeError } from "./errors.ts";
import { writeEnding } from "./finish.ts";
import { carry } from "./foreign-state.ts";
import { callStart, messageId } from "./reply.ts";
import { writeDeltaUsage, writeUsage } from "./usage.ts";

/** The part that is being written. */
interface OpenPart {
  readonly part: PartStart;
  /** Anthropic's index of its block, once the block has begun. */
  block: number | undefined;
  isSigned: boolean;
  /** State of a call, which stands in a block of its own behind it. */
  state: string | undefined;
}

/**
 * Writes `message_start`, then each block with start, deltas and stop, then `message_delta` and `message_stop`. Empty texts
 * and thoughts make no block. An error is the last event; nothing says then that the answer is whole.
 */
export class MessagesStreamWriter implements StreamWriter {
  readonly #minted: Minted;
  #open: OpenPart | undefined;
  #blocks = 0;
  #usage: Usage | undefined;
  #finish: Finish | undefined;
  #stopSequence: string | undefined;
  #isRefused = false;

  constructor(minted: Minted) {
    this.#minted = minted;
  }

  write(event: ReplyEvent): string {
    switch (event.type) {
      case "start":
        return this.#start(event.usage);
      case "part":
        return this.#part(event.part);
      case "delta":
        return this.#delta(event.text);
      case "signed":
        return this.#signed(event.signed);
      case "part_end":
        return this.#endPart();
      case "usage":
        this.#usage = event.usage;
        return "";
      case "finish":
        this.#finish = event.finish;
        this.#stopSequence = event.stopSequence;
        return "";
      case "error":
        return frame("error", writeError(event.error));
      case "done":
        return this.#done();
    }
  }

  #start(usage: Usage | undefined): string {
    this.#usage = usage;
    const known = usage ?? { ...NO_USAGE, input: this.#minted.inputTokens ?? 0 };
    return frame("message_start", {
      type: "message_start",
      message: {
        id: messageId(this.#minted),
        type: "message",
        role: "assistant",
        model: this.#minted.model,
        content: [],
        container: null,
        diagnostics: null,
        ...writeEnding({ finish: undefined, stopSequence: undefined, isRefused: false }),
        usage: writeUsage(known),
      },
    });
  }

  #part(part: PartStart): string {
    this.#open = { part, block: undefined, isSigned: false, state: undefined };
    this.#isRefused ||= part.type === "refusal";
    return part.type === "tool_call" ? this.#begin(this.#open, callStart(part.id, part.name)) : "";
  }

  #begin(open: OpenPart, block: JsonObject): string {
    open.block = this.#blocks;
    this.#blocks += 1;
    return frame("content_block_start", { type: "content_block_start", index: open.block, content_block: block });
  }

  #delta(text: string): string {
    const open = this.#open;
    if (open === undefined || text === "") return "";
    const begun = open.block === undefined ? this.#begin(open, emptyBlock(open.part)) : "";
    const [type, field] = DELTAS[open.part.type];
    return `${begun}event: content_block_delta\ndata: {"type":"content_block_delta","index":${open.block},"delta":{"type":"${type}","${field}":${JSON.stringify(text)}}}\n\n`;
  }

  #signed(signed: Signed): string {
    const open = this.#open;
    if (open === undefined) return "";
    if (open.part.type === "tool_call") {
      open.state = carry(signed, safeId(open.part.id));
      return "";
    }
    open.isSigned = true;
    const own = signed.origin === "messages" ? ownBlock("", signed.value) : undefined;
    if (own?.["type"] === "redacted_thinking") return open.block === undefined ? this.#begin(open, own) : "";
    return this.#signature(open, own === undefined ? carry(signed) : (textOf(own["signature"]) ?? ""));
  }

  #signature(open: OpenPart, signature: string): string {
    const begun = open.block === undefined ? this.#begin(open, emptyBlock(open.part)) : "";
    const delta = { type: "signature_delta", signature };
    return begun + frame("content_block_delta", { type: "content_block_delta", index: open.block ?? 0, delta });
  }

  #endPart(): string {
    const open = this.#open;
    this.#open = undefined;
    if (open?.block === undefined) return "";
    // Thinking that nobody signed says so: it must not be taken for Anthropic's when it comes back.
    const unsigned = open.part.type === "reasoning" && !open.isSigned ? this.#signature(open, carry(undefined)) : "";
    const stopped = unsigned + stop(open.block);
    if (open.state === undefined) return stopped;
    const index = this.#blocks;
    this.#blocks += 1;
    const block = { type: "redacted_thinking", data: open.state };
    return (
      stopped + frame("content_block_start", { type: "content_block_start", index, content_block: block }) + stop(index)
    );
  }

  #done(): string {
    const ending = writeEnding({ finish: this.#finish, stopSequence: this.#stopSequence, isRefused: this.#isRefused });
    return (
      frame("message_delta", {
        type: "message_delta",
        delta: { container: null, ...ending },
        usage: writeDeltaUsage(this.#usage),
      }) + frame("message_stop", { type: "message_stop" })
    );
  }
}

const DELTAS = {
  text: ["text_delta", "text"],
  refusal: ["text_delta", "text"],
  reasoning: ["thinking_delta", "thinking"],
  tool_call: ["input_json_delta", "partial_json"],
} as const;

function emptyBlock(part: PartStart): JsonObject {
  if (part.type === "tool_call") return callStart(part.id, part.name);
  return part.type === "reasoning"
    ? { type: "thinking", thinking: "", signature: "" }
    : { type: "text", text: "", citations: null };
}

function stop(index: number): string {
  return frame("content_block_stop", { type: "content_block_stop", index });
}

function frame(name: string, data: JsonObject): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
