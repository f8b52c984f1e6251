// Decides which parts of an Anthropic request would act, answer or cost outside what the gateway decides, and refuses them by name.
import { accept, refuse, type Mistake, type Outcome } from "../../errors.ts";
import { readJson, textOf } from "../body-fields.ts";
import { isJsonObject, type Json } from "../../json/canonical.ts";
import { memberText, type ObjectText } from "../../json/members.ts";
import { itemsOf, objectOf } from "../findings.ts";

/** Typed tools that the caller itself runs: the model only asks for them. Every other type runs at Anthropic. */
const CLIENT_TOOLS = /^(?:custom|(?:bash|text_editor|computer|computer_toolset|browser_toolset|memory)_\d{8})$/;

/** A member that starts something elsewhere, whatever it says. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  mcp_servers: "its tools would be called from Anthropic, past every decision made here: offer them as tools",
  container: "code would run at Anthropic, past every decision made here",
  fallbacks: "another model would answer than the one decided on: name the models in a route",
  thread: "the conversation would be kept at Anthropic, where it cannot be counted before it is sent",
  compaction: "it costs more than the hold covers: compact in a call of its own",
  billing_policy: "somebody else than the tenant would be billed",
  fallback_credit_token: "somebody else than the tenant would be billed",
};

/** A member that costs more than the list price a hold is computed from, except with one of these values. */
const AT_LIST_PRICE: Readonly<Record<string, readonly Json[]>> = {
  speed: [null, "standard"],
  inference_geo: [null, "global"],
};

/**
 * Refuses `unsupported`, naming each: tools that Anthropic runs (`web_search_*`, `web_fetch_*`, `code_execution_*`,
 * `tool_search_tool_*`, `advisor_*`, `mcp_toolset`, and every type that is not known to run at the caller), members that act
 * or store elsewhere, and those that cost more than the list price. Everything else passes.
 */
export function refuseHosted(body: ObjectText): Outcome<undefined> {
  const mistakes = [...memberMistakes(body), ...toolMistakes(body), ...inlineToolMistakes(body)];
  if (mistakes.length === 0) return accept(undefined);
  const detail = mistakes.map(({ path, message }) => `${path}: ${message}`).join("; ");
  return refuse("unsupported", detail, { mistakes });
}

function memberMistakes(body: ObjectText): readonly Mistake[] {
  return body.members.flatMap(({ key, valueStart, valueEnd }) => {
    const text = body.text.slice(valueStart, valueEnd);
    const elsewhere = Object.hasOwn(ELSEWHERE, key) ? ELSEWHERE[key] : undefined;
    if (elsewhere !== undefined) return isNothing(text) ? [] : [{ path: key, message: elsewhere }];
    const plain = Object.hasOwn(AT_LIST_PRICE, key) ? AT_LIST_PRICE[key] : undefined;
    if (plain !== undefined && !plain.includes(readJson(text) ?? null))
      return [{ path: key, message: "it costs more than the list price that a hold is computed from" }];
    return key === "context_management" ? editMistakes(readJson(text)) : [];
  });
}

function isNothing(text: string): boolean {
  return text === "null" || /^\[\s*\]$/.test(text);
}

function editMistakes(value: Json | undefined): readonly Mistake[] {
  return itemsOf(objectOf(value)?.["edits"]).flatMap((edit, index) => {
    const type = textOf(objectOf(edit)?.["type"]) ?? "";
    return /^clear_(?:tool_uses|thinking)_\d{8}$/.test(type)
      ? []
      : [{ path: `context_management.edits.${index}`, message: `${type}: it may cost more than the hold covers` }];
  });
}

/** What a schema says of a type; a tool whose text says nothing else has none of its own. */
const TYPED = /"type"\s*:\s*"(?!(?:object|string|integer|number|boolean|array|null|custom|ephemeral)")/;

function toolMistakes(body: ObjectText): readonly Mistake[] {
  const text = memberText(body, "tools");
  // Most requests offer plain functions: their schemas need not be read.
  if (text === undefined || !(TYPED.test(text) || text.includes("\\u"))) return [];
  return itemsOf(readJson(text)).flatMap((tool, index) => hostedTool(tool, `tools.${index}`));
}

function hostedTool(tool: Json, path: string): readonly Mistake[] {
  const type = objectOf(tool)?.["type"] ?? null;
  if (type === null || (typeof type === "string" && CLIENT_TOOLS.test(type))) return [];
  const shown = typeof type === "string" ? type : "a tool of this type";
  return [{ path, message: `${shown} runs at Anthropic, past every decision made here: offer a tool that you run` }];
}

/** Tools may also be defined in the middle of a conversation. */
function inlineToolMistakes(body: ObjectText): readonly Mistake[] {
  const text = memberText(body, "messages");
  if (text === undefined || !mayDefineTools(text)) return [];
  return itemsOf(readJson(text)).flatMap((message, index) =>
    itemsOf(objectOf(message)?.["content"]).flatMap((block, part) => {
      const added = isJsonObject(block) && block["type"] === "tool_addition" ? objectOf(block["tool"]) : undefined;
      if (added === undefined || added["type"] === "tool_reference") return [];
      const path = `messages.${index}.content.${part}.tool`;
      return added["type"] === "tool_definition"
        ? hostedTool(added["definition"] ?? null, path)
        : hostedTool({ type: added["type"] ?? "" }, path);
    }),
  );
}

const ESCAPED_LETTER = /\\u00[2-7]/i;

function mayDefineTools(text: string): boolean {
  // A key may be spelled with escapes: then only parsing tells.
  return text.includes('"tool_addition"') || (text.includes("\\u00") && ESCAPED_LETTER.test(text));
}
