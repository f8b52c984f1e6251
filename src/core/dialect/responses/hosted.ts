// Decides which parts of a Responses request would act, answer, store or cost outside what the gateway decides, and refuses them by name.
import { accept, refuse, type Mistake, type Outcome } from "../../errors.ts";
import { isJsonObject, type Json } from "../../json/canonical.ts";
import { memberText, type ObjectText } from "../../json/members.ts";
import { readJson, textOf } from "../body-fields.ts";
import { itemsOf, objectOf } from "../findings.ts";

/** A member that starts or keeps something elsewhere, unless it says nothing. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  background: "the answer would be made after the call was decided and paid for: stream it",
  conversation: "it would be kept at OpenAI, where it cannot be counted before it is sent: use previous_response_id",
  prompt: "a prompt stored at OpenAI cannot be decided on: send its text",
  context_management: "it costs more than the hold covers: send a shorter input",
  access_programs: "it is no part of what was decided: set it at the provider",
  image: "images are made in calls of their own",
};

/** Tiers at, or below, the list price that a hold is computed from. */
const TIERS: readonly Json[] = [null, "auto", "default", "flex"];

/**
 * Refuses `unsupported`, naming each: every tool that is no function (`web_search`, `file_search`, `code_interpreter`,
 * `computer_use_preview`, `mcp`, `image_generation`, `local_shell`, `custom` and the like), wherever it is offered; members
 * that act or store elsewhere; and input that does.
 */
export function refuseHosted(body: ObjectText): Outcome<undefined> {
  const mistakes = [...memberMistakes(body), ...toolMistakes(body), ...inputMistakes(body)];
  if (mistakes.length === 0) return accept(undefined);
  const detail = mistakes.map(({ path, message }) => `${path}: ${message}`).join("; ");
  return refuse("unsupported", detail, { mistakes });
}

function memberMistakes(body: ObjectText): readonly Mistake[] {
  return body.members.flatMap(({ key, valueStart, valueEnd }): readonly Mistake[] => {
    const text = body.text.slice(valueStart, valueEnd);
    const elsewhere = Object.hasOwn(ELSEWHERE, key) ? ELSEWHERE[key] : undefined;
    if (elsewhere !== undefined) return isNothing(text) ? [] : [{ path: key, message: elsewhere }];
    if (key === "service_tier" && !TIERS.includes(readJson(text) ?? null))
      return [
        {
          path: key,
          message: "expected auto, default or flex: others cost more than the list price that a hold is computed from",
        },
      ];
    const mode = key === "reasoning" ? (objectOf(readJson(text))?.["mode"] ?? null) : null;
    return mode === null || mode === "standard"
      ? []
      : [{ path: "reasoning.mode", message: "it may cost more than the hold covers" }];
  });
}

function isNothing(text: string): boolean {
  return text === "null" || text === "false" || /^\[\s*\]$/.test(text);
}

function toolMistakes(body: ObjectText): readonly Mistake[] {
  const text = memberText(body, "tools");
  const offered = text === undefined ? [] : hostedTools(readJson(text), "tools");
  const choice = readJson(memberText(body, "tool_choice"));
  if (!isJsonObject(choice)) return offered;
  const type = textOf(choice["type"]) ?? "";
  if (type === "allowed_tools") return [...offered, ...hostedTools(choice["tools"], "tool_choice.tools")];
  return type === "function" ? offered : [...offered, { path: "tool_choice", message: hosted(type) }];
}

function hostedTools(tools: Json | undefined, path: string): readonly Mistake[] {
  return itemsOf(tools).flatMap((tool, index) => {
    const type = textOf(objectOf(tool)?.["type"]) ?? "";
    return type === "function" ? [] : [{ path: `${path}.${index}`, message: hosted(type) }];
  });
}

function hosted(type: string): string {
  const shown = type === "" ? "a tool without a type" : type;
  return `${shown} is no function that is decided on here: offer a function that you run`;
}

/** Words without which an input does nothing and lets nothing be done; they may be spelled with escapes. */
const TELLING = /"(?:compaction_trigger|tools)"|\\u00/;

function inputMistakes(body: ObjectText): readonly Mistake[] {
  const text = memberText(body, "input");
  if (text === undefined || !TELLING.test(text)) return [];
  return itemsOf(readJson(text)).flatMap((item, index) => {
    const path = `input.${index}`;
    if (objectOf(item)?.["type"] === "compaction_trigger")
      return [{ path, message: "it costs more than the hold covers" }];
    return hostedTools(objectOf(item)?.["tools"], `${path}.tools`);
  });
}
