// Decides what a whole Responses request means: turns, tools, sampling, and which wishes have no counterpart.
import type { Outcome } from "../../errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { textOf } from "../body-fields.ts";
import type { Conversation, OutputFormat, ReasoningWish, ToolChoice, ToolOffer, Turn } from "../conversation.ts";
import type { CallFields } from "../dialect.ts";
import { at, Findings, itemsOf, objectOf, present, wordOf } from "../findings.ts";
import { EXPECTED_EFFORT, functionOffer, readEffort, readFlag } from "../openai-words.ts";
import { mergedTurns } from "../turns.ts";
import { readInput } from "./input-reader.ts";

/** What these say is read here, or looked at before. */
const MEMBERS = new Set(
  (
    "model input instructions stream stream_options max_output_tokens max_tool_calls temperature top_p top_logprobs text " +
    "reasoning tools tool_choice parallel_tool_calls user safety_identifier metadata store previous_response_id include " +
    "truncation service_tier prompt_cache_key prompt_cache_retention prompt_cache_options background conversation prompt"
  ).split(" "),
);
/** Wishes that change no answer: there are no hosted tools whose calls could be too many. */
const HINTS = [
  "metadata",
  "store",
  "prompt_cache_key",
  "prompt_cache_retention",
  "prompt_cache_options",
  "stream_options",
  "max_tool_calls",
  "service_tier",
];

/** A request as a conversation; refuses `untranslatable` and `invalid_request`, naming everything at once. */
export function readRequest(body: JsonObject, fields: CallFields): Outcome<Conversation> {
  const findings = new Findings();
  findings.only(body, "", MEMBERS);
  for (const hint of HINTS) if ((body[hint] ?? null) !== null) findings.hint(hint);
  readForeign(body, findings);
  const conversation: Omit<Conversation, "hints"> = {
    turns: readTurns(body, findings),
    tools: readTools(body["tools"], findings),
    ...readToolChoice(body["tool_choice"], findings),
    ...present("parallelToolCalls", readFlag(body, "parallel_tool_calls", findings)),
    ...present("maxOutput", fields.maxOutput),
    ...present("temperature", number(body, "temperature", findings)),
    ...present("topP", number(body, "top_p", findings)),
    ...readOutput(body["text"], findings),
    ...readReasoning(body["reasoning"], findings),
    ...present("user", textOf(body["safety_identifier"]) ?? textOf(body["user"])),
    isStream: fields.isStream,
  };
  return findings.outcome({ ...conversation, hints: findings.hints });
}

const INCLUDED_LOGPROBS = "message.output_text.logprobs";

/** Wishes that say nothing in most requests and have no counterpart where they say something. */
function readForeign(body: JsonObject, findings: Findings): void {
  if (body["truncation"] === "auto") findings.foreign("truncation", "nothing is left out of the input elsewhere");
  if (Number(body["top_logprobs"] ?? 0) > 0) findings.foreign("top_logprobs");
  if (itemsOf(body["include"]).includes(INCLUDED_LOGPROBS)) findings.foreign("include", INCLUDED_LOGPROBS);
  if (body["service_tier"] === "flex") findings.foreign("service_tier");
}

function readTurns(body: JsonObject, findings: Findings): readonly Turn[] {
  const instructions = body["instructions"] ?? null;
  if (instructions !== null && typeof instructions !== "string") findings.invalid("instructions", "expected a text");
  const system: readonly Turn[] =
    typeof instructions === "string" && instructions !== ""
      ? [{ role: "system", parts: [{ type: "text", text: instructions }] }]
      : [];
  return mergedTurns([...system, ...readInput(body["input"], findings)]);
}

const TOOL_MEMBERS = new Set([
  "type",
  "name",
  "description",
  "parameters",
  "strict",
  "defer_loading",
  "allowed_callers",
]);

function readTools(value: Json | undefined, findings: Findings): readonly ToolOffer[] {
  if ((value ?? null) !== null && !Array.isArray(value)) findings.invalid("tools", "expected a list of tools");
  return itemsOf(value).flatMap((tool, index) => {
    const path = `tools.${index}`;
    return isJsonObject(tool) && tool["type"] === "function"
      ? readTool(tool, path, findings)
      : otherTool(tool, path, findings);
  });
}

function otherTool(tool: Json, path: string, findings: Findings): readonly ToolOffer[] {
  const type = textOf(objectOf(tool)?.["type"]) ?? "";
  findings.foreign(path, `a tool of the type ${type} has no counterpart at this model's provider`);
  return [];
}

function readTool(tool: JsonObject, path: string, findings: Findings): readonly ToolOffer[] {
  findings.only(tool, path, TOOL_MEMBERS);
  if (tool["defer_loading"] === true) findings.foreign(at(path, "defer_loading"));
  if (itemsOf(tool["allowed_callers"]).some((caller) => caller !== "direct"))
    findings.foreign(at(path, "allowed_callers"));
  const name = textOf(tool["name"]);
  if (name === undefined) {
    findings.invalid(at(path, "name"), "expected a name");
    return [];
  }
  return [functionOffer(name, tool)];
}

function readToolChoice(value: Json | undefined, findings: Findings): { readonly toolChoice?: ToolChoice } {
  if ((value ?? null) === null) return {};
  if (value === "auto" || value === "none" || value === "required") return { toolChoice: { type: value } };
  const choice = objectOf(value) ?? {};
  const name = textOf(choice["name"]);
  if (choice["type"] === "function" && name !== undefined) return { toolChoice: { type: "tool", name } };
  findings.foreign("tool_choice", "expected none, auto, required or a function by its name");
  return {};
}

function number(body: JsonObject, key: string, findings: Findings): number | undefined {
  const value = body[key] ?? undefined;
  if (value === undefined || typeof value === "number") return value;
  findings.invalid(key, "expected a number");
  return undefined;
}

const TEXT_MEMBERS = new Set(["format", "verbosity"]);

function readOutput(value: Json | undefined, findings: Findings): { readonly output?: OutputFormat } {
  if ((value ?? null) === null) return {};
  const text = objectOf(value) ?? {};
  findings.only(text, "text", TEXT_MEMBERS);
  if (![null, "medium"].includes(textOf(text["verbosity"]) ?? null)) findings.foreign("text.verbosity");
  return (text["format"] ?? null) === null ? {} : readFormat(objectOf(text["format"]) ?? {}, findings);
}

function readFormat(format: JsonObject, findings: Findings): { readonly output?: OutputFormat } {
  const type = wordOf(format, "type");
  if (type === "text") return { output: { type: "text" } };
  if (type === "json_object") return { output: { type: "json" } };
  const name = textOf(format["name"]);
  if (type !== "json_schema" || name === undefined) {
    findings.invalid("text.format", "expected the type text, json_object, or json_schema with a name");
    return {};
  }
  return {
    output: {
      type: "json_schema",
      name,
      schema: objectOf(format["schema"]) ?? {},
      ...present("description", textOf(format["description"])),
      ...present("strict", typeof format["strict"] === "boolean" ? format["strict"] : undefined),
    },
  };
}

const REASONING_MEMBERS = new Set(["effort", "summary", "generate_summary", "mode", "context"]);

function readReasoning(value: Json | undefined, findings: Findings): { readonly reasoning?: ReasoningWish } {
  if ((value ?? null) === null) return {};
  const reasoning = objectOf(value) ?? {};
  findings.only(reasoning, "reasoning", REASONING_MEMBERS);
  if (![null, "auto"].includes(textOf(reasoning["context"]) ?? null)) findings.foreign("reasoning.context");
  const summary = reasoning["summary"] ?? reasoning["generate_summary"] ?? null;
  const wish: ReasoningWish = {
    ...present("effort", effortIn(reasoning["effort"] ?? null, findings)),
    ...present("isShown", summary === null ? undefined : true),
  };
  return Object.keys(wish).length === 0 ? {} : { reasoning: wish };
}

function effortIn(word: Json, findings: Findings): ReasoningWish["effort"] {
  const effort = readEffort(word);
  if (word !== null && effort === undefined) findings.invalid("reasoning.effort", EXPECTED_EFFORT);
  return effort;
}
