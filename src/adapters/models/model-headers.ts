// Decides which headers a provider gets: its own credential, what its dialect needs, and of the caller's only what is listed.
import type { ProviderEntry } from "../../core/config/document.ts";
import type { Dialect } from "../../core/dialect/dialect.ts";

/**
 * Caller headers that may go upstream, in every dialect and in each. Encodings are not among them: the runtime asks
 * for those that it undoes itself, so that every answer can be read. Credentials, organisations and projects of the caller
 * are never sent.
 */
const PASSED = ["accept", "traceparent", "tracestate"];
const PASSED_OF: Readonly<Record<Dialect, readonly string[]>> = {
  chat: ["openai-beta"],
  responses: ["openai-beta"],
  embeddings: ["openai-beta"],
  messages: ["anthropic-version", "anthropic-beta"],
  count_tokens: ["anthropic-version", "anthropic-beta"],
  generate: ["x-goog-api-client"],
  count_generate: ["x-goog-api-client"],
};

/** The version of Anthropic's API that is asked for when the caller names none. */
const ANTHROPIC_VERSION = "2023-06-01";

/** The headers of a request, without its credential. */
export function modelHeaders(dialect: Dialect, caller: ReadonlyMap<string, string>): Headers {
  const headers = new Headers();
  for (const [name, value] of caller)
    if (PASSED.includes(name) || PASSED_OF[dialect].includes(name)) headers.set(name, value);
  headers.set("content-type", "application/json");
  if (isAnthropic(dialect) && !headers.has("anthropic-version")) headers.set("anthropic-version", ANTHROPIC_VERSION);
  return headers;
}

/** The header that carries a stored secret as it is, by the provider's kind. */
export function credentialHeader({ kind }: ProviderEntry, dialect: Dialect, secret: string): readonly [string, string] {
  if (kind === "azure-openai") return ["api-key", secret];
  if (kind === "anthropic") return ["x-api-key", secret];
  // A compatible server may speak Anthropic's dialect, whose clients name their key so.
  if (kind === "openai-compatible" && isAnthropic(dialect)) return ["x-api-key", secret];
  return ["authorization", `Bearer ${secret}`];
}

function isAnthropic(dialect: Dialect): boolean {
  return dialect === "messages" || dialect === "count_tokens";
}
