// Decides what a whole chat-completions request means: turns, tools, sampling, and which wishes have no counterpart.
import type { Conversation, OutputFormat, ReasoningWish, ToolChoice, ToolOffer, Turn } from "../conversation.ts";
import type { CallFields } from "../dialect.ts";
import type { Outcome } from "../../errors.ts";
import { textOf } from "../body-fields.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { at, Findings, itemsOf, objectOf, present, wordOf } from "../findings.ts";
import { EXPECTED_EFFORT, functionOffer, readEffort, readFlag } from "../openai-words.ts";
import { mergedTurns } from "../turns.ts";
import { readAssistant, readContent, readToolResult } from "./message-reader.ts";

/** What these say is read here, or looked at by the wire. */
const MEMBERS = new Set(
  (
    "model messages stream stream_options n max_tokens max_completion_tokens temperature top_p top_k seed stop " +
    "frequency_penalty presence_penalty response_format reasoning_effort tools tool_choice parallel_tool_calls user " +
    "safety_identifier metadata store prompt_cache_key prompt_cache_retention prompt_cache_options service_tier " +
    "modalities verbosity logprobs logit_bias"
  ).split(" "),
);
const HINTS = ["metadata", "store", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"];

/** A request as a conversation; refuses `untranslatable` and `invalid_request`, naming everything at once. */
export function readRequest(body: JsonObject, fields: CallFields, findings = new Findings()): Outcome<Conversation> {
  findings.only(body, "", MEMBERS);
  if (textOf(body["safety_identifier"]) !== undefined && textOf(body["user"]) !== undefined) findings.hint("user");
  for (const hint of HINTS) if ((body[hint] ?? null) !== null) findings.hint(hint);
  readForeign(body, fields, findings);
  readStreamOptions(body["stream_options"], findings);
  const conversation: Omit<Conversation, "hints"> = {
    turns: readTurns(body["messages"], findings),
    tools: readTools(body["tools"], findings),
    ...readToolChoice(body["tool_choice"], findings),
    ...present("parallelToolCalls", readFlag(body, "parallel_tool_calls", findings)),
    ...present("maxOutput", fields.maxOutput),
    ...readSampling(body, findings),
    ...readOutput(body["response_format"], findings),
    ...readReasoning(body["reasoning_effort"], findings),
    // Of two ids of the end user the newer word's is passed on.
    ...present("user", textOf(body["safety_identifier"]) ?? textOf(body["user"])),
    isStream: fields.isStream,
  };
  return findings.outcome({ ...conversation, hints: findings.hints });
}

/** Options of a stream that change what is told, never the answer; usage the wire looks at. */
function readStreamOptions(value: Json | undefined, findings: Findings): void {
  for (const [key, wish] of Object.entries(objectOf(value) ?? {}))
    if (key !== "include_usage" && wish !== null) findings.hint(`stream_options.${key}`);
}

/** Wishes that say nothing in most requests and have no counterpart where they say something. */
function readForeign(body: JsonObject, fields: CallFields, findings: Findings): void {
  if (fields.choices > 1) findings.foreign("n", "one answer at a time");
  if (body["logprobs"] === true) findings.foreign("logprobs");
  if (Object.keys(objectOf(body["logit_bias"]) ?? {}).length > 0) findings.foreign("logit_bias");
  if (itemsOf(body["modalities"]).some((each) => each !== "text")) findings.foreign("modalities");
  if (!["medium", null].includes(textOf(body["verbosity"]) ?? null)) findings.foreign("verbosity");
  const tier = textOf(body["service_tier"]) ?? "auto";
  if (tier === "auto" || tier === "default") {
    if (body["service_tier"] !== undefined) findings.hint("service_tier");
  } else findings.foreign("service_tier");
}

function readTurns(value: Json | undefined, findings: Findings): readonly Turn[] {
  if (!Array.isArray(value)) findings.invalid("messages", "expected a list of messages");
  const called = new Map<string, string>();
  const turns = itemsOf(value).flatMap((message, index): readonly Turn[] => {
    const path = `messages.${index}`;
    if (!isJsonObject(message)) {
      findings.invalid(path, "expected a message");
      return [];
    }
    return readTurn(message, path, { findings, called });
  });
  return mergedTurns(turns.filter(({ parts }) => parts.length > 0));
}

const PLAIN_MEMBERS = new Set(["role", "content"]);

function readTurn(
  message: JsonObject,
  path: string,
  context: { readonly findings: Findings; readonly called: Map<string, string> },
): readonly Turn[] {
  const { findings } = context;
  switch (wordOf(message, "role")) {
    case "system":
    case "developer":
      findings.only(message, path, PLAIN_MEMBERS);
      return [
        { role: "system", parts: readContent(message["content"], at(path, "content"), { findings, only: "text" }) },
      ];
    case "user":
      findings.only(message, path, PLAIN_MEMBERS);
      return [
        { role: "user", parts: readContent(message["content"], at(path, "content"), { findings, only: undefined }) },
      ];
    case "assistant":
      return [{ role: "assistant", parts: readAssistant(message, path, context) }];
    case "tool":
      return [{ role: "user", parts: readToolResult(message, path, context) }];
    default:
      findings.foreign(at(path, "role"), "expected system, developer, user, assistant or tool");
      return [];
  }
}

const TOOL_MEMBERS = new Set(["type", "function", "cache_control"]);
const FUNCTION_MEMBERS = new Set(["name", "description", "parameters", "strict"]);

function readTools(value: Json | undefined, findings: Findings): readonly ToolOffer[] {
  if ((value ?? null) !== null && !Array.isArray(value)) findings.invalid("tools", "expected a list of tools");
  return itemsOf(value).flatMap((tool, index) => readTool(objectOf(tool) ?? {}, `tools.${index}`, findings));
}

function readTool(tool: JsonObject, path: string, findings: Findings): readonly ToolOffer[] {
  const type = wordOf(tool, "type");
  if (type !== "function") {
    findings.foreign(path, `a tool of the type ${type} has no counterpart at this model's provider`);
    return [];
  }
  const offered = objectOf(tool["function"]) ?? {};
  findings.only(tool, path, TOOL_MEMBERS);
  findings.only(offered, at(path, "function"), FUNCTION_MEMBERS);
  if ((tool["cache_control"] ?? null) !== null) findings.hint("cache_control");
  const name = textOf(offered["name"]);
  if (name === undefined) {
    findings.invalid(at(path, "function.name"), "expected a name");
    return [];
  }
  return [functionOffer(name, offered)];
}

function readToolChoice(value: Json | undefined, findings: Findings): { readonly toolChoice?: ToolChoice } {
  if ((value ?? null) === null) return {};
  if (value === "auto" || value === "none" || value === "required") return { toolChoice: { type: value } };
  const choice = objectOf(value) ?? {};
  const name = textOf(objectOf(choice["function"])?.["name"]);
  if (choice["type"] === "function" && name !== undefined) return { toolChoice: { type: "tool", name } };
  findings.foreign("tool_choice", "expected none, auto, required or a function by its name");
  return {};
}

type Sampling = Pick<
  Conversation,
  "temperature" | "topP" | "topK" | "seed" | "frequencyPenalty" | "presencePenalty" | "stop"
>;

function readSampling(body: JsonObject, findings: Findings): Sampling {
  const number = (key: string): number | undefined => {
    const value = body[key] ?? undefined;
    if (value === undefined || typeof value === "number") return value;
    findings.invalid(key, "expected a number");
    return undefined;
  };
  const stop = readStop(body["stop"] ?? [], findings);
  return {
    ...present("temperature", number("temperature")),
    ...present("topP", number("top_p")),
    ...present("topK", number("top_k")),
    ...present("seed", number("seed")),
    ...present("frequencyPenalty", number("frequency_penalty")),
    ...present("presencePenalty", number("presence_penalty")),
    ...present("stop", stop.length === 0 ? undefined : stop),
  };
}

function readStop(value: Json, findings: Findings): readonly string[] {
  if (typeof value === "string") return [value];
  const texts = itemsOf(value).filter((each) => typeof each === "string");
  if (!Array.isArray(value) || texts.length < value.length)
    findings.invalid("stop", "expected a text or a list of texts");
  return texts;
}

function readOutput(value: Json | undefined, findings: Findings): { readonly output?: OutputFormat } {
  if ((value ?? null) === null) return {};
  const format = objectOf(value) ?? {};
  const named = objectOf(format["json_schema"]) ?? {};
  const name = textOf(named["name"]);
  findings.only(format, "response_format", new Set(["type", "json_schema"]));
  findings.only(named, "response_format.json_schema", new Set(["name", "schema", "description", "strict"]));
  if (format["type"] === "text") return { output: { type: "text" } };
  if (format["type"] === "json_object") return { output: { type: "json" } };
  if (format["type"] !== "json_schema" || name === undefined) {
    findings.invalid("response_format", "expected the type text, json_object, or json_schema with a name");
    return {};
  }
  return {
    output: {
      type: "json_schema",
      name,
      schema: objectOf(named["schema"]) ?? {},
      ...present("description", textOf(named["description"])),
      ...present("strict", typeof named["strict"] === "boolean" ? named["strict"] : undefined),
    },
  };
}

function readReasoning(value: Json | undefined, findings: Findings): { readonly reasoning?: ReasoningWish } {
  if ((value ?? null) === null) return {};
  const effort = readEffort(value);
  if (effort !== undefined) return { reasoning: { effort } };
  findings.invalid("reasoning_effort", EXPECTED_EFFORT);
  return {};
}
