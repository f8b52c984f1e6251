// Decides what OpenAI chat completions say that pass through: owned fields, usage, ends, and how a broken stream is ended.
import { readOpenAiUsage } from "../../budget/usage.ts";
import { accept, type Outcome } from "../../errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { memberText, withMembers, type ObjectText } from "../../json/members.ts";
import { EventParser, eventsOf } from "../../stream/events.ts";
import {
  EXPECTED_MODEL,
  invalidField,
  isCount,
  isModelName,
  MAX_OUTPUT_TOKENS,
  memberValue,
  readJson,
  textOf,
} from "../body-fields.ts";
import type { Broken, CallFields, Edits, Opening, Said, StreamSaid, Wire } from "../dialect.ts";
import type { ModelError } from "../reply.ts";
import { chatErrorOf } from "./errors.ts";

/** Chat completions as they pass. */
export const chatWire: Wire = { readFields, edited, whole, streamed, opening, closing };

const OUTPUT_FIELDS = ["max_completion_tokens", "max_tokens"] as const;

function readFields(body: ObjectText): Outcome<CallFields> {
  const model = memberValue(body, "model");
  if (!isModelName(model)) return invalidField("model", EXPECTED_MODEL);
  if (memberValue(body, "service_tier") === "priority") {
    return invalidField(
      "service_tier",
      "expected auto, default or flex: priority costs more than the list price that a hold is computed from",
    );
  }
  const stream = memberValue(body, "stream") ?? false;
  if (typeof stream !== "boolean") return invalidField("stream", "expected true or false");
  const options = memberValue(body, "stream_options") ?? undefined;
  if (options !== undefined && !isJsonObject(options)) return invalidField("stream_options", "expected an object");
  const output = readOutput(body);
  return output.ok
    ? accept({ model, isStream: stream, wantsUsage: options?.["include_usage"] === true, ...output.value })
    : output;
}

function readOutput(body: ObjectText): Outcome<Pick<CallFields, "choices" | "maxOutput">> {
  const choices = memberValue(body, "n") ?? 1;
  if (!isCount(choices) || choices > 128) return invalidField("n", "expected an integer from 1 to 128");
  const named = OUTPUT_FIELDS.filter((field) => (memberValue(body, field) ?? null) !== null);
  const [field = "n"] = named;
  if (named.length > 1)
    return invalidField("max_tokens", "expected either max_tokens or max_completion_tokens, not both");
  const tokens = named.length === 0 ? undefined : memberValue(body, field);
  if (tokens !== undefined && !isCount(tokens)) return invalidField(field, "expected a whole number of at least 1");
  if ((tokens ?? 0) * choices > MAX_OUTPUT_TOKENS)
    return invalidField(field, `expected at most ${MAX_OUTPUT_TOKENS} output tokens over all choices`);
  return accept({ choices, maxOutput: tokens });
}

function edited(body: ObjectText, fields: CallFields, { model, maxOutput, isOpenAi }: Edits): string {
  const changes = new Map<string, string>();
  if (model !== fields.model) changes.set("model", JSON.stringify(model));
  if (maxOutput !== undefined && maxOutput !== fields.maxOutput) {
    const named = OUTPUT_FIELDS.find((field) => (memberValue(body, field) ?? null) !== null);
    changes.set(named ?? (isOpenAi ? "max_completion_tokens" : "max_tokens"), String(maxOutput));
  }
  if (fields.isStream && !fields.wantsUsage) {
    const options = memberValue(body, "stream_options");
    const kept = isJsonObject(options) ? options : {};
    changes.set("stream_options", JSON.stringify({ ...kept, include_usage: true }));
  }
  return withMembers(body, changes);
}

function whole(body: ObjectText): Said {
  const error = readJson(memberText(body, "error"));
  return {
    usage: readOpenAiUsage(readJson(memberText(body, "usage"))),
    model: textOf(readJson(memberText(body, "model"))),
    id: textOf(readJson(memberText(body, "id"))),
    finishReasons: finishReasons(readJson(memberText(body, "choices"))),
    error: error === undefined || error === null ? undefined : chatErrorOf(error),
  };
}

/** Chunks that say more than text: only these, and the first, are worth parsing. */
const TELLING = /"(?:usage|error)"\s*:\s*[{"]|"finish_reason"\s*:\s*"/;

function streamed(text: string): StreamSaid {
  const objects: JsonObject[] = [];
  let isDone = false;
  for (const { data } of eventsOf(text)) {
    if (data === "[DONE]") isDone = true;
    if (objects.length > 0 && !TELLING.test(data)) continue;
    const value = readJson(data);
    if (isJsonObject(value)) objects.push(value);
  }
  const first = objects[0];
  const reasons = objects.flatMap((object) => finishReasons(object["choices"]));
  return {
    isDone,
    error: objects.map(errorIn).find((error) => error !== undefined),
    // Before its end a stream can only say what it has used so far.
    usage:
      isDone || reasons.length > 0
        ? objects.map((object) => readOpenAiUsage(object["usage"])).findLast((usage) => usage !== undefined)
        : undefined,
    model: textOf(first?.["model"]),
    id: textOf(first?.["id"]),
    finishReasons: reasons,
  };
}

function errorIn(object: JsonObject): ModelError | undefined {
  const { error } = object;
  return isJsonObject(error) || typeof error === "string" ? chatErrorOf(error) : undefined;
}

/** The finish reasons in an OpenAI `choices` array, in order. */
function finishReasons(choices: Json | undefined): readonly string[] {
  if (!Array.isArray(choices)) return [];
  return choices.flatMap((choice: Json) => (isJsonObject(choice) ? (textOf(choice["finish_reason"]) ?? []) : []));
}

function opening(text: string): Opening {
  let hasEvent = false;
  for (const { data } of new EventParser().push(text)) {
    hasEvent = true;
    const value = readJson(data);
    if (!isJsonObject(value)) return { type: "content" };
    const error = errorIn(value);
    if (error !== undefined) return { type: "error", error };
    if (!isPreamble(value)) return { type: "content" };
  }
  return { type: hasEvent ? "preamble" : "waiting" };
}

/** Whether a chunk says nothing yet: only roles, empty deltas, no reason to end. */
function isPreamble({ choices, usage }: JsonObject): boolean {
  if (!Array.isArray(choices) || isJsonObject(usage)) return false;
  return choices.every((choice: Json) => {
    if (!isJsonObject(choice) || (choice["finish_reason"] ?? null) !== null) return false;
    const { delta } = choice;
    return (
      isJsonObject(delta) &&
      Object.entries(delta).every(([key, value]) => key === "role" || value === null || value === "")
    );
  });
}

function closing({ code, message }: Broken): string {
  const error = { message, type: "server_error", param: null, code };
  return `\n\ndata: ${JSON.stringify({ error })}\n\n`;
}
