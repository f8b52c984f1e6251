// Lists the models whose list price differs from the independent table's, and why.

/** Google's rows come in pairs, for short and for long prompts. */
function pairs(bound: "128k" | "200k", ...names: readonly string[]): readonly string[] {
  return names.flatMap((name) => [`google/${name}-lte-${bound}`, `google/${name}-gt-${bound}`]);
}

/** Names by reason. */
const BY_REASON: readonly (readonly [string, readonly string[]])[] = [
  [
    "makes pictures, sound or films, whose tokens no usage tells from text: all output is priced as the dearest kind",
    [
      ...pairs("128k", "gemini-2.5-flash-image", "gemini-2.5-flash-image-preview"),
      ...pairs("128k", "gemini-3-pro-image", "gemini-3-pro-image-preview"),
      ...pairs("128k", "gemini-3.1-flash-image", "gemini-3.1-flash-image-preview", "gemini-3.1-flash-lite-image"),
      ...pairs("128k", "gemini-omni-flash-preview"),
    ],
  ],
  [
    "the independent table has no price for what such a model puts out",
    ["openai/gpt-4o-mini-tts", "openai/gpt-image-1-mini"],
  ],
  [
    "our table has no price for cached input: it costs what input costs",
    [
      "openai/chatgpt-4o-latest",
      "openai/ft:gpt-4o-2024-08-06",
      "openai/ft:gpt-4o-mini-2024-07-18",
      "openai/gpt-5.5-pro",
      "openai/gpt-5.5-pro-2026-04-23",
    ],
  ],
  [
    "the independent table's price for cached input is another figure's, or misses a digit",
    [
      "openai/gpt-5-pro",
      "openai/gpt-5-pro-2025-10-06",
      "openai/gpt-4.1-nano",
      "openai/gpt-4.1-nano-2025-04-14",
      "openai/gpt-4o-mini-realtime-preview",
      "openai/gpt-4o-mini-realtime-preview-2024-12-17",
      "openai/gpt-realtime",
      "openai/gpt-realtime-2025-08-28",
      ...pairs("128k", "gemini-3-pro-preview-02-05"),
      ...pairs("200k", "gemini-3.1-pro-preview", "gemini-3.1-pro-preview-customtools"),
    ],
  ],
  [
    "the independent table has a cached prompt's price for making the cache too, which costs what input costs",
    pairs("128k", "gemini-3-pro-preview"),
  ],
  [
    "one table has a newer price than the other, or gives an older model of a family its newer model's",
    [
      "openai/gpt-5.6",
      "openai/gpt-5.6-sol",
      "openai/gpt-5.6-sol-2026-07-09",
      "openai/o1-mini-2024-09-12",
      "mistral-ai/mistral-large-2407",
      "mistral-ai/mistral-large-2411",
      "mistral-ai/mistral-large-latest",
      "mistral-ai/mistral-medium-latest",
      "google/gemini-pro",
      "groq/gemma-7b-it",
      "groq/openai/gpt-oss-safeguard-20b",
    ],
  ],
  [
    "our table has the price until the end of 2026, the independent one that after it",
    pairs("128k", "gemini-3.6-flash", "gemini-3.7-flash"),
  ],
  [
    "the price changes within a day, and the dearest counts here; the independent table has the newer model's price for older names",
    ["deepseek/deepseek-chat", "deepseek/deepseek-reasoner", "deepseek/deepseek-v4-flash", "deepseek/deepseek-v4-pro"],
  ],
  [
    "our table knows an experimental or small model by the name of its family, and prices it as that",
    [
      ...pairs("128k", "gemini-2.0-flash-exp-001"),
      ...pairs("128k", "gemini-1.5-flash-8b", "gemini-1.5-flash-8b-001", "gemini-1.5-flash-8b-latest"),
    ],
  ],
  ["our table has a price of output for a model that puts nothing out", ["mistral-ai/mistral-embed"]],
];

/** Reasons by model. */
export const DIFFERENCES: ReadonlyMap<string, string> = new Map(
  BY_REASON.flatMap(([reason, names]) => names.map((name) => [name, reason] as const)),
);
