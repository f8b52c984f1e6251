// Reads a request of Gemini's generateContent: decides what is malformed, in the vendor's words, and counts its prompt.
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
  forcedAmong,
  isMalformed,
  type Malformed,
  type Message,
  type ModelRequest,
  type OfferedTool,
} from "../model-request.ts";
import { sign } from "../signatures.ts";
import { foreignField } from "../vendor-fields.ts";

const TOOL_NAME = /^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$/;

/** Values that Google takes in place of a signature it never gave. */
const STAND_INS = new Set(["context_engineering_is_the_way_to_go", "skip_thought_signature_validator"]);

/** What the path says. */
export interface PathWords {
  readonly model: string;
  readonly isStream: boolean;
}

/** Reads the body of `POST /v1beta/models/{model}:generateContent`. Both spellings of a field are read. */
export function readGenerateRequest(source: string, path: PathWords): ModelRequest | Malformed {
  const body = parseRecord(source);
  if (body === undefined) return wrong("Invalid JSON payload received. Unexpected token.");
  const config = recordOf(either(body, "generationConfig"));
  const problem = findProblem(body, config);
  if (problem !== undefined) return problem;
  const tools = readTools(body["tools"]);
  if (isMalformed(tools)) return tools;
  const messages = readContents(recordsOf(body["contents"]), path.model === "reasoning");
  if (isMalformed(messages)) return messages;
  const instruction = either(body, "systemInstruction");
  const system = partsText(recordOf(instruction)["parts"]);
  const thinking = recordOf(either(config, "thinkingConfig"));
  const limit = either(config, "maxOutputTokens");
  const choices = either(config, "candidateCount");
  return {
    ...path,
    messages: system === "" ? messages : [{ role: "system", text: system, calls: [] }, ...messages],
    ...chooseTools(tools, recordOf(recordOf(either(body, "toolConfig"))["functionCallingConfig"])),
    schema: schemaOf(config),
    thinks: Object.keys(thinking).length > 0 && thinking["thinkingBudget"] !== 0,
    showsThoughts: thinking["includeThoughts"] === true,
    choices: typeof choices === "number" ? choices : 1,
    maxTokens: typeof limit === "number" ? limit : undefined,
    promptTokens: countTokens(instruction, body["contents"], body["tools"]),
    keys: topLevelKeys(source),
    body,
  };
}

/** A field by its name, or by the name with underscores that protocol buffers take as well. */
function either(record: JsonRecord, name: string): unknown {
  return record[name] ?? record[name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)];
}

function wrong(malformed: string): Malformed {
  return { malformed, param: null };
}

function findProblem(body: JsonRecord, config: JsonRecord): Malformed | undefined {
  const foreign = foreignField(body, "generate");
  if (foreign !== undefined)
    return wrong(`Invalid JSON payload received. Unknown name "${foreign}": Cannot find field.`);
  if (!Array.isArray(body["contents"]) || body["contents"].length === 0 || !body["contents"].every(isRecord))
    return wrong("* GenerateContentRequest.contents: contents is not specified");
  const read = {
    temperature: config["temperature"],
    max_output_tokens: either(config, "maxOutputTokens"),
    candidate_count: either(config, "candidateCount"),
  };
  const outside = firstOutOfRange(read, RANGES);
  return outside === undefined
    ? undefined
    : wrong(`* GenerateContentRequest.generation_config.${outside}: ${outside} is out of range.`);
}

const RANGES = { temperature: [0, 2], max_output_tokens: TOKEN_LIMIT, candidate_count: [1, 8, true] } as const;

/** Of what Google itself runs (search, code execution) the demo has nothing. */
function readTools(tools: unknown): readonly OfferedTool[] | Malformed {
  const offered: OfferedTool[] = [];
  for (const tool of recordsOf(tools)) {
    const hosted = Object.keys(tool).find(
      (name) => name !== "functionDeclarations" && name !== "function_declarations",
    );
    if (hosted !== undefined) return wrong(`Tool '${hosted}' is not supported by this model.`);
    for (const declared of recordsOf(either(tool, "functionDeclarations"))) {
      const name = textOf(declared["name"]) ?? "";
      if (!TOOL_NAME.test(name))
        return wrong(
          `* GenerateContentRequest.tools[0].function_declarations[${offered.length}].name: Invalid function name.`,
        );
      if (!isAbsent(declared["parameters"]) && !isAbsent(either(declared, "parametersJsonSchema")))
        return wrong("parameters and parameters_json_schema are mutually exclusive.");
      offered.push({ name, schema: recordOf(either(declared, "parametersJsonSchema") ?? declared["parameters"]) });
    }
  }
  return offered;
}

function chooseTools(tools: readonly OfferedTool[], choice: JsonRecord): Pick<ModelRequest, "tools" | "forced"> {
  const names = listOf(choice["allowedFunctionNames"]);
  const allowed = names.length === 0 ? tools : tools.filter(({ name }) => names.includes(name));
  if (choice["mode"] === "NONE") return { tools: [], forced: [] };
  return choice["mode"] === "ANY" ? { tools: allowed, forced: forcedAmong(allowed, undefined) } : { tools, forced: [] };
}

function schemaOf(config: JsonRecord): JsonRecord | undefined {
  const schema = either(config, "responseJsonSchema") ?? either(config, "responseSchema");
  if (either(config, "responseMimeType") !== "application/json") return undefined;
  return isRecord(schema) ? schema : { type: "object", properties: { answer: { type: "string" } } };
}

function readContents(contents: readonly JsonRecord[], mustSign: boolean): readonly Message[] | Malformed {
  const messages: Message[] = [];
  let asked: Message["calls"] = [];
  for (const [index, content] of contents.entries()) {
    const role = content["role"] ?? "user";
    const parts = recordsOf(content["parts"]);
    const problem = findWrongParts(role, parts, mustSign);
    if (problem !== undefined) return problem;
    const isResult = (part: JsonRecord): boolean => isRecord(part["functionResponse"]);
    const answered = answersTo(asked, parts.filter(isResult));
    if (isMalformed(answered)) return answered;
    messages.push(...answered);
    asked = callsOf(parts, index);
    const rest = parts.filter((part) => !isResult(part));
    if (rest.length > 0)
      messages.push({ role: role === "model" ? "assistant" : "user", text: partsText(rest), calls: asked });
  }
  return asked.length === 0
    ? messages
    : wrong("Please ensure that function call turn comes immediately before a function response turn.");
}

function findWrongParts(role: unknown, parts: readonly JsonRecord[], mustSign: boolean): Malformed | undefined {
  if (role !== "user" && role !== "model" && role !== "function") return wrong("Please use a valid role: user, model.");
  if (parts.length === 0) return wrong("* GenerateContentRequest.contents: contents.parts must not be empty.");
  return role === "model" ? findWrongSignature(parts, mustSign) : undefined;
}

/** Calls have no ids here: they are known by their place. */
function callsOf(parts: readonly JsonRecord[], index: number): Message["calls"] {
  return parts
    .filter((part) => isRecord(part["functionCall"]))
    .map((part, at) => ({ id: `${index}.${at}`, tool: String(recordOf(part["functionCall"])["name"]) }));
}

function answersTo(asked: Message["calls"], results: readonly JsonRecord[]): readonly Message[] | Malformed {
  if (results.length !== asked.length)
    return wrong(
      "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
    );
  const open = [...asked];
  const messages: Message[] = [];
  for (const part of results) {
    const { name, response } = recordOf(part["functionResponse"]);
    const at = open.findIndex(({ tool }) => tool === name);
    const [call] = at < 0 ? [] : open.splice(at, 1);
    if (call === undefined) return wrong(`Function response '${String(name)}' has no function call.`);
    if (!isRecord(response)) return wrong("function_response.response: must be an object.");
    messages.push({ role: "tool", text: responseText(response), answersCall: call.id, calls: [] });
  }
  return messages;
}

/** A result stands under `output` or `result`, an error under `error`, or the object is the result. */
function responseText(response: JsonRecord): string {
  const output = response["output"] ?? response["result"];
  if (typeof output === "string" && response["error"] === undefined) return output;
  return JSON.stringify(isRecord(output) ? output : response);
}

/** Of several calls in one turn only the first is signed; a signature that is not ours is refused. */
function findWrongSignature(parts: readonly JsonRecord[], mustSign: boolean): Malformed | undefined {
  const calls = parts.filter((part) => isRecord(part["functionCall"]));
  for (const [index, part] of calls.entries()) {
    const { name, args } = recordOf(part["functionCall"]);
    const signature = either(part, "thoughtSignature");
    if (signature === undefined && mustSign && index === 0)
      return wrong(
        `Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly: ${String(name)}.`,
      );
    const isOurs = signature === sign("gemini", String(name) + JSON.stringify(args ?? {}));
    if (signature !== undefined && !isOurs && !STAND_INS.has(textOf(signature) ?? ""))
      return wrong("Thought signature is not valid.");
  }
  return undefined;
}

function partsText(parts: unknown): string {
  return recordsOf(parts)
    .filter((part) => part["thought"] !== true)
    .map((part) => textOf(part["text"]) ?? "")
    .filter((text) => text !== "")
    .join("\n");
}
