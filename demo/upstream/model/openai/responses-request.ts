// Reads a request of OpenAI's Responses: its items, its tools, and what it may not ask of a model that keeps nothing.
import {
  firstOutOfRange,
  isAbsent,
  isRecord,
  listOf,
  parseRecord,
  recordOf,
  recordsOf,
  textOf,
  TOKEN_LIMIT,
  topLevelKeys,
  type JsonRecord,
} from "../../json-source.ts";
import { countTokens, isMalformed, type Malformed, type Message, type ModelRequest } from "../model-request.ts";
import { sign } from "../signatures.ts";
import { foreignField } from "../vendor-fields.ts";
import { chooseTools, invalidValue, NO_JSON, readTools, schemaOf, unknownParameter } from "./openai-request.ts";

/** Reads the body of `POST /v1/responses`. */
export function readResponsesRequest(source: string): ModelRequest | Malformed {
  const body = parseRecord(source);
  if (body === undefined) return NO_JSON;
  const foreign = foreignField(body, "responses");
  if (foreign !== undefined) return unknownParameter(foreign);
  const wrong = findWrongParam(body) ?? findStateful(body);
  if (wrong !== undefined) return wrong;
  const offered = readTools(body["tools"], undefined);
  if (isMalformed(offered)) return offered;
  const items = itemsOf(body["input"]);
  const messages = readItems(items);
  if (isMalformed(messages)) return messages;
  const limit = body["max_output_tokens"];
  const { effort } = recordOf(body["reasoning"]);
  const instructions = textOf(body["instructions"]);
  const system: Message[] = instructions === undefined ? [] : [{ role: "system", text: instructions, calls: [] }];
  return {
    model: String(body["model"]),
    messages: [...system, ...messages],
    ...chooseTools(offered, body["tool_choice"]),
    schema: schemaOf(recordOf(body["text"])["format"]),
    thinks: isRecord(body["reasoning"]) && effort !== "none",
    showsThoughts: true,
    isStream: body["stream"] === true,
    choices: 1,
    maxTokens: typeof limit === "number" ? limit : undefined,
    promptTokens: countTokens(body["instructions"], body["input"], body["tools"]),
    keys: topLevelKeys(source),
    body,
  };
}

/** Whether a reasoning item carries its signed state. */
export function asksForEncryptedContent({ body }: ModelRequest): boolean {
  return listOf(body["include"]).includes("reasoning.encrypted_content");
}

function itemsOf(input: unknown): readonly JsonRecord[] {
  return typeof input === "string" ? [{ role: "user", content: input }] : recordsOf(input);
}

function findWrongParam(body: JsonRecord): Malformed | undefined {
  if (typeof body["model"] !== "string") return invalidValue("model");
  const { input } = body;
  if (typeof input !== "string" && (!Array.isArray(input) || input.length === 0 || !input.every(isRecord)))
    return invalidValue("input");
  const outside = firstOutOfRange(body, RANGES);
  return outside === undefined ? undefined : invalidValue(outside);
}

const RANGES = { temperature: [0, 2], top_p: [0, 1], max_output_tokens: TOKEN_LIMIT } as const;

/** Nothing is kept between calls, so what refers to something kept refers to nothing. */
function findStateful(body: JsonRecord): Malformed | undefined {
  const previous = body["previous_response_id"];
  if (typeof previous === "string") {
    const malformed = `Previous response with id '${previous}' not found.`;
    return { malformed, param: "previous_response_id", code: "previous_response_not_found" };
  }
  const asked = ["conversation", "prompt", "background"].find((name) => !isAbsent(body[name]) && body[name] !== false);
  return asked === undefined
    ? undefined
    : { malformed: `'${asked}' is not supported with this model.`, param: asked, code: "unsupported_parameter" };
}

const PART_TYPES = new Set(["input_text", "output_text", "input_image", "input_file", "refusal"]);
const ROLES = new Set(["user", "assistant", "system", "developer"]);

function readItems(items: readonly JsonRecord[]): readonly Message[] | Malformed {
  const messages: Message[] = [];
  for (const [index, item] of items.entries()) {
    const read = readItem(item, `input[${index}]`);
    if (read !== undefined && isMalformed(read)) return read;
    if (read !== undefined) messages.push(read);
  }
  return findUnanswered(messages) ?? messages;
}

function readItem(item: JsonRecord, param: string): Message | Malformed | undefined {
  switch (item["type"] ?? "message") {
    case "message":
      return readMessage(item, param);
    case "function_call": {
      const call = { id: String(item["call_id"]), tool: String(item["name"]) };
      return typeof item["arguments"] === "string"
        ? { role: "assistant", text: "", calls: [call] }
        : invalidValue(`${param}.arguments`);
    }
    case "function_call_output":
      return { role: "tool", text: contentText(item["output"]), answersCall: String(item["call_id"]), calls: [] };
    case "reasoning":
      return checkReasoning(item, param);
    case "item_reference":
      return { malformed: `Item with id '${String(item["id"])}' not found.`, param: "input" };
    default:
      return { malformed: `Invalid value: '${String(item["type"])}'.`, param: `${param}.type`, code: "invalid_value" };
  }
}

function readMessage(item: JsonRecord, param: string): Message | Malformed {
  const role = String(item["role"]);
  if (!ROLES.has(role)) return invalidValue(`${param}.role`);
  const parts = recordsOf(item["content"]);
  const wrong = parts.findIndex(({ type }) => !PART_TYPES.has(String(type)));
  if (wrong >= 0) return invalidValue(`${param}.content[${wrong}].type`);
  return { role, text: contentText(item["content"]), calls: [] };
}

/** A reasoning item that comes back must be the one that was given. */
function checkReasoning(item: JsonRecord, param: string): Malformed | undefined {
  const encrypted = item["encrypted_content"];
  if (typeof encrypted !== "string") return undefined;
  const text = recordsOf(item["summary"])
    .map((part) => textOf(part["text"]) ?? "")
    .join("");
  if (encrypted === sign("openai", text)) return undefined;
  const malformed = `The encrypted content ${encrypted.slice(0, 12)}... could not be verified.`;
  return { malformed, param: `${param}.encrypted_content`, code: "invalid_encrypted_content" };
}

/** Calls and results are items of their own; each needs the other, the call first. */
function findUnanswered(messages: readonly Message[]): Malformed | undefined {
  const open = new Set<string>();
  const known = new Set<string>();
  for (const { calls, answersCall } of messages) {
    for (const { id } of calls) {
      open.add(id);
      known.add(id);
    }
    if (answersCall !== undefined && !known.has(answersCall))
      return { malformed: `No tool call found for function call output with call_id ${answersCall}.`, param: "input" };
    if (answersCall !== undefined) open.delete(answersCall);
  }
  const [id] = open;
  return id === undefined ? undefined : { malformed: `No tool output found for function call ${id}.`, param: "input" };
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  return recordsOf(content)
    .map((part) => textOf(part["text"]) ?? textOf(part["refusal"]) ?? "")
    .join("\n");
}
