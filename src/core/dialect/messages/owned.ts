// Decides what the gateway reads of an Anthropic request, and the text of the fields it changes.
import type { CallFields, Edits } from "../dialect.ts";
import { accept, refuse, type Outcome } from "../../errors.ts";
import type { Json } from "../../json/canonical.ts";
import { memberText, withMembers, type ObjectText } from "../../json/members.ts";
import { itemsOf } from "./findings.ts";
import { FOREIGN_MARK, withoutForeign } from "./foreign-state.ts";
import { refuseHosted } from "./hosted.ts";

/** The longest model name that is looked up. */
const MAX_NAME = 256;
/** The most output tokens one call may ask for: larger holds would not be exact integers. */
const MAX_OUTPUT = 8_000_000;

/** The owned fields of a message request; `max_tokens` is required, and 0 only warms the provider's cache. */
export function readMessageFields(body: ObjectText): Outcome<CallFields> {
  const model = readModel(body);
  if (!model.ok) return model;
  const stream = valueOf(body, "stream") ?? false;
  if (typeof stream !== "boolean") return invalid("stream", "expected true or false");
  const tokens = valueOf(body, "max_tokens");
  if (tokens === undefined) return invalid("max_tokens", "field required");
  if (typeof tokens !== "number" || !Number.isInteger(tokens) || tokens < 0 || tokens > MAX_OUTPUT)
    return invalid("max_tokens", `expected a whole number from 0 to ${MAX_OUTPUT}`);
  const tier = valueOf(body, "service_tier") ?? "auto";
  if (tier !== "auto" && tier !== "standard_only") return invalid("service_tier", "expected auto or standard_only");
  const hosted = refuseHosted(body);
  if (!hosted.ok) return hosted;
  return accept({ model: model.value, isStream: stream, wantsUsage: true, maxOutput: tokens, choices: 1 });
}

/** The owned fields of a request to count tokens: it generates nothing. */
export function readCountFields(body: ObjectText): Outcome<CallFields> {
  const model = readModel(body);
  if (!model.ok) return model;
  const hosted = refuseHosted(body);
  if (!hosted.ok) return hosted;
  return accept({ model: model.value, isStream: false, wantsUsage: true, maxOutput: undefined, choices: 1 });
}

function readModel(body: ObjectText): Outcome<string> {
  const model = valueOf(body, "model");
  return typeof model === "string" && model !== "" && model.length <= MAX_NAME
    ? accept(model)
    : invalid("model", `expected the name of a model, at most ${MAX_NAME} characters`);
}

/**
 * The request's text with the model and the granted output in place. State of other dialects that the caller hands back
 * is taken out: Anthropic did not sign it and would refuse the whole request.
 */
export function editedMessages(body: ObjectText, fields: CallFields, edits: Edits): string {
  const changes = new Map<string, string>();
  if (edits.model !== fields.model) changes.set("model", JSON.stringify(edits.model));
  if (edits.maxOutput !== undefined && edits.maxOutput !== fields.maxOutput)
    changes.set("max_tokens", String(edits.maxOutput));
  if (body.text.includes(FOREIGN_MARK)) {
    const messages = valueOf(body, "messages");
    if (Array.isArray(messages)) {
      const kept = withoutForeign(itemsOf(messages));
      if (kept.length !== itemsOf(messages).length || kept.some((each, index) => each !== itemsOf(messages)[index]))
        changes.set("messages", JSON.stringify(kept));
    }
  }
  return withMembers(body, changes);
}

/** One member's value; its own text when that is no JSON. */
export function valueOf(body: ObjectText, key: string): Json | undefined {
  const text = memberText(body, key);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

function invalid(path: string, message: string): Outcome<never> {
  return refuse("invalid_request", `${path}: ${message}`, { mistakes: [{ path, message }] });
}
