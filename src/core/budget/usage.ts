// Decides what a provider's usage object means, in disjoint buckets.
import { isJsonObject, type Json } from "../json/canonical.ts";
import { NO_USAGE, type Usage } from "./price.ts";

/**
 * Reads an OpenAI chat-completions usage object. `prompt_tokens` includes what was read from and written to a
 * cache and sound, `completion_tokens` includes sound and reasoning; each is taken apart here, none below zero. `undefined` when it is not a usage object with both counts:
 * the caller then charges the hold.
 */
export function readOpenAiUsage(value: Json | undefined): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const prompt = wholeNumber(value["prompt_tokens"]);
  const completion = wholeNumber(value["completion_tokens"]);
  if (prompt === undefined || completion === undefined) return undefined;
  const told = value["prompt_tokens_details"];
  const cached = Math.min(prompt, detail(told, "cached_tokens"));
  const written = Math.min(prompt - cached, detail(told, "cache_write_tokens"));
  const heard = Math.min(prompt - cached - written, detail(told, "audio_tokens"));
  const spoken = Math.min(completion, detail(value["completion_tokens_details"], "audio_tokens"));
  const reasoning = Math.min(completion - spoken, detail(value["completion_tokens_details"], "reasoning_tokens"));
  return {
    ...NO_USAGE,
    input: prompt - cached - written - heard,
    cacheRead: cached,
    cacheWrite: written,
    inputAudio: heard,
    output: completion - spoken,
    outputAudio: spoken,
    reasoning,
  };
}

function detail(value: Json | undefined, key: string): number {
  return isJsonObject(value) ? (wholeNumber(value[key]) ?? 0) : 0;
}

function wholeNumber(value: Json | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
