// Decides what the gateway reads of an Anthropic request, and the text of the fields it changes.
import type { CallFields, Edits } from "../dialect.ts";
import type { Json } from "../../json/canonical.ts";
import { EXPECTED_MODEL, invalidField, isCount, isModelName, MAX_OUTPUT_TOKENS, memberValue } from "../body-fields.ts";
import { accept, type Outcome } from "../../errors.ts";
import { withMembers, type ObjectText } from "../../json/members.ts";
import { itemsOf } from "../findings.ts";
import { FOREIGN_MARK, withoutForeign } from "./foreign-state.ts";
import { refuseHosted } from "./hosted.ts";

const TIERS: readonly Json[] = [null, "auto", "standard_only"];

/** The owned fields of a message request; `max_tokens` is required, and 0 only warms the provider's cache. */
export function readMessageFields(body: ObjectText): Outcome<CallFields> {
  const model = readModel(body);
  if (!model.ok) return model;
  const stream = memberValue(body, "stream") ?? false;
  if (typeof stream !== "boolean") return invalidField("stream", "expected true or false");
  const tokens = memberValue(body, "max_tokens");
  if (tokens === undefined) return invalidField("max_tokens", "field required");
  if (tokens !== 0 && !(isCount(tokens) && tokens <= MAX_OUTPUT_TOKENS))
    return invalidField("max_tokens", `expected a whole number from 0 to ${MAX_OUTPUT_TOKENS}`);
  if (!TIERS.includes(memberValue(body, "service_tier") ?? null))
    return invalidField("service_tier", "expected auto or standard_only");
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
  const model = memberValue(body, "model");
  return isModelName(model) ? accept(model) : invalidField("model", EXPECTED_MODEL);
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
  if (body.text.includes(`"${FOREIGN_MARK}`)) {
    const messages = memberValue(body, "messages");
    if (Array.isArray(messages)) {
      const kept = withoutForeign(itemsOf(messages));
      if (kept.length !== itemsOf(messages).length || kept.some((each, index) => each !== itemsOf(messages)[index]))
        changes.set("messages", JSON.stringify(kept));
    }
  }
  return withMembers(body, changes);
}
