// Decides how a conversation reads as a chat-completions request, and what of it has no word there.
import type {
  Conversation,
  MediaSource,
  OutputFormat,
  Part,
  ToolOffer,
  ToolResultPart,
  Turn,
} from "../conversation.ts";
import type { Target } from "../dialect.ts";
import type { Outcome } from "../../errors.ts";
import type { JsonObject } from "../../json/canonical.ts";
import { at, Findings, itemsOf, present } from "../findings.ts";
import { effortOf } from "../openai-words.ts";
import { safeName } from "../tool-names.ts";
import { googleSigned } from "./foreign-state.ts";

/** The most sequences that OpenAI stops at. */
const MAX_STOPS = 4;

/** A conversation as a request; refuses `untranslatable`, naming everything at once. */
export function writeRequest(conversation: Conversation, target: Target): Outcome<JsonObject> {
  const findings = new Findings();
  const { tools, stop, topK, isStream, parallelToolCalls } = conversation;
  nameExcess(conversation, target, findings);
  const messages = conversation.turns.flatMap((turn, index) => writeTurn(turn, `messages.${index}`, findings));
  return findings.outcome({
    model: target.model,
    messages,
    [target.isOpenAi ? "max_completion_tokens" : "max_tokens"]: target.maxOutput,
    ...present("temperature", conversation.temperature),
    ...present("top_p", conversation.topP),
    ...present("top_k", topK),
    ...present("seed", conversation.seed),
    ...present("frequency_penalty", conversation.frequencyPenalty),
    ...present("presence_penalty", conversation.presencePenalty),
    ...present("stop", stop),
    ...present("response_format", writeOutput(conversation.output)),
    ...present("reasoning_effort", effortOf(conversation.reasoning)),
    ...(tools.length === 0 ? {} : { tools: tools.map(writeTool) }),
    ...writeToolChoice(conversation),
    ...(tools.length === 0 || parallelToolCalls === undefined ? {} : { parallel_tool_calls: parallelToolCalls }),
    ...present("user", conversation.user),
    ...(isStream ? { stream: true, stream_options: { include_usage: true } } : {}),
  });
}

/** Names the wishes that go beyond what chat completions take. */
function nameExcess({ topK, stop, temperature }: Conversation, target: Target, findings: Findings): void {
  if (topK !== undefined && target.isOpenAi) findings.foreign("top_k");
  if ((stop?.length ?? 0) > MAX_STOPS) findings.foreign("stop", `at most ${MAX_STOPS} sequences`);
  if (temperature !== undefined && !(temperature >= 0 && temperature <= 2))
    findings.foreign("temperature", "expected 0 to 2");
}

function writeTurn({ role, parts }: Turn, path: string, findings: Findings): readonly JsonObject[] {
  if (role === "assistant") return writeAssistant(parts, path, findings);
  const results = parts.filter((part) => part.type === "tool_result");
  const others = parts.filter((part) => part.type !== "tool_result");
  return [
    ...results.map((result) => writeResult(result, path, findings)),
    ...(others.length === 0 ? [] : [{ role, content: writeContent(others, path, findings) }]),
  ];
}

/** One text reads as a string, anything else as a list of parts. */
function writeContent(parts: readonly Part[], path: string, findings: Findings): string | readonly JsonObject[] {
  const [only] = parts;
  if (parts.length === 1 && only?.type === "text") return only.text;
  return parts.map((part, index) => writePart(part, at(path, index), findings)).filter((part) => part !== undefined);
}

function writePart(part: Part, path: string, findings: Findings): JsonObject | undefined {
  switch (part.type) {
    case "text":
    case "refusal":
      return { type: "text", text: part.text };
    case "image":
      return { type: "image_url", image_url: { url: urlOf(part.source), ...present("detail", part.detail) } };
    case "document":
      return writeDocument(part.source, part.name, { path, findings });
    case "audio":
      return {
        type: "input_audio",
        input_audio: { data: part.data, format: part.mediaType.replace(/^audio\/(?:x-)?/, "").replace("mpeg", "mp3") },
      };
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

function writeDocument(
  source: MediaSource,
  name: string | undefined,
  { path, findings }: { readonly path: string; readonly findings: Findings },
): JsonObject | undefined {
  if (source.type === "url") {
    findings.foreign(path, "a document by its address has no counterpart: send its bytes");
    return undefined;
  }
  return { type: "file", file: { filename: name ?? "document", file_data: urlOf(source) } };
}

/** A result as a tool message: chat knows texts alone there, and no flag for one that failed, so that it is said in words. */
function writeResult(part: ToolResultPart, path: string, findings: Findings): JsonObject {
  for (const [index, each] of part.content.entries())
    if (each.type !== "text") findings.foreign(`${path}.tool_result.${index}`, "tool messages hold texts only");
  const texts = part.content.flatMap((each) => (each.type === "text" ? [each.text] : []));
  const text = texts.length === 1 ? (texts[0] ?? "") : texts.join("\n");
  const content = part.isError && !/^\W*error/i.test(text) ? `Error: ${text}` : text;
  return { role: "tool", tool_call_id: part.callId, content };
}

/** Thoughts are left out: nobody here takes another's signed ones, and unsigned ones are for reading only. */
function writeAssistant(parts: readonly Part[], path: string, findings: Findings): readonly JsonObject[] {
  const texts = parts.filter((part) => part.type === "text" || part.type === "image" || part.type === "document");
  const refusals = parts.flatMap((part) => (part.type === "refusal" ? [part.text] : []));
  const calls = parts.flatMap((part) =>
    part.type === "tool_call"
      ? [
          {
            id: part.id,
            type: "function",
            function: { name: safeName(part.name), arguments: part.args },
            ...googleSigned(part.signed),
          },
        ]
      : [],
  );
  if (texts.some((part) => part.type !== "text")) findings.foreign(path, "an assistant's message holds texts only");
  if (texts.length + refusals.length + calls.length === 0) return [];
  return [
    {
      role: "assistant",
      content: texts.length === 0 ? null : writeContent(texts, path, findings),
      ...(refusals.length === 0 ? {} : { refusal: refusals.join("\n") }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
    },
  ];
}

function writeTool(tool: ToolOffer): JsonObject {
  return {
    type: "function",
    function: {
      name: safeName(tool.name),
      ...present("description", tool.description),
      parameters: tool.schema,
      ...present("strict", tool.strict),
    },
  };
}

function writeToolChoice({ tools, toolChoice }: Conversation): JsonObject {
  if (tools.length === 0 || toolChoice === undefined) return {};
  return {
    tool_choice:
      toolChoice.type === "tool"
        ? { type: "function", function: { name: safeName(toolChoice.name) } }
        : toolChoice.type,
  };
}

function writeOutput(output: OutputFormat | undefined): JsonObject | undefined {
  switch (output?.type) {
    case undefined:
    case "text":
      return undefined;
    case "json":
      return { type: "json_object" };
    case "json_schema":
      return {
        type: "json_schema",
        json_schema: {
          name: output.name,
          schema: output.schema,
          ...present("description", output.description),
          ...present("strict", output.strict),
        },
      };
  }
}

/** The request with a system text before everything else. */
export function withSystem(body: JsonObject, text: string): JsonObject {
  return { ...body, messages: [{ role: "system", content: text }, ...itemsOf(body["messages"])] };
}
