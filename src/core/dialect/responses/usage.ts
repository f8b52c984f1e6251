// Decides what a usage of OpenAI Responses means, in disjoint buckets, and how buckets read there.
import { inputTokens, NO_USAGE, outputTokens, type Usage } from "../../budget/price.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";

/** The buckets of a usage object: its counts include what their details tell apart. `undefined` unless both counts are there. */
export function readResponsesUsage(value: Json | undefined): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const input = count(value["input_tokens"]);
  const output = count(value["output_tokens"]);
  if (input === undefined || output === undefined) return undefined;
  const cacheRead = Math.min(input, detail(value["input_tokens_details"], "cached_tokens"));
  const cacheWrite = Math.min(input - cacheRead, detail(value["input_tokens_details"], "cache_write_tokens"));
  const reasoning = Math.min(output, detail(value["output_tokens_details"], "reasoning_tokens"));
  return { ...NO_USAGE, input: input - cacheRead - cacheWrite, cacheRead, cacheWrite, output, reasoning };
}

/** A usage object. */
export function writeResponsesUsage(usage: Usage): JsonObject {
  const input = inputTokens(usage);
  const output = outputTokens(usage);
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: usage.cacheRead,
      cache_write_tokens: usage.cacheWrite + usage.cacheWriteLong,
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: input + output,
  };
}

function detail(value: Json | undefined, key: string): number {
  return isJsonObject(value) ? (count(value[key]) ?? 0) : 0;
}

function count(value: Json | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
