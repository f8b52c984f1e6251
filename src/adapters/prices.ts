// Reads list prices from the @pydantic/genai-prices table, turned into integer pico-USD per token.
import { calcPrice, type ModelPrice } from "@pydantic/genai-prices";
import type { PriceBook } from "../core/config/check.ts";
import { picoPerToken, type Price, type PriceTier } from "../core/budget/price.ts";

/** The list price of a provider's model, or `undefined` when the table does not know it or prices it at nothing. */
export const listPrices: PriceBook = (provider, upstreamName) => {
  const options = provider.kind === "openai" ? { providerId: "openai" } : { providerApiUrl: provider.base_url ?? "" };
  const found = lookUp(upstreamName, options);
  if (found === undefined) return undefined;
  const price: Price = { source: "genai-prices 0.1.8", tiers: tiersOf(found) };
  return price.tiers.some((tier) => tier.inputPico > 0 || tier.outputPico > 0) ? price : undefined;
};

function lookUp(
  upstreamName: string,
  options: { readonly providerId?: string; readonly providerApiUrl?: string },
): ModelPrice | undefined {
  try {
    return calcPrice({ input_tokens: 1, output_tokens: 1 }, upstreamName, options)?.model_price;
  } catch {
    return undefined;
  }
}

type Figure = ModelPrice[string];

function tiersOf(price: ModelPrice): readonly PriceTier[] {
  const starts = new Set([
    0,
    ...startsOf(price["input_mtok"]),
    ...startsOf(price["output_mtok"]),
    ...startsOf(price["cache_read_mtok"]),
  ]);
  return [...starts]
    .sort((left, right) => left - right)
    .map((from) => {
      const inputPico = picoAt(price["input_mtok"], from) ?? 0;
      return {
        from,
        inputPico,
        outputPico: picoAt(price["output_mtok"], from) ?? 0,
        cacheReadPico: picoAt(price["cache_read_mtok"], from) ?? inputPico,
      };
    });
}

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
