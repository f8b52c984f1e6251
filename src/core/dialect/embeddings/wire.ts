// Decides what passes through when texts are embedded: owned fields, usage, errors. Nothing streams, and nothing is put out but vectors.
import { readEmbeddingsUsage } from "../../budget/usage.ts";
import { NO_USAGE, type Usage } from "../../budget/price.ts";
import { accept, type Outcome } from "../../errors.ts";
import { isJsonObject, type Json } from "../../json/canonical.ts";
import { memberText, withMembers, type ObjectText } from "../../json/members.ts";
import { EXPECTED_MODEL, invalidField, isCount, isModelName, memberValue, readJson, textOf } from "../body-fields.ts";
import { chatErrorOf } from "../chat/errors.ts";
import type { CallFields, Said, Wire } from "../dialect.ts";
import { isEmbedded } from "./input.ts";

/** OpenAI embeddings as they pass. */
export const embeddingsWire: Wire = {
  readFields: (body) => readFields(body),
  edited: (body, fields, { model }) =>
    withMembers(body, new Map(model === fields.model ? [] : [["model", JSON.stringify(model)]])),
  whole,
  streamed: () => ({
    usage: undefined,
    model: undefined,
    id: undefined,
    finishReasons: [],
    error: undefined,
    isDone: false,
  }),
  opening: () => ({ type: "content" }),
  closing: () => "",
};

const FORMATS: readonly (Json | undefined)[] = [undefined, null, "float", "base64"];

function readFields(body: ObjectText): Outcome<CallFields> {
  const model = memberValue(body, "model");
  if (!isModelName(model)) return invalidField("model", EXPECTED_MODEL);
  if (!isEmbedded(memberValue(body, "input")))
    return invalidField(
      "input",
      "expected a text that is not empty, a list of token numbers, or a list of 1 to 2048 of either kind",
    );
  if (!FORMATS.includes(memberValue(body, "encoding_format")))
    return invalidField("encoding_format", "expected float or base64");
  const dimensions = memberValue(body, "dimensions") ?? undefined;
  if (dimensions !== undefined && !isCount(dimensions))
    return invalidField("dimensions", "expected a whole number of at least 1");
  return accept({ model, isStream: false, wantsUsage: true, maxOutput: undefined, choices: 1 });
}

function whole(body: ObjectText): Said {
  const error = readJson(memberText(body, "error"));
  return {
    usage: usageIn(body),
    model: textOf(readJson(memberText(body, "model"))),
    id: undefined,
    finishReasons: [],
    error: error === undefined || error === null ? undefined : chatErrorOf(error),
  };
}

/** The usage in OpenAI's words, or in Google's where it is Google that embeds. */
function usageIn(body: ObjectText): Usage | undefined {
  const usage = readEmbeddingsUsage(readJson(memberText(body, "usage")));
  if (usage !== undefined) return usage;
  const metadata = readJson(memberText(body, "usageMetadata"));
  const input = isJsonObject(metadata) ? metadata["promptTokenCount"] : undefined;
  return isCount(input) ? { ...NO_USAGE, input } : undefined;
}
