// Names the dialects of model APIs.

/**
 * Dialects that generate: OpenAI chat completions (`chat`), OpenAI Responses (`responses`), Anthropic messages
 * (`messages`), Gemini generateContent (`generate`).
 */
export const GENERATING = ["chat", "responses", "messages", "generate"] as const;

/**
 * Every dialect of a model call: those that generate, OpenAI embeddings, and counting tokens as Anthropic (`count_tokens`)
 * and Gemini (`count_generate`) do.
 */
export const DIALECTS = [...GENERATING, "embeddings", "count_tokens", "count_generate"] as const;

/** A dialect that generates. */
export type GeneratingDialect = (typeof GENERATING)[number];

/** A dialect of a model call. */
export type Dialect = (typeof DIALECTS)[number];

/** Whether a dialect is one that generates. */
export function isGenerating(dialect: Dialect): dialect is GeneratingDialect {
  return (GENERATING as readonly Dialect[]).includes(dialect);
}

/** Whether a dialect counts tokens: nothing is generated and nothing billed. */
export function isCounting(dialect: Dialect): boolean {
  return dialect === "count_tokens" || dialect === "count_generate";
}
