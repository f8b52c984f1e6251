// Decides what a provider's usage object means, in disjoint buckets.
import { isJsonObject, type Json } from "../json/canonical.ts";
import { NO_USAGE, type Usage } from "./price.ts";

/**
 * Reads an OpenAI chat-completions usage object. `prompt_tokens` includes cached tokens and `completion_tokens`
 * includes reasoning; both are taken apart here. `undefined` when it is not a usage object with both counts:
 * the caller then charges the hold.
 */
export function readOpenAiUsage(value: Json | undefined): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const prompt = wholeNumber(value["prompt_tokens"]);
  const completion = wholeNumber(value["completion_tokens"]);
  if (prompt === undefined || completion === undefined) return undefined;
  const cached = Math.min(prompt, detail(value["prompt_tokens_details"], "cached_tokens"));
  const reasoning = Math.min(completion, detail(value["completion_tokens_details"], "reasoning_tokens"));
  return { ...NO_USAGE, input: prompt - cached, cacheRead: cached, output: completion, reasoning };
}

function detail(value: Json | undefined, key: string): number {
  return isJsonObject(value) ? (wholeNumber(value[key]) ?? 0) : 0;
}

function wholeNumber(value: Json | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
