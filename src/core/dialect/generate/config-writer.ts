// Decides how sampling, thinking and the answer's form read in Gemini's generationConfig.
import type { JsonObject } from "../../json/canonical.ts";
import type { Conversation, ImagePart, OutputFormat, ReasoningWish } from "../conversation.ts";
import type { Target } from "../dialect.ts";
import { present, type Findings } from "../findings.ts";
import { thinksByLevel } from "./model-features.ts";

const MAX_STOPS = 5;
const MAX_SEED = 2_147_483_647;

/** The config; what Gemini does not take is found, by the name that a chat completion has for it. */
export function writeConfig(conversation: Conversation, target: Target, findings: Findings): JsonObject {
  const { temperature, topP, topK, seed, frequencyPenalty, presencePenalty, stop, output, reasoning } = conversation;
  if (temperature !== undefined && (temperature < 0 || temperature > 2))
    findings.foreign("temperature", "Gemini takes 0 to 2");
  if (seed !== undefined && !(Number.isInteger(seed) && Math.abs(seed) <= MAX_SEED))
    findings.foreign("seed", "Gemini takes 32 bits");
  if ((stop?.length ?? 0) > MAX_STOPS) findings.foreign("stop", `Gemini takes at most ${MAX_STOPS} stop sequences`);
  return {
    maxOutputTokens: target.maxOutput,
    ...present("temperature", temperature),
    ...present("topP", topP),
    ...present("topK", topK),
    ...present("seed", seed),
    ...present("frequencyPenalty", frequencyPenalty),
    ...present("presencePenalty", presencePenalty),
    ...present("stopSequences", stop),
    ...writeOutput(output),
    ...present("mediaResolution", resolutionOf(conversation, findings)),
    ...present("thinkingConfig", reasoning === undefined ? undefined : writeThinking(reasoning, target.model)),
  };
}

function writeOutput(output: OutputFormat | undefined): JsonObject {
  switch (output?.type) {
    case undefined:
      return {};
    case "text":
      return { responseMimeType: "text/plain" };
    case "json":
      return { responseMimeType: "application/json" };
    case "json_schema": {
      const { schema, description } = output;
      const isDescribed = description === undefined || schema["description"] !== undefined;
      return {
        responseMimeType: "application/json",
        responseJsonSchema: isDescribed ? schema : { ...schema, description },
      };
    }
  }
}

/** Gemini sees images in full detail unless all of them are to be seen in less. */
function resolutionOf({ turns }: Conversation, findings: Findings): string | undefined {
  const images = turns.flatMap((turn, index) =>
    turn.parts.flatMap((part, place) => imagesIn(part, `messages.${index}.${place}`)),
  );
  const low = images.filter(([{ detail }]) => detail === "low");
  if (low.length > 0 && low.length < images.length)
    for (const [, path] of low) findings.foreign(`${path}.detail`, "Gemini sees all images in one detail");
  return low.length > 0 ? "MEDIA_RESOLUTION_LOW" : undefined;
}

function imagesIn(
  part: Conversation["turns"][number]["parts"][number],
  path: string,
): readonly (readonly [ImagePart, string])[] {
  if (part.type === "image") return [[part, path]];
  if (part.type !== "tool_result") return [];
  return part.content.flatMap((each, index) => (each.type === "image" ? [[each, `${path}.content.${index}`]] : []));
}

/** Tokens that models of the second generation may think for a word, as Google itself translates it. */
const BUDGETS = { minimal: 1_024, low: 1_024, medium: 8_192, high: 24_576, xhigh: 24_576 } as const;
const LEVELS = { minimal: "MINIMAL", low: "LOW", medium: "MEDIUM", high: "HIGH", xhigh: "HIGH" } as const;

/** A number of tokens says more than a word; Gemini takes one of the two. */
function writeThinking({ effort, budgetTokens, isShown }: ReasoningWish, model: string): JsonObject | undefined {
  const shown = present("includeThoughts", isShown);
  if (effort === "none" || budgetTokens === 0) return { thinkingBudget: 0 };
  if (budgetTokens !== undefined) return { thinkingBudget: budgetTokens, ...shown };
  if (effort === undefined) return isShown === undefined ? undefined : shown;
  return thinksByLevel(model)
    ? { thinkingLevel: LEVELS[effort], ...shown }
    : { thinkingBudget: BUDGETS[effort], ...shown };
}
