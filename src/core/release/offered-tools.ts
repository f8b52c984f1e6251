// Reads which tools a request offers its model, by name, wherever any dialect lets them be offered.
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";

/**
 * The tools of a request: functions by every name they bear, tools that the provider itself hosts by their type. They may
 * also stand within the conversation. Total: what has no known shape is named by its place, so that it is never taken for
 * nothing. No dialect is asked: a provider may read what another would pass over.
 */
export function offeredTools(body: JsonObject): readonly string[] {
  // The older way of chat completions to offer functions is `functions`.
  const offered = ["tools", "functions"].flatMap((key) => offeredIn(body[key], key));
  const spoken = ["messages", "input", "contents"].flatMap((key) =>
    listOf(body[key]).flatMap((turn, at) => offeredByTurn(turn, `${key}.${at}`)),
  );
  return [...offered, ...spoken];
}

function offeredIn(tools: Json | undefined, place: string, depth = 0): readonly string[] {
  return listOf(tools).flatMap((tool, at) => namesOf(tool, `${place}.${at}`, depth));
}

/** Items of a Responses input have tools of their own; Anthropic's messages have blocks that add one. */
function offeredByTurn(turn: Json, place: string): readonly string[] {
  if (!isJsonObject(turn)) return [];
  const blocks = listOf(turn["content"]).flatMap((block, at) => addedBy(block, `${place}.content.${at}`));
  return [...offeredIn(turn["tools"], `${place}.tools`), ...blocks];
}

function addedBy(block: Json, place: string): readonly string[] {
  if (!isJsonObject(block) || block["type"] !== "tool_addition") return [];
  const tool = block["tool"] ?? null;
  if (!isJsonObject(tool)) return [`${place}.tool`];
  const { definition } = tool;
  const names = [tool["name"], tool["tool_name"]].filter(isName);
  if (definition !== undefined) return [...names, ...namesOf(definition, `${place}.tool`)];
  return names.length > 0 ? names : namesOf(tool, `${place}.tool`);
}

/** Tools nested deeper are named by their place. */
const MAX_DEPTH = 4;

const DECLARATIONS = /^function_?declarations$/i;

function namesOf(tool: Json, place: string, depth = 0): readonly string[] {
  if (!isJsonObject(tool) || depth > MAX_DEPTH) return [place];
  const keys = Object.keys(tool);
  // Gemini has several functions in one entry, in either spelling or both, and hosted tools as members beside them.
  const declarations = keys.filter((key) => DECLARATIONS.test(key));
  const declared = declarations.flatMap((key) => offeredIn(tool[key], place, depth + 1));
  const own = [nameIn(tool["function"]), nameIn(tool["custom"]), tool["name"]].filter(isName);
  // A namespace has tools of its own.
  const nested = offeredIn(tool["tools"], `${place}.tools`, depth + 1);
  const hosted = hostedBy(tool, { isNamed: own.length > 0, declares: declarations.length > 0 });
  const names = [...new Set([...own, ...declared, ...nested, ...hosted])];
  return names.length === 0 && declarations.length === 0 ? [place] : names;
}

/** What is no function: a type, or the members of a tool of Gemini's, as in `{"googleSearch": {}}`. */
function hostedBy(
  tool: JsonObject,
  { isNamed, declares }: { readonly isNamed: boolean; readonly declares: boolean },
): readonly string[] {
  if (declares) return Object.keys(tool).filter((key) => !DECLARATIONS.test(key) && !BEARS_NAMES.has(key));
  if (isNamed) return [];
  return isName(tool["type"]) ? [tool["type"]] : Object.keys(tool);
}

/** Members whose names are told already. */
const BEARS_NAMES: ReadonlySet<string> = new Set(["type", "name", "function", "custom", "tools"]);

function nameIn(value: Json | undefined): Json | undefined {
  return isJsonObject(value) ? value["name"] : undefined;
}

function isName(value: Json | undefined): value is string {
  return typeof value === "string" && value !== "";
}

/** A lone object is what Google takes for a list of one. */
function listOf(value: Json | undefined): readonly Json[] {
  if (isJsonObject(value)) return [value];
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}
