// Reads values out of a call's arguments by dotted path; own members only, so that no prototype is ever read.
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";

/** The value at a dotted path of the arguments, or `undefined`. A path never leads into a list. */
export function valueAt(args: JsonObject, path: string): Json | undefined {
  let at: Json | undefined = args;
  for (const key of path.split(".")) {
    if (!isJsonObject(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}

/** Whether a path leads to a value; one that leads into a list may, and that counts. */
export function mayBePresent(args: JsonObject, path: string): boolean {
  let at: Json | undefined = args;
  for (const key of path.split(".")) {
    if (Array.isArray(at)) return at.length > 0;
    if (!isJsonObject(at) || !Object.hasOwn(at, key)) return false;
    at = at[key];
  }
  return true;
}
