// Decides which address of a provider answers a call, by the provider's kind and the dialect it is spoken to in.
import type { ProviderEntry } from "../../core/config/document.ts";
import type { Dialect } from "../../core/dialect/dialect.ts";
import { providerBase } from "../../core/dialect/provider-base.ts";
import { geminiAddress, geminiMethodAddress } from "./google-credentials.ts";

/** What an address depends on. */
export interface Asked {
  readonly provider: ProviderEntry;
  readonly dialect: Dialect;
  /** The provider's own name for the model. */
  readonly model: string;
  readonly isStream: boolean;
  /** Without `?`; empty for none. */
  readonly query: string;
}

/** An address, and the hosts that may be asked there: `undefined` for those that the config allows. */
export interface ModelAddress {
  readonly url: string;
  readonly allowedHosts: readonly string[] | undefined;
}

const OPENAI_PATHS = { chat: "chat/completions", responses: "responses", embeddings: "embeddings" } as const;
const ANTHROPIC_PATHS = { messages: "messages", count_tokens: "messages/count_tokens" } as const;

/** Hosts of vendors' own APIs: always the same list, so that what was found out about it is remembered. */
const VENDOR_HOSTS: Readonly<Partial<Record<ProviderEntry["kind"], readonly string[]>>> = {
  openai: ["api.openai.com"],
  anthropic: ["api.anthropic.com"],
};

/** The address of a call; `undefined` where the provider has none, or does not speak the dialect. */
export function modelAddress(asked: Asked): ModelAddress | undefined {
  const { provider, dialect, query } = asked;
  if (dialect === "generate" || dialect === "count_generate" || provider.kind === "gemini") {
    const { url, allowedHosts } = googleAddress(asked);
    return { url: withQuery(url, query), allowedHosts };
  }
  const base = providerBase(provider);
  const url = base === undefined ? undefined : urlOf(base, asked);
  if (url === undefined) return undefined;
  const allowedHosts = provider.base_url === undefined ? VENDOR_HOSTS[provider.kind] : undefined;
  return { url: withQuery(url, query), allowedHosts };
}

function urlOf(base: string, { provider, dialect, model }: Asked): string | undefined {
  if (isKey(ANTHROPIC_PATHS, dialect)) return `${versioned(base)}/${ANTHROPIC_PATHS[dialect]}`;
  if (!isKey(OPENAI_PATHS, dialect)) return undefined;
  const path = OPENAI_PATHS[dialect];
  return provider.kind === "azure-openai"
    ? azureUrl(base, { path, model, version: provider.api_version })
    : `${base}/${path}`;
}

function isKey<T extends object>(paths: T, dialect: string): dialect is Extract<keyof T, string> {
  return Object.hasOwn(paths, dialect);
}

/** Anthropic's own clients leave the version out of the address, others write it. */
function versioned(base: string): string {
  return base.endsWith("/v1") ? base : `${base}/v1`;
}

/**
 * Azure's `/openai/v1` paths need no version and find the deployment by the body's model. Paths with a version name the
 * deployment themselves, except that of responses.
 */
function azureUrl(
  base: string,
  { path, model, version }: { readonly path: string; readonly model: string; readonly version: string | undefined },
): string {
  const resource = base.replace(/\/openai(?:\/v1)?$/, "");
  if (version === undefined) return `${resource}/openai/v1/${path}`;
  const place = path === "responses" ? path : `deployments/${encodeURIComponent(model)}/${path}`;
  return `${resource}/openai/${place}?api-version=${encodeURIComponent(version)}`;
}

/** A compatible server's `base_url` always ends where its paths begin; Google's own has its version added. */
function googleAddress({ provider, dialect, model, isStream }: Asked): ModelAddress {
  if (dialect === "embeddings") return geminiMethodAddress(provider, model, "batchEmbedContents");
  return dialect === "count_generate"
    ? geminiMethodAddress(provider, model, "countTokens")
    : geminiAddress(provider, model, isStream);
}

function withQuery(url: string, query: string): string {
  return query === "" ? url : `${url}${url.includes("?") ? "&" : "?"}${query}`;
}
