// Decides what tokens cost: integer pico-USD per token, by disjoint usage buckets and context tier.
import { microFromPico, parseUsd } from "../units/money.ts";

/** Prices that hold from a number of input tokens on; the first tier starts at 0. */
export interface PriceTier {
  readonly from: number;
  readonly inputPico: number;
  readonly outputPico: number;
  readonly cacheReadPico: number;
}

/** A model's price: tiers by prompt size, ascending. Every figure is pico-USD per token. */
export interface Price {
  readonly tiers: readonly PriceTier[];
  /** Where the figures come from: the config document or the named price table. */
  readonly source: string;
}

/** Tokens of one call in buckets that do not overlap; reasoning is part of output, shown apart. */
export interface Usage {
  readonly input: number;
  readonly cacheRead: number;
  readonly output: number;
  readonly reasoning: number;
}

/** Tokens that count against a token budget. */
export function totalTokens(usage: Usage): number {
  return usage.input + usage.cacheRead + usage.output;
}

/** Pico-USD per token from dollars per million tokens: the same integer, since 1 USD/Mtok = 1 micro-USD/token. */
export function picoPerToken(usdPerMillion: string | number): number | undefined {
  return parseUsd(String(usdPerMillion));
}

/** The tier that a prompt of this many input tokens is priced at: the whole call, as providers bill it. */
export function tierFor(price: Price, inputTokens: number): PriceTier {
  let found = price.tiers[0] ?? { from: 0, inputPico: 0, outputPico: 0, cacheReadPico: 0 };
  for (const tier of price.tiers) if (inputTokens > tier.from || tier.from === 0) found = tier;
  return found;
}

/** The dearest figure of each kind over all tiers: what a hold must cover before the prompt's size is known. */
export function worstTier(price: Price): PriceTier {
  const worst = (pick: (tier: PriceTier) => number): number => Math.max(0, ...price.tiers.map(pick));
  return {
    from: 0,
    inputPico: worst((tier) => Math.max(tier.inputPico, tier.cacheReadPico)),
    outputPico: worst((tier) => tier.outputPico),
    cacheReadPico: worst((tier) => tier.cacheReadPico),
  };
}

/** Exact pico-USD of a usage. */
export function costPico(price: Price, usage: Usage): number {
  const tier = tierFor(price, usage.input + usage.cacheRead);
  return usage.input * tier.inputPico + usage.cacheRead * tier.cacheReadPico + usage.output * tier.outputPico;
}

/** Micro-USD of a usage, rounded up. */
export function costMicro(price: Price, usage: Usage): number {
  return microFromPico(costPico(price, usage));
}
