// Decides what the gateway reads of a Gemini request, and the text of the fields it changes.
import { accept, refuse, type Outcome } from "../../errors.ts";
import type { Json } from "../../json/canonical.ts";
import { locateMembers, memberText, withMembers, type Member, type ObjectText } from "../../json/members.ts";
import { EXPECTED_MODEL, invalidField, isCount, isModelName, MAX_OUTPUT_TOKENS, memberValue } from "../body-fields.ts";
import type { CallFields, Edits, PathFields } from "../dialect.ts";
import { itemsOf } from "../findings.ts";
import { refuseHosted } from "./hosted.ts";
import { signatureOfForeignCall } from "./model-features.ts";
import { FOREIGN_MARK, withoutForeign } from "./signatures.ts";
import { camelCase } from "./spelling.ts";

const NO_CONFIG: ObjectText = { text: "{}", members: [], bodyStart: 1 };

/** The owned fields of a request; the path names the model and whether the answer is a stream. */
export function readGenerateFields(body: ObjectText, { model, isStream = false }: PathFields): Outcome<CallFields> {
  if (!isModelName(model)) return invalidField("model", EXPECTED_MODEL);
  const twice = spelledTwice(body);
  if (twice !== undefined) return invalidField(twice, "stands twice in the body");
  const named = memberValue(body, "model") ?? null;
  if (named !== null && (typeof named !== "string" || withoutPrefix(named) !== model))
    return invalidField("model", "expected the model that the path names");
  const config = configOf(body);
  if (config === undefined) return invalidField("generationConfig", "expected an object");
  const twiceIn = spelledTwice(config.object);
  if (twiceIn !== undefined) return invalidField(`${config.key}.${twiceIn}`, "stands twice in the body");
  const hosted = refuseHosted(body);
  if (!hosted.ok) return hosted;
  const output = readOutput(config);
  return output.ok ? accept({ model, isStream, wantsUsage: true, ...output.value }) : output;
}

/** The name of a model without what paths put before it. */
export function withoutPrefix(model: string): string {
  return model.startsWith("models/") ? model.slice("models/".length) : model;
}

function spelledTwice({ members }: ObjectText): string | undefined {
  const seen = new Set<string>();
  for (const { key } of members) {
    const name = camelCase(key);
    if (seen.has(name)) return key;
    seen.add(name);
  }
  return undefined;
}

/** The member of either spelling. */
function memberNamed({ members }: ObjectText, name: string): Member | undefined {
  return members.find(({ key }) => camelCase(key) === name);
}

interface Config {
  readonly key: string;
  readonly object: ObjectText;
}

/** The `generationConfig`, empty where there is none; `undefined` for one that is no object. */
function configOf(body: ObjectText): Config | undefined {
  const member = memberNamed(body, "generationConfig");
  if (member === undefined) return { key: "generationConfig", object: NO_CONFIG };
  const text = body.text.slice(member.valueStart, member.valueEnd);
  const object = text === "null" ? NO_CONFIG : locateMembers(text);
  return object === undefined ? undefined : { key: member.key, object };
}

function valueOf(object: ObjectText, name: string): Json | undefined {
  const member = memberNamed(object, name);
  return member === undefined ? undefined : memberValue(object, member.key);
}

function readOutput({ key, object }: Config): Outcome<Pick<CallFields, "choices" | "maxOutput">> {
  const path = (name: string): string => `${key}.${memberNamed(object, name)?.key ?? name}`;
  const choices = valueOf(object, "candidateCount") ?? 1;
  if (!isCount(choices) || choices > 128)
    return invalidField(path("candidateCount"), "expected an integer from 1 to 128");
  const tokens = valueOf(object, "maxOutputTokens") ?? undefined;
  if (tokens !== undefined && !isCount(tokens))
    return invalidField(path("maxOutputTokens"), "expected a whole number of at least 1");
  if ((tokens ?? 0) * choices > MAX_OUTPUT_TOKENS)
    return invalidField(
      path("maxOutputTokens"),
      `expected at most ${MAX_OUTPUT_TOKENS} output tokens over all choices`,
    );
  return accept({ choices, maxOutput: tokens });
}

/**
 * The request's text with the granted output in place, and a model that the body repeats. State of other dialects that the
 * caller hands back is taken out: Gemini did not sign it and would refuse the whole request.
 */
export function editedGenerate(body: ObjectText, fields: CallFields, { model, maxOutput }: Edits): string {
  const changes = new Map<string, string>();
  if (model !== fields.model && (memberValue(body, "model") ?? null) !== null)
    changes.set("model", JSON.stringify(`models/${withoutPrefix(model)}`));
  const config = configOf(body);
  if (maxOutput !== undefined && maxOutput !== fields.maxOutput && config !== undefined) {
    const key = memberNamed(config.object, "maxOutputTokens")?.key ?? "maxOutputTokens";
    changes.set(config.key, withMembers(config.object, new Map([[key, String(maxOutput)]])));
  }
  if (body.text.includes(FOREIGN_MARK)) {
    const contents = memberValue(body, "contents");
    if (Array.isArray(contents))
      changes.set("contents", JSON.stringify(withoutForeign(itemsOf(contents), signatureOfForeignCall(model))));
  }
  return withMembers(body, changes);
}

/** The owned fields of a request to count tokens: it generates nothing. */
export function readCountFields(body: ObjectText, { model }: PathFields): Outcome<CallFields> {
  if (!isModelName(model)) return invalidField("model", EXPECTED_MODEL);
  const twice = spelledTwice(body);
  if (twice !== undefined) return refuse("invalid_request", `${twice}: stands twice in the body`);
  return accept({ model, isStream: false, wantsUsage: true, maxOutput: undefined, choices: 1 });
}

/** The text of a request to count tokens: the request that it may hold whole names its model again. */
export function editedCount(body: ObjectText, fields: CallFields, { model }: Edits): string {
  const member = memberNamed(body, "generateContentRequest");
  const inner = member === undefined ? undefined : locateMembers(memberText(body, member.key) ?? "");
  if (member === undefined || inner === undefined || model === fields.model) return body.text;
  const named = new Map([["model", JSON.stringify(`models/${withoutPrefix(model)}`)]]);
  return withMembers(body, new Map([[member.key, withMembers(inner, named)]]));
}
