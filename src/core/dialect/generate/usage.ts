// Decides what Gemini's usageMetadata means, in disjoint buckets, and how such buckets read there.
import { inputTokens, NO_USAGE, outputTokens, type Usage } from "../../budget/price.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { itemsOf } from "../findings.ts";

/**
 * Reads a usageMetadata object. The prompt's count includes cached tokens, the candidates' count does not include thoughts,
 * and what tools answered to the model comes on top of both. A count that is zero is not sent: without the candidates' count,
 * the total tells the rest. `undefined` for what has no count of the prompt, or nothing to know the answer's from.
 */
export function readGenerateUsage(value: Json | undefined): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const prompt = count(value["promptTokenCount"]);
  const tools = count(value["toolUsePromptTokenCount"]) ?? 0;
  const thoughts = count(value["thoughtsTokenCount"]) ?? 0;
  const candidates = count(value["candidatesTokenCount"]);
  const total = count(value["totalTokenCount"]);
  if (prompt === undefined || (candidates === undefined && total === undefined && thoughts === 0)) return undefined;
  const answered = candidates === undefined ? Math.max(thoughts, (total ?? 0) - prompt - tools) : candidates + thoughts;
  const cached = Math.min(prompt, count(value["cachedContentTokenCount"]) ?? 0);
  const heard = audio(value["promptTokensDetails"]) - audio(value["cacheTokensDetails"]);
  const inputAudio = Math.min(prompt - cached, Math.max(0, heard));
  const outputAudio = Math.min(answered - thoughts, audio(value["candidatesTokensDetails"]));
  return {
    ...NO_USAGE,
    input: prompt - cached - inputAudio + tools,
    cacheRead: cached,
    inputAudio,
    output: answered - outputAudio,
    outputAudio,
    reasoning: thoughts,
  };
}

/** The tokens of sound in a list of counts by modality. */
function audio(details: Json | undefined): number {
  return itemsOf(details).reduce<number>(
    (sum, each) => (isJsonObject(each) && each["modality"] === "AUDIO" ? sum + (count(each["tokenCount"]) ?? 0) : sum),
    0,
  );
}

function count(value: Json | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** A usage in Gemini's words. Writing to a cache has none there and is part of the prompt. */
export function writeGenerateUsage(usage: Usage): JsonObject {
  const { cacheRead, reasoning, inputAudio, outputAudio } = usage;
  const prompt = inputTokens(usage);
  const output = outputTokens(usage);
  const sound = (tokens: number): readonly JsonObject[] => [{ modality: "AUDIO", tokenCount: tokens }];
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: Math.max(0, output - reasoning),
    totalTokenCount: prompt + output,
    ...(reasoning === 0 ? {} : { thoughtsTokenCount: reasoning }),
    ...(cacheRead === 0 ? {} : { cachedContentTokenCount: cacheRead }),
    ...(inputAudio === 0 ? {} : { promptTokensDetails: sound(inputAudio) }),
    ...(outputAudio === 0 ? {} : { candidatesTokensDetails: sound(outputAudio) }),
  };
}
