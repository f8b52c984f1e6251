// Decides how a client is told that its call waits for people: by a task, by a page to open, or in words.
import { isJsonObject, type JsonObject } from "../json/canonical.ts";
import { TASKS_EXTENSION } from "./meta.ts";

/** The rungs, best first. */
export type Rung = "task" | "url" | "text";

/** How long one round of a client that waits at the page is held, in milliseconds. */
export const ROUND_HOLD_MS = 20_000;
/** Rounds after which a client is told in words: official clients ask at most ten times, and at once. */
export const MAX_ROUNDS = 3;
/** How often a client may look at a task, in milliseconds. */
export const TASK_POLL_MS = 5_000;

/**
 * The best rung that the client declared for this request. A client that never said it could do tasks gets none, and one
 * that opens no pages gets words. `isModern` is the revision with tasks as an extension.
 */
export function rungOf(capabilities: JsonObject, isModern: boolean): Rung {
  const { extensions, elicitation } = capabilities;
  if (isModern && isJsonObject(extensions) && isJsonObject(extensions[TASKS_EXTENSION])) return "task";
  return isJsonObject(elicitation) && isJsonObject(elicitation["url"]) ? "url" : "text";
}
