// Decides what a chat-completions event stream said once it is over: usage, ends, errors, and whether it was whole.
import { readOpenAiUsage } from "../budget/usage.ts";
import type { Usage } from "../budget/price.ts";
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";

/** What a stream's text says. */
export interface ChatStream {
  /** Whether the `[DONE]` marker came last. */
  readonly isDone: boolean;
  /** The provider's own error event. */
  readonly error: JsonObject | undefined;
  readonly usage: Usage | undefined;
  readonly model: string | undefined;
  readonly id: string | undefined;
  readonly finishReasons: readonly string[];
}

/** Chunks that say more than text: only these, and the first, are worth parsing. */
const TELLING = /"(?:usage|error)"\s*:\s*[{"]|"finish_reason"\s*:\s*"/;

/** Reads a stream's text. O(length); chunks that only carry text are not parsed. */
export function readChatStream(text: string): ChatStream {
  const objects: JsonObject[] = [];
  for (const line of text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/)) {
    if (!line.startsWith("data:") || (objects.length > 0 && !TELLING.test(line))) continue;
    const value = parsed(line.slice(5));
    if (isJsonObject(value)) objects.push(value);
  }
  const first = objects[0];
  return {
    isDone: /data:\s*\[DONE\]\s*$/.test(text.slice(-64)),
    error: objects.map(errorOf).find((error) => error !== undefined),
    usage: objects.map((object) => readOpenAiUsage(object["usage"])).findLast((usage) => usage !== undefined),
    model: textOf(first?.["model"]),
    id: textOf(first?.["id"]),
    finishReasons: objects.flatMap((object) => finishReasons(object["choices"])),
  };
}

/** The error that an event's data carries, or `undefined`: an `error` member, whatever else stands beside it. */
export function errorInEvent(data: string): JsonObject | undefined {
  const value = parsed(data);
  return isJsonObject(value) ? errorOf(value) : undefined;
}

function errorOf(object: JsonObject): JsonObject | undefined {
  const error = object["error"];
  if (isJsonObject(error)) return error;
  return typeof error === "string" ? { message: error } : undefined;
}

/** The finish reasons in an OpenAI `choices` array, in order. */
export function finishReasons(choices: Json | undefined): readonly string[] {
  if (!Array.isArray(choices)) return [];
  return choices.flatMap((choice: Json) => (isJsonObject(choice) ? (textOf(choice["finish_reason"]) ?? []) : []));
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
