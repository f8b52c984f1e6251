// Decides what the gateway reads of a Responses request, and the text of the fields it changes.
import { accept, type Outcome } from "../../errors.ts";
import { isJsonObject, type Json } from "../../json/canonical.ts";
import { memberText, withMembers, type ObjectText } from "../../json/members.ts";
import {
  EXPECTED_MODEL,
  invalidField,
  isCount,
  isModelName,
  MAX_OUTPUT_TOKENS,
  memberValue,
  readJson,
} from "../body-fields.ts";
import type { CallFields, Edits } from "../dialect.ts";
import { itemsOf } from "../findings.ts";
import { isOwnState } from "./foreign-state.ts";
import { refuseHosted } from "./hosted.ts";

/** The owned fields of a request. */
export function readResponsesFields(body: ObjectText): Outcome<CallFields> {
  const model = memberValue(body, "model");
  if (!isModelName(model)) return invalidField("model", EXPECTED_MODEL);
  const stream = memberValue(body, "stream") ?? false;
  if (typeof stream !== "boolean") return invalidField("stream", "expected true or false");
  const tokens = memberValue(body, "max_output_tokens") ?? undefined;
  if (tokens !== undefined && !(isCount(tokens) && tokens <= MAX_OUTPUT_TOKENS))
    return invalidField("max_output_tokens", `expected a whole number from 1 to ${MAX_OUTPUT_TOKENS}`);
  const state = checkState(body);
  if (!state.ok) return state;
  const hosted = refuseHosted(body);
  if (!hosted.ok) return hosted;
  return accept({ model, isStream: stream, wantsUsage: true, maxOutput: tokens, choices: 1 });
}

function checkState(body: ObjectText): Outcome<undefined> {
  const store = memberValue(body, "store") ?? true;
  if (typeof store !== "boolean") return invalidField("store", "expected true or false");
  const previous = memberValue(body, "previous_response_id") ?? "";
  return typeof previous === "string"
    ? accept(undefined)
    : invalidField("previous_response_id", "expected the id of a response");
}

/**
 * The request's text with the model and the granted output in place. Nothing is kept at the provider: `store` is false, no
 * response is gone on from, reasoning comes back encrypted where OpenAI answers, and reasoning that only a provider which
 * keeps it would know is taken out, as is state that OpenAI did not write.
 */
export function editedResponses(body: ObjectText, fields: CallFields, edits: Edits): string {
  const changes = new Map<string, string>();
  if (edits.model !== fields.model) changes.set("model", JSON.stringify(edits.model));
  if (edits.maxOutput !== undefined && edits.maxOutput !== fields.maxOutput)
    changes.set("max_output_tokens", String(edits.maxOutput));
  if (memberText(body, "store") !== "false") changes.set("store", "false");
  if ((memberValue(body, "previous_response_id") ?? null) !== null) changes.set("previous_response_id", "null");
  const include = edits.isOpenAi && thinks(body, edits.model) ? withEncrypted(memberText(body, "include")) : undefined;
  if (include !== undefined) changes.set("include", include);
  const input = withoutUnknownState(memberText(body, "input"));
  if (input !== undefined) changes.set("input", input);
  return withMembers(body, changes);
}

const ENCRYPTED = "reasoning.encrypted_content";
/** Names of models that reason; the others refuse to encrypt what they do not have. */
const REASONING_MODEL = /^(?:o\d|gpt-(?:[5-9]|\d\d)(?!.*-chat)|codex|computer-use)/;

/** Whether OpenAI's model reasons, as far as its name tells. */
export function isReasoningModel(model: string): boolean {
  return REASONING_MODEL.test(model);
}

function thinks(body: ObjectText, model: string): boolean {
  return isReasoningModel(model) || isJsonObject(readJson(memberText(body, "reasoning")));
}

function withEncrypted(text: string | undefined): string | undefined {
  const asked = itemsOf(readJson(text));
  return asked.includes(ENCRYPTED) ? undefined : JSON.stringify([...asked, ENCRYPTED]);
}

/** The input without reasoning that has no state of OpenAI's own; `undefined` where nothing has to go. */
function withoutUnknownState(text: string | undefined): string | undefined {
  if (text === undefined || !/"reasoning"|\\u00/.test(text)) return undefined;
  const items = itemsOf(readJson(text));
  const kept = items.filter((item) => !isUnknownState(item));
  return kept.length === items.length ? undefined : JSON.stringify(kept);
}

function isUnknownState(item: Json): boolean {
  return isJsonObject(item) && item["type"] === "reasoning" && !isOwnState(item);
}
