// Decides how a conversation reads as a Gemini request, and what of it Gemini has no word for.
import type { Outcome } from "../../errors.ts";
import type { JsonObject } from "../../json/canonical.ts";
import type { Conversation, ToolOffer, Turn } from "../conversation.ts";
import type { Target } from "../dialect.ts";
import { at, Findings, itemsOf, objectOf, present } from "../findings.ts";
import { writeConfig } from "./config-writer.ts";
import { signatureOfForeignCall } from "./model-features.ts";
import { refuseName, writeParts, type PartTarget } from "./part-writer.ts";

/** A conversation as a request; refuses `untranslatable`, naming everything at once. The model stands in the path. */
export function writeRequest(conversation: Conversation, target: Target): Outcome<JsonObject> {
  const findings = new Findings();
  if (conversation.parallelToolCalls === false)
    findings.foreign("parallel_tool_calls", "Gemini cannot be held to one call at a time");
  const { system, contents } = writeTurns(conversation.turns, {
    findings,
    calls: namesOf(conversation.turns),
    foreignCall: signatureOfForeignCall(target.model),
  });
  if (contents.length === 0) findings.foreign("messages", "Gemini wants a message of the user");
  const { tools } = conversation;
  const declarations = tools.map((tool, index) => writeTool(tool, `tools.${index}`, findings));
  return findings.outcome({
    contents,
    ...(system.length === 0 ? {} : { systemInstruction: { parts: system } }),
    ...(tools.length === 0 ? {} : { tools: [{ functionDeclarations: declarations }] }),
    ...writeToolConfig(conversation),
    generationConfig: writeConfig(conversation, target, findings),
  });
}

/** Names of all calls, by id: results have to repeat them. */
function namesOf(turns: readonly Turn[]): ReadonlyMap<string, string> {
  const calls = turns.flatMap(({ parts }) => parts.flatMap((part) => (part.type === "tool_call" ? [part] : [])));
  return new Map(calls.map(({ id, name }) => [id, name]));
}

interface Written {
  readonly system: readonly JsonObject[];
  readonly contents: readonly JsonObject[];
}

/**
 * System turns are the `systemInstruction`, wherever they stood: Gemini has no place for them in between, and there what
 * they say stays above what the user says. Neighbours of one role are one content, results first.
 */
function writeTurns(turns: readonly Turn[], target: PartTarget): Written {
  const system: JsonObject[] = [];
  const contents: { role: string; parts: readonly JsonObject[] }[] = [];
  for (const [index, turn] of turns.entries()) {
    const path = `messages.${index}`;
    const parts = writeParts(turn.parts, path, target);
    if (turn.role === "system") {
      system.push(...parts);
      for (const [place, { type }] of turn.parts.entries())
        if (type !== "text") target.findings.foreign(at(path, place), "Gemini takes nothing but text as instructions");
      continue;
    }
    if (parts.length === 0) continue;
    const role = turn.role === "assistant" ? "model" : "user";
    const last = contents.at(-1);
    if (last?.role === role) last.parts = resultsFirst([...last.parts, ...parts]);
    else contents.push({ role, parts: resultsFirst(parts) });
  }
  return { system, contents: contents.map(({ role, parts }) => ({ role, parts })) };
}

function resultsFirst(parts: readonly JsonObject[]): readonly JsonObject[] {
  const isResult = (part: JsonObject): boolean => part["functionResponse"] !== undefined;
  return parts.some(isResult) ? [...parts.filter(isResult), ...parts.filter((part) => !isResult(part))] : parts;
}

function writeTool({ name, description, schema }: ToolOffer, path: string, findings: Findings): JsonObject {
  refuseName(name, at(path, "name"), findings);
  return { name, ...present("description", description), parametersJsonSchema: schema };
}

const MODES = { auto: "AUTO", required: "ANY", none: "NONE" } as const;

/** Strict tools: Gemini keeps to the schemas when calls are forced anyway, and in a mode of its own when they are not. */
function writeToolConfig({ tools, toolChoice }: Conversation): JsonObject {
  if (tools.length === 0) return {};
  const isStrict = tools.some(({ strict }) => strict === true);
  const calling = (config: JsonObject): JsonObject => ({ toolConfig: { functionCallingConfig: config } });
  if (toolChoice?.type === "tool") return calling({ mode: "ANY", allowedFunctionNames: [toolChoice.name] });
  if (isStrict && (toolChoice === undefined || toolChoice.type === "auto")) return calling({ mode: "VALIDATED" });
  return toolChoice === undefined ? {} : calling({ mode: MODES[toolChoice.type] });
}

/** The request with a system text before everything else. */
export function withSystem(body: JsonObject, text: string): JsonObject {
  const key = body["system_instruction"] === undefined ? "systemInstruction" : "system_instruction";
  const system = objectOf(body[key]);
  const parts = system?.["parts"] ?? [];
  // Google takes one part where a list is due.
  const others = objectOf(parts) === undefined ? itemsOf(parts) : [parts];
  return { ...body, [key]: { ...system, parts: [{ text }, ...others] } };
}
