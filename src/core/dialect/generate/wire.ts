// Decides what Gemini's generateContent says that passes through: owned fields, usage, ends, and how a broken stream is ended.
import { ERRORS, isErrorCode } from "../../errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import type { ObjectText } from "../../json/members.ts";
import { EventParser, eventsOf } from "../../stream/events.ts";
import { memberValue, readJson, textOf } from "../body-fields.ts";
import type { Broken, Opening, Said, StreamSaid, Wire } from "../dialect.ts";
import { kindOfStatus } from "../error-kinds.ts";
import { itemsOf, objectOf } from "../findings.ts";
import { errorIn, writeError } from "./errors.ts";
import { blockReasonOf } from "./finish.ts";
import { editedGenerate, readGenerateFields } from "./owned.ts";
import { showsContent } from "./stream-reader.ts";
import { readGenerateUsage } from "./usage.ts";

/** Gemini's generateContent as it passes. */
export const generateWire: Wire = {
  readFields: readGenerateFields,
  edited: editedGenerate,
  whole,
  streamed,
  opening,
  closing,
};

function whole(body: ObjectText): Said {
  const error = memberValue(body, "error") ?? null;
  return {
    usage: readGenerateUsage(memberValue(body, "usageMetadata")),
    model: textOf(memberValue(body, "modelVersion")),
    id: textOf(memberValue(body, "responseId")),
    finishReasons: finishReasons({
      candidates: memberValue(body, "candidates") ?? null,
      promptFeedback: memberValue(body, "promptFeedback") ?? null,
    }),
    error: error === null ? undefined : errorIn({ error }),
  };
}

/** The reasons of the candidates in order; that of a blocked prompt where there are none. */
function finishReasons(body: JsonObject): readonly string[] {
  const reasons = itemsOf(body["candidates"]).flatMap((each) => textOf(objectOf(each)?.["finishReason"]) ?? []);
  const blocked = blockReasonOf(body);
  return reasons.length === 0 && blocked !== undefined ? [blocked] : reasons;
}

/** Chunks that say more than text and the usage so far: only these, the first, and the last with usage are parsed. */
const TELLING = /"(?:error|promptFeedback)"\s*:|"finishReason"\s*:\s*"/;
const USAGE = /"usageMetadata"\s*:/;
/** Where there are several candidates, each of them has to end. */
const FURTHER_CANDIDATE = /"index"\s*:\s*[1-9]/;

function streamed(text: string): StreamSaid {
  const isMany = FURTHER_CANDIDATE.test(text);
  const told: JsonObject[] = [];
  let lastUsage: string | undefined;
  // The last event may lack its blank line: what was sent is what was said.
  for (const { data } of eventsOf(`${text}\n\n`)) {
    if (USAGE.test(data)) lastUsage = data;
    if (told.length > 0 && !isMany && !TELLING.test(data)) continue;
    const value = readJson(data);
    if (isJsonObject(value)) told.push(value);
  }
  const [first] = told;
  const isDone = hasEnded(told);
  return {
    isDone,
    error: told.map((chunk) => errorIn(chunk)).find((error) => error !== undefined),
    // Until a stream has ended, its counts are on their way: what was made and never sent is billed all the same.
    usage: isDone ? readGenerateUsage(objectOf(readJson(lastUsage))?.["usageMetadata"]) : undefined,
    model: textOf(first?.["modelVersion"]),
    id: textOf(first?.["responseId"]),
    finishReasons: told.flatMap(finishReasons),
  };
}

/** Whether every candidate that was begun has its finish reason, or the prompt was blocked. */
function hasEnded(chunks: readonly JsonObject[]): boolean {
  const begun = new Set<Json>();
  const ended = new Set<Json>();
  for (const chunk of chunks) {
    if (blockReasonOf(chunk) !== undefined) ended.add("prompt");
    for (const candidate of itemsOf(chunk["candidates"])) {
      const index = objectOf(candidate)?.["index"] ?? 0;
      begun.add(index);
      if (textOf(objectOf(candidate)?.["finishReason"]) !== undefined) ended.add(index);
    }
  }
  return ended.size > 0 && [...begun].every((index) => ended.has(index));
}

function opening(text: string): Opening {
  let hasEvent = false;
  for (const { data } of new EventParser().push(text)) {
    hasEvent = true;
    const value = readJson(data);
    const error = errorIn(value);
    if (error !== undefined) return { type: "error", error };
    if (showsContent(value ?? data)) return { type: "content" };
  }
  return { type: hasEvent ? "preamble" : "waiting" };
}

function closing({ code, message }: Broken, said: StreamSaid): string {
  if (said.isDone || said.error !== undefined) return "";
  const status = isErrorCode(code) ? ERRORS[code].status : 500;
  // A cut is worth another try: Google's word for that is UNAVAILABLE.
  const kind = status === 502 ? "overloaded" : kindOfStatus(status);
  return `\n\ndata: ${JSON.stringify(writeError({ kind, message, code }))}\n\n`;
}
