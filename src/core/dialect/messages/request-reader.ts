// Decides what a whole Anthropic request means: turns, tools, thinking, output, and which wishes have no counterpart.
import type { Conversation, OutputFormat, ReasoningWish, ToolChoice, ToolOffer, Turn } from "../conversation.ts";
import type { CallFields } from "../dialect.ts";
import type { Outcome } from "../../errors.ts";
import { textOf } from "../body-fields.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { readCache, readContent } from "./block-reader.ts";
import { mergedTurns } from "../turns.ts";
import { at, Findings, itemsOf, objectOf, present } from "../findings.ts";

/** What these say is read here, or changes no answer; `refuseHosted` has looked at the latter. */
const MEMBERS = new Set(
  (
    "model max_tokens stream messages system tools tool_choice thinking output_config output_format stop_sequences " +
    "metadata temperature top_p top_k cache_control service_tier diagnostics speed inference_geo context_management"
  ).split(" "),
);
const HINTS = ["cache_control", "service_tier", "diagnostics", "speed", "inference_geo"];

/** A request as a conversation; refuses `untranslatable` and `invalid_request`, naming everything at once. */
export function readRequest(body: JsonObject, fields: CallFields, findings = new Findings()): Outcome<Conversation> {
  findings.only(body, "", MEMBERS);
  for (const hint of HINTS) if ((body[hint] ?? null) !== null) findings.hint(hint);
  readEdits(body["context_management"], findings);
  if (fields.maxOutput === 0) findings.foreign("max_tokens", "only Anthropic can be asked for no output at all");
  const conversation: Omit<Conversation, "hints"> = {
    turns: readTurns(body, findings),
    tools: readTools(body["tools"], findings),
    ...readToolChoice(body["tool_choice"], findings),
    ...present("maxOutput", fields.maxOutput),
    ...readSampling(body, findings),
    ...readOutput(body, findings),
    ...readReasoning(body, findings),
    ...readUser(body["metadata"], findings),
    isStream: fields.isStream,
  };
  return findings.outcome({ ...conversation, hints: findings.hints });
}

/** Clearing thoughts of earlier turns leaves nothing out that another provider would see; clearing results does. */
function readEdits(value: Json | undefined, findings: Findings): void {
  itemsOf(objectOf(value)?.["edits"]).forEach((edit, index) => {
    const type = textOf(objectOf(edit)?.["type"]) ?? "";
    if (type.startsWith("clear_thinking_")) findings.hint("context_management");
    else findings.foreign(`context_management.edits.${index}`);
  });
}

function readTurns(body: JsonObject, findings: Findings): readonly Turn[] {
  const called = new Map<string, string>();
  const turns: Turn[] = [];
  const system = body["system"] ?? undefined;
  if (system !== undefined)
    turns.push({ role: "system", parts: readContent(system, "system", { role: "system", findings, called }) });
  if (!Array.isArray(body["messages"])) findings.invalid("messages", "expected a list of messages");
  itemsOf(body["messages"]).forEach((message, index) => {
    const path = `messages.${index}`;
    const role = objectOf(message)?.["role"];
    if (!isJsonObject(message) || (role !== "user" && role !== "assistant" && role !== "system")) {
      findings.invalid(path, "expected a message with the role user, assistant or system");
      return;
    }
    findings.only(message, path, new Set(["role", "content"]));
    turns.push({ role, parts: readContent(message["content"], at(path, "content"), { role, findings, called }) });
  });
  return mergedTurns(turns);
}

const TOOL_MEMBERS = new Set(["type", "name", "description", "input_schema", "strict", "cache_control"]);

function readTools(value: Json | undefined, findings: Findings): readonly ToolOffer[] {
  if ((value ?? null) !== null && !Array.isArray(value)) findings.invalid("tools", "expected a list of tools");
  return itemsOf(value).flatMap((tool, index) => readTool(tool, `tools.${index}`, findings) ?? []);
}

function readTool(tool: Json, path: string, findings: Findings): ToolOffer | undefined {
  const type = objectOf(tool)?.["type"] ?? "custom";
  if (!isJsonObject(tool) || typeof type !== "string") {
    findings.invalid(path, "expected a tool");
    return undefined;
  }
  if (type !== "custom") {
    findings.foreign(path, `a tool of the type ${type} has no counterpart at this model's provider`);
    return undefined;
  }
  const name = textOf(tool["name"]);
  const schema = objectOf(tool["input_schema"]);
  if (name === undefined || schema === undefined) {
    findings.invalid(path, "expected a tool with name and input_schema");
    return undefined;
  }
  findings.only(readToolWishes(tool, path, findings), path, TOOL_MEMBERS);
  return {
    name,
    ...present("description", textOf(tool["description"])),
    schema,
    ...present("strict", typeof tool["strict"] === "boolean" ? tool["strict"] : undefined),
    ...readCache(tool, path, findings),
  };
}

/** A tool without the wishes that change no answer, or that say what is so anyway. */
function readToolWishes(tool: JsonObject, path: string, findings: Findings): JsonObject {
  const { eager_input_streaming: eager = null, defer_loading: defer, allowed_callers: callers, ...rest } = tool;
  if (eager !== null) findings.hint("tools.eager_input_streaming");
  if (defer === true) findings.foreign(at(path, "defer_loading"));
  if (itemsOf(callers).some((caller) => caller !== "direct")) findings.foreign(at(path, "allowed_callers"));
  return rest;
}

const CHOICES = { auto: "auto", any: "required", none: "none" } as const;

function readToolChoice(
  value: Json | undefined,
  findings: Findings,
): Pick<Conversation, "toolChoice" | "parallelToolCalls"> {
  if ((value ?? null) === null) return {};
  const choice = objectOf(value) ?? {};
  const { type, disable_parallel_tool_use: single } = choice;
  findings.only(choice, "tool_choice", new Set(["type", "name", "disable_parallel_tool_use"]));
  const parallel = typeof single === "boolean" ? { parallelToolCalls: !single } : {};
  const name = textOf(choice["name"]);
  if (type === "auto" || type === "any" || type === "none") return { toolChoice: { type: CHOICES[type] }, ...parallel };
  if (type === "tool" && name !== undefined)
    return { toolChoice: { type: "tool", name } satisfies ToolChoice, ...parallel };
  findings.invalid("tool_choice", "expected the type auto, any, none, or tool with a name");
  return {};
}

function readSampling(
  body: JsonObject,
  findings: Findings,
): Pick<Conversation, "temperature" | "topP" | "topK" | "stop"> {
  const number = (key: string): number | undefined => {
    const value = body[key] ?? undefined;
    if (value === undefined || typeof value === "number") return value;
    findings.invalid(key, "expected a number");
    return undefined;
  };
  const temperature = number("temperature");
  if (temperature !== undefined && (temperature < 0 || temperature > 1))
    findings.invalid("temperature", "expected a number from 0 to 1");
  const stop = itemsOf(body["stop_sequences"]).flatMap((each) => textOf(each) ?? []);
  if (stop.length < itemsOf(body["stop_sequences"]).length) findings.invalid("stop_sequences", "expected texts");
  return {
    ...present("temperature", temperature),
    ...present("topP", number("top_p")),
    ...present("topK", number("top_k")),
    ...present("stop", stop.length === 0 ? undefined : stop),
  };
}

/** Anthropic names no format; others want a name. */
const FORMAT_NAME = "answer";

function readOutput(body: JsonObject, findings: Findings): { readonly output?: OutputFormat } {
  const config = objectOf(body["output_config"]) ?? {};
  findings.only(config, "output_config", new Set(["effort", "format"]));
  const [format, path] =
    (config["format"] ?? null) === null
      ? [body["output_format"] ?? null, "output_format"]
      : [config["format"], "output_config.format"];
  if (format === null) return {};
  const schema = objectOf(objectOf(format)?.["schema"]);
  if (objectOf(format)?.["type"] === "json_schema" && schema !== undefined)
    return { output: { type: "json_schema", name: FORMAT_NAME, schema, strict: true } };
  findings.invalid(path, "expected the type json_schema with a schema");
  return {};
}

const EFFORTS: Readonly<Record<string, NonNullable<ReasoningWish["effort"]>>> = {
  low: "low",
  medium: "medium",
  high: "high",
  xhigh: "xhigh",
  // The most there is, in either dialect's words.
  max: "xhigh",
};

function readReasoning(body: JsonObject, findings: Findings): { readonly reasoning?: ReasoningWish } {
  const word = objectOf(body["output_config"])?.["effort"] ?? undefined;
  const effort = typeof word === "string" && Object.hasOwn(EFFORTS, word) ? EFFORTS[word] : undefined;
  if (word !== undefined && effort === undefined)
    findings.invalid("output_config.effort", "expected low, medium, high, xhigh or max");
  const thinking = (body["thinking"] ?? null) === null ? undefined : objectOf(body["thinking"]);
  if (thinking === undefined) return effort === undefined ? {} : { reasoning: { effort } };
  const wish = readThinkingWish(thinking, findings);
  return { reasoning: { ...wish, ...present("effort", wish.budgetTokens === 0 ? undefined : effort) } };
}

function readThinkingWish(thinking: JsonObject, findings: Findings): ReasoningWish {
  findings.only(thinking, "thinking", new Set(["type", "budget_tokens", "display"]));
  const { type, budget_tokens: budget, display = null } = thinking;
  const shown = display === null ? {} : { isShown: display !== "omitted" };
  if (type === "disabled") return { budgetTokens: 0 };
  if (type === "adaptive") return shown;
  if (type === "enabled" && typeof budget === "number" && Number.isInteger(budget) && budget > 0)
    return { budgetTokens: budget, ...shown };
  if (type === "between_tools") findings.foreign("thinking.type");
  else findings.invalid("thinking", "expected the type enabled with budget_tokens, adaptive or disabled");
  return {};
}

function readUser(value: Json | undefined, findings: Findings): { readonly user?: string } {
  const metadata = objectOf(value) ?? {};
  if (Object.keys(metadata).some((key) => key !== "user_id")) findings.hint("metadata");
  return present("user", textOf(metadata["user_id"]));
}
