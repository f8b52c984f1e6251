// Decides what routing sees of a request body, in whichever dialect: its texts, tools and media, without a translation.
import { isJsonObject, type Json, type JsonObject } from "../json/canonical.ts";
import { offeredTools } from "../release/offered-tools.ts";

/** Who said a text. */
export type Speaker = "system" | "user" | "assistant" | "tool";

/** What routing looks at in a request. */
export interface RequestView {
  readonly texts: readonly { readonly by: Speaker; readonly text: string }[];
  /** Turns of user and assistant. */
  readonly turns: number;
  /** Names of the tools that are offered, as they are offered. */
  readonly tools: readonly string[];
  /** Tools called earlier in the conversation. */
  readonly calls: readonly { readonly name: string; readonly args: JsonObject }[];
  readonly toolResults: number;
  /** Images, documents and sound. */
  readonly media: number;
  /** Output tokens that are asked for at most. */
  readonly maxOutput: number | undefined;
  /** Whether the answer is to fit a schema. */
  readonly wantsSchema: boolean;
  /** Whether the caller asked the model to think. */
  readonly wantsReasoning: boolean;
}

/** What can be gathered only while walking. */
interface Gathered {
  readonly texts: { by: Speaker; text: string }[];
  readonly calls: { name: string; args: JsonObject }[];
  toolResults: number;
  media: number;
}

/** Parts nested deeper hold no text that a model is asked about. */
const MAX_DEPTH = 6;

/**
 * The view of a body of any dialect. Total: fields that are not there, or not as a provider wants them, show nothing;
 * the provider will say so. A translation would be stricter than a call that passes through needs.
 */
export function viewOf(body: JsonObject): RequestView {
  const seen: Gathered = { texts: [], calls: [], toolResults: 0, media: 0 };
  for (const key of ["system", "instructions", "systemInstruction", "system_instruction"])
    walk(body[key], "system", seen);
  const turns = listOf(body["messages"] ?? body["contents"] ?? body["input"]);
  if (typeof body["input"] === "string") seen.texts.push({ by: "user", text: body["input"] });
  for (const turn of turns) walkTurn(turn, seen);
  return {
    ...seen,
    turns: turns.length === 0 ? seen.texts.filter(({ by }) => by === "user").length : countTurns(turns),
    tools: offeredTools(body),
    maxOutput: maxOutputOf(body),
    wantsSchema: wantsSchema(body),
    wantsReasoning: wantsReasoning(body),
  };
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

function countTurns(turns: readonly Json[]): number {
  let count = 0;
  let before: Speaker | undefined;
  for (const turn of turns) {
    const by = speakerOf(turn);
    if ((by === "user" || by === "assistant") && by !== before) count += 1;
    before = by;
  }
  return count;
}

const SPEAKERS: Readonly<Record<string, Speaker>> = {
  system: "system",
  developer: "system",
  user: "user",
  assistant: "assistant",
  model: "assistant",
  tool: "tool",
  function: "tool",
};

/** Of a turn that does not say who speaks: an item of a `responses` input is named by its type, and Gemini's is the user's. */
function speakerOf(turn: Json): Speaker {
  if (!isJsonObject(turn)) return "user";
  const { role, type } = turn;
  if (typeof role === "string") return Object.hasOwn(SPEAKERS, role) ? (SPEAKERS[role] ?? "user") : "user";
  if (typeof type !== "string") return "user";
  return type.endsWith("_output") ? "tool" : type === "message" ? "user" : "assistant";
}

function walkTurn(turn: Json, seen: Gathered): void {
  const by = speakerOf(turn);
  if (!isJsonObject(turn)) return walk(turn, by, seen);
  if (by === "tool") seen.toolResults += 1;
  for (const call of listOf(turn["tool_calls"])) addCall(isJsonObject(call) ? call["function"] : undefined, seen);
  addCall(turn["function_call"], seen);
  if (turn["type"] === "function_call") addCall(turn, seen);
  walk(turn["content"] ?? turn["parts"] ?? turn["output"], by, seen);
}

const MEDIA = new Set(["image", "image_url", "input_image", "document", "file", "input_file", "audio", "input_audio"]);
const MEDIA_MEMBERS = ["inlineData", "inline_data", "fileData", "file_data"];

function walk(value: Json | undefined, by: Speaker, seen: Gathered, depth = 0): void {
  if (typeof value === "string") seen.texts.push({ by, text: value });
  if (depth >= MAX_DEPTH) return;
  if (Array.isArray(value)) for (const part of value as readonly Json[]) walk(part, by, seen, depth + 1);
  else if (isJsonObject(value)) walkPart(value, by, seen, depth + 1);
}

// oxlint-disable-next-line eslint/max-params -- one step of a walk
function walkPart(part: JsonObject, by: Speaker, seen: Gathered, depth: number): void {
  const { type } = part;
  if (typeof type === "string" && MEDIA.has(type)) seen.media += 1;
  else if (MEDIA_MEMBERS.some((member) => part[member] !== undefined)) seen.media += 1;
  else if (type === "tool_use") addCall(part, seen);
  else if (part["functionCall"] !== undefined) addCall(part["functionCall"], seen);
  else if (type === "tool_result" || part["functionResponse"] !== undefined) {
    seen.toolResults += 1;
    walk(part["content"], "tool", seen, depth);
  } else if (type !== "thinking" && type !== "reasoning") walk(part["text"] ?? part["parts"], by, seen, depth);
}

function addCall(call: Json | undefined, seen: Gathered): void {
  if (!isJsonObject(call) || typeof call["name"] !== "string") return;
  const args = call["input"] ?? call["args"] ?? call["arguments"];
  seen.calls.push({ name: call["name"], args: argsOf(args) });
}

function argsOf(args: Json | undefined): JsonObject {
  if (isJsonObject(args)) return args;
  if (typeof args !== "string") return {};
  try {
    const read: unknown = JSON.parse(args);
    return isJsonObject(read) ? read : {};
  } catch {
    return {};
  }
}

function member(value: Json | undefined, ...path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>((at, key) => (isJsonObject(at) ? at[key] : undefined), value);
}

function maxOutputOf(body: JsonObject): number | undefined {
  const config = body["generationConfig"] ?? body["generation_config"];
  const named = [
    body["max_completion_tokens"],
    body["max_tokens"],
    body["max_output_tokens"],
    member(config, "maxOutputTokens"),
  ];
  return named.find((each): each is number => typeof each === "number" && Number.isSafeInteger(each) && each >= 0);
}

function wantsSchema(body: JsonObject): boolean {
  const types = [
    member(body, "response_format", "type"),
    member(body, "text", "format", "type"),
    member(body, "output_format", "type"),
    member(body, "output_config", "format", "type"),
  ];
  const config = body["generationConfig"] ?? body["generation_config"];
  return (
    types.some((type) => type === "json_schema" || type === "json_object") ||
    ["responseSchema", "responseJsonSchema", "response_schema"].some((key) => member(config, key) !== undefined)
  );
}

const NO_EFFORT = new Set<Json | undefined>([undefined, null, "none", "minimal", "low", "medium"]);

/** Asked for: what a model does by itself when nothing is said is no wish of the caller's. */
function wantsReasoning(body: JsonObject): boolean {
  const efforts = [
    body["reasoning_effort"],
    member(body, "reasoning", "effort"),
    member(body, "output_config", "effort"),
    member(body, "generationConfig", "thinkingConfig", "thinkingLevel"),
  ];
  const budget = member(body, "generationConfig", "thinkingConfig", "thinkingBudget");
  const thinking = member(body, "thinking", "type");
  return (
    efforts.some((effort) => !NO_EFFORT.has(typeof effort === "string" ? effort.toLowerCase() : effort)) ||
    (typeof budget === "number" && budget > 0) ||
    thinking === "enabled"
  );
}
