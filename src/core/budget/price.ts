// Decides what tokens cost: integer pico-USD per token, by disjoint usage buckets and context tier.
import { microFromPico, parseUsd } from "../units/money.ts";

/** Prices that hold from a number of input tokens on; the first tier starts at 0. */
export interface PriceTier {
  readonly from: number;
  readonly inputPico: number;
  readonly outputPico: number;
  readonly cacheReadPico: number;
  /** Writing to a cache for five minutes, and for an hour; the input price where absent. */
  readonly cacheWritePico?: number;
  readonly cacheWriteLongPico?: number;
  /** Tokens of sound; the prices of text where absent. */
  readonly inputAudioPico?: number;
  readonly outputAudioPico?: number;
}

/** A model's price: tiers by prompt size, ascending. Every figure is pico-USD per token. */
export interface Price {
  readonly tiers: readonly PriceTier[];
  /** Where the figures come from: the config document (`config`) or the named price table. */
  readonly source: string;
  /** Tokens of the model's context window, where the price table has it. */
  readonly context?: number;
}

/** Tokens of one call in buckets that do not overlap; reasoning is part of output, shown apart. */
export interface Usage {
  /** Input that no other bucket has. */
  readonly input: number;
  readonly cacheRead: number;
  /** Input written to a cache for five minutes, and for an hour. */
  readonly cacheWrite: number;
  readonly cacheWriteLong: number;
  readonly inputAudio: number;
  /** Output that is not sound, reasoning included. */
  readonly output: number;
  readonly outputAudio: number;
  readonly reasoning: number;
  /** Whether the provider's own total was another than the sum of what it told apart. */
  readonly isInconsistent?: true;
}

/** No tokens at all. */
export const NO_USAGE: Usage = {
  input: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWriteLong: 0,
  inputAudio: 0,
  output: 0,
  outputAudio: 0,
  reasoning: 0,
};

/** Tokens of the prompt, however they are priced. */
export function inputTokens(usage: Usage): number {
  return usage.input + usage.cacheRead + usage.cacheWrite + usage.cacheWriteLong + usage.inputAudio;
}

/** Tokens of the answer, reasoning included. */
export function outputTokens(usage: Usage): number {
  return usage.output + usage.outputAudio;
}

/** Tokens that count against a token budget. */
export function totalTokens(usage: Usage): number {
  return inputTokens(usage) + outputTokens(usage);
}

/** Pico-USD per token from dollars per million tokens: the same integer, since 1 USD/Mtok = 1 micro-USD/token. */
export function picoPerToken(usdPerMillion: string | number): number | undefined {
  return parseUsd(String(usdPerMillion));
}

/** The tier that a prompt of this many input tokens is priced at: the whole call, as providers bill it. */
export function tierFor(price: Price, promptTokens: number): PriceTier {
  let found = price.tiers[0] ?? { from: 0, inputPico: 0, outputPico: 0, cacheReadPico: 0 };
  for (const tier of price.tiers) if (promptTokens > tier.from || tier.from === 0) found = tier;
  return found;
}

/** Which dearer kinds of tokens a call may use. */
export interface Extras {
  /** Whether input may be written to a cache: for five minutes at least, or for an hour. */
  readonly cacheWrite: boolean;
  readonly cacheWriteLong: boolean;
  readonly inputAudio: boolean;
  readonly outputAudio: boolean;
}

/**
 * The dearest figure of each kind that a prompt of at most so many tokens can meet: what a hold must cover before the
 * prompt's size is known.
 */
export function worstTier(price: Price, most: number, extras: Extras): Pick<PriceTier, "inputPico" | "outputPico"> {
  const reachable = price.tiers.filter(({ from }) => from === 0 || from < most);
  const worst = (pick: (tier: PriceTier) => readonly (number | undefined)[]): number =>
    Math.max(0, ...reachable.flatMap(pick).map((figure) => figure ?? 0));
  return {
    inputPico: worst((tier) => [
      tier.inputPico,
      tier.cacheReadPico,
      extras.cacheWrite ? tier.cacheWritePico : 0,
      extras.cacheWriteLong ? (tier.cacheWriteLongPico ?? tier.cacheWritePico) : 0,
      extras.inputAudio ? tier.inputAudioPico : 0,
    ]),
    outputPico: worst((tier) => [tier.outputPico, extras.outputAudio ? tier.outputAudioPico : 0]),
  };
}

/** Exact pico-USD of a usage: a whole number below 2^53 for whatever a context window holds. */
export function costPico(price: Price, usage: Usage): number {
  const tier = tierFor(price, inputTokens(usage));
  return (
    usage.input * tier.inputPico +
    usage.cacheRead * tier.cacheReadPico +
    usage.cacheWrite * (tier.cacheWritePico ?? tier.inputPico) +
    usage.cacheWriteLong * (tier.cacheWriteLongPico ?? tier.cacheWritePico ?? tier.inputPico) +
    usage.inputAudio * (tier.inputAudioPico ?? tier.inputPico) +
    usage.output * tier.outputPico +
    usage.outputAudio * (tier.outputAudioPico ?? tier.outputPico)
  );
}

/** Micro-USD of a usage, rounded up. */
export function costMicro(price: Price, usage: Usage): number {
  return microFromPico(costPico(price, usage));
}

/**
 * Why a usage cannot be priced: tokens that would cost nothing by a table that knows the model (only a price in the config
 * may say so), or a cost too large to be counted exactly. `undefined` where it can.
 */
export function priceFault(price: Price, usage: Usage): "unpriced_usage" | "impossible_usage" | undefined {
  const pico = costPico(price, usage);
  if (!Number.isSafeInteger(pico)) return "impossible_usage";
  return pico === 0 && totalTokens(usage) > 0 && price.source !== "config" ? "unpriced_usage" : undefined;
}
