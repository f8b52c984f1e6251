// Decides what a model's own price in the config comes to, in pico-USD per token.
import { picoPerToken, type Price } from "../budget/price.ts";
import type { ModelEntry } from "./document.ts";

/** A price as a model's entry gives it. */
export function priceOfEntry(entry: NonNullable<ModelEntry["price"]>): Price {
  const pico = (figure: string | number | undefined): number | undefined =>
    figure === undefined ? undefined : picoPerToken(figure);
  const inputPico = pico(entry.input_per_mtok_usd) ?? 0;
  const cacheWritePico = pico(entry.cache_write_per_mtok_usd);
  const cacheWriteLongPico = pico(entry.cache_write_1h_per_mtok_usd);
  const tier = {
    from: 0,
    inputPico,
    outputPico: pico(entry.output_per_mtok_usd) ?? 0,
    cacheReadPico: pico(entry.cache_read_per_mtok_usd) ?? inputPico,
    ...(cacheWritePico === undefined ? {} : { cacheWritePico }),
    ...(cacheWriteLongPico === undefined ? {} : { cacheWriteLongPico }),
  };
  return { source: "config", tiers: [tier] };
}
