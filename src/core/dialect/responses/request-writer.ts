// Decides how a conversation reads as a Responses request, and what of it has no word there.
import type { Outcome } from "../../errors.ts";
import type { JsonObject } from "../../json/canonical.ts";
import { sha256Hex } from "../../json/digest.ts";
import type {
  Conversation,
  MediaSource,
  OutputFormat,
  Part,
  ReasoningWish,
  ToolOffer,
  ToolResultPart,
  Turn,
} from "../conversation.ts";
import type { Target } from "../dialect.ts";
import { at, Findings, present } from "../findings.ts";
import { effortOf } from "../openai-words.ts";
import { safeName } from "../tool-names.ts";
import { ownReasoning } from "./foreign-state.ts";
import { isReasoningModel } from "./owned.ts";

/** Wishes that chat has a word for and Responses have none. */
const FOREIGN = [
  ["topK", "top_k"],
  ["seed", "seed"],
  ["frequencyPenalty", "frequency_penalty"],
  ["presencePenalty", "presence_penalty"],
] as const;

/** A conversation as a request; refuses `untranslatable`, naming everything at once. */
export function writeRequest(conversation: Conversation, target: Target): Outcome<JsonObject> {
  const findings = new Findings();
  findForeign(conversation, findings);
  const { turns, reasoning } = conversation;
  const instructions = instructionsOf(turns[0]);
  const input = turns
    .slice(instructions === undefined ? 0 : 1)
    .flatMap((turn, index) => writeTurn(turn, `input.${index}`, findings));
  const thinks = isReasoningModel(target.model) || reasoning !== undefined;
  return findings.outcome({
    model: target.model,
    ...present("instructions", instructions),
    input,
    max_output_tokens: target.maxOutput,
    store: false,
    ...(target.isOpenAi && thinks ? { include: ["reasoning.encrypted_content"] } : {}),
    ...present("temperature", conversation.temperature),
    ...present("top_p", conversation.topP),
    ...present("text", writeOutput(conversation.output)),
    ...present("reasoning", writeReasoning(reasoning)),
    ...writeTools(conversation),
    ...present("user", conversation.user),
    ...(conversation.isStream ? { stream: true } : {}),
  });
}

function findForeign(conversation: Conversation, findings: Findings): void {
  for (const [key, path] of FOREIGN) if (conversation[key] !== undefined) findings.foreign(path);
  if ((conversation.stop?.length ?? 0) > 0) findings.foreign("stop");
}

/** What a conversation begins with, where that is one text. */
function instructionsOf(turn: Turn | undefined): string | undefined {
  const [part, ...more] = turn?.role === "system" ? turn.parts : [];
  return part?.type === "text" && more.length === 0 ? part.text : undefined;
}

function writeTurn({ role, parts }: Turn, path: string, findings: Findings): readonly JsonObject[] {
  if (role === "assistant")
    return parts.map((part, index) => writeSaid(part, at(path, index), findings)).filter((item) => item !== undefined);
  const results = parts.filter((part) => part.type === "tool_result");
  const others = parts.filter((part) => part.type !== "tool_result");
  return [
    ...results.map((result) => writeResult(result, path, findings)),
    ...(others.length === 0 ? [] : [{ type: "message", role, content: writeContent(others, path, findings) }]),
  ];
}

function writeContent(parts: readonly Part[], path: string, findings: Findings): readonly JsonObject[] {
  return parts.map((part, index) => writePart(part, at(path, index), findings)).filter((part) => part !== undefined);
}

function writePart(part: Part, path: string, findings: Findings): JsonObject | undefined {
  switch (part.type) {
    case "text":
    case "refusal":
      return { type: "input_text", text: part.text };
    case "image":
      return { type: "input_image", image_url: urlOf(part.source), detail: part.detail ?? "auto" };
    case "document":
      return part.source.type === "url"
        ? { type: "input_file", file_url: part.source.url, ...present("filename", part.name) }
        : { type: "input_file", filename: part.name ?? "document", file_data: urlOf(part.source) };
    case "audio":
      findings.foreign(path, "Responses take no sound");
      return undefined;
    case "reasoning":
      return undefined;
    case "tool_call":
    case "tool_result":
      findings.invalid(path, "a call stands in an assistant's turn, its result in the user's turn after it");
      return undefined;
  }
}

function urlOf(source: MediaSource): string {
  return source.type === "url" ? source.url : `data:${source.mediaType};base64,${source.data}`;
}

/**
 * What the model said, each part an item. Reasoning goes back as OpenAI gave it; another's state means nothing there, and
 * thoughts that nobody signed are for reading only.
 */
function writeSaid(part: Part, path: string, findings: Findings): JsonObject | undefined {
  switch (part.type) {
    case "text":
      return { type: "message", role: "assistant", content: part.text };
    case "refusal":
      return {
        type: "message",
        id: `msg_${sha256Hex(`${path}\n${part.text}`).slice(0, 24)}`,
        status: "completed",
        role: "assistant",
        content: [{ type: "refusal", refusal: part.text }],
      };
    case "reasoning":
      return part.signed?.origin === "responses" ? ownReasoning(part.signed.value) : undefined;
    case "tool_call":
      return { type: "function_call", call_id: safeId(part.id), name: safeName(part.name), arguments: part.args };
    case "image":
    case "document":
    case "audio":
      findings.foreign(path, "an assistant's message holds texts only");
      return undefined;
    case "tool_result":
      findings.invalid(path, "a call stands in an assistant's turn, its result in the user's turn after it");
      return undefined;
  }
}

/** Longest id of a call that OpenAI takes. */
const MAX_ID = 64;

function safeId(id: string): string {
  return id.length <= MAX_ID ? id : `call_${sha256Hex(id).slice(0, 32)}`;
}

/** A result as an item; there is no flag for one that failed, so that it is said in words. */
function writeResult(part: ToolResultPart, path: string, findings: Findings): JsonObject {
  const [only, ...more] = part.content;
  const isText = more.length === 0 && (only === undefined || only.type === "text");
  const text = only?.type === "text" ? only.text : "";
  const isMarked = part.isError && !/^\W*error/i.test(text);
  const contents = writeContent(part.content, path, findings);
  const output = isText
    ? `${isMarked ? "Error: " : ""}${text}`
    : [...(isMarked ? [{ type: "input_text", text: "Error:" }] : []), ...contents];
  return { type: "function_call_output", call_id: safeId(part.callId), output };
}

/** Absent, `strict` means yes here and no elsewhere: what was not said is said. */
function writeTool(tool: ToolOffer): JsonObject {
  return {
    type: "function",
    name: safeName(tool.name),
    ...present("description", tool.description),
    parameters: tool.schema,
    strict: tool.strict ?? false,
  };
}

function writeTools({ tools, toolChoice, parallelToolCalls }: Conversation): JsonObject {
  if (tools.length === 0) return {};
  const choice = toolChoice?.type === "tool" ? { type: "function", name: safeName(toolChoice.name) } : toolChoice?.type;
  return {
    tools: tools.map(writeTool),
    ...present("tool_choice", choice),
    ...present("parallel_tool_calls", parallelToolCalls),
  };
}

function writeOutput(output: OutputFormat | undefined): JsonObject | undefined {
  switch (output?.type) {
    case undefined:
    case "text":
      return undefined;
    case "json":
      return { format: { type: "json_object" } };
    case "json_schema":
      return {
        format: {
          type: "json_schema",
          name: output.name,
          schema: output.schema,
          ...present("description", output.description),
          ...present("strict", output.strict),
        },
      };
  }
}

function writeReasoning(reasoning: ReasoningWish | undefined): JsonObject | undefined {
  if (reasoning === undefined) return undefined;
  const written = {
    ...present("effort", effortOf(reasoning)),
    ...present("summary", reasoning.isShown === true ? "auto" : undefined),
  };
  return Object.keys(written).length === 0 ? undefined : written;
}
