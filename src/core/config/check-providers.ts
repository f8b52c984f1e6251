// Decides what the entry of a provider must and must not say, by its kind.
import type { Mistake } from "../errors.ts";
import type { ProviderEntry } from "./document.ts";

type Kind = ProviderEntry["kind"];
type Field = "base_url" | "secret" | "service" | "dialects" | "api_version" | "vertex";

/** The kinds that a field says anything to; every kind where a field is not listed. */
const TAKEN_BY: Readonly<Partial<Record<Field, readonly Kind[]>>> = {
  base_url: ["openai", "azure-openai", "anthropic", "gemini", "openai-compatible"],
  secret: ["openai", "azure-openai", "anthropic", "gemini", "openai-compatible"],
  service: ["openai", "azure-openai", "anthropic", "gemini", "openai-compatible"],
  dialects: ["openai-compatible"],
  api_version: ["azure-openai"],
  vertex: ["gemini"],
};

const NEEDS_ADDRESS: Readonly<Partial<Record<Kind, string>>> = {
  "azure-openai": "expected the resource's address, such as https://NAME.openai.azure.com",
  "openai-compatible": "expected an absolute URL: an openai-compatible provider has no default",
};

/** Who asks for a key at its own address; at another one, or through a binding, that is not known. */
const ASKS_FOR_KEY: readonly Kind[] = ["openai", "azure-openai", "anthropic", "gemini"];

/** Mistakes of one provider's entry. `hasWorkersAi` is whether the deployment has that binding; `undefined` where that is not known. */
export function providerRuleMistakes(
  path: string,
  entry: ProviderEntry,
  hasWorkersAi: boolean | undefined,
): readonly Mistake[] {
  return [
    ...fieldMistakes(path, entry),
    ...addressMistakes(path, entry),
    ...secretMistakes(path, entry),
    ...(entry.kind === "workers-ai" && hasWorkersAi === false
      ? [{ path: `${path}.kind`, message: "this deployment has no Workers AI: its `AI` binding is missing" }]
      : []),
  ];
}

function fieldMistakes(path: string, entry: ProviderEntry): readonly Mistake[] {
  return Object.entries(TAKEN_BY).flatMap(([field, kinds]) =>
    entry[field as Field] === undefined || kinds.includes(entry.kind)
      ? []
      : [{ path: `${path}.${field}`, message: `says nothing to a provider of kind ${entry.kind}: ${onlyFor(kinds)}` }],
  );
}

function onlyFor(kinds: readonly Kind[]): string {
  return kinds.length === 1 ? `only ${kinds[0]} takes it` : "leave it out";
}

function addressMistakes(path: string, { kind, base_url }: ProviderEntry): readonly Mistake[] {
  const missing = base_url === undefined ? NEEDS_ADDRESS[kind] : undefined;
  if (missing !== undefined) return [{ path: `${path}.base_url`, message: missing }];
  if (base_url === undefined || !URL.canParse(base_url)) return [];
  const { search, hash } = new URL(base_url);
  return search === "" && hash === ""
    ? []
    : [{ path: `${path}.base_url`, message: "expected an address that paths can be added to, without ? and #" }];
}

function secretMistakes(path: string, { kind, base_url, service, secret, vertex }: ProviderEntry): readonly Mistake[] {
  const isVendors = service === undefined && (base_url === undefined || kind === "azure-openai");
  if (secret !== undefined || !isVendors || !ASKS_FOR_KEY.includes(kind)) return [];
  const what = vertex === undefined ? "the key" : "the service account's JSON key";
  return [{ path: `${path}.secret`, message: `expected the name of the stored secret that is ${what}` }];
}
