// Decides what an Anthropic event stream says, event by event.
import type { StreamReader } from "../dialect.ts";
import type { Signed } from "../conversation.ts";
import type { PartStart, ReplyEvent } from "../reply.ts";
import { readJson, textOf } from "../body-fields.ts";
import { isJsonObject, type JsonObject } from "../../json/canonical.ts";
import { argsOf, ownState } from "./block-reader.ts";
import { errorIn } from "./errors.ts";
import { objectOf, present, wordOf } from "../findings.ts";
import { finishOf } from "./finish.ts";
import { carried, isCarrier, stateOf } from "./foreign-state.ts";
import { mergeFigures, NO_FIGURES, readFigures, usageOf, type Figures } from "./usage.ts";

/** The part whose block is open, or whose end is still held back. */
interface OpenPart {
  readonly index: number;
  /** Anthropic's index, which counts every block. */
  readonly block: number;
  readonly type: PartStart["type"];
  readonly callId: string | undefined;
  /** Arguments that stood in the start, and come if no fragment does. */
  readonly whole: string;
  hasDelta: boolean;
  signature: string;
}

/** Reads a message's events. Blocks without a counterpart are passed over, and indexes count parts alone. */
export class MessagesStreamReader implements StreamReader {
  #open: OpenPart | undefined;
  #parts = 0;
  #figures: Figures = NO_FIGURES;
  #hasCalls = false;
  #hasStarted = false;
  #hasFinished = false;
  #isOver = false;

  push(data: string, name: string): readonly ReplyEvent[] {
    if (this.#isOver || name === "ping") return [];
    const event = readJson(data);
    if (!isJsonObject(event)) return this.#fail("the model provider sent an event that is no JSON object");
    return this.#event(event, name === "error" ? name : wordOf(event, "type"));
  }

  #event(event: JsonObject, type: string): readonly ReplyEvent[] {
    switch (type) {
      case "message_start":
        return this.#start(objectOf(event["message"]) ?? {});
      case "content_block_start":
        return this.#blockStart(event);
      case "content_block_delta":
        return this.#blockDelta(event);
      case "content_block_stop":
        return this.#blockStop(event);
      case "message_delta":
        return this.#messageDelta(event);
      case "message_stop":
        return this.#stop();
      case "error":
        return this.#error(event);
      default:
        return [];
    }
  }

  end(): readonly ReplyEvent[] {
    return this.#isOver ? [] : this.#fail("the model provider's stream ended before it was complete");
  }

  #start(message: JsonObject): readonly ReplyEvent[] {
    this.#figures = mergeFigures(this.#figures, readFigures(message["usage"]));
    if (this.#hasStarted) return [];
    this.#hasStarted = true;
    const id = textOf(message["id"]) ?? "";
    return [{ type: "start", id, model: textOf(message["model"]) ?? "", ...present("usage", usageOf(this.#figures)) }];
  }

  #blockStart(event: JsonObject): readonly ReplyEvent[] {
    const block = objectOf(event["content_block"]) ?? {};
    const state = stateOf(block);
    if (state?.callId !== undefined) return this.#carriedFor(state.callId, state.signed);
    const ended = this.#endPart();
    const part = partOf(block);
    if (part === undefined) return ended;
    const index = this.#parts;
    this.#parts += 1;
    const first = part.type === "tool_call" ? "" : wordOf(block, FIELDS[part.type]);
    this.#open = {
      index,
      block: Number(event["index"]),
      type: part.type,
      ...this.#callOf(part, block),
      hasDelta: first !== "",
      signature: wordOf(block, "signature"),
    };
    const started: ReplyEvent[] = [...ended, { type: "part", index, part }];
    if (first !== "") started.push({ type: "delta", index, text: first });
    const signed = block["type"] === "redacted_thinking" ? redactedState(block) : undefined;
    if (signed !== undefined) started.push({ type: "signed", index, signed });
    return started;
  }

  #callOf(part: PartStart, block: JsonObject): Pick<OpenPart, "callId" | "whole"> {
    if (part.type !== "tool_call") return { callId: undefined, whole: "" };
    this.#hasCalls = true;
    return { callId: part.id, whole: argsOf(block["input"]) };
  }

  /** State of a call comes in a block right after it: its part has been kept open for that. */
  #carriedFor(callId: string, signed: Signed): readonly ReplyEvent[] {
    const open = this.#open;
    return open?.callId === callId ? [{ type: "signed", index: open.index, signed }] : [];
  }

  #blockDelta(event: JsonObject): readonly ReplyEvent[] {
    const open = this.#open;
    const delta = objectOf(event["delta"]) ?? {};
    if (open === undefined || open.block !== event["index"]) return [];
    if (delta["type"] === "signature_delta") {
      open.signature += wordOf(delta, "signature");
      return [];
    }
    const text = wordOf(delta, FIELDS[open.type]);
    if (text === "") return [];
    open.hasDelta = true;
    return [{ type: "delta", index: open.index, text }];
  }

  #blockStop(event: JsonObject): readonly ReplyEvent[] {
    const open = this.#open;
    if (open === undefined || open.block !== event["index"]) return [];
    if (open.type !== "tool_call") return this.#endPart();
    return this.#endArguments(open);
  }

  /** A call without any fragment has the arguments of its start, which are `{}` when the model wrote none. */
  #endArguments(open: OpenPart): readonly ReplyEvent[] {
    if (open.hasDelta) return [];
    open.hasDelta = true;
    return [{ type: "delta", index: open.index, text: open.whole }];
  }

  #endPart(): readonly ReplyEvent[] {
    const open = this.#open;
    if (open === undefined) return [];
    this.#open = undefined;
    const { index, signature } = open;
    const rest = open.type === "tool_call" ? this.#endArguments(open) : [];
    const signed = signature === "" ? undefined : signedOf(signature);
    return [
      ...rest,
      ...(signed === undefined ? [] : [{ type: "signed", index, signed } as const]),
      { type: "part_end", index },
    ];
  }

  #messageDelta(event: JsonObject): readonly ReplyEvent[] {
    this.#figures = mergeFigures(this.#figures, readFigures(event["usage"]));
    const usage = usageOf(this.#figures);
    const told: ReplyEvent[] = usage === undefined ? [] : [{ type: "usage", usage }];
    const delta = objectOf(event["delta"]) ?? {};
    const reason = textOf(delta["stop_reason"]);
    if (reason === undefined || this.#hasFinished) return told;
    this.#hasFinished = true;
    const finish = finishOf(reason, this.#hasCalls);
    const stopSequence = present("stopSequence", textOf(delta["stop_sequence"]));
    return [...this.#endPart(), ...told, { type: "finish", finish, ...stopSequence }];
  }

  #stop(): readonly ReplyEvent[] {
    this.#isOver = true;
    const finish: readonly ReplyEvent[] = this.#hasFinished ? [] : [{ type: "finish", finish: "other" }];
    return [...this.#endPart(), ...finish, { type: "done" }];
  }

  #error(event: JsonObject): readonly ReplyEvent[] {
    this.#isOver = true;
    return [{ type: "error", error: errorIn(event) ?? { kind: "server", message: "the provider gave no message" } }];
  }

  #fail(message: string): readonly ReplyEvent[] {
    this.#isOver = true;
    return [{ type: "error", error: { kind: "server", message } }];
  }
}

/** The member of a delta that holds what a part grows by. */
const FIELDS = { text: "text", refusal: "text", reasoning: "thinking", tool_call: "partial_json" } as const;

function partOf(block: JsonObject): PartStart | undefined {
  const { type, id, name } = block;
  if (type === "text") return { type: "text" };
  if (type === "thinking" || type === "redacted_thinking") return { type: "reasoning" };
  if (type === "tool_use" && typeof id === "string" && typeof name === "string") return { type: "tool_call", id, name };
  return undefined;
}

function redactedState(block: JsonObject): Signed | undefined {
  const data = wordOf(block, "data");
  if (isCarrier(data)) return carried(data)?.signed;
  return data === "" ? undefined : { origin: "messages", value: { data } };
}

function signedOf(signature: string): Signed | undefined {
  return isCarrier(signature)
    ? carried(signature)?.signed
    : { origin: "messages", value: ownState({ type: "thinking" }, signature) };
}
