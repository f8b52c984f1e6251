// Reads list prices from the @pydantic/genai-prices table, turned into integer pico-USD per token.
import { calcPrice, type ModelPrice, type PriceCalculation } from "@pydantic/genai-prices";
import type { PriceBook } from "../core/config/check.ts";
import type { ProviderEntry } from "../core/config/document.ts";
import { picoPerToken, type Price, type PriceTier } from "../core/budget/price.ts";

const SOURCE = "genai-prices 0.1.8";

/** The table's names of providers; a compatible server is found by its address. */
const TABLE_IDS: Readonly<Record<ProviderEntry["kind"], string | undefined>> = {
  openai: "openai",
  "azure-openai": "azure",
  anthropic: "anthropic",
  gemini: "google",
  "openai-compatible": undefined,
  "workers-ai": "cloudflare",
};

/** What every call of a model may be billed for besides the tokens that a usage tells apart: such a model has no price here. */
const NOT_COUNTED = ["requests_kcount", "output_reasoning_mtok", "output_citation_mtok"];

/**
 * The list price of a provider's model today, or `undefined` when the table does not know it, prices it at nothing, or has
 * it billed by what no usage tells.
 */
export const listPrices: PriceBook = (provider, upstreamName) => listPricesAt(new Date())(provider, upstreamName);

/** The list prices of a day: some change on a date, and those that change within a day count at their dearest. */
export function listPricesAt(at: Date): PriceBook {
  return (provider, upstreamName) => {
    const found = lookUp(provider, upstreamName, at);
    if (found === undefined) return undefined;
    const prices = pricesOfDay(found, at);
    if (prices.some((price) => NOT_COUNTED.some((key) => price[key] !== undefined))) return undefined;
    const tiers = dearest(prices.map((price) => tiersOf(price, found.provider.id === "anthropic")));
    const { context_window: context } = found.model;
    if (!tiers.some((tier) => tier.inputPico > 0 || tier.outputPico > 0)) return undefined;
    return { source: SOURCE, tiers, ...(context === undefined ? {} : { context }) } satisfies Price;
  };
}

function lookUp(
  { kind, base_url }: Pick<ProviderEntry, "kind" | "base_url">,
  upstreamName: string,
  timestamp: Date,
): PriceCalculation | undefined {
  const providerId = TABLE_IDS[kind];
  const options = providerId === undefined ? { providerApiUrl: base_url ?? "" } : { providerId };
  try {
    return calcPrice({ input_tokens: 1, output_tokens: 1 }, upstreamName, { ...options, timestamp }) ?? undefined;
  } catch {
    return undefined;
  }
}

const HALF_HOURS = 48;
const HALF_HOUR_MS = 1_800_000;

/** Every price that a model has within a day: one, unless the table has prices by the time of day. */
function pricesOfDay({ model, model_price, provider }: PriceCalculation, at: Date): readonly ModelPrice[] {
  const isByTime =
    Array.isArray(model.prices) && model.prices.some(({ constraint }) => constraint?.type === "time_of_date");
  if (!isByTime) return [model_price];
  const midnight = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate());
  const found = Array.from({ length: HALF_HOURS }, (_, index) => {
    const timestamp = new Date(midnight + index * HALF_HOUR_MS);
    return calcPrice({ input_tokens: 1, output_tokens: 1 }, model.id, { provider, timestamp })?.model_price;
  });
  return [...new Set([model_price, ...found.filter((price) => price !== undefined)])];
}

/** Tier by tier the dearest of several prices, each figure by itself. */
function dearest(all: readonly (readonly PriceTier[])[]): readonly PriceTier[] {
  const [only] = all;
  if (only !== undefined && all.length === 1) return only;
  const starts = [...new Set(all.flatMap((tiers) => tiers.map(({ from }) => from)))].sort((one, other) => one - other);
  return starts.map((from) => {
    const here = all.flatMap((tiers) => tiers.filter((tier) => tier.from <= from).at(-1) ?? []);
    const merged = here.map(({ from: _from, ...figures }) => figures);
    const keys = [...new Set(merged.flatMap((figures) => Object.keys(figures)))] as (keyof Omit<PriceTier, "from">)[];
    const most = keys.map((key) => [key, Math.max(...merged.map((figures) => figures[key] ?? 0))] as const);
    return { from, inputPico: 0, outputPico: 0, cacheReadPico: 0, ...Object.fromEntries(most) };
  });
}

type Figure = ModelPrice[string];

const PRICED = [
  "input_mtok",
  "output_mtok",
  "cache_read_mtok",
  "cache_write_mtok",
  "cache_write_1h_mtok",
  "input_audio_mtok",
  "output_audio_mtok",
  "output_image_mtok",
  "output_video_mtok",
];

function tiersOf(price: ModelPrice, isAnthropic: boolean): readonly PriceTier[] {
  const starts = new Set([0, ...PRICED.flatMap((key) => startsOf(price[key]))]);
  return [...starts].sort((left, right) => left - right).map((from) => tierOf(price, from, isAnthropic));
}

function tierOf(price: ModelPrice, from: number, isAnthropic: boolean): PriceTier {
  const at = (key: string): number | undefined => picoAt(price[key], from);
  const inputPico = at("input_mtok") ?? 0;
  const optional = {
    cacheWritePico: at("cache_write_mtok") ?? (isAnthropic ? Math.ceil(inputPico * WRITE_5M) : undefined),
    cacheWriteLongPico: at("cache_write_1h_mtok") ?? (isAnthropic ? inputPico * WRITE_1H : undefined),
    inputAudioPico: at("input_audio_mtok"),
    outputAudioPico: at("output_audio_mtok"),
  };
  return {
    from,
    inputPico,
    // Pictures and films come as output tokens like any other: a model that makes them is priced as if it made nothing else.
    outputPico: Math.max(at("output_mtok") ?? 0, at("output_image_mtok") ?? 0, at("output_video_mtok") ?? 0),
    cacheReadPico: at("cache_read_mtok") ?? inputPico,
    ...Object.fromEntries(Object.entries(optional).filter(([, figure]) => figure !== undefined)),
  };
}

/**
 * What Anthropic asks for writing to its cache, as parts of the input price, where the table says nothing
 * (https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing).
 */
const WRITE_5M = 1.25;
const WRITE_1H = 2;

function startsOf(figure: Figure): readonly number[] {
  return figure === undefined || typeof figure === "number" ? [] : figure.tiers.map((tier) => tier.start);
}

function picoAt(figure: Figure, from: number): number | undefined {
  if (figure === undefined) return undefined;
  if (typeof figure === "number") return pico(figure);
  const tier = figure.tiers.filter((each) => each.start <= from).at(-1);
  return pico(tier?.price ?? figure.base);
}

/** Table figures are decimals of at most six places; anything finer is rounded up, never down. */
function pico(usdPerMillion: number): number {
  return picoPerToken(usdPerMillion) ?? Math.ceil(usdPerMillion * 1_000_000);
}
