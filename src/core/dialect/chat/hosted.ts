// Decides which parts of a chat-completions request would act, answer or cost outside what the gateway decides, and refuses them by name.
import { accept, refuse, type Mistake, type Outcome } from "../../errors.ts";
import { isJsonObject, type Json } from "../../json/canonical.ts";
import { memberText, type ObjectText } from "../../json/members.ts";
import { readJson, textOf } from "../body-fields.ts";
import { itemsOf, objectOf } from "../findings.ts";

/** A member that acts or costs elsewhere, at OpenAI or at a provider that speaks its dialect, unless it is `null`. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  web_search_options: "the provider would search, past every decision made here: offer a function that you run",
  search_parameters: "the provider would search, past every decision made here: offer a function that you run",
  plugins: "they run at the provider, past every decision made here: offer a function that you run",
  data_sources: "the provider would search them, past every decision made here: offer a function that you run",
  models: "another model would answer than the one decided on: name the models in a route",
};

/** A member that costs more than the hold covers, except with one of these values. */
const AT_LIST_PRICE: Readonly<Record<string, { readonly plain: readonly Json[]; readonly message: string }>> = {
  service_tier: {
    plain: [null, "auto", "default", "flex"],
    message: "expected auto, default or flex: others cost more than the list price that a hold is computed from",
  },
  best_of: { plain: [null, 1], message: "answers that are not shown cost more than the hold covers: use n" },
};

/** Tools that the caller itself runs: the model only asks for them. */
const CLIENT_TOOLS: ReadonlySet<string> = new Set(["function", "custom"]);

/**
 * Refuses `unsupported`, naming each: tools that are neither `function` nor `custom`, and a `tool_choice` of one; members that
 * search, act or choose a model elsewhere; and those that cost more than the list price. Everything else passes.
 */
export function refuseHosted(body: ObjectText): Outcome<undefined> {
  const mistakes = [...memberMistakes(body), ...toolMistakes(body)];
  if (mistakes.length === 0) return accept(undefined);
  const detail = mistakes.map(({ path, message }) => `${path}: ${message}`).join("; ");
  return refuse("unsupported", detail, { mistakes });
}

function memberMistakes(body: ObjectText): readonly Mistake[] {
  return body.members.flatMap(({ key, valueStart, valueEnd }): readonly Mistake[] => {
    const elsewhere = Object.hasOwn(ELSEWHERE, key) ? ELSEWHERE[key] : undefined;
    const priced = Object.hasOwn(AT_LIST_PRICE, key) ? AT_LIST_PRICE[key] : undefined;
    if (elsewhere === undefined && priced === undefined) return [];
    const text = body.text.slice(valueStart, valueEnd);
    if (elsewhere !== undefined) return isNothing(text) ? [] : [{ path: key, message: elsewhere }];
    // A text that is no JSON is none of the plain values.
    const value = readJson(text);
    if (priced === undefined || (value !== undefined && priced.plain.includes(value))) return [];
    return [{ path: key, message: priced.message }];
  });
}

function isNothing(text: string): boolean {
  return text === "null" || /^\[\s*\]$/.test(text);
}

function toolMistakes(body: ObjectText): readonly Mistake[] {
  const offered = hostedTools(readJson(memberText(body, "tools")), "tools");
  const choice = readJson(memberText(body, "tool_choice"));
  if (!isJsonObject(choice)) return offered;
  const type = textOf(choice["type"]) ?? "";
  if (type !== "allowed_tools")
    return CLIENT_TOOLS.has(type) ? offered : [...offered, { path: "tool_choice", message: hosted(type) }];
  const allowed = objectOf(choice["allowed_tools"])?.["tools"];
  return [...offered, ...hostedTools(allowed, "tool_choice.allowed_tools.tools")];
}

function hostedTools(tools: Json | undefined, path: string): readonly Mistake[] {
  // A lone tool is what some servers take for a list of one.
  const list = isJsonObject(tools) ? [tools] : itemsOf(tools);
  return list.flatMap((tool, index) => {
    const type = textOf(objectOf(tool)?.["type"]) ?? "";
    return CLIENT_TOOLS.has(type) ? [] : [{ path: `${path}.${index}`, message: hosted(type) }];
  });
}

function hosted(type: string): string {
  const shown = type === "" ? "a tool without a type" : type;
  return `${shown} is no tool that you run yourself: offer a function`;
}
