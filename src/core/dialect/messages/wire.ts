// Decides what passes through between Anthropic clients and Anthropic providers, and what an answer and a stream said.
import type { Broken, Opening, Said, StreamSaid, Wire } from "../dialect.ts";
import type { ModelError, ModelErrorKind } from "../reply.ts";
import { memberValue, readJson, textOf } from "../body-fields.ts";
import { isJsonObject, type JsonObject } from "../../json/canonical.ts";
import type { ObjectText } from "../../json/members.ts";
import { EventParser, eventsOf, type ServerSentEvent } from "../../stream/events.ts";
import { errorIn, errorType } from "./errors.ts";
import { objectOf } from "../findings.ts";
import { editedMessages, readMessageFields } from "./owned.ts";
import { mergeFigures, NO_FIGURES, readFigures, readMessagesUsage, usageOf } from "./usage.ts";

/** Anthropic messages, passed through. */
export const messagesWire: Wire = {
  readFields: (body) => readMessageFields(body),
  edited: editedMessages,
  whole,
  streamed,
  opening,
  closing,
};

function whole(body: ObjectText): Said {
  const reason = textOf(memberValue(body, "stop_reason"));
  return {
    usage: readMessagesUsage(memberValue(body, "usage")),
    model: textOf(memberValue(body, "model")),
    id: textOf(memberValue(body, "id")),
    finishReasons: reason === undefined ? [] : [reason],
    error: memberValue(body, "type") === "error" ? errorIn({ error: memberValue(body, "error") ?? null }) : undefined,
  };
}

/** Events that say more than text: only these are parsed. A text that quotes one is parsed for nothing, no more. */
const TELLING = /"(?:message_start|message_delta|message_stop|error)"/;

function streamed(text: string): StreamSaid {
  let figures = NO_FIGURES;
  let said: Omit<StreamSaid, "usage"> = {
    model: undefined,
    id: undefined,
    finishReasons: [],
    error: undefined,
    isDone: false,
  };
  let hasDelta = false;
  // The last event may lack its blank line: what was sent is what was said.
  for (const { data, name } of eventsOf(`${text}\n\n`)) {
    if (!TELLING.test(data) && name !== "error") continue;
    const event = readJson(data);
    if (!isJsonObject(event)) continue;
    const usage = event["type"] === "message_start" ? objectOf(event["message"])?.["usage"] : event["usage"];
    if (event["type"] === "message_start" || event["type"] === "message_delta")
      figures = mergeFigures(figures, readFigures(usage));
    hasDelta ||= event["type"] === "message_delta";
    said = withEvent(said, event, name);
  }
  // A start alone counts almost no output: a stream that was cut before its figures is charged its hold.
  return { ...said, usage: hasDelta ? usageOf(figures) : undefined };
}

type Told = Omit<StreamSaid, "usage">;

function withEvent(said: Told, event: JsonObject, name: string): Told {
  switch (textOf(event["type"]) ?? "") {
    case "message_start": {
      const message = objectOf(event["message"]) ?? {};
      return { ...said, model: textOf(message["model"]), id: textOf(message["id"]) };
    }
    case "message_delta": {
      const reason = textOf(objectOf(event["delta"])?.["stop_reason"]);
      return reason === undefined ? said : { ...said, finishReasons: [reason] };
    }
    case "message_stop":
      return { ...said, isDone: true };
    case "error":
      return { ...said, error: said.error ?? errorIn(event) };
    default:
      return name === "error" ? { ...said, error: said.error ?? errorIn(event) } : said;
  }
}

function opening(text: string): Opening {
  let found: Opening = { type: "waiting" };
  for (const event of new EventParser().push(text)) {
    const shown = shownBy(event);
    if (shown.type === "content" || shown.type === "error") return shown;
    found = shown;
  }
  return found;
}

const PREAMBLE: Opening = { type: "preamble" };
const CONTENT: Opening = { type: "content" };

function shownBy({ data, name }: ServerSentEvent): Opening {
  const event = readJson(data);
  if (!isJsonObject(event)) return CONTENT;
  if (event["type"] === "error" || name === "error") {
    const error: ModelError = errorIn(event) ?? { kind: "server", message: "the provider gave no message" };
    return { type: "error", error };
  }
  switch (textOf(event["type"]) ?? "") {
    case "content_block_start":
      return isEmptyBlock(objectOf(event["content_block"]) ?? {}) ? PREAMBLE : CONTENT;
    case "content_block_delta":
    case "message_delta":
    case "message_stop":
      return CONTENT;
    default:
      return PREAMBLE;
  }
}

/** A block that begins with nothing to see: its deltas are the content. */
function isEmptyBlock(block: JsonObject): boolean {
  if (block["type"] === "text") return (textOf(block["text"]) ?? "") === "";
  return block["type"] === "thinking" && (textOf(block["thinking"]) ?? "") === "";
}

const KINDS: Readonly<Record<string, ModelErrorKind>> = {
  upstream_timeout: "timeout",
  halted: "permission",
  session_paused: "permission",
  budget_exceeded: "rate_limit",
  limit_exceeded: "rate_limit",
  provider_unavailable: "overloaded",
};

function closing({ code, message }: Broken, said: StreamSaid): string {
  if (said.isDone || said.error !== undefined) return "";
  const error = { type: errorType(KINDS[code] ?? "server"), message };
  return `\n\nevent: error\ndata: ${JSON.stringify({ type: "error", error, interlock: { code } })}\n\n`;
}
