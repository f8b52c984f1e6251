// Decides what Gemini's generationConfig means: sampling, thinking, the answer's form.
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { textOf } from "../body-fields.ts";
import type { Conversation, ImagePart, OutputFormat, ReasoningWish } from "../conversation.ts";
import { at, itemsOf, objectOf, present, type Findings } from "../findings.ts";
import { readResolution } from "./media-reader.ts";
import { isClosed, jsonSchemaOf } from "./schema.ts";
import { camelMembers } from "./spelling.ts";

const PATH = "generationConfig";
const MEMBERS = new Set([
  "maxOutputTokens",
  "candidateCount",
  "temperature",
  "topP",
  "topK",
  "seed",
  "stopSequences",
  "frequencyPenalty",
  "presencePenalty",
  "responseMimeType",
  "responseSchema",
  "responseJsonSchema",
  "thinkingConfig",
  "mediaResolution",
  "responseModalities",
  "responseLogprobs",
]);

/** What the config says of a conversation, and how detailed every image is to be seen. */
export type Configured = Pick<
  Conversation,
  "temperature" | "topP" | "topK" | "seed" | "frequencyPenalty" | "presencePenalty" | "stop" | "output" | "reasoning"
> & { readonly detail: ImagePart["detail"] };

/** Reads it; what has no counterpart is found, with its path. */
export function readConfig(value: Json | undefined, findings: Findings): Configured {
  if (value !== undefined && !isJsonObject(value)) findings.invalid(PATH, "expected an object");
  const config = camelMembers(objectOf(value) ?? {}, PATH, findings);
  // An older spelling of the official clients.
  const { _responseJsonSchema: older, ...members } = config;
  findings.only(members, PATH, MEMBERS);
  refuseForeign(members, findings);
  const number = (key: string, path = at(PATH, key)): number | undefined => {
    const found = members[key];
    if (found === undefined || typeof found === "number") return found;
    findings.invalid(path, "expected a number");
    return undefined;
  };
  const temperature = number("temperature");
  if (temperature !== undefined && (temperature < 0 || temperature > 2))
    findings.invalid(at(PATH, "temperature"), "expected a number from 0 to 2");
  const stop = itemsOf(members["stopSequences"]).flatMap((each) => textOf(each) ?? []);
  if (stop.length < itemsOf(members["stopSequences"]).length)
    findings.invalid(at(PATH, "stopSequences"), "expected texts");
  return {
    ...present("temperature", temperature),
    ...present("topP", number("topP")),
    ...present("topK", number("topK")),
    ...present("seed", number("seed")),
    ...present("frequencyPenalty", number("frequencyPenalty")),
    ...present("presencePenalty", number("presencePenalty")),
    ...present("stop", stop.length === 0 ? undefined : stop),
    ...present(
      "output",
      readOutput(older === undefined ? members : { ...members, responseJsonSchema: older }, findings),
    ),
    ...present("reasoning", readThinking(members["thinkingConfig"], findings)),
    detail: readResolution(members["mediaResolution"], at(PATH, "mediaResolution"), findings),
  };
}

function refuseForeign(config: JsonObject, findings: Findings): void {
  if ((config["candidateCount"] ?? 1) !== 1) findings.foreign(at(PATH, "candidateCount"));
  if (config["responseLogprobs"] === true) findings.foreign(at(PATH, "responseLogprobs"));
  if (itemsOf(config["responseModalities"]).some((each) => textOf(each)?.toUpperCase() !== "TEXT"))
    findings.foreign(at(PATH, "responseModalities"));
}

/** Gemini names no format; others want a name. */
const FORMAT_NAME = "answer";

function readOutput(config: JsonObject, findings: Findings): OutputFormat | undefined {
  const type = textOf(config["responseMimeType"]);
  const schema = readSchema(config, findings);
  switch (type) {
    case "application/json": {
      if (schema === undefined) return { type: "json" };
      const strict = isClosed(schema) ? { strict: true } : {};
      return { type: "json_schema", name: FORMAT_NAME, schema, ...strict };
    }
    case "text/plain":
    case undefined:
      if (schema !== undefined)
        findings.invalid(at(PATH, "responseMimeType"), "expected application/json with a schema");
      return type === undefined ? undefined : { type: "text" };
    default:
      findings.foreign(at(PATH, "responseMimeType"));
      return undefined;
  }
}

function readSchema({ responseSchema, responseJsonSchema }: JsonObject, findings: Findings): JsonObject | undefined {
  for (const [key, value] of Object.entries({ responseSchema, responseJsonSchema }))
    if (value !== undefined && !isJsonObject(value)) findings.invalid(at(PATH, key), "expected a schema");
  if (responseSchema !== undefined && responseJsonSchema !== undefined)
    findings.invalid(PATH, "expected either responseSchema or responseJsonSchema, not both");
  const plain = objectOf(responseSchema);
  return objectOf(responseJsonSchema) ?? (plain === undefined ? undefined : jsonSchemaOf(plain));
}

const LEVELS: Readonly<Record<string, NonNullable<ReasoningWish["effort"]>>> = {
  MINIMAL: "minimal",
  LOW: "low",
  MEDIUM: "medium",
  HIGH: "high",
};

function readThinking(value: Json | undefined, findings: Findings): ReasoningWish | undefined {
  if (value === undefined) return undefined;
  const path = at(PATH, "thinkingConfig");
  const config = camelMembers(objectOf(value) ?? {}, path, findings);
  findings.only(config, path, new Set(["includeThoughts", "thinkingBudget", "thinkingLevel"]));
  const shown = config["includeThoughts"];
  return {
    ...present("effort", readLevel(config["thinkingLevel"], at(path, "thinkingLevel"), findings)),
    ...present("budgetTokens", readBudget(config["thinkingBudget"], at(path, "thinkingBudget"), findings)),
    ...present("isShown", typeof shown === "boolean" ? shown : undefined),
  };
}

function readLevel(level: Json | undefined, path: string, findings: Findings): ReasoningWish["effort"] {
  const word = textOf(level)?.toUpperCase();
  if (level === undefined || word === "THINKING_LEVEL_UNSPECIFIED") return undefined;
  const effort = word !== undefined && Object.hasOwn(LEVELS, word) ? LEVELS[word] : undefined;
  if (effort === undefined) findings.invalid(path, "expected MINIMAL, LOW, MEDIUM or HIGH");
  return effort;
}

/** Tokens; -1 leaves it to the model, which is what saying nothing does. */
function readBudget(budget: Json | undefined, path: string, findings: Findings): number | undefined {
  if (budget === undefined || budget === -1) return undefined;
  if (typeof budget === "number" && Number.isInteger(budget) && budget >= 0) return budget;
  findings.invalid(path, "expected a whole number from -1");
  return undefined;
}
