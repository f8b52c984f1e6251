// Decides where a provider is when its config names no address.
import type { ProviderEntry } from "../config/document.ts";

const BASES: Readonly<Record<ProviderEntry["kind"], string | undefined>> = {
  openai: "https://api.openai.com/v1",
  "azure-openai": undefined,
  anthropic: "https://api.anthropic.com",
  gemini: "https://generativelanguage.googleapis.com/v1beta",
  "openai-compatible": undefined,
  "workers-ai": undefined,
};

/**
 * The address before a provider's paths, without a slash at its end. `undefined` for `workers-ai`, which is a binding, and
 * for kinds whose config has to name one.
 */
export function providerBase({
  kind,
  base_url,
  vertex,
}: Pick<ProviderEntry, "kind" | "base_url" | "vertex">): string | undefined {
  if (base_url !== undefined) return base_url.replace(/\/+$/, "");
  if (vertex === undefined) return BASES[kind];
  const { location } = vertex;
  return `https://${location === "global" ? "" : `${location}-`}aiplatform.googleapis.com/v1`;
}
