// Reads a request of Anthropic's Messages: decides what is malformed, in the vendor's words, and counts its prompt.
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
import {
  countTokens,
  findUnpaired,
  forcedAmong,
  isMalformed,
  type Malformed,
  type Message,
  type ModelRequest,
  type OfferedTool,
} from "../model-request.ts";
import { sign } from "../signatures.ts";
import { foreignField } from "../vendor-fields.ts";

const TOOL_NAME = /^[a-zA-Z0-9_-]{1,128}$/;

/** Reads the body of `POST /v1/messages`, or of `POST /v1/messages/count_tokens`, which names no limit. */
export function readMessagesRequest(source: string, isCounting = false): ModelRequest | Malformed {
  const body = parseRecord(source);
  if (body === undefined) return wrong("The request body is not valid JSON: expected an object");
  const problem = findProblem(body, isCounting);
  if (problem !== undefined) return problem;
  const tools = readTools(body["tools"]);
  if (isMalformed(tools)) return tools;
  const messages = readMessages(recordsOf(body["messages"]));
  if (isMalformed(messages)) return messages;
  const system = blockText(body["system"]);
  const thinking = recordOf(body["thinking"]);
  const limit = body["max_tokens"];
  return {
    model: String(body["model"]),
    messages: system === "" ? messages : [{ role: "system", text: system, calls: [] }, ...messages],
    ...chooseTools(tools, recordOf(body["tool_choice"])),
    schema: schemaOf(recordOf(body["output_config"])["format"] ?? body["output_format"]),
    thinks: thinking["type"] === "enabled" || thinking["type"] === "adaptive",
    showsThoughts: true,
    isStream: body["stream"] === true,
    choices: 1,
    maxTokens: typeof limit === "number" ? limit : undefined,
    promptTokens: countTokens(body["system"], body["messages"], body["tools"]),
    keys: topLevelKeys(source),
    body,
  };
}

function wrong(malformed: string): Malformed {
  return { malformed, param: null };
}

function findProblem(body: JsonRecord, isCounting: boolean): Malformed | undefined {
  const foreign = foreignField(body, "messages");
  if (foreign !== undefined) return wrong(`${foreign}: Extra inputs are not permitted`);
  const required = isCounting ? ["model", "messages"] : ["model", "messages", "max_tokens"];
  const missing = required.find((name) => isAbsent(body[name]));
  if (missing !== undefined) return wrong(`${missing}: Field required`);
  const { messages, system } = body;
  if (!Array.isArray(messages) || messages.length === 0 || !messages.every(isRecord))
    return wrong("messages: at least one message is required");
  if (!isAbsent(system) && typeof system !== "string" && !Array.isArray(system))
    return wrong("system: Input should be a valid string or list");
  const outside = firstOutOfRange(body, { max_tokens: TOKEN_LIMIT, temperature: [0, 1], top_p: [0, 1] });
  if (outside === "max_tokens") return wrong("max_tokens: Input should be greater than or equal to 1");
  return outside === undefined ? undefined : wrong(`${outside}: range: 0..1`);
}

/** Tools that Anthropic itself runs have a dated type; the demo has none of them. */
function readTools(tools: unknown): readonly OfferedTool[] | Malformed {
  const offered: OfferedTool[] = [];
  for (const [index, tool] of recordsOf(tools).entries()) {
    const type = textOf(tool["type"]) ?? "custom";
    if (type !== "custom")
      return wrong(
        `tools.${index}: Input tag '${type}' found using 'type' does not match any of the expected tags: 'custom'`,
      );
    const name = textOf(tool["name"]) ?? "";
    if (!TOOL_NAME.test(name))
      return wrong(`tools.${index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`);
    if (!isRecord(tool["input_schema"])) return wrong(`tools.${index}.custom.input_schema: Field required`);
    if (tool["input_schema"]["type"] !== "object")
      return wrong(`tools.${index}.custom.input_schema.type: Input should be 'object'`);
    offered.push({ name, schema: tool["input_schema"] });
  }
  return offered;
}

function chooseTools(tools: readonly OfferedTool[], choice: JsonRecord): Pick<ModelRequest, "tools" | "forced"> {
  switch (choice["type"]) {
    case "none":
      return { tools: [], forced: [] };
    case "any":
      return { tools, forced: forcedAmong(tools, undefined) };
    case "tool":
      return { tools, forced: forcedAmong(tools, textOf(choice["name"])) };
    default:
      return { tools, forced: [] };
  }
}

function schemaOf(format: unknown): JsonRecord | undefined {
  return isRecord(format) && format["type"] === "json_schema" ? recordOf(format["schema"]) : undefined;
}

function readMessages(turns: readonly JsonRecord[]): readonly Message[] | Malformed {
  if (turns[0]?.["role"] === "assistant") return wrong('messages: first message must use the "user" role');
  const messages: Message[] = [];
  for (const [index, turn] of turns.entries()) {
    const { role, content } = turn;
    const at = `messages.${index}`;
    if (role !== "user" && role !== "assistant" && role !== "system")
      return wrong(`${at}.role: Input should be 'user' or 'assistant'`);
    const blocks = typeof content === "string" ? [{ type: "text", text: content }] : listOf(content);
    const problem = findWrongBlock(blocks, role, at);
    if (problem !== undefined) return problem;
    messages.push(...readTurn(role, recordsOf(blocks)));
  }
  return findUnansweredUse(messages) ?? messages;
}

/** Results first, one message each; the rest of the turn is one message, unless there is none. */
function readTurn(role: string, blocks: readonly JsonRecord[]): readonly Message[] {
  const results = blocks.filter(({ type }) => type === "tool_result");
  const rest = blocks.filter(({ type }) => type !== "tool_result");
  const calls = rest
    .filter(({ type }) => type === "tool_use")
    .map(({ id, name }) => ({ id: String(id), tool: String(name) }));
  const answered = results.map((block) => ({
    role: "tool",
    text: resultText(block),
    answersCall: String(block["tool_use_id"]),
    calls: [],
  }));
  return rest.length === 0 ? answered : [...answered, { role, text: blockText(rest), calls }];
}

/** A result that its caller marks as an error says so whatever its words. */
function resultText({ content, is_error: isError }: JsonRecord): string {
  const text = blockText(content);
  return isError === true ? JSON.stringify({ error: { message: text } }) : text;
}

const BLOCKS: Readonly<Record<string, readonly string[]>> = {
  user: ["text", "image", "document", "search_result", "tool_result"],
  assistant: ["text", "thinking", "redacted_thinking", "tool_use"],
  system: ["text"],
};

function findWrongBlock(blocks: readonly unknown[], role: string, at: string): Malformed | undefined {
  if (blocks.length === 0) return wrong(`${at}: all messages must have non-empty content`);
  let hasOther = false;
  for (const [index, block] of blocks.entries()) {
    const where = `${at}.content.${index}`;
    const type = String(recordOf(block)["type"]);
    if (!(BLOCKS[role] ?? []).includes(type))
      return wrong(`${where}: Input tag '${type}' found using 'type' does not match any of the expected tags`);
    const problem = findWrongContent(type, recordOf(block), where);
    if (problem !== undefined) return problem;
    if (type === "tool_result" && hasOther)
      return wrong(`${where}: \`tool_result\` blocks must come first in the content of a message`);
    hasOther ||= type !== "tool_result";
  }
  return undefined;
}

function findWrongContent(type: string, block: JsonRecord, where: string): Malformed | undefined {
  if (type === "text" && (textOf(block["text"]) ?? "") === "")
    return wrong("messages: text content blocks must be non-empty");
  if (type === "tool_use" && !isRecord(block["input"]))
    return wrong(`${where}.tool_use.input: Input should be a valid dictionary`);
  if (type === "thinking" && block["signature"] !== sign("anthropic", String(block["thinking"])))
    return wrong(`${where}: Invalid \`signature\` in \`thinking\` block`);
  return undefined;
}

function findUnansweredUse(messages: readonly Message[]): Malformed | undefined {
  const unpaired = findUnpaired(messages);
  if (unpaired === undefined) return undefined;
  return wrong(
    unpaired.kind === "orphan"
      ? `messages: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${unpaired.id}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`
      : `messages: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${unpaired.id}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`,
  );
}

function blockText(content: unknown): string {
  if (typeof content === "string") return content;
  return recordsOf(content)
    .map((block) => textOf(block["text"]) ?? "")
    .filter((text) => text !== "")
    .join("\n");
}
