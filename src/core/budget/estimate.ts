// Decides the most that a model call can cost before it is made.
import type { Price } from "./price.ts";
import { worstTier } from "./price.ts";
import { microFromPico } from "../units/money.ts";

/** Tokens that framing and hidden instructions may add to a prompt. */
const FRAMING_TOKENS = 256;

/** The most tokens one referenced image or file is taken to need. */
const TOKENS_PER_ATTACHMENT = 16_384;

/** Members that refer to media by themselves, and Anthropic's sources of the type `url`. */
const ATTACHMENT = /"(?:image_url|input_image|input_audio|file_id|file_url|file_data)"\s*:|"type"\s*:\s*"url"/g;
/** What every attachment's field holds one of: most bodies hold none, and plain searches are far cheaper than the pattern. */
const ATTACHMENT_WORDS = ["image", "audio", "file_", '"url"'];

const ESCAPED = /\\u00([0-7][0-9a-f])/gi;

function unescaped(_: string, hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16));
}

/** What a hold is computed from. */
export interface CallSize {
  /** UTF-8 bytes of the request body. */
  readonly bytes: number;
  readonly text: string;
  /** The model's context window in tokens, where known. */
  readonly context: number | undefined;
}

/**
 * An upper bound of the prompt's tokens. A byte-level BPE never makes more tokens than bytes; referenced media
 * count apart; no prompt passes the context window.
 */
export function worstInputTokens(size: CallSize): number {
  // A key may be spelled with escapes: the provider reads through them, and so does this.
  const text = size.text.includes("\\u00") ? size.text.replaceAll(ESCAPED, unescaped) : size.text;
  const mayAttach = ATTACHMENT_WORDS.some((word) => text.includes(word));
  const attachments = mayAttach ? (text.match(ATTACHMENT)?.length ?? 0) : 0;
  const bound = size.bytes + FRAMING_TOKENS + attachments * TOKENS_PER_ATTACHMENT;
  return size.context === undefined ? bound : Math.min(bound, size.context);
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

/** The worst case of a call at its model's dearest tier. */
export function worstCase(price: Price, size: CallSize, choices: number): WorstCase {
  const tier = worstTier(price);
  const inputTokens = worstInputTokens(size);
  return {
    inputTokens,
    inputMicro: microFromPico(inputTokens * tier.inputPico),
    unitPico: tier.outputPico * choices,
    unitTokens: choices,
  };
}
