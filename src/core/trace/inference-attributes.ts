// Decides what an inference span tells of its request and its provider (GenAI semantic conventions v1.41.1).
import type { ProviderEntry } from "../config/document.ts";
import type { ResolvedModel } from "../config/published.ts";
import { providerBase } from "../dialect/provider-base.ts";
import { memberText, type ObjectText } from "../json/members.ts";
import { ATTR } from "./attributes.ts";
import type { Attributes } from "./record.ts";

/** The provider of a model that the config does not have. */
export const UNKNOWN_PROVIDER = "unknown";

/** Request members that are told as they are, when they are numbers. */
const NUMBERS = [
  ["temperature", ATTR.requestTemperature],
  ["top_p", ATTR.requestTopP],
  ["top_k", ATTR.requestTopK],
  ["frequency_penalty", ATTR.requestFrequencyPenalty],
  ["presence_penalty", ATTR.requestPresencePenalty],
  ["seed", ATTR.requestSeed],
] as const;

/** Output types by `response_format.type`. */
const OUTPUT_TYPES: Readonly<Record<string, string>> = { text: "text", json_object: "json", json_schema: "json" };
const MAX_STOP_SEQUENCES = 8;

/** What `generateContent` calls them, within its `generationConfig`. */
const GENERATE_NUMBERS = [
  ["temperature", ATTR.requestTemperature],
  ["topP", ATTR.requestTopP],
  ["topK", ATTR.requestTopK],
  ["frequencyPenalty", ATTR.requestFrequencyPenalty],
  ["presencePenalty", ATTR.requestPresencePenalty],
  ["seed", ATTR.requestSeed],
] as const;

/** How the caller asked for tokens to be drawn, in whichever dialect: what is not there, or is of another type, is left out. */
export function samplingAttributes(body: ObjectText): Attributes {
  const config = valueOf(body, "generationConfig");
  if (typeof config === "object" && config !== null)
    return generateAttributes(config as Readonly<Record<string, unknown>>);
  const numbers = NUMBERS.map(([member, key]) => [key, numberOf(valueOf(body, member))] as const);
  const choices = numberOf(valueOf(body, "n"));
  const format = valueOf(body, "response_format");
  const type = typeof format === "object" && format !== null && "type" in format ? format.type : undefined;
  return {
    ...Object.fromEntries(numbers),
    [ATTR.requestStopSequences]: stopsOf(valueOf(body, "stop") ?? valueOf(body, "stop_sequences")),
    [ATTR.requestChoices]: choices === 1 ? undefined : choices,
    [ATTR.outputType]: typeof type === "string" ? OUTPUT_TYPES[type] : undefined,
  };
}

function generateAttributes(config: Readonly<Record<string, unknown>>): Attributes {
  const numbers = GENERATE_NUMBERS.map(([member, key]) => [key, numberOf(config[member])] as const);
  const choices = numberOf(config["candidateCount"]);
  return {
    ...Object.fromEntries(numbers),
    [ATTR.requestStopSequences]: stopsOf(config["stopSequences"]),
    [ATTR.requestChoices]: choices === 1 ? undefined : choices,
    [ATTR.outputType]: config["responseMimeType"] === "application/json" ? "json" : undefined,
  };
}

function valueOf(body: ObjectText, member: string): unknown {
  const text = memberText(body, member);
  // A request with a member that is no JSON is refused by its provider; it is recorded all the same.
  if (text === undefined || text.length > 4_096) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function stopsOf(value: unknown): readonly string[] | undefined {
  const stops = (Array.isArray(value) ? value : [value]).filter((each) => typeof each === "string");
  return stops.length === 0 ? undefined : stops.slice(0, MAX_STOP_SEQUENCES);
}

/** Providers that the conventions have a name for, by the end of their host. */
const PROVIDERS: readonly (readonly [RegExp, string])[] = [
  [/(^|\.)api\.openai\.com$/, "openai"],
  [/\.openai\.azure\.com$/, "azure.ai.openai"],
  [/\.(services|inference)\.ai\.azure\.com$/, "azure.ai.inference"],
  [/(^|\.)anthropic\.com$/, "anthropic"],
  [/(^|[.-])aiplatform\.googleapis\.com$/, "gcp.vertex_ai"],
  [/^generativelanguage\.googleapis\.com$/, "gcp.gemini"],
  [/^bedrock(-runtime)?\.[a-z0-9-]+\.amazonaws\.com$/, "aws.bedrock"],
  [/(^|\.)cohere\.(com|ai)$/, "cohere"],
  [/\.ml\.cloud\.ibm\.com$/, "ibm.watsonx.ai"],
  [/(^|\.)perplexity\.ai$/, "perplexity"],
  [/(^|\.)x\.ai$/, "x_ai"],
  [/(^|\.)deepseek\.com$/, "deepseek"],
  [/(^|\.)groq\.com$/, "groq"],
  [/(^|\.)mistral\.ai$/, "mistral_ai"],
];

/** What a kind says of its provider, wherever it is; a compatible server may be anybody's. */
const NAME_OF_KIND: Readonly<Record<ProviderEntry["kind"], string | undefined>> = {
  openai: "openai",
  "azure-openai": "azure.ai.openai",
  anthropic: "anthropic",
  gemini: "gcp.gemini",
  "openai-compatible": undefined,
  // The conventions have no name for it.
  "workers-ai": "cloudflare.workers_ai",
};

const DEFAULT_PORTS: Readonly<Record<string, number>> = { "https:": 443, "http:": 80 };

/**
 * Who answers and where: the conventions' name of the provider, by its host or else by its kind, else the config's; the host
 * and port that are called. A binding has neither.
 */
export function providerAttributes({
  provider,
  providerName,
}: Pick<ResolvedModel, "provider" | "providerName">): Attributes {
  const base = providerBase(provider);
  const url = base !== undefined && URL.canParse(base) ? new URL(base) : undefined;
  const byHost = url === undefined ? undefined : PROVIDERS.find(([host]) => host.test(url.hostname))?.[1];
  const byKind = provider.vertex === undefined ? NAME_OF_KIND[provider.kind] : "gcp.vertex_ai";
  return {
    [ATTR.provider]: byHost ?? byKind ?? providerName,
    ...(url === undefined
      ? {}
      : {
          [ATTR.serverAddress]: url.hostname,
          [ATTR.serverPort]: url.port === "" ? DEFAULT_PORTS[url.protocol] : Number(url.port),
        }),
  };
}
