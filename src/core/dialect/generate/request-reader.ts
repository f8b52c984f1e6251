// Decides what a whole Gemini request means: turns, tools, sampling, thinking, output, and what has no counterpart.
import { accept, type Outcome } from "../../errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { textOf } from "../body-fields.ts";
import type { Conversation, Turn } from "../conversation.ts";
import type { CallFields } from "../dialect.ts";
import { mergedTurns } from "../turns.ts";
import { at, Findings, objectOf, present } from "../findings.ts";
import { readConfig, type Configured } from "./config-reader.ts";
import { listOf, PartReader } from "./part-reader.ts";
import { camelMembers } from "./spelling.ts";
import { readToolChoice, readTools } from "./tool-reader.ts";

const MEMBERS = new Set([
  "contents",
  "systemInstruction",
  "tools",
  "toolConfig",
  "generationConfig",
  "model",
  "labels",
  "serviceTier",
  "store",
]);

/** A request as a conversation; refuses `untranslatable` and `invalid_request`, naming everything at once. */
export function readRequest(body: JsonObject, fields: CallFields, findings = new Findings()): Outcome<Conversation> {
  const members = camelMembers(body, "", findings);
  findings.only(members, "", MEMBERS);
  readHints(members, findings);
  const { detail, ...config }: Configured = readConfig(members["generationConfig"], findings);
  const tools = readTools(members["tools"], findings);
  const { toolChoice, isStrict } = readToolChoice(members["toolConfig"], tools, findings);
  const conversation: Omit<Conversation, "hints"> = {
    turns: readTurns(members, new PartReader(findings, detail), findings),
    tools: isStrict ? tools.map((tool) => ({ ...tool, strict: true })) : tools,
    ...present("toolChoice", toolChoice),
    ...present("maxOutput", fields.maxOutput),
    ...config,
    isStream: fields.isStream,
  };
  const outcome = findings.outcome(conversation);
  return outcome.ok ? accept({ ...conversation, hints: findings.hints }) : outcome;
}

/** What changes cost or bookkeeping alone. */
function readHints(members: JsonObject, findings: Findings): void {
  if (members["labels"] !== undefined) findings.hint("labels");
  const { serviceTier, store } = members;
  if (store === true) findings.foreign("store");
  else if (store !== undefined) findings.hint("store");
  if (serviceTier === undefined) return;
  if (/(?:^|_)(?:standard|unspecified)$/i.test(textOf(serviceTier) ?? "")) findings.hint("serviceTier");
  else findings.foreign("serviceTier");
}

function readTurns(members: JsonObject, reader: PartReader, findings: Findings): readonly Turn[] {
  const turns: Turn[] = [];
  const system = members["systemInstruction"];
  if (system !== undefined) {
    const parts = reader.read(partsOf(system, "systemInstruction", findings), "systemInstruction.parts", {
      role: "system",
      index: 0,
    });
    turns.push({ role: "system", parts });
    parts.forEach(({ type }, index) => {
      if (type !== "text") findings.foreign(`systemInstruction.parts.${index}`, "only text may instruct elsewhere");
    });
  }
  if (!isJsonObject(members["contents"]) && !Array.isArray(members["contents"]))
    findings.invalid("contents", "expected a list of contents");
  listOf(members["contents"]).forEach((content, index) => {
    const path = `contents.${index}`;
    const role = ROLES.get(objectOf(content)?.["role"] ?? null);
    if (!isJsonObject(content) || role === undefined) {
      findings.invalid(path, "expected a content with the role user or model");
      return;
    }
    const parts = partsOf(content, path, findings);
    turns.push({ role, parts: reader.read(parts, at(path, "parts"), { role, index }) });
  });
  return mergedTurns(turns.filter(({ parts }) => parts.length > 0).map(resultsFirst));
}

const ROLES: ReadonlyMap<Json, "user" | "assistant"> = new Map<Json, "user" | "assistant">([
  [null, "user"],
  ["", "user"],
  ["user", "user"],
  ["function", "user"],
  ["model", "assistant"],
]);

function partsOf(content: Json, path: string, findings: Findings): Json | undefined {
  if (!isJsonObject(content)) {
    findings.invalid(path, "expected a content with parts");
    return undefined;
  }
  const members = camelMembers(content, path, findings);
  findings.only(members, path, new Set(["role", "parts"]));
  return members["parts"];
}

function resultsFirst({ role, parts }: Turn): Turn {
  const results = parts.filter(({ type }) => type === "tool_result");
  return results.length === 0
    ? { role, parts }
    : { role, parts: [...results, ...parts.filter((part) => !results.includes(part))] };
}
