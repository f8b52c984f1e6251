// Reads what OpenAI's two dialects have in common: tools, the choice among them, and schemas of answers.
import { isAbsent, isRecord, listOf, recordOf, recordsOf, textOf, type JsonRecord } from "../../json-source.ts";
import { forcedAmong, type Malformed, type OfferedTool, type Unpaired } from "../model-request.ts";

const TOOL_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** What OpenAI says to a body that is no JSON object. */
export const NO_JSON: Malformed = { malformed: "We could not parse the JSON body of your request.", param: null };

/** What OpenAI says to a parameter it does not take. */
export function invalidValue(param: string): Malformed {
  return { malformed: `Invalid value for '${param}'.`, param };
}

/** What OpenAI says to a parameter of another API. */
export function unknownParameter(param: string): Malformed {
  return { malformed: `Unknown parameter: '${param}'.`, param, code: "unknown_parameter" };
}

/** The tools of a request; `at` is where in a tool its function is, nowhere in Responses. */
export function readTools(tools: unknown, at: "function" | undefined): readonly OfferedTool[] | Malformed {
  if (isAbsent(tools)) return [];
  if (!Array.isArray(tools)) return invalidValue("tools");
  const offered: OfferedTool[] = [];
  for (const [index, tool] of listOf(tools).entries()) {
    const type = isRecord(tool) ? tool["type"] : undefined;
    if (type !== "function")
      return {
        malformed: `Tool type '${String(type)}' is not supported by this model.`,
        param: `tools[${index}].type`,
      };
    const spec = at === undefined ? recordOf(tool) : recordOf(recordOf(tool)[at]);
    const name = textOf(spec["name"]) ?? "";
    const param = `tools[${index}].${at === undefined ? "" : `${at}.`}name`;
    if (!TOOL_NAME.test(name)) {
      const malformed = `Invalid '${param}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.`;
      return { malformed, param, code: "invalid_value" };
    }
    offered.push({ name, schema: recordOf(spec["parameters"]) });
  }
  return offered;
}

/** Which tools may be called, and which must be; `choice` as either dialect writes it. */
export function chooseTools(
  tools: readonly OfferedTool[],
  choice: unknown,
): { readonly tools: readonly OfferedTool[]; readonly forced: readonly string[] } {
  if (choice === "none") return { tools: [], forced: [] };
  if (choice === "required") return { tools, forced: forcedAmong(tools, undefined) };
  if (!isRecord(choice)) return { tools, forced: [] };
  if (choice["type"] === "allowed_tools") return allowedTools(tools, recordOf(choice["allowed_tools"] ?? choice));
  const named = textOf(recordOf(choice["function"])["name"]) ?? textOf(choice["name"]);
  return { tools, forced: named === undefined ? [] : forcedAmong(tools, named) };
}

function allowedTools(tools: readonly OfferedTool[], allowed: JsonRecord): ReturnType<typeof chooseTools> {
  const names = recordsOf(allowed["tools"]).map((tool) => tool["name"] ?? recordOf(tool["function"])["name"]);
  const kept = tools.filter(({ name }) => names.includes(name));
  return { tools: kept, forced: allowed["mode"] === "required" ? forcedAmong(kept, undefined) : [] };
}

/** The schema that a format asks for; an object with one text for the mode without a schema. */
export function schemaOf(format: unknown): JsonRecord | undefined {
  if (!isRecord(format)) return undefined;
  if (format["type"] === "json_object") return { type: "object", properties: { answer: { type: "string" } } };
  return format["type"] === "json_schema" ? recordOf(recordOf(format["json_schema"] ?? format)["schema"]) : undefined;
}

/** What chat completions say to a call without its result, or the other way round. */
export function unpairedMessage({ kind, id }: Unpaired): Malformed {
  const malformed =
    kind === "orphan"
      ? "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
      : `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${id}`;
  return { malformed, param: "messages" };
}
