// Decides which dialects a provider speaks.
import type { ProviderEntry } from "../config/document.ts";
import type { Dialect } from "./dialect.ts";

const BY_KIND: Readonly<Record<ProviderEntry["kind"], readonly Dialect[]>> = {
  openai: ["chat", "responses", "embeddings"],
  "azure-openai": ["chat", "responses", "embeddings"],
  anthropic: ["messages", "count_tokens"],
  gemini: ["generate", "count_generate"],
  "openai-compatible": ["chat", "embeddings"],
  "workers-ai": ["chat"],
};

/** The dialects of a provider, the one that others are translated to first. */
export function providerDialects(provider: Pick<ProviderEntry, "kind" | "dialects">): readonly Dialect[] {
  return provider.dialects ?? BY_KIND[provider.kind];
}
