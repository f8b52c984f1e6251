// Decides what OpenAI Responses say that pass through: what an answer and a stream said, and how a broken stream is ended.
import type { Usage } from "../../budget/price.ts";
import { isJsonObject, type JsonObject } from "../../json/canonical.ts";
import { memberText, type ObjectText } from "../../json/members.ts";
import { EventParser, eventsOf, type ServerSentEvent } from "../../stream/events.ts";
import { readJson, textOf } from "../body-fields.ts";
import type { Broken, Opening, Said, StreamSaid, Wire } from "../dialect.ts";
import { objectOf, wordOf } from "../findings.ts";
import type { ModelError, ModelErrorKind } from "../reply.ts";
import { chatErrorOf } from "../chat/errors.ts";
import { errorOfEvent, errorOfResponse, responseError } from "./errors.ts";
import { finishWord } from "./finish.ts";
import { editedResponses, readResponsesFields } from "./owned.ts";
import { readResponsesUsage } from "./usage.ts";

/** Responses, passed through. */
export const responsesWire: Wire = {
  readFields: (body) => readResponsesFields(body),
  edited: editedResponses,
  whole,
  streamed,
  opening,
  closing,
};

function whole(body: ObjectText): Said {
  const error = readJson(memberText(body, "error"));
  const status = textOf(readJson(memberText(body, "status"))) ?? "";
  const details = readJson(memberText(body, "incomplete_details")) ?? null;
  const word = finishWord({ status, incomplete_details: details });
  return {
    usage: readResponsesUsage(readJson(memberText(body, "usage"))),
    model: textOf(readJson(memberText(body, "model"))),
    id: textOf(readJson(memberText(body, "id"))),
    finishReasons: word === undefined ? [] : [word],
    error: isJsonObject(error)
      ? status === "failed"
        ? errorOfResponse(error)
        : chatErrorOf(error)
      : status === "failed"
        ? errorOfResponse(undefined)
        : undefined,
  };
}

/** What a stream said, and what a closing event repeats of it. */
interface ResponsesSaid extends StreamSaid {
  /** The response as its last event that had it whole told it. */
  readonly response: JsonObject | undefined;
  /** Items that are over, by their place. */
  readonly items: ReadonlyMap<number, JsonObject>;
  readonly text: string;
}

/** Events that say more than text: only these are parsed. A text that quotes one is parsed for nothing, no more. */
const TELLING = /"(?:response\.(?:created|queued|in_progress|completed|incomplete|failed|output_item\.done)|error)"/;
const TERMINAL = new Set(["response.completed", "response.incomplete", "response.failed"]);

function streamed(text: string): ResponsesSaid {
  let said: ResponsesSaid = {
    usage: undefined,
    model: undefined,
    id: undefined,
    finishReasons: [],
    error: undefined,
    isDone: false,
    response: undefined,
    items: new Map(),
    text,
  };
  // The last event may lack its blank line: what was sent is what was said.
  for (const { data, name } of eventsOf(`${text}\n\n`)) {
    if (name !== "error" && !TELLING.test(data)) continue;
    const event = readJson(data);
    if (isJsonObject(event)) said = withEvent(said, event, name);
  }
  return said;
}

function withEvent(said: ResponsesSaid, event: JsonObject, name: string): ResponsesSaid {
  const type = typeOf(event, name);
  if (type === "error") return { ...said, error: said.error ?? errorOfEvent(event) };
  if (type === "response.output_item.done") return withItem(said, event);
  const response = objectOf(event["response"]);
  if (response === undefined) return said;
  const known: ResponsesSaid = {
    ...said,
    response,
    usage: larger(said.usage, readResponsesUsage(response["usage"])),
    model: textOf(response["model"]) ?? said.model,
    id: textOf(response["id"]) ?? said.id,
  };
  if (!TERMINAL.has(type)) return known;
  const word = finishWord(response) ?? type.slice("response.".length);
  const ended = { ...known, isDone: true, finishReasons: [word] };
  return type === "response.failed" ? { ...ended, error: said.error ?? errorOfResponse(response["error"]) } : ended;
}

function withItem(said: ResponsesSaid, { item, output_index: at }: JsonObject): ResponsesSaid {
  return isJsonObject(item) && typeof at === "number" ? { ...said, items: new Map(said.items).set(at, item) } : said;
}

function typeOf(event: JsonObject, name: string): string {
  const type = wordOf(event, "type");
  return type === "" ? name : type;
}

/** Usage only grows over a stream. */
function larger(one: Usage | undefined, other: Usage | undefined): Usage | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return other.output >= one.output ? other : one;
}

/** Behind the last event whose number can be read. */
function nextSequence(text: string): number {
  let next = 0;
  for (const [, digits = "0"] of text.matchAll(/"sequence_number"\s*:\s*(\d{1,15})/g))
    next = Math.max(next, Number(digits) + 1);
  return next;
}

function opening(text: string): Opening {
  let found: Opening = { type: "waiting" };
  for (const event of new EventParser().push(text)) {
    found = shownBy(event);
    if (found.type === "content" || found.type === "error") return found;
  }
  return found;
}

const PREAMBLE: Opening = { type: "preamble" };
const CONTENT: Opening = { type: "content" };

function shownBy({ data, name }: ServerSentEvent): Opening {
  const event = readJson(data);
  if (!isJsonObject(event)) return CONTENT;
  const type = typeOf(event, name);
  const error = errorIn(event, type);
  if (error !== undefined) return { type: "error", error };
  if (EMPTY.has(type)) return PREAMBLE;
  if (type === "response.output_item.added")
    return objectOf(event["item"])?.["type"] === "function_call" ? CONTENT : PREAMBLE;
  // Heartbeats and the like are no part of an answer.
  return type.startsWith("response.") ? CONTENT : PREAMBLE;
}

/** Events that come before there is anything to see. */
const EMPTY = new Set([
  "response.created",
  "response.queued",
  "response.in_progress",
  "response.content_part.added",
  "response.reasoning_summary_part.added",
]);

function errorIn(event: JsonObject, type: string): ModelError | undefined {
  if (type === "response.failed") return errorOfResponse(objectOf(event["response"])?.["error"]);
  const isTold = type === "error" || (!type.startsWith("response.") && isJsonObject(event["error"]));
  return isTold ? errorOfEvent(event) : undefined;
}

const KINDS: Readonly<Record<string, ModelErrorKind>> = { budget_exceeded: "quota", limit_exceeded: "rate_limit" };

function closing({ code, message }: Broken, said: StreamSaid): string {
  if (said.isDone || said.error !== undefined) return "";
  const sequence_number = isWholly(said) ? nextSequence(said.text) : 0;
  if (!isWholly(said) || said.response === undefined)
    return `\n\n${frame({ type: "error", code, message, param: null, sequence_number })}`;
  const output = [...said.items].toSorted(([one], [other]) => one - other).map(([, item]) => item);
  const response: JsonObject = {
    ...said.response,
    status: "failed",
    error: responseError({ kind: KINDS[code] ?? "server", message: `${message} (${code})` }),
    output,
  };
  return `\n\n${frame({ type: "response.failed", response, sequence_number })}`;
}

function isWholly(said: StreamSaid): said is ResponsesSaid {
  return "text" in said && "items" in said;
}

function frame(event: JsonObject): string {
  return `event: ${wordOf(event, "type")}\ndata: ${JSON.stringify(event)}\n\n`;
}
