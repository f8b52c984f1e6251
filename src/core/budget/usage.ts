// Decides what a provider's usage object means, in disjoint buckets.
import { isJsonObject, type Json } from "../json/canonical.ts";
import { NO_USAGE, totalTokens, type Usage } from "./price.ts";

/**
 * A usage held against the provider's own total. Tokens that the total has and no bucket are output that was not told apart:
 * some compatible servers leave reasoning out of every count but the total, and bill it. A total that is too small changes
 * nothing. Either way the usage is marked, since one of the two numbers is wrong.
 */
export function reconciled(usage: Usage, total: number | undefined): Usage {
  const missing = total === undefined ? 0 : total - totalTokens(usage);
  if (missing === 0) return usage;
  return { ...usage, output: usage.output + Math.max(0, missing), isInconsistent: true };
}

/**
 * Reads an OpenAI chat-completions usage object. `prompt_tokens` includes what was read from a cache, written to one, or
 * heard; `completion_tokens` includes reasoning and sound; all are taken apart here, and none goes below zero. `undefined`
 * when it is not a usage object with both counts: the caller then charges the hold.
 */
export function readOpenAiUsage(value: Json | undefined): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const prompt = wholeNumber(value["prompt_tokens"]);
  const completion = wholeNumber(value["completion_tokens"]);
  if (prompt === undefined || completion === undefined) return undefined;
  const { prompt_tokens_details: read, completion_tokens_details: written } = value;
  const cacheRead = Math.min(prompt, detail(read, "cached_tokens"));
  const cacheWrite = Math.min(prompt - cacheRead, detail(read, "cache_write_tokens"));
  const inputAudio = Math.min(prompt - cacheRead - cacheWrite, detail(read, "audio_tokens"));
  const outputAudio = Math.min(completion, detail(written, "audio_tokens"));
  const usage = {
    ...NO_USAGE,
    input: prompt - cacheRead - cacheWrite - inputAudio,
    cacheRead,
    cacheWrite,
    inputAudio,
    output: completion - outputAudio,
    outputAudio,
    reasoning: Math.min(completion, detail(written, "reasoning_tokens")),
  };
  return reconciled(usage, wholeNumber(value["total_tokens"]));
}

/** Reads the usage of embeddings: nothing is put out, and `total_tokens` may stand alone. */
export function readEmbeddingsUsage(value: Json | undefined): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const input = wholeNumber(value["prompt_tokens"]) ?? wholeNumber(value["total_tokens"]);
  return input === undefined ? undefined : { ...NO_USAGE, input };
}

function detail(value: Json | undefined, key: string): number {
  return isJsonObject(value) ? (wholeNumber(value[key]) ?? 0) : 0;
}

function wholeNumber(value: Json | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
