// Reads which tools a request offers its model, by name, in each dialect's own shape.
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";

/**
 * The tools of a request: functions by their name, tools that the provider itself hosts by their type. Total: what has no
 * known shape is named by its place, so that it is never taken for nothing.
 */
export function offeredTools(body: JsonObject): readonly string[] {
  const tools = listOf(body["tools"]).flatMap((tool, at) => namesOf(tool, `tools.${at}`));
  // The older way of chat completions to offer functions.
  const functions = listOf(body["functions"]).flatMap((each, at) => namesOf(each, `functions.${at}`));
  return [...tools, ...functions];
}

function namesOf(tool: Json, place: string): readonly string[] {
  if (!isJsonObject(tool)) return [place];
  // Gemini has several functions in one entry, and hosted tools as members beside them.
  const declared = tool["functionDeclarations"] ?? tool["function_declarations"];
  if (declared !== undefined) {
    const hosted = Object.keys(tool).filter((key) => !/^function_?declarations$/i.test(key));
    return [...listOf(declared).flatMap((each, at) => namesOf(each, `${place}.${at}`)), ...hosted];
  }
  const inner = tool["function"] ?? tool["custom"];
  const named = [isJsonObject(inner) ? inner["name"] : undefined, tool["name"], tool["type"]];
  const name = named.find((each) => typeof each === "string" && each !== "");
  if (typeof name === "string") return [name];
  // A hosted tool of Gemini: `{"googleSearch": {}}`.
  const members = Object.keys(tool);
  return members.length === 0 ? [place] : members;
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}
