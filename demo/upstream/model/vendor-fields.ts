// Knows the top-level fields of each dialect, so that one dialect's field in another's request is refused as vendors do.
import type { JsonRecord } from "../json-source.ts";

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

const FIELDS = {
  chat: words(`model messages audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens
    max_tokens metadata modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key
    prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop
    store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options`),
  responses:
    words(`background context_management conversation include input instructions max_output_tokens max_tool_calls
    metadata model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options
    prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options temperature text
    tool_choice tools top_logprobs top_p truncation user`),
  messages: words(`model messages max_tokens cache_control container context_management diagnostics inference_geo
    mcp_servers metadata output_config output_format service_tier speed stop_sequences stream system temperature thinking
    tool_choice tools top_k top_p`),
  generate: words(`contents systemInstruction system_instruction tools toolConfig tool_config safetySettings
    safety_settings generationConfig generation_config cachedContent cached_content labels store serviceTier`),
  embeddings: words("model input encoding_format dimensions user"),
} as const;

/** A dialect that the demo model speaks. */
export type Spoken = keyof typeof FIELDS;

/**
 * The first top-level field that only other dialects have. A field of no dialect passes: tests prove by such fields that
 * what a gateway does not know arrives untouched.
 */
export function foreignField(body: JsonRecord, dialect: Spoken): string | undefined {
  const own: readonly string[] = FIELDS[dialect];
  const all: readonly string[] = Object.values(FIELDS).flat();
  return Object.keys(body).find((field) => all.includes(field) && !own.includes(field));
}
