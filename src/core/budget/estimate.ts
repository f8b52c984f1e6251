// Decides the most that a model call can cost before it is made.
import type { Extras, Price } from "./price.ts";
import { worstTier } from "./price.ts";
import { microFromPico } from "../units/money.ts";
import { mediaIn } from "./media.ts";

/** Tokens that framing and hidden instructions may add to a prompt. */
const FRAMING_TOKENS = 256;

/** The most tokens one image, or one sound that is sent along, is taken to need. */
const TOKENS_PER_ATTACHMENT = 16_384;

/** The most tokens of a prompt that the provider keeps, where nobody says how long the model's context is. */
const LARGEST_CONTEXT = 1_048_576;

/** Members that stand for a prompt, or a part of one, that the provider keeps: its size is not in the body. */
const KEPT_PROMPT =
  /"(?:previous_response_id|cached_?content)"\s*:\s*"|"type"\s*:\s*"item_reference"|"conversation"\s*:\s*(?:"conv_|\{\s*"id")|"prompt"\s*:\s*\{\s*"id"\s*:\s*"pmpt_/i;
const KEPT_WORDS = ["previous_response_id", "item_reference", "conversation", "pmpt_", "ached"];

const HEARD = /"(?:input_)?audio"|[":]audio\/|"file_?(?:id|ur[il]|data)"\s*:/i;
const SPOKEN = /"audio"/i;

const ESCAPED = /\\u00([0-7][0-9a-f])/gi;

function unescaped(escape: string, hex: string): string {
  // Quotes and backslashes stay, or a text could pass for members.
  if (/^(?:22|5c)$/i.test(hex)) return escape;
  return String.fromCharCode(Number.parseInt(hex, 16));
}

/** What a hold is computed from. */
export interface CallSize {
  /** UTF-8 bytes of the request body. */
  readonly bytes: number;
  readonly text: string;
  /** The model's context window in tokens, where the config has it. */
  readonly context: number | undefined;
  /** Whether the caller asks for a longer context than the model usually has: then no window that is known bounds it. */
  readonly isWidened?: boolean;
}

/** What a call is besides its size. */
export interface CallTerms {
  /** Answers asked for at once. */
  readonly choices: number;
  /** Whether the provider writes to its cache, and bills it, without being told to. */
  readonly cachesUnasked: boolean;
}

/** A key may be spelled with escapes: the provider reads through them, and so does this. */
function readable({ text }: CallSize): string {
  return text.includes("\\u00") ? text.replaceAll(ESCAPED, unescaped) : text;
}

function holdsOneOf(text: string, words: readonly string[]): boolean {
  return words.some((word) => text.includes(word));
}

/**
 * An upper bound of the prompt's tokens. A byte-level BPE never makes more tokens than bytes; media count apart; a prompt that
 * the provider keeps, or a file, may fill the context window, and no prompt passes it.
 */
function worstInputTokens(size: CallSize, text: string, listed: number | undefined): number {
  const media = mediaIn(text);
  const sent = size.bytes + FRAMING_TOKENS + media.bounded * TOKENS_PER_ATTACHMENT;
  const mayFill = media.isLong || (holdsOneOf(text, KEPT_WORDS) && KEPT_PROMPT.test(text));
  const window = size.context ?? listed ?? LARGEST_CONTEXT;
  if (size.isWidened === true) return mayFill ? Math.max(sent, window, LARGEST_CONTEXT) : sent;
  // The table's window is an estimate as good as any for what is kept, and no bound of what is sent.
  const bound = mayFill ? Math.max(sent, window) : sent;
  return size.context === undefined ? bound : Math.min(bound, size.context);
}

/** The dearer kinds of tokens that a body asks for, or that its provider bills unasked. */
function extrasOf(text: string, cachesUnasked: boolean): Extras {
  const mayCache = cachesUnasked || text.includes("cache_control");
  return {
    cacheWrite: mayCache,
    cacheWriteLong: mayCache && /"ttl"\s*:\s*"1h"/.test(text),
    inputAudio: HEARD.test(text),
    outputAudio: SPOKEN.test(text),
  };
}

/** The part of a hold that does not depend on the output, and what each further output unit costs. */
export interface WorstCase {
  readonly inputTokens: number;
  readonly inputMicro: number;
  /** Pico-USD per output unit (one token in each of the call's choices). */
  readonly unitPico: number;
  /** Tokens per output unit: the number of choices asked for. */
  readonly unitTokens: number;
}

/**
 * The worst case of a call: the dearest tier that its prompt can reach, with the prices of sound and of written caches only
 * where it may use them.
 */
export function worstCase(price: Price, size: CallSize, { choices, cachesUnasked }: CallTerms): WorstCase {
  const text = readable(size);
  const inputTokens = worstInputTokens(size, text, price.context);
  const tier = worstTier(price, inputTokens, extrasOf(text, cachesUnasked));
  return {
    inputTokens,
    inputMicro: microFromPico(inputTokens * tier.inputPico),
    unitPico: tier.outputPico * choices,
    unitTokens: choices,
  };
}
